"""What the tasks on parts of MATH share: how competition problems are judged and trained on.

The objectives are those of Lu et al., "Learning to Optimize Multi-Objective Alignment Through Dynamic Reward
Weighting" (https://arxiv.org/abs/2509.11452). This module is no task itself, and imports nothing heavy until it makes
one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.tasks import Task
from paretune.tasks.smollm2 import MAX_COMPLETION_LENGTH, MODEL, SETTINGS

if TYPE_CHECKING:
    from datasets import Dataset


def competition_math(name: str, description: str, splits: dict[str, Dataset]) -> Task:
    """A task of competition problems with the objectives accuracy, conciseness and clarity.

    Args:
        name: the task's name.
        description: one line for listings.
        splits: ``"train"``, ``"validation"`` and ``"test"``, each with the columns ``prompt`` and ``answer``.

    Returns:
        The task, with settings for SmolLM2-135M-Instruct and objectives of its own (the running mean length of
        conciseness is not shared).
    """
    # Listing the tasks should not wait for torch and the answer checker.
    from paretune.objectives import Conciseness, Objective, accuracy, clarity, completion_length

    return Task(
        name=name,
        description=description,
        **splits,
        objectives=[
            Objective("accuracy", accuracy, bounds=(0.0, 1.0)),
            Objective(
                "conciseness",
                Conciseness(),
                metric=completion_length,
                maximize=False,
                bounds=(0.0, float(MAX_COMPLETION_LENGTH)),
            ),
            Objective("clarity", clarity, bounds=(0.0, 1.0)),
        ],
        model=MODEL,
        mu=None,  # the paper's belongs to gradients that are clipped and summed as in its released code
        settings=SETTINGS,
    )
