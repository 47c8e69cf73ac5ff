"""Weights by the coefficient of variation (SAW)."""

from typing import ClassVar

import torch
from torch import Tensor

from paretune.weighting.base import Batch, Measurements, Scalarization
from paretune.weighting.priorities import Prioritised
from paretune.weighting.simplex import whiten

OFFSET = 1e-4
"""δ; the paper gives no value."""


class CoefficientOfVariation(Prioritised):
    r"""More weight where rewards differ much in proportion to their mean: w_k ∝ v_k CV_k.

    x_nk = q_nk + δ with q_nk the gain of completion n between the bounds; CV_k = std(x_k) / (mean(x_k) + δ) over the
    batch, δ = 1e-4. Where Σ_k CV_k < δ the weights are the priorities. The weights act on each objective's own
    advantages: A_n = whiten(K Σ_k w_k A_nk).

    Source: SAW (https://arxiv.org/abs/2606.07705), read in the paper; δ is ours. Signal: the batch. Cost: nothing.

    Limits: a rare reward has a large coefficient (that of a share p is √((1 − p)/p)), so the rule feeds what is rare,
    also where it is out of reach. The deviation is taken over all completions, those of different prompts included.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.

    Raises:
        ValueError: for priorities that are not positive.

    Example: gains (0, 1) and (0.5, 1) have coefficients of 1.414 and 0.471, so the weights are 0.75 and 0.25.
    """

    name: ClassVar[str] = "variation"
    description: ClassVar[str] = "weights by each reward's coefficient of variation (SAW)"
    paper: ClassVar[str] = "SAW, arXiv 2606.07705"

    def measurements(self) -> Measurements:
        """The metrics of the batch's own rollouts."""
        return Measurements(evaluation="rollouts")

    def update(self, batch: Batch) -> Scalarization:
        """Weigh each objective's advantages by its coefficient of variation."""
        priorities = self.shares(batch)
        coefficients = variation(batch.completion_gains + OFFSET)
        scores = priorities * coefficients
        weights = priorities if coefficients.sum() < OFFSET else scores / scores.sum()
        advantages = whiten(len(weights) * (batch.advantages.cpu().double() @ weights))
        return Scalarization(weights, advantages=advantages, signals={"variation": coefficients})


def variation(values: Tensor) -> Tensor:
    """Std / (mean + δ) of each column of ``[N, K]``, with Bessel's correction; 0 where fewer than two count."""
    counts = (~torch.isnan(values)).sum(dim=0)
    means = values.nanmean(dim=0)
    squares = (values - means).square().nansum(dim=0)
    deviations = torch.where(counts > 1, (squares / (counts - 1).clamp(min=1)).sqrt(), 0.0)
    return torch.where(counts > 1, deviations / (means + OFFSET), 0.0)
