"""Call: tool calling in miniature. Three compatible objectives that are learned at different speed: a control."""

from pathlib import Path

from paretune.objectives import Objective
from paretune.tasks import Task
from paretune.tasks.call.front import front
from paretune.tasks.call.problems import splits
from paretune.tasks.call.scoring import correctness, form, length
from paretune.tasks.embedded import embedded_task

DESCRIPTION = "tool calls: format, correctness, length; known front"

POLICY = Path(__file__).parent / "policy"
LONGEST = 24
"""Tokens an answer may have: ``call: <c>add(12,37)</c>`` and the end mark fit."""


def load(data: str | Path | None = None) -> Task:
    """The task with the objectives format, correctness and length, all in [0, 1].

    The data sets have the columns ``prompt`` (a plain string) and ``call`` (the right one, without tags).

    Raises:
        ValueError: ``data`` is given; the requests are generated.
    """
    objectives = [
        Objective("format", form, bounds=(0.0, 1.0)),
        Objective("correctness", correctness, bounds=(0.0, 1.0)),
        Objective("length", length, bounds=(0.0, 1.0)),
    ]
    settings = {"learning_rate": 5e-4, "max_completion_length": LONGEST}
    return embedded_task("call", DESCRIPTION, splits(), objectives, POLICY, data=data, front=front, settings=settings)
