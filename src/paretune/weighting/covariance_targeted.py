"""CTWA: weights rise until each reward covaries enough with what is trained on."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from paretune.advantages import grpo, sum_rewards
from paretune.objectives import Objective
from paretune.weighting.base import Batch, Measurements, Scalarization, WeightingRule, check_count

FIRST_TARGET, OTHER_TARGETS = 0.15, 0.08
FIRST_CAP, OTHER_CAPS = 1.0, 0.95
KEEP = 0.9
OUTLIER = 100.0
"""A completion whose advantage is larger than so many medians does not count."""


class CovarianceTargeted(WeightingRule):
    r"""A weight rises while the covariance of its reward with the advantages is below a target.

    W_n is the advantage that the weights so far give to completion n, c_k = mean_g Cov_g(W, r_k), without completions
    whose |W_n| exceeds 100 medians; c̄_k ← 0.9 c̄_k + 0.1 c_k; u_k ← u_k + λ [t_k − c̄_k]₊ where the mean reward m_k is
    below a cap; w_k ∝ exp(u_k). Rewards are taken as gains between the bounds.

    Source: CTWA (https://arxiv.org/abs/2602.06869), checked against the authors' code, whose targets and caps are the
    defaults: 0.15 and 1 for the first objective, 0.08 and 0.95 for the others. Signal: the batch. Cost: nothing.

    Limits: scores u_k only rise. Targets depend on the spread of the rewards: a reward whose standard deviation is
    below its target can never reach it.

    Args:
        targets: t, one for each objective; None: the authors'.
        caps: mean gains from which on a weight no longer rises, one for each objective; None: the authors'.
        rate: λ ≥ 0.

    Raises:
        ValueError: for a value outside its range.

    Example: a target of 0.15 and a mean covariance of 0.05 raise the score by 0.05 · 0.10 = 0.005 in a batch.
    """

    name: ClassVar[str] = "ctwa"
    description: ClassVar[str] = "weights rise until each reward covaries enough (CTWA)"
    paper: ClassVar[str] = "CTWA, arXiv 2602.06869"
    knows_order: ClassVar[bool] = True

    def __init__(
        self, targets: Sequence[float] | None = None, *, caps: Sequence[float] | None = None, rate: float = 0.05
    ) -> None:
        for name, values in {"targets": targets, "caps": caps, "rate": [rate]}.items():
            if values is not None and not all(0 <= value < float("inf") for value in values):
                raise ValueError(f"`{name}` must be finite and 0 or more, got {values}.")
        self.targets = targets
        self.caps = caps
        self.rate = rate
        self._scores: list[float] = []
        self._covariances: list[float] = []

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` unless there is a target and a cap for each objective."""
        for values in (self.targets, self.caps):
            if values is not None:
                check_count(values, objectives)

    def measurements(self) -> Measurements:
        """The metrics of the batch's own rollouts."""
        return Measurements(evaluation="rollouts")

    def update(self, batch: Batch) -> Scalarization:
        """Raise the scores of what covaries too little; an objective that does not apply keeps its own."""
        count = len(batch.names)
        scores = torch.tensor(self._scores or [0.0] * count, dtype=torch.float64)
        means = torch.tensor(self._covariances or [0.0] * count, dtype=torch.float64)
        gains = batch.completion_gains
        covariances = _covariances(gains, torch.softmax(scores, dim=0), batch.num_generations)
        known = ~torch.isnan(covariances)
        means = torch.where(known, KEEP * means + (1 - KEEP) * covariances, means)
        targets = torch.tensor(self.targets or [FIRST_TARGET, *[OTHER_TARGETS] * (count - 1)], dtype=torch.float64)
        caps = torch.tensor(self.caps or [FIRST_CAP, *[OTHER_CAPS] * (count - 1)], dtype=torch.float64)
        rises = known & (gains.nanmean(dim=0) < caps)
        scores = scores + torch.where(rises, self.rate * (targets - means).clamp(min=0.0), 0.0)
        self._scores, self._covariances = scores.tolist(), means.tolist()
        return Scalarization(torch.softmax(scores, dim=0), signals={"covariance": means, "score": scores})

    def state_dict(self) -> dict[str, Any]:
        """Scores and mean covariances."""
        return {"scores": list(self._scores), "covariances": list(self._covariances)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        self._scores = [float(value) for value in state["scores"]]
        self._covariances = [float(value) for value in state["covariances"]]


def _covariances(gains: Tensor, weights: Tensor, num_generations: int) -> Tensor:
    """mean_g Cov_g(W, q_k) ``[K]``; NaN for an objective that applies to no two completions of a group."""
    advantages = grpo(sum_rewards(gains, weights), num_generations)
    size = advantages.abs()
    kept = size <= OUTLIER * size[size > 0].median() if (size > 0).any() else torch.ones_like(size, dtype=torch.bool)
    values = gains.masked_fill(~kept[:, None], torch.nan).view(-1, num_generations, gains.shape[1])
    factors = advantages.view(-1, num_generations, 1).expand_as(values).masked_fill(torch.isnan(values), torch.nan)
    products = (values - values.nanmean(dim=1, keepdim=True)) * (factors - factors.nanmean(dim=1, keepdim=True))
    counts = (~torch.isnan(values)).sum(dim=1)
    of_groups = torch.where(counts > 1, products.nansum(dim=1) / counts.clamp(min=1), torch.nan)
    return of_groups.nanmean(dim=0)
