"""Nash welfare: weights in proportion to what a relative gain of each objective is worth."""

from typing import ClassVar

from torch import Tensor

from paretune.weighting.base import Batch, check_not_negative, check_positive
from paretune.weighting.feedback import GainFeedback, Source
from paretune.weighting.priorities import Priorities


class NashWelfare(GainFeedback):
    r"""More weight where more is still missing: w_k ∝ v_k (G_k + δ)^(−α).

    G_k ∈ [0, 1] is how far objective k has come between its bounds. With α = 1 the weighted sum of gradients is the
    gradient of the Nash social welfare Σ_k v_k log(G_k + δ), whose maximum is the best geometric mean of the gains.
    For v equal and δ = 0 it is also the gradient of the hypervolume that the policy's own point dominates, since
    ∂(Π_j G_j)/∂G_k = Π_j G_j / G_k. In general it is the gradient of α-fairness: α = 0 gives equal weights, and as α
    grows the rule comes near max-min.

    The product w_k G_k does not depend on how wide the bounds are, so an objective that uses only a part of its
    declared range is no loss. The lower bound (for a minimised metric the upper) is what matters: it says from where on
    an objective is worth something.

    Source: our own derivation; α-fairness is standard (Mo and Walrand, 2000). Signal: gains. Cost: nothing.

    Limit: the rule buys equal *relative* gains. If accuracy comes first for you, say so with priorities, or with a
    lower bound where accuracy begins to be worth something.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        alpha: α ≥ 0, finite.
        offset: δ > 0, which bounds the weight of an objective without any gain.
        smoothing: the share of the old mean gain in the new one, in [0, 1).
        source: where gains are read: the batch's own ``"rollouts"``, or the latest evaluation on ``"validation"``.
        floor: no weight of an objective that varies falls below this; in [0, 1/K).

    Raises:
        ValueError: for a value outside its range.

    Example: with gains of 0.48 and 0.18, δ = 0.02 and equal priorities the weights are in the ratio 1/0.5 to 1/0.2,
    that is 2/7 and 5/7.
    """

    name: ClassVar[str] = "nash"
    description: ClassVar[str] = "more weight where more is missing (Nash welfare)"

    def __init__(
        self,
        priorities: Priorities = None,
        *,
        alpha: float = 1.0,
        offset: float = 0.02,
        smoothing: float = 0.6,
        source: Source = "rollouts",
        floor: float = 0.0,
    ) -> None:
        super().__init__(priorities, smoothing=smoothing, source=source, floor=floor)
        check_not_negative(alpha=alpha)
        check_positive(offset=offset)
        self.alpha = alpha
        self.offset = offset

    def log_scores(self, gains: Tensor, batch: Batch) -> Tensor:
        """Log v_k − α log(G_k + δ)."""
        return self.log_priorities(batch) - self.alpha * (gains + self.offset).log()
