"""The last policies of a sweep over configurations: what they span, and whether a task can tell rules apart.

A task on which every weighting ends in the same place, or in one of two, cannot show that moving weights helps. It is
fit to judge if several last policies, none better than another in everything, lie further apart than their noise.
"""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from math import nan, sqrt
from statistics import mean
from typing import Any

import numpy as np

from paretune.bounded_run import archive_of
from paretune.comparison.statistics import estimate
from paretune.comparison.tuning import Tried
from paretune.pareto import dominates
from paretune.record.entries import Objective

APART = 2.0
"""Standard errors of a difference."""


def sweep_of(found: Sequence[Tried], objectives: Sequence[Objective]) -> dict[str, Any]:
    """What the last policies of an arm's configurations came to together.

    Returns:
        ``hypervolume``: an estimate, over seeds, of what the last policies of all configurations dominate together;
        ``apart``: which configurations (by their place in `found`) are non-dominated and more than two standard errors
        apart from each other in some objective: the largest such set.
    """
    names = [objective.name for objective in objectives]
    seeds = sorted(set.intersection(*(set(one.runs) for one in found))) if found else []
    volumes = []
    for seed in seeds:
        archive = archive_of(objectives)
        for one in found:
            archive.add([one.runs[seed].final["sampled"].get(name, nan) for name in names])
        volumes.append(archive.hypervolume)
    points = [[mean(o.final["sampled"].get(name, nan) for o in one.runs.values()) for name in names] for one in found]
    errors = [[_error(one, name) for name in names] for one in found]
    return {
        "hypervolume": asdict(estimate(volumes)),
        "apart": standing_apart(points, errors, [objective.maximize for objective in objectives]),
    }


def _error(one: Tried, name: str) -> float:
    """The standard error of a configuration's mean: that of its evaluations, or over seeds where it is larger."""
    runs = list(one.runs.values())
    measured = sqrt(sum((run.errors.get(name) or 0.0) ** 2 for run in runs)) / len(runs)
    seen = float(np.std([run.final["sampled"].get(name, nan) for run in runs], ddof=1)) if len(runs) > 1 else 0.0
    return max(measured, seen / sqrt(len(runs)))


def standing_apart(
    points: Sequence[Sequence[float]], errors: Sequence[Sequence[float]], maximize: Sequence[bool]
) -> list[int]:
    """The largest set of non-dominated points that all differ from each other by more than noise.

    Two points are apart if they differ by more than two standard errors of the difference in some objective. Every
    subset is looked at, largest first, so this is for some twenty points.

    Args:
        points: ``[n, K]`` in raw units; one with a NaN stands nowhere.
        errors: ``[n, K]``, their standard errors.
        maximize: ``[K]``, whether more is better.

    Returns:
        Their indices, in order.
    """
    values, noise = np.asarray(points, dtype=float), np.asarray(errors, dtype=float)
    known = [i for i in range(len(values)) if np.isfinite(values[i]).all()]
    front = [i for i in known if not any(dominates(values[other], values[i], maximize) for other in known)]
    apart = {
        (i, j): bool((np.abs(values[i] - values[j]) > APART * np.sqrt(noise[i] ** 2 + noise[j] ** 2)).any())
        for i, j in combinations(front, 2)
    }
    for size in range(len(front), 0, -1):
        for candidate in combinations(front, size):
            if all(apart[pair] for pair in combinations(candidate, 2)):
                return list(candidate)
    return []
