"""What the noise of evaluations alone may have made."""

from collections.abc import Sequence
from math import hypot

from paretune.record.entries import Evaluation, Objective
from paretune.report.runs import Run

CLEAR = 2
"""Joint standard errors from which on a difference counts as one."""


def clearly_better(objective: Objective, one: Evaluation, other: Evaluation) -> bool:
    """Whether one policy is better than another by more than noise makes, in an objective measured in both."""
    name = objective.name
    if name not in one.metrics or name not in other.metrics:
        return False
    gained = one.metrics[name] - other.metrics[name]
    noise = CLEAR * hypot(one.errors.get(name, 0.0), other.errors.get(name, 0.0))
    return (gained if objective.maximize else -gained) > noise


def within_noise(run: Run) -> Sequence[Evaluation]:
    """The policies on the front that are not clearly better than some other policy in any objective.

    With a little less luck that other policy would dominate them.
    """

    def stands_out(one: Evaluation, other: Evaluation) -> bool:
        return any(clearly_better(objective, one, other) for objective in run.objectives)

    return [
        one for one in run.front if not all(stands_out(one, other) for other in run.evaluations if other is not one)
    ]
