"""Noisy facts and queries: how they are drawn, shown and split into data sets."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from paretune.tasks.embedded import drawn_splits

SEED = 1996
SIZES = {"train": 4096, "validation": 256, "test": 512}
KEYS = "abcdefgh"
FACTS = 6
QUERIES = (3, 4, 5)
DOUBTFUL = 0.7
"""The share of facts that are marked as doubtful."""
WRONG = 0.4
"""The probability that a doubtful fact is wrong; the others are right."""


@dataclass(frozen=True)
class Notes:
    """Facts, some of them doubtful, and a query.

    Args:
        facts: key, value as noted, and whether it is marked as doubtful, in the order in which they are shown.
        query: the keys that are asked for.
        truth: the true value of each of them, which the prompt does not show.
    """

    facts: tuple[tuple[str, str, bool], ...]
    query: str
    truth: str

    @property
    def prompt(self) -> str:
        """Facts, doubtful ones with a question mark, and the query: ``a3?f7c2?d9?b1e5?=ace`` and a line break."""
        noted = "".join(f"{key}{value}{'?' * doubtful}" for key, value, doubtful in self.facts)
        return f"{noted}={self.query}\n"

    @property
    def noted(self) -> dict[str, str]:
        """Key -> value as noted."""
        return {key: value for key, value, _ in self.facts}

    @property
    def sure(self) -> list[bool]:
        """Whether the fact is free of doubt, for each key of the query."""
        doubts = {key: doubtful for key, _, doubtful in self.facts}
        return [not doubts[key] for key in self.query]

    @property
    def row(self) -> dict[str, Any]:
        """The row of the data: ``prompt``, ``query``, ``truth`` and ``sure``."""
        return {"prompt": self.prompt, "query": self.query, "truth": self.truth, "sure": self.sure}


def draw(rng: random.Random) -> Notes:
    """Draw six facts, which of them are doubtful, a query of three to five of their keys, and the truth."""
    facts = tuple((key, rng.choice("0123456789"), rng.random() < DOUBTFUL) for key in rng.sample(KEYS, FACTS))
    asked = sorted(rng.sample(facts, rng.choice(QUERIES)))
    truth = [_truth(rng, value, doubtful) for _, value, doubtful in asked]
    return Notes(facts, "".join(key for key, *_ in asked), "".join(truth))


def _truth(rng: random.Random, value: str, doubtful: bool) -> str:
    wrong = doubtful and rng.random() < WRONG
    return rng.choice([digit for digit in "0123456789" if digit != value]) if wrong else value


@cache
def splits() -> Mapping[str, Sequence[Notes]]:
    """The data sets by name (sizes: ``SIZES``), the same on every call; no prompt occurs twice."""
    return drawn_splits(draw, SEED, SIZES)
