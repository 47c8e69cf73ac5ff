"""Requests for a tool: how they are drawn, shown and split into data sets."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from paretune.tasks.embedded import drawn_splits

SEED = 2302
SIZES = {"train": 4096, "validation": 256, "test": 512}
TOOLS = ("add", "sub", "mul", "max")


@dataclass(frozen=True)
class Request:
    """A tool to be called with two numbers.

    Args:
        tool: one of ``TOOLS``.
        first: 0 to 99.
        second: 0 to 99.
    """

    tool: str
    first: int
    second: int

    @property
    def prompt(self) -> str:
        """``add 12 7`` and a line break."""
        return f"{self.tool} {self.first} {self.second}\n"

    @property
    def call(self) -> str:
        """``add(12,7)``."""
        return f"{self.tool}({self.first},{self.second})"

    @property
    def row(self) -> dict[str, Any]:
        """The row of the data: ``prompt`` and ``call``."""
        return {"prompt": self.prompt, "call": self.call}


def draw(rng: random.Random) -> Request:
    """Draw a tool and two numbers."""
    return Request(rng.choice(TOOLS), rng.randrange(100), rng.randrange(100))


@cache
def splits() -> Mapping[str, Sequence[Request]]:
    """The data sets by name (sizes: ``SIZES``), the same on every call; no request occurs twice."""
    return drawn_splits(draw, SEED, SIZES)
