"""How good policies are: figures beside the hypervolume, and how far policies are from the best possible.

All figures are made of the gains G, which are metrics on their bounds between 0 (worst) and 1 (best). Each needs only
the record of a run: if the task's true front is known, known_front.jsonl has the gains of the best policies.
"""

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np

from paretune.pareto import ParetoArchive, expected_utility, geometric_mean, regret, weight_lattice
from paretune.record.entries import Objective
from paretune.record.known_front import KnownFront

OF_THE_LAST = {
    "geometric_mean": "geometric mean",
    "share_of_best": "share of the best",
    "smallest_gain": "smallest gain",
    "expected_utility": "expected utility",
    "regret": "regret",
}
"""Figures of the last policy, with their names in tables."""
OF_THE_FRONT = {
    "front_expected_utility": "expected utility",
    "front_regret": "regret",
    "hypervolume_within": "hypervolume from 0.1",
    "hypervolume_beyond": "hypervolume from −0.1",
}
"""Figures of the chosen policies together."""
FIGURES = {**OF_THE_LAST, **OF_THE_FRONT}
STANDING_ALONE = {
    **FIGURES,
    "hypervolume_greedy": "hypervolume, decoded greedily",
    "final_hypervolume": "hypervolume of the last policy",
    "front_expected_utility": "expected utility of the chosen policies",
    "front_regret": "regret of the chosen policies",
}
"""Names of figures where no heading says which policies they are of."""
WITH_KNOWN_FRONT = ("share_of_best", "regret", "front_regret")
"""Figures that need the true front."""
RANKING = ("hypervolume", *FIGURES)
"""Figures by which one of several configurations can be chosen."""
LESS_IS_BETTER = ("regret", "front_regret")
REFERENCES = {"hypervolume_within": 0.1, "hypervolume_beyond": -0.1}
"""Reference points of the hypervolume, in gains, beside the worst corner at 0: a tenth of the range to either side."""

Metrics = Mapping[str, float]


def figure_name(name: str) -> str:
    """A figure as a person says it, where it stands alone.

    >>> figure_name("final_hypervolume")
    'hypervolume of the last policy'
    """
    return STANDING_ALONE.get(name, name.replace("_", " "))


def last_figures(objectives: Sequence[Objective], metrics: Metrics, known: KnownFront | None) -> dict[str, float]:
    """The figures of one policy, :data:`OF_THE_LAST`; NaN where one is not known.

    ``geometric_mean``: (Π_k G_k)^(1/K), Nash welfare with equal priorities. ``share_of_best``: over the best geometric
    mean that any policy can have. ``smallest_gain``: min_k G_k. ``expected_utility`` and ``regret``: as for the front,
    of this policy alone.

    Args:
        objectives: with bounds.
        metrics: of the policy.
        known: the true front of the prompts that it was measured on; None where it is not known.
    """
    gains = _gains(objectives, [metrics])
    if not len(gains):
        return dict.fromkeys(OF_THE_LAST, nan)
    mean = geometric_mean(gains[0])
    return {
        "geometric_mean": mean,
        "share_of_best": mean / known.best_mean if known and known.best_mean else nan,
        "smallest_gain": float(gains[0].min()),
        "expected_utility": expected_utility(gains, weight_lattice(len(objectives))),
        "regret": _regret(gains, known),
    }


def front_figures(
    objectives: Sequence[Objective], policies: Sequence[Metrics], known: KnownFront | None
) -> dict[str, float]:
    """The figures of some policies together, :data:`OF_THE_FRONT`; a policy that lacks a metric counts for nothing.

    ``front_expected_utility`` (EUM): the mean over the lattice of weightings w of the best w·G among them.
    ``front_regret``: the mean over the lattice of h(w) less that, h(w) being the worth of the best possible policy.
    ``hypervolume_within`` and ``hypervolume_beyond``: the share that they dominate of the space above a reference point
    with all gains at 0.1, at −0.1.
    """
    gains = _gains(objectives, policies)
    if not len(gains):
        return dict.fromkeys(OF_THE_FRONT, nan)
    return {
        "front_expected_utility": expected_utility(gains, weight_lattice(len(objectives))),
        "front_regret": _regret(gains, known),
        **{name: _volume(gains, reference) for name, reference in REFERENCES.items()},
    }


def _gains(objectives: Sequence[Objective], policies: Sequence[Metrics]) -> np.ndarray:
    """``[N, K]``: the gains of the policies that have all of them; no row where there is no objective."""
    rows = [[objective.gain(policy.get(objective.name)) for objective in objectives] for policy in policies]
    whole = [row for row in rows if row and all(gain is not None and gain == gain for gain in row)]
    return np.array(whole, dtype=np.float64).reshape(len(whole), len(objectives))


def _regret(gains: np.ndarray, known: KnownFront | None) -> float:
    return nan if known is None else regret(gains, known.weights, known.support)


def _volume(gains: np.ndarray, reference: float) -> float:
    count = gains.shape[1]
    archive = ParetoArchive([True] * count, [reference] * count, [(reference, 1.0)] * count)
    for point in gains:
        archive.add(point)
    return archive.hypervolume
