"""The true front of the recall task."""

from functools import cache
from typing import Any

from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from paretune.tasks.enumeration import best_answers
from paretune.tasks.recall.problems import WRONG
from paretune.tasks.recall.scoring import LIMIT


def front(rows: Dataset, weights: ArrayLike) -> NDArray[Any]:
    """The expected gains ``[M, 3]`` of the best policy for each weighting ``[M, 3]``, on these facts and queries.

    The expectation is over which doubtful facts are wrong, as no policy knows it: on rows whose truth was drawn, the
    gains of the best policy differ from these by the error of that draw. An answer is decided by how many of the sure
    and how many of the doubtful facts it states. Any other claim (another value than the one noted, a key that was not
    asked for, a key for the second time) is right with a smaller probability and as long.
    """
    choices = (_choices(sum(sure), len(sure) - sum(sure)) for sure in rows["sure"])
    return best_answers(choices, weights)


@cache
def _choices(sure: int, doubtful: int) -> list[tuple[float, float, float]]:
    """Recall, precision and brevity of stating some of the sure and some of the doubtful facts."""
    found = []
    for i in range(sure + 1):
        for j in range(doubtful + 1):
            right, stated = i + (1 - WRONG) * j, i + j
            found.append((right / (sure + doubtful), right / stated if stated else 1.0, 1 - 2 * stated / LIMIT))
    return found
