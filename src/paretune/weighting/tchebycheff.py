"""Tchebycheff scalarisation, hard and smooth, of mean gains or of single completions."""

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from paretune.weighting.base import Batch, Scalarization, check_not_negative
from paretune.weighting.feedback import GainFeedback
from paretune.weighting.priorities import Priorities

Of = Literal["means", "samples"]

TIE_BREAK = 0.05
"""The share of the weighted sum that the hard form adds, so that completions with the same worst objective differ."""


class Tchebycheff(GainFeedback):
    r"""Improve the objective that is farthest from its best bound.

    ``of="means"`` gives weights, from the mean gains: w_k ∝ v_k exp(v_k K (1 − G_k)/μ). ``of="samples"`` gives each
    completion one reward, R_n = −μ log Σ_k exp(v_k (1 − q_nk)/μ), with q_nk the gain of the single completion; the
    estimator makes advantages of it. As μ → 0 both become the hard form, which sees only the worst objective: with a
    temperature of 0 the means give all weight to the largest v_k (1 − G_k), and the samples
    R_n = −max_k v_k (1 − q_nk) + 0.05 Σ_k v_k q_nk, whose last term breaks ties.

    Source: "Smooth Tchebycheff Scalarization for Multi-Objective Optimization" (https://arxiv.org/abs/2402.19078); the
    formulas were checked against the sources of TorchJD and CTWA. Signal: gains. Cost: nothing.

    Limits: weights on means were the better form on random bandits (docs/rules/bandits.md). A completion to which no
    objective applies has no reward. For samples the recorded weights are the mean share of each objective in the
    gradient of R.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        temperature: μ ≥ 0; 0 for the hard form.
        of: ``"means"`` or ``"samples"``.
        smoothing: for means, the share of the old mean gain in the new one, in [0, 1).

    Raises:
        ValueError: for a value outside its range.

    Example: with gains of 0.5 and 1, equal priorities and μ = 0.5 the weights of the means are in the ratio e to 1,
    that is 0.731 and 0.269.
    """

    name: ClassVar[str] = "tchebycheff"
    description: ClassVar[str] = "most weight on what is farthest from its best bound"
    paper: ClassVar[str] = "Smooth Tchebycheff Scalarization for Multi-Objective Optimization, arXiv 2402.19078"

    def __init__(
        self,
        priorities: Priorities = None,
        *,
        temperature: float = 0.5,
        of: Of = "means",
        smoothing: float = 0.6,
    ) -> None:
        super().__init__(priorities, smoothing=smoothing, source="rollouts", floor=0.0)
        check_not_negative(temperature=temperature)
        if of not in get_args(Of):
            raise ValueError(f"`of` must be one of {', '.join(get_args(Of))}, got {of!r}.")
        self.temperature = temperature
        self.of = of

    def log_scores(self, gains: Tensor, batch: Batch) -> Tensor:
        """Log v_k + v_k K (1 − G_k)/μ; for μ = 0, +inf where v_k (1 − G_k) is largest, of those that vary."""
        priorities = self.shares(batch)
        missing = priorities * (1 - gains)
        if self.temperature == 0:
            eligible = missing[batch.varies.cpu()] if batch.varies.any() else missing
            return torch.where(missing == eligible.max(), torch.inf, priorities.log())
        return priorities.log() + len(gains) * missing / self.temperature

    def update(self, batch: Batch) -> Scalarization:
        """The weights of the means, or the rewards of the samples."""
        result = super().update(batch)
        if self.of == "means":
            return result
        priorities = self.shares(batch)
        gains = batch.completion_gains
        missing = priorities * (1 - gains)
        applies = ~torch.isnan(missing)
        scored = applies.any(dim=1)
        exponents = torch.where(applies, missing, -torch.inf)
        if self.temperature == 0:
            worst = exponents.amax(dim=1)
            rewards = -worst + TIE_BREAK * (priorities * gains).nansum(dim=1)
            shares = (exponents == worst[:, None]) & applies
            shares = shares / shares.sum(dim=1, keepdim=True)
        else:
            rewards = -self.temperature * torch.logsumexp(exponents / self.temperature, dim=1)
            shares = torch.softmax(exponents / self.temperature, dim=1) * priorities
            shares = shares / shares.sum(dim=1, keepdim=True)
        rewards = torch.where(scored, rewards, torch.nan)
        weights = shares[scored].mean(dim=0) if scored.any() else result.weights
        return Scalarization(weights, rewards=rewards, signals=result.signals)
