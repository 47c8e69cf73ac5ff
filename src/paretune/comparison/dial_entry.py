"""The dials of a comparison's steerable arms, beside what runs on one objective alone reach."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite, nan
from statistics import mean
from typing import Any

from paretune.comparison.dial import dial_of
from paretune.comparison.groups import Group
from paretune.comparison.plan import Arm
from paretune.comparison.statistics import estimate
from paretune.record.entries import Objective

HEADINGS = {
    "correlation": "rank correlation",
    "monotone": "monotone steps",
    "range": "range",
    "covered": "share of the range of runs on one objective",
}
"""The figures of :func:`dial_entry`, as tables call them."""


def dial_entry(group: Group, groups: Sequence[Group], objectives: Sequence[Objective]) -> dict[str, Any] | None:
    """What stands in the summary of a steerable arm, by objective: estimates over seeds.

    ``correlation`` and ``monotone`` are those of :class:`~paretune.comparison.dial.Response`. ``range`` is the distance
    from the worst to the best metric over the settings, in the metric's units. ``covered`` is the range as a share of
    what fixed weights on one objective alone reach: the distance from the worst to the best of their last policies, the
    best being that of the runs on this objective. It is not known unless there is such an arm for every objective.

    Args:
        group: the arm.
        groups: all arms.
        objectives: what was measured.

    Returns:
        None if no run of the arm has a dial.
    """
    dials = [dial_of(objectives, outcome.dial, None).responses for outcome in group.outcomes.values() if outcome.dial]
    if not dials:
        return None
    found = {}
    for place, objective in enumerate(objectives):
        responses = [dial[objective.name] for dial in dials]
        ranges = [abs(response.best - response.worst) for response in responses]
        reach = _reach(place, group.algorithm, groups, objectives)
        figures = {
            "correlation": [response.correlation for response in responses],
            "monotone": [response.monotone for response in responses],
            "range": ranges,
            "covered": [value / reach if reach > 0 else nan for value in ranges],
        }
        found[objective.name] = {
            name: asdict(estimate([value for value in values if isfinite(value)])) for name, values in figures.items()
        }
    return found


def _reach(place: int, algorithm: str, groups: Sequence[Group], objectives: Sequence[Objective]) -> float:
    """From the worst to the best mean of an objective among the runs on one alone; NaN where such an arm is missing."""
    count, objective = len(objectives), objectives[place]
    alone = {k: g for g in groups if g.algorithm == algorithm and (k := _only(g.arm, count)) is not None}
    if len(alone) < count:
        return nan
    sign = 1.0 if objective.maximize else -1.0
    reached = [
        sign * mean(outcome.final["sampled"][objective.name] for outcome in alone[k].outcomes.values())
        for k in range(count)
    ]
    return reached[place] - min(reached)


def _only(arm: Arm, count: int) -> int | None:
    """The place of the one objective that an arm of fixed weights trains on; None for any other arm."""
    if not arm.is_fixed or arm.weights is None:
        return None
    weights = [float(weight) for weight in arm.weights.split(",")]
    trained = [k for k, weight in enumerate(weights) if weight]
    return trained[0] if len(weights) == count and len(trained) == 1 else None
