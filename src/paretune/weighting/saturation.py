"""Saturation-aware weights: less for what is nearly reached (SA-MRPO)."""

from typing import ClassVar

from paretune.weighting.base import Batch, Measurements, Scalarization, check_not_negative
from paretune.weighting.priorities import Priorities, Prioritised
from paretune.weighting.simplex import normalised, whiten


class SaturationAware(Prioritised):
    r"""Weights that fall as an objective nears its best bound: w_k ∝ v_k (1 − s_k)^γ.

    s_k is the gain of the batch, the mean metric's place between the bounds. The weights act on each objective's own
    advantages: A_n = whiten(Σ_k w_k A_nk). With γ = 0 the rule is GDPO.

    Source: SA-MRPO (https://arxiv.org/abs/2608.16072), read in the paper. Signal: gains of the batch. Cost: nothing.

    Limits: unlike Nash welfare it minds how wide the bounds are. If all objectives are at their best bound, the weights
    are the priorities. An objective of which nothing is known has s_k = 0.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        gamma: γ ≥ 0.

    Raises:
        ValueError: for a value outside its range.

    Example: with s = (0.75, 0) and γ = 0.5 the weights are in the ratio 0.5 to 1, that is 1/3 and 2/3.
    """

    name: ClassVar[str] = "saturation"
    description: ClassVar[str] = "less weight for what is nearly reached (SA-MRPO)"
    paper: ClassVar[str] = "SA-MRPO, arXiv 2608.16072"

    def __init__(self, priorities: Priorities = None, *, gamma: float = 0.5) -> None:
        super().__init__(priorities)
        check_not_negative(gamma=gamma)
        self.gamma = gamma

    def measurements(self) -> Measurements:
        """The metrics of the batch's own rollouts."""
        return Measurements(evaluation="rollouts")

    def update(self, batch: Batch) -> Scalarization:
        """Weigh each objective's advantages by what is missing of it in this batch."""
        gains = batch.gains
        missing = 1 - gains.nan_to_num(0.0)
        priorities = self.shares(batch).log()
        scores = priorities + self.gamma * missing.log() if missing.any() and self.gamma else priorities
        weights = normalised(scores, batch.varies)
        advantages = whiten(batch.advantages.cpu().double() @ weights)
        return Scalarization(weights, advantages=advantages, signals={"gain": gains})
