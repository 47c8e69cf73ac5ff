"""Charter: a rubric in miniature. Eight requirements on a word: easy, common, rare, and two that exclude each other."""

from pathlib import Path

from paretune.objectives import Objective
from paretune.tasks import Task
from paretune.tasks.charter.front import front
from paretune.tasks.charter.problems import splits
from paretune.tasks.charter.requirements import LONGEST
from paretune.tasks.charter.scoring import REWARDS
from paretune.tasks.embedded import embedded_task

DESCRIPTION = "words that meet eight requirements; known front"

POLICY = Path(__file__).parent / "policy"


def load(data: str | Path | None = None) -> Task:
    """The task with eight objectives in [0, 1], each a requirement that is met or not.

    The data sets have the columns ``prompt`` (a plain string) and ``codes`` (of the eight requirements).

    Raises:
        ValueError: ``data`` is given; the charters are generated.
    """
    objectives = [Objective(reward.__name__, reward, bounds=(0.0, 1.0)) for reward in REWARDS]
    settings = {"learning_rate": 5e-4, "max_completion_length": LONGEST + 2}
    return embedded_task(
        "charter", DESCRIPTION, splits(), objectives, POLICY, data=data, front=front, settings=settings
    )
