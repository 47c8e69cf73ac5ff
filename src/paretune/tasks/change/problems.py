"""Amounts to pay: how they are drawn, shown and split into data sets."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from paretune.tasks.embedded import drawn_splits

SEED = 1971
SIZES = {"train": 4096, "validation": 256, "test": 512}
COINS = {"a": 1, "b": 2, "c": 5, "d": 10}
"""Kind -> value."""
MOST = 8
"""Coins with which an amount may be paid."""
AMOUNTS = range(20, 41)


@dataclass(frozen=True)
class Purse:
    """An amount, and what the coins are like today.

    Args:
        amount: to be paid.
        masses: of the kinds of coin, 1 to 9 each.
        green: whether each kind is green.
    """

    amount: int
    masses: tuple[int, ...]
    green: tuple[bool, ...]

    @property
    def prompt(self) -> str:
        """The amount and each kind's mass, with a star if it is green: ``37 a3b1*c5d9*`` and a line break."""
        kinds = zip(COINS, self.masses, self.green, strict=True)
        return f"{self.amount} " + "".join(f"{kind}{mass}{'*' * green}" for kind, mass, green in kinds) + "\n"

    @property
    def row(self) -> dict[str, Any]:
        """The row of the data: ``prompt``, ``amount``, ``masses`` and ``green``."""
        return {
            "prompt": self.prompt,
            "amount": self.amount,
            "masses": list(self.masses),
            "green": list(self.green),
        }


def draw(rng: random.Random) -> Purse:
    """Draw an amount, the masses, and which one to three of the four kinds are green."""
    green = rng.sample(range(len(COINS)), rng.randint(1, len(COINS) - 1))
    return Purse(
        rng.choice(AMOUNTS),
        tuple(rng.randint(1, 9) for _ in COINS),
        tuple(kind in green for kind in range(len(COINS))),
    )


@cache
def splits() -> Mapping[str, Sequence[Purse]]:
    """The data sets by name (sizes: ``SIZES``), the same on every call; no problem occurs twice."""
    return drawn_splits(draw, SEED, SIZES)
