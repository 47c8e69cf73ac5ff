"""The true front of the charter task."""

from functools import cache
from typing import Any

from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from paretune.tasks.charter.requirements import achievable
from paretune.tasks.enumeration import best_answers


def front(rows: Dataset, weights: ArrayLike) -> NDArray[Any]:
    """The gains ``[M, 8]`` of the best policy for each weighting ``[M, 8]``, on these charters.

    An answer counts by the set of requirements that it meets. All words there are have been searched for these sets.
    """
    return best_answers((_choices(tuple(codes)) for codes in rows["codes"]), weights)


_choices = cache(achievable)
