"""What the tasks with an embedded policy and a known front have in common."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from paretune.objectives import Objective
from paretune.tasks import Task

# What suits such a policy: 16 prompts × 8 short completions a batch, on one core well below a second.
SETTINGS: dict[str, Any] = {
    "lr_scheduler_type": "constant",
    "max_steps": 100,
    "per_device_train_batch_size": 128,
    "gradient_accumulation_steps": 1,
    "gradient_checkpointing": False,
    "num_generations": 8,
    "temperature": 1.0,
    "max_grad_norm": 1.0,
    "logging_steps": 1,
    "eval_strategy": "steps",
    "eval_steps": 10,
    "eval_on_start": True,
    "save_steps": 10,  # a checkpoint for every point of the front
    # Sampled, as greedy answers all change their style at once and hide how far the policy has moved.
    "eval_samples": 256,
    "eval_temperature": 1.0,
    "per_device_eval_batch_size": 256,
}


class Problem(Protocol):
    """A problem of a task: something hashable that knows its row of the data."""

    @property
    def prompt(self) -> str:
        """What is asked, a plain string."""

    @property
    def row(self) -> dict[str, Any]:
        """The row: ``prompt`` and the columns that the rewards take."""


P = TypeVar("P", bound=Problem)


def drawn_splits(draw: Callable[[random.Random], P], seed: int, sizes: Mapping[str, int]) -> Mapping[str, Sequence[P]]:
    """Problems drawn one after the other, the same on every call; no prompt occurs twice.

    Args:
        draw: draws a problem.
        seed: of the numbers that it draws from.
        sizes: of the splits, by name, in the order in which they are filled.
    """
    rng = random.Random(seed)
    distinct: dict[str, P] = {}
    while len(distinct) < sum(sizes.values()):
        problem = draw(rng)
        distinct.setdefault(problem.prompt, problem)
    found = iter(distinct.values())
    return {name: tuple(next(found) for _ in range(size)) for name, size in sizes.items()}


def embedded_task(
    name: str,
    description: str,
    splits: Mapping[str, Sequence[Problem]],
    objectives: list[Objective],
    policy: Path,
    *,
    data: str | Path | None,
    front: Callable[[Dataset, ArrayLike], NDArray[Any]],
    settings: Mapping[str, Any],
    mu: float | None = None,
) -> Task:
    """A task whose problems are generated and whose policy comes with the package.

    Args:
        name: of the task.
        description: one line.
        splits: the problems of train, validation and test.
        objectives: with bounds.
        policy: the folder of the embedded policy.
        data: what the user gave as ``--data``, which has to be nothing.
        front: the task's true front.
        settings: what differs from the settings that all these tasks share.
        mu: as in :class:`~paretune.Task`.

    Raises:
        ValueError: if ``data`` is given.
    """
    if data is not None:
        raise ValueError(f"The {name} task generates its own problems, got data {str(data)!r}: leave it out.")
    sets = {split: Dataset.from_list([problem.row for problem in problems]) for split, problems in splits.items()}
    return Task(
        name=name,
        description=description,
        **sets,
        objectives=objectives,
        model=str(policy),
        mu=mu,
        settings={**SETTINGS, **settings},
        front=front,
    )
