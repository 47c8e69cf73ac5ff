"""Deep-sea treasure as text: the deeper the treasure, the more it is worth and the longer it takes.

The task follows Vamplew et al. 2011, "Empirical evaluation methods for multiobjective reinforcement learning
algorithms".
"""

from pathlib import Path

from paretune.objectives import Objective
from paretune.tasks import Task
from paretune.tasks.embedded import embedded_task
from paretune.tasks.treasure.front import front
from paretune.tasks.treasure.problems import splits
from paretune.tasks.treasure.scoring import speed, treasure

DESCRIPTION = "deep-sea treasure with a concave, known front"

POLICY = Path(__file__).parent / "policy"
LONGEST = 8
"""Tokens an answer may have: ``r4d15`` and the end mark, and some to spare."""


def load(data: str | Path | None = None) -> Task:
    """The concave family; see :func:`load_family`."""
    return load_family("treasure", DESCRIPTION, "concave", data)


def load_family(name: str, description: str, family: str, data: str | Path | None) -> Task:
    """A task of maps of one family, with the objectives treasure and speed in [0, 1].

    The data sets have the columns ``prompt`` (a plain string), ``places`` (column and depth of
    each treasure) and ``worths`` (in rewards).

    Args:
        name: of the task.
        description: one line.
        family: concave, convex or scaled.
        data: has to be None.

    Raises:
        ValueError: ``data`` is given; the maps are generated.
    """
    objectives = [Objective("treasure", treasure, bounds=(0.0, 1.0)), Objective("speed", speed, bounds=(0.0, 1.0))]
    settings = {"learning_rate": 5e-4, "max_completion_length": LONGEST}
    return embedded_task(
        name, description, splits(family), objectives, POLICY, data=data, front=front, settings=settings
    )
