"""One objective as high as it goes, the others within thresholds."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from paretune.objectives import Objective
from paretune.weighting.base import Batch, Measurements, Scalarization, WeightingRule, check_positive

PATIENCE = 20
"""Batches in a row at the limit after which a threshold is reported."""


class Lagrangian(WeightingRule):
    r"""Maximise one objective subject to thresholds on the others, in the raw units of their metrics.

    The weight of the objective `maximize` is 1 and that of a constrained one its multiplier λ_k, before all are divided
    by their sum. λ_k follows a PID controller of the shortfall e_k, the distance from the threshold in units of the
    metric's range, positive where the threshold is missed:

        I_k ← clip(I_k + K_I e_k, 0, λ_max),   λ_k = clip(K_P e_k + I_k + K_D [e_k − e_k(t−1)]₊, 0, λ_max).

    With K_P = K_D = 0 it is plain dual ascent, λ_k ← clip(λ_k + η e_k, 0, λ_max) with η = K_I. The weights act on each
    objective's own advantages, A_n = Σ_k w_k A_nk: summed before standardising, λ would lose its meaning.

    Source: the PID form is Stooke et al. 2020 (https://arxiv.org/abs/2007.03964); constrained rewards for language
    models are known from https://arxiv.org/abs/2602.05863, at second hand. Signal: the batch's own metrics. Cost:
    nothing.

    Limits: thresholds are held on training prompts, sampled. An objective that is neither maximised nor constrained has
    the weight 0. If λ_k stands at its limit for 20 batches, the rule warns that the threshold cannot be met.

    Args:
        maximize: the name of the objective to maximise.
        at_least: by name, the least that a metric may be.
        at_most: by name, the most that a metric may be.
        gains: K_P, K_I, K_D, each 0 or more.
        limit: λ_max > 0.

    Raises:
        ValueError: for a value outside its range, or an objective that is named twice.

    Example: a mean length of 45 where at most 30 are allowed, bounds of 0 and 60: e = 15/60 = 0.25. In the first batch
    I = 0.0025 and λ = 0.05 · 0.25 + 0.0025 = 0.015.
    """

    name: ClassVar[str] = "lagrangian"
    description: ClassVar[str] = "maximise one objective, others within thresholds"
    paper: ClassVar[str] = "Responsive Safety in Reinforcement Learning by PID Lagrangian Methods, arXiv 2007.03964"

    def __init__(
        self,
        maximize: str,
        at_least: Mapping[str, float] | None = None,
        at_most: Mapping[str, float] | None = None,
        *,
        gains: Sequence[float] = (0.05, 0.01, 0.0),
        limit: float = 10.0,
    ) -> None:
        self.at_least, self.at_most = dict(at_least or {}), dict(at_most or {})
        named = [maximize, *self.at_least, *self.at_most]
        twice = {name for name in named if named.count(name) > 1}
        if twice:
            raise ValueError(f"An objective is maximised or has one threshold, got {', '.join(sorted(twice))} twice.")
        for name, threshold in {**self.at_least, **self.at_most}.items():
            if not math.isfinite(threshold):
                raise ValueError(f"The threshold of {name!r} must be finite, got {threshold}.")
        if len(gains) != 3 or not all(0 <= gain < math.inf for gain in gains):
            raise ValueError(f"`gains` must be three numbers of 0 or more (K_P, K_I, K_D), got {gains!r}.")
        check_positive(limit=limit)
        self.maximize = maximize
        self.gains = tuple(gains)
        self.limit = limit
        self._integrals: dict[str, float] = {}
        self._shortfalls: dict[str, float] = {}
        self._at_limit: dict[str, int] = {}

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` if a name is no objective's."""
        names = [objective.name for objective in objectives]
        for name in [self.maximize, *self.at_least, *self.at_most]:
            if name not in names:
                raise ValueError(f"The rule names {name!r}: the objectives are {', '.join(names)}.")

    def measurements(self) -> Measurements:
        """The metrics of the batch's own rollouts."""
        return Measurements(evaluation="rollouts")

    def update(self, batch: Batch) -> Scalarization:
        """Move the multipliers by the shortfalls; one whose metric does not apply stays, but for the term of K_D."""
        multipliers = torch.zeros(len(batch.names), dtype=torch.float64)
        shortfalls = torch.zeros_like(multipliers)
        for k, name in enumerate(batch.names):
            if name == self.maximize:
                multipliers[k] = 1.0
            elif name in self.at_least or name in self.at_most:
                shortfalls[k] = self._shortfall(batch, k)
                multipliers[k] = self._multiplier(name, float(shortfalls[k]))
        weights = multipliers / multipliers.sum()
        advantages = batch.advantages.cpu().double() @ weights
        return Scalarization(weights, advantages=advantages, signals={"lambda": multipliers, "shortfall": shortfalls})

    def _shortfall(self, batch: Batch, k: int) -> Tensor:
        """How far the metric misses its threshold, in units of its range; NaN if unknown."""
        bounds, name = batch.bounds[k] if batch.bounds else None, batch.names[k]
        if batch.evaluation is None or bounds is None:
            return torch.tensor(torch.nan)
        if batch.metrics is None:
            metric = torch.tensor(batch.evaluation.metrics[k], dtype=torch.float64)
        else:  # where several batches go into one update, the evaluation is that of the first
            metric = batch.metrics[:, k].double().nanmean()
        missing = self.at_least[name] - metric if name in self.at_least else metric - self.at_most[name]
        return missing / (bounds[1] - bounds[0])

    def _multiplier(self, name: str, shortfall: float) -> float:
        proportional, integral, derivative = self.gains
        if not math.isfinite(shortfall):
            return self._clipped(proportional * self._shortfalls.get(name, 0.0) + self._integrals.get(name, 0.0))
        self._integrals[name] = self._clipped(self._integrals.get(name, 0.0) + integral * shortfall)
        change = max(shortfall - self._shortfalls.get(name, shortfall), 0.0)
        self._shortfalls[name] = shortfall
        multiplier = self._clipped(proportional * shortfall + self._integrals[name] + derivative * change)
        self._at_limit[name] = self._at_limit.get(name, 0) + 1 if multiplier == self.limit else 0
        if self._at_limit[name] == PATIENCE:
            warnings.warn(
                f"The multiplier of {name} has stood at its limit, {self.limit:g}, for {PATIENCE} batches: its "
                "threshold cannot be met here. Lower the threshold, or raise `limit`.",
                stacklevel=4,
            )
        return multiplier

    def _clipped(self, value: float) -> float:
        return min(max(value, 0.0), self.limit)

    def state_dict(self) -> dict[str, Any]:
        """Integrals, last shortfalls, and how long each multiplier has stood at its limit."""
        return {
            "integrals": dict(self._integrals),
            "shortfalls": dict(self._shortfalls),
            "at_limit": dict(self._at_limit),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        self._integrals = {name: float(value) for name, value in state["integrals"].items()}
        self._shortfalls = {name: float(value) for name, value in state["shortfalls"].items()}
        self._at_limit = {name: int(value) for name, value in state["at_limit"].items()}
