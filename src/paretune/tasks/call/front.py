"""The true front of the call task."""

from typing import Any

from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from paretune.tasks.enumeration import best_answers


def front(rows: Dataset, weights: ArrayLike) -> NDArray[Any]:
    """The gains ``[M, 3]`` of the best policy for each weighting ``[M, 3]``.

    The right call in its tags earns all there is, so the front is one point, whatever the rows.
    """
    return best_answers([[(1.0, 1.0, 1.0)]] * len(rows), weights)
