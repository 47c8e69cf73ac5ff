"""The true front of the change task."""

from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from paretune.tasks.change.problems import COINS, MOST
from paretune.tasks.change.scoring import HEAVY, TOLERANCE
from paretune.tasks.enumeration import best_answers

PURSES = tuple("".join(coins) for n in range(MOST + 1) for coins in combinations_with_replacement(COINS, n))
"""All 495 multisets of up to eight coins."""
COUNTS = np.array([[purse.count(kind) for kind in COINS] for purse in PURSES])
"""``[495, 4]``: how many coins of each kind they hold."""


def front(rows: Dataset, weights: ArrayLike) -> NDArray[Any]:
    """The gains ``[M, 5]`` of the best policy for each weighting ``[M, 5]``, on these problems.

    The order of the coins does not count, and anything but up to eight coins earns nothing.
    """
    problems = zip(rows["amount"], rows["masses"], rows["green"], strict=True)
    return best_answers((_choices(amount, tuple(masses), tuple(green)) for amount, masses, green in problems), weights)


@cache
def _choices(amount: int, masses: tuple[int, ...], green: tuple[bool, ...]) -> NDArray[Any]:
    """``[495, 5]``: the rewards of each multiset, by the formulas of `scoring` for all multisets at once."""
    coins = COUNTS.sum(axis=1)
    off = np.abs(COUNTS @ list(COINS.values()) - amount)
    return np.stack(
        [
            (1 - off / TOLERANCE).clip(min=0),
            1 - coins / MOST,
            COUNTS @ green / coins.clip(min=1),
            COUNTS.min(axis=1) / COUNTS.max(axis=1).clip(min=1),
            (1 - COUNTS @ masses / HEAVY).clip(min=0),
        ],
        axis=1,
    )
