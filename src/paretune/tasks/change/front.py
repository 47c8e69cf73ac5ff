"""The true front of the change task."""

from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from paretune.tasks.change.problems import COINS, MOST
from paretune.tasks.change.scoring import REWARDS
from paretune.tasks.enumeration import best_answers

PURSES = tuple("".join(coins) for n in range(MOST + 1) for coins in combinations_with_replacement(COINS, n))
"""All 495 multisets of up to eight coins."""


def front(rows: Dataset, weights: ArrayLike) -> NDArray[Any]:
    """The gains ``[M, 5]`` of the best policy for each weighting ``[M, 5]``, on these problems.

    The order of the coins does not count, and anything but up to eight coins earns nothing.
    """
    problems = zip(rows["amount"], rows["masses"], rows["green"], strict=True)
    return best_answers((_choices(amount, tuple(masses), tuple(green)) for amount, masses, green in problems), weights)


@cache
def _choices(amount: int, masses: tuple[int, ...], green: tuple[bool, ...]) -> NDArray[Any]:
    """``[495, 5]``: the rewards of each multiset."""
    many = len(PURSES)
    columns: dict[str, Any] = {"amount": [amount] * many, "masses": [masses] * many, "green": [green] * many}
    return np.array([reward(completions=PURSES, **columns) for reward in REWARDS]).T
