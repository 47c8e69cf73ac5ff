"""The true front of the treasure tasks."""

from typing import Any

from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from paretune.tasks.enumeration import best_answers
from paretune.tasks.treasure.problems import LIMIT


def front(rows: Dataset, weights: ArrayLike) -> NDArray[Any]:
    """The gains ``[M, 2]`` of the best policy for each weighting ``[M, 2]``, on these maps.

    There is one answer for each treasure; any other earns nothing.
    """
    maps = zip(rows["places"], rows["worths"], strict=True)
    choices = (
        [(worth, 1 - sum(place) / LIMIT) for place, worth in zip(places, worths, strict=True)]
        for places, worths in maps
    )
    return best_answers(choices, weights)
