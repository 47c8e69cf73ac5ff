"""Does the dial work? What a steerable policy's priorities do to its objectives, from its measurements at a lattice."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.stats import rankdata

from paretune.comparison.figures import front_figures
from paretune.comparison.outcome import volume
from paretune.record.entries import Evaluation, Objective
from paretune.record.known_front import KnownFront

WORKS = 0.8
"""The rank correlation from which on an objective is said to follow its priority."""


@dataclass(frozen=True)
class Response:
    """How one objective follows its own priority.

    Attributes:
        correlation: Spearman's rank correlation between its priority and its metric, better being higher, over all
            settings; NaN where either is always the same.
        monotone: the share of the steps from one value of its priority to the next in which its mean does not get
            worse; NaN where there is one value alone.
        worst: the worst of its metrics over the settings, in its own units; NaN where it was never measured.
        best: the best of them.
    """

    correlation: float
    monotone: float
    worst: float
    best: float


@dataclass(frozen=True)
class Dial:
    """What the settings of one policy come to.

    Attributes:
        settings: how many there are.
        hypervolume: that they dominate together, normalised to [0, 1]; NaN without bounds, likewise what follows.
        expected_utility: the mean over a lattice of weightings of the best setting's worth (EUM).
        regret: the mean of how much the best possible policy is worth above that; NaN where it is not known.
        responses: by objective.
    """

    settings: int
    hypervolume: float
    expected_utility: float
    regret: float
    responses: dict[str, Response]


def dial_of(objectives: Sequence[Objective], measured: Sequence[Evaluation], known: KnownFront | None) -> Dial:
    """What a policy's measurements at several priorities come to.

    Args:
        objectives: of the run.
        measured: one for each setting, on the same prompts and with one decoding.
        known: the true front of these prompts, where it is known.
    """
    points = [one.metrics for one in measured]
    bounded = all(objective.bounds is not None for objective in objectives)
    figures = front_figures(objectives, points, known) if bounded else {}
    return Dial(
        settings=len(measured),
        hypervolume=volume(objectives, points) if bounded else nan,
        expected_utility=figures.get("front_expected_utility", nan),
        regret=figures.get("front_regret", nan),
        responses={objective.name: _response(objective, measured) for objective in objectives},
    )


def _response(objective: Objective, measured: Sequence[Evaluation]) -> Response:
    name, sign = objective.name, 1.0 if objective.maximize else -1.0
    pairs = [
        ((one.priorities or {}).get(name, 0.0), sign * one.metrics[name]) for one in measured if name in one.metrics
    ]
    if not pairs:
        return Response(nan, nan, nan, nan)
    priorities, values = np.array(pairs).T
    levels = np.unique(priorities)
    steps = np.diff([values[priorities == level].mean() for level in levels])
    return Response(
        correlation=_rank_correlation(priorities, values),
        monotone=float((steps >= 0).mean()) if len(steps) else nan,
        worst=sign * float(values.min()),
        best=sign * float(values.max()),
    )


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's: Pearson's correlation of the ranks, equal values sharing theirs."""
    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (a, b)]
    norm = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    return float(ranks[0] @ ranks[1]) / norm if norm else nan
