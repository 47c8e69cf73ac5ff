"""RVPO: a soft minimum of the objectives' advantages."""

from typing import ClassVar

import torch

from paretune.weighting.base import Batch, Scalarization, check_positive
from paretune.weighting.priorities import Priorities, Prioritised
from paretune.weighting.simplex import whiten


class SoftMin(Prioritised):
    r"""A completion is as good as its worst objective, softly: A'_n = −(1/κ) log Σ_k v_k exp(−κ A_nk), then whitened.

    κ grows in a straight line from `start` to `end` while training lasts, from nearly a mean to nearly a minimum.

    Source: RVPO (https://arxiv.org/abs/2605.05750), read in the paper; there v is equal. A_nk is the scalar advantage
    of the completion. (A public implementation multiplies it by the length first, and collapses.) Signal: the batch's
    advantages. Cost: nothing.

    Limit: the recorded weights are the mean share of each objective in the gradient of A'. An objective that does not
    apply to a completion has no part in its minimum: v is that of the others, divided by its sum.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        start: κ > 0 at the beginning of training.
        end: κ > 0 at its end.

    Raises:
        ValueError: for a value outside its range.

    Example: with κ = 1 and advantages of 1 and −1 the soft minimum is −log((e⁻¹ + e)/2) = −0.434, below their mean, 0.
    """

    name: ClassVar[str] = "rvpo"
    description: ClassVar[str] = "a soft minimum of the objectives' advantages (RVPO)"
    paper: ClassVar[str] = "RVPO, arXiv 2605.05750"

    def __init__(self, priorities: Priorities = None, *, start: float = 0.5, end: float = 2.0) -> None:
        super().__init__(priorities)
        check_positive(start=start, end=end)
        self.start = start
        self.end = end

    def update(self, batch: Batch) -> Scalarization:
        """The soft minimum of each completion's advantages, whitened over the batch."""
        sharpness = self.start + (self.end - self.start) * batch.progress
        applies = ~batch.rewards.isnan().cpu()
        scored = applies.any(dim=1)
        shares = torch.where(applies, self.shares(batch), 0.0)[scored]
        exponents = shares.log() - sharpness * batch.advantages.cpu().double()[scored]
        advantages = torch.zeros(len(scored), dtype=torch.float64)
        weights = self.shares(batch)
        if scored.any():
            softened = (shares.sum(dim=1).log() - torch.logsumexp(exponents, dim=1)) / sharpness
            advantages[scored] = whiten(softened)
            weights = torch.softmax(exponents, dim=1).mean(dim=0)
        sharpnesses = torch.full_like(weights, sharpness)
        return Scalarization(weights, advantages=advantages, signals={"sharpness": sharpnesses})
