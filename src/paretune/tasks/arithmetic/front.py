"""The front of the arithmetic task, estimated from below: what right answers of known kinds can earn."""

from functools import cache
from typing import Any

from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from paretune.tasks.arithmetic.problems import Problem
from paretune.tasks.arithmetic.scoring import TOKEN_BUDGET, accuracy, clarity
from paretune.tasks.arithmetic.styles import worked
from paretune.tasks.enumeration import best_answers


def front(rows: Dataset, weights: ArrayLike) -> NDArray[Any]:
    """The gains ``[M, 3]`` of the best policy that answers in the kinds of the warm-up, for each weighting ``[M, 3]``.

    These are right answers: the bare number, sums of two terms at a time, and chains of which any number of the last
    sums are numbered. Texts of other kinds may earn more, so the true front is this one or above.
    """
    return best_answers((_choices(tuple(numbers)) for numbers in rows["numbers"]), weights)


@cache
def _choices(numbers: tuple[int, ...]) -> list[list[float]]:
    """Accuracy, conciseness and clarity of each answer, cut as answers are: a token a character, and the end mark."""
    problem, sums = Problem(numbers), len(numbers) - 1
    texts = [problem.answer, worked(problem, 2, sums), *(worked(problem, 1, plain) for plain in range(sums + 1))]
    cut = [text[:TOKEN_BUDGET] for text in texts]
    right, clear = accuracy(cut, [problem.answer] * len(cut)), clarity(cut, [numbers] * len(cut))
    brief = [1 - min(len(text) + 1, TOKEN_BUDGET) / TOKEN_BUDGET for text in texts]
    return [list(gains) for gains in zip(right, brief, clear, strict=True)]
