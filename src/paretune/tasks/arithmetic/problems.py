"""Sums of three to five numbers: how they are drawn, asked and split into data sets."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from paretune.tasks.embedded import drawn_splits

SEED = 2509
SIZES = {"train": 4096, "validation": 256, "test": 512}


@dataclass(frozen=True)
class Problem:
    """A sum to be worked out.

    Args:
        numbers: the terms, in the order in which the prompt shows them.
    """

    numbers: tuple[int, ...]

    @property
    def prompt(self) -> str:
        """The question, a plain string: ``12+30+5=?`` and a line break."""
        return "+".join(map(str, self.numbers)) + "=?\n"

    @property
    def answer(self) -> str:
        """The sum as a decimal string."""
        return str(sum(self.numbers))

    @property
    def row(self) -> dict[str, Any]:
        """The row of the data: ``prompt``, ``answer`` and ``numbers``, the terms."""
        return {"prompt": self.prompt, "answer": self.answer, "numbers": list(self.numbers)}


def draw(rng: random.Random) -> Problem:
    """Draw three to five numbers between 1 and a ceiling that is itself drawn from 9 to 49.

    The ceiling is drawn for each problem so that some sums can be answered at once and others cannot:
    the best trade between accuracy and length then differs from one problem to the next.
    """
    terms = rng.randint(3, 5)
    ceiling = rng.randint(9, 49)
    return Problem(tuple(rng.randint(1, ceiling) for _ in range(terms)))


@cache
def splits() -> Mapping[str, Sequence[Problem]]:
    """The data sets by name (sizes: ``SIZES``), the same on every call; no problem occurs twice."""
    return drawn_splits(draw, SEED, SIZES)
