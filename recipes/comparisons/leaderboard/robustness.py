"""Rules that are misled, and tasks that mislead them: what robustness*.yaml compare (README.md has the protocol).

The rules read gains on other bounds than the task's, by which they are still judged. The tasks change rewards: one is
noisy, one comes twice, one is dead. Their true fronts follow from that of the task that they are made from.
"""

import random
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from paretune import Objective, Task, tasks
from paretune.objectives.seen_ranges import SeenRanges
from paretune.weighting import FrontTour, NashWelfare, Scalarization
from paretune.weighting.base import Batch

NOISE = 0.3
"""Standard deviation of the noise on a reward whose range is 1."""


class Misled:
    """Reads gains on other bounds than those declared; to be mixed into a rule that follows gains.

    Args:
        width: of the bounds that the rule sees, as a multiple of the declared ones, about their middle; None: it sees
            none, and goes by the range of the metrics so far, as for objectives that declare no bounds.
    """

    def __init__(self, width: float | None = None) -> None:
        super().__init__()
        self.width = width
        self._seen: SeenRanges | None = None

    def update(self, batch: Batch) -> Scalarization:
        """As the rule does, on other bounds."""
        return super().update(replace(batch, bounds=self._bounds(batch)))

    def _bounds(self, batch: Batch) -> list[tuple[float, float] | None]:
        if self.width is not None:
            middles = [((low + high) / 2, self.width * (high - low) / 2) for low, high in batch.bounds]
            return [(middle - half, middle + half) for middle, half in middles]
        if self._seen is None:
            self._seen = SeenRanges([(None, None)] * len(batch.names))
        self._seen.observe(batch.metrics)
        return self._seen.ranges


class Nash(Misled, NashWelfare):
    """Nash welfare on other bounds."""

    name: ClassVar[str] = "nash-misled"
    description: ClassVar[str] = "Nash welfare on other bounds than the declared ones"


class Tour(Misled, FrontTour):
    """The front tour on other bounds."""

    name: ClassVar[str] = "tour-misled"
    description: ClassVar[str] = "the front tour on other bounds than the declared ones"


def noisy(name: str) -> Task:
    """A task whose first reward has noise on every answer; the metric has none, so the true front is the same."""
    task = tasks.load(name)
    first, *others = task.objectives
    clean = first.reward

    def reward(**columns: Any) -> list[float]:
        # Python's generator, which training seeds, and which nothing else draws from that the policy sees.
        return [value + random.gauss(0.0, NOISE) for value in clean(**columns)]

    changed = Objective(first.name, reward, metric=clean, bounds=first.bounds)
    return replace(task, name=f"{name}-noisy", objectives=[changed, *others])


def copied(name: str) -> Task:
    """A task whose first objective stands there twice."""
    task = tasks.load(name)
    first = task.objectives[0]

    def front(rows: Dataset, weights: ArrayLike) -> NDArray[Any]:
        of_each = np.array(weights, dtype=float)
        of_each[:, 0] += of_each[:, -1]
        gains = task.front(rows, of_each[:, :-1])
        return np.column_stack([gains, gains[:, 0]])

    objectives = [*task.objectives, Objective(f"{first.name}-again", first.reward, bounds=first.bounds)]
    return replace(task, name=f"{name}-copied", objectives=objectives, front=front)


def dead(name: str) -> Task:
    """A task with one objective more, which no answer moves: it is always 0, a tenth above its worst."""
    task = tasks.load(name)

    def nothing(**columns: Any) -> list[float]:
        return [0.0] * len(columns["completions"])

    def front(rows: Dataset, weights: ArrayLike) -> NDArray[Any]:
        living = np.array(weights, dtype=float)[:, :-1]
        living[living.sum(axis=1) == 0] = 1.0  # whatever is best for the others is best for all of them
        gains = task.front(rows, living)
        return np.column_stack([gains, np.full(len(gains), 0.1)])

    objectives = [*task.objectives, Objective("dead", nothing, bounds=(-0.1, 0.9))]
    return replace(task, name=f"{name}-dead", objectives=objectives, front=front)


treasure_noisy, recall_noisy = partial(noisy, "treasure"), partial(noisy, "recall")
treasure_copied, recall_copied = partial(copied, "treasure"), partial(copied, "recall")
treasure_dead, recall_dead = partial(dead, "treasure"), partial(dead, "recall")
