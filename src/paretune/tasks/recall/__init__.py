"""Recall: state what you know. Coverage, hallucination and length pull apart, whatever the capacity."""

from pathlib import Path

from paretune.objectives import Objective
from paretune.tasks import Task
from paretune.tasks.embedded import embedded_task
from paretune.tasks.recall.front import front
from paretune.tasks.recall.problems import splits
from paretune.tasks.recall.scoring import LIMIT, brevity, precision, recall

DESCRIPTION = "facts asked for by key; recall, precision, brevity"

POLICY = Path(__file__).parent / "policy"
LONGEST = LIMIT + 2
"""Tokens an answer may have: the end mark counts."""


def load(data: str | Path | None = None) -> Task:
    """The task with the objectives recall, precision and brevity, all in [0, 1].

    The data sets have the columns ``prompt`` (a plain string), ``query`` (the keys asked for), ``truth`` (their true
    values) and ``sure`` (whether each is free of doubt).

    Raises:
        ValueError: ``data`` is given; the facts are generated.
    """
    objectives = [
        Objective("recall", recall, bounds=(0.0, 1.0)),
        Objective("precision", precision, bounds=(0.0, 1.0)),
        Objective("brevity", brevity, bounds=(0.0, 1.0)),
    ]
    settings = {"learning_rate": 5e-4, "max_completion_length": LONGEST}
    return embedded_task("recall", DESCRIPTION, splits(), objectives, POLICY, data=data, front=front, settings=settings)
