"""Change: pay an amount with up to eight coins; five objectives whose conflicts differ from purse to purse."""

from pathlib import Path

from paretune.objectives import Objective
from paretune.tasks import Task
from paretune.tasks.change.front import front
from paretune.tasks.change.problems import MOST, splits
from paretune.tasks.change.scoring import REWARDS
from paretune.tasks.embedded import embedded_task

DESCRIPTION = "paying with coins; five objectives, known front"

POLICY = Path(__file__).parent / "policy"
LONGEST = MOST + 2
"""Tokens an answer may have: the end mark counts."""


def load(data: str | Path | None = None) -> Task:
    """The task with the objectives exactness, fewness, greenness, evenness and lightness, all in [0, 1].

    The data sets have the columns ``prompt`` (a plain string), ``amount``, ``masses`` (of the four kinds of coin) and
    ``green`` (whether each kind is).

    Raises:
        ValueError: ``data`` is given; the problems are generated.
    """
    objectives = [Objective(reward.__name__, reward, bounds=(0.0, 1.0)) for reward in REWARDS]
    settings = {"learning_rate": 5e-4, "max_completion_length": LONGEST}
    return embedded_task("change", DESCRIPTION, splits(), objectives, POLICY, data=data, front=front, settings=settings)
