"""GradNorm: gradients of one size, larger where an objective trains more slowly."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from paretune.weighting.base import Batch, InfluenceRequest, Measurements, check_not_negative
from paretune.weighting.gains import SmoothedGains
from paretune.weighting.gramian_solution import GramianSolution
from paretune.weighting.priorities import Priorities
from paretune.weighting.saved_state import saved_numbers

OFFSET = 1e-3
"""Added to each headroom, so that a ratio of two that are nearly used up says little."""


class GradNorm(GramianSolution):
    r"""Weights under which each objective's gradient has a size in proportion to how much it still has to learn.

    n_k = ‖g_k‖ is the norm of the objective's gradient, L_k = 1 − G_k the headroom that its gain leaves, and
    r_k = L_k/L_k(0) the share of its first headroom that is left, its inverse rate of training. GradNorm asks for

        w_k n_k = n̄ r_k^α   for all k,   that is   w_k ∝ v_k r_k^α / n_k,

    and takes one gradient step of Σ_k |w_k n_k − n̄ r_k^α| in each batch. The minimum is known, so this rule takes it as
    the batch's solution and averages over batches, which has no step length and does not depend on the unit of n_k.
    α = 0 makes all gradients equally long.

    Source: "GradNorm" (https://arxiv.org/abs/1711.02257), checked against public code. Headrooms instead of losses are
    ours: a policy loss is near 0, and a ratio of two of them says nothing. Signal: gains and the Gramian's diagonal.
    Cost: one backward pass for each objective.

    Limit: ‖g_k‖² of a batch is mostly noise where prompts are few, and so then are the weights.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        alpha: α ≥ 0, how strongly weights follow what is left.
        smoothing: the share of the old weights in the new ones, in [0, 1).

    Raises:
        ValueError: for a value outside its range.

    Example: norms of 2 and 1 and no headroom used yet give the solution 1/3 and 2/3, and the first weights are
    0.9 · 0.5 + 0.1/3 = 0.483 and 0.517.
    """

    name: ClassVar[str] = "gradnorm"
    description: ClassVar[str] = "gradients of one size, larger where slower (GradNorm)"
    paper: ClassVar[str] = "GradNorm, arXiv 1711.02257"

    def __init__(self, priorities: Priorities = None, *, alpha: float = 1.5, smoothing: float = 0.9) -> None:
        super().__init__(priorities, smoothing=smoothing)
        check_not_negative(alpha=alpha)
        self.alpha = alpha
        self._gains = SmoothedGains(0.6)
        self._first: Tensor | None = None  # headrooms when an objective was first seen, NaN before

    def measurements(self) -> Measurements:
        """The Gramian, and the metrics of the batch's own rollouts."""
        return Measurements(influence=InfluenceRequest(method="exact"), evaluation="rollouts")

    def solve(self, gramian: Tensor, live: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """w_k ∝ v_k r_k^α / n_k."""
        gains = self._gains.add(batch.gains)
        headroom = 1 - gains + OFFSET
        self._first = headroom if self._first is None else torch.where(self._first.isnan(), headroom, self._first)
        left = headroom / self._first
        scores = self.shares(batch).log() + self.alpha * left.nan_to_num(1.0).log()
        solution = torch.softmax(scores[live] - gramian.diagonal().log() / 2, dim=0)
        return solution, {"gain": gains, "left": left}

    def state_dict(self) -> dict[str, Any]:
        """The mean weights, the mean gains and the first headrooms."""
        first = None if self._first is None else [None if x != x else x for x in self._first.tolist()]
        return {**super().state_dict(), "gains": self._gains.state_dict(), "first": first}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        super().load_state_dict(state)
        self._gains.load_state_dict(state["gains"])
        self._first = None if state["first"] is None else saved_numbers("first", state["first"], missing=True)
