"""One policy for all priorities: each prompt says its own, and is rewarded by them."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from paretune.weighting.base import Batch, Measurements, Scalarization, Steering
from paretune.weighting.feedback import GainFeedback

OFFSET = 0.02
"""δ, which bounds the weight of an objective without any gain; as in the nash rule."""


class Steerable(GainFeedback):
    r"""One policy that answers by the priorities in its prompt.

    Every group of completions has priorities v of its own, on the simplex. Its prompt says them, and its completions
    are rewarded by R_n = Σ_k w_k(v_n) r_nk with w_k(v) ∝ v_k / (G_k + δ), G_k ∈ [0, 1] being how far objective k has
    come between its bounds in the batches so far, and δ = 0.02. The estimator makes advantages of R. After training,
    the user's priorities in the prompt choose a point of the front, at no cost.

    The priorities are a column of the training data, drawn by the seed and the row: a Dirichlet distribution with
    every corner and the centre among its draws. The completions of a prompt share them, on all processes and after a
    restart. :mod:`paretune.steering` prepares the data and says how a prompt shows priorities.

    Source: our own combination. Conditioning a policy on preferences is known from offline and multi-head methods
    (MO-ODPO, Panacea, CLP). Signal: gains. Cost: nothing.

    Limits: a policy learns to obey only if it takes such a line for an instruction from the start. Chat models do, and
    so do the embedded policies of paretune's tasks, except that of ``charter``. The feedback is one for all priorities.
    The recorded weights are the mean over the batch.

    Args:
        concentration: of the Dirichlet distribution, above 0: 1 draws all priorities alike, less draws more corners.
        feedback: whether weights follow the gains; without, w = v.
        template: how a prompt says priorities. None: a system line for a chat, digits before a plain text. ``"user"``:
            a line before the first message of the user, for a chat without system messages. Or one's own function
            of a prompt and its priorities by name, or ``module:function``.
        plain_share: the share of training prompts that say nothing and mean equal priorities, in [0, 1].

    Raises:
        ValueError: for a value outside its range.

    Example: with gains of 0.48 and 0.18 a prompt of the priorities 0.5 and 0.5 has weights in the ratio 0.5/0.5 to
    0.5/0.2, that is 2/7 and 5/7; one of the priorities 0.8 and 0.2 has 0.8/0.5 to 0.2/0.2, that is 8/13 and 5/13.
    """

    name: ClassVar[str] = "steerable"
    description: ClassVar[str] = "one policy, steered by the priorities in its prompt"

    def __init__(
        self,
        *,
        concentration: float = 1.0,
        feedback: bool = True,
        template: str | Callable[..., Any] | None = None,
        plain_share: float = 0.1,
    ) -> None:
        super().__init__(None, smoothing=0.6, source="rollouts", floor=0.0)
        self.feedback = feedback
        self.steering = Steering(concentration, template, plain_share)

    def measurements(self) -> Measurements:
        """The metrics of the batch's own rollouts, where they are fed back."""
        return super().measurements() if self.feedback else Measurements()

    def update(self, batch: Batch) -> Scalarization:
        """Reward each completion by its own priorities."""
        count = len(batch.names)
        priorities = batch.priorities
        if priorities is None:
            priorities = torch.full(batch.rewards.shape, 1 / count, dtype=torch.float64)
        fed_back = super().update(batch) if self.feedback else None
        weights = priorities if fed_back is None else _weighed(priorities, fed_back.weights)
        finite = batch.rewards.masked_fill(batch.rewards.isinf(), torch.nan)
        rewards = (finite * weights.to(finite)).nansum(dim=1)  # in TRL's order and precision
        return Scalarization(
            weights.mean(dim=0),
            rewards=rewards.masked_fill(finite.isnan().all(dim=1), torch.nan),
            signals={} if fed_back is None else fed_back.signals,
        )

    def log_scores(self, gains: Tensor, batch: Batch) -> Tensor:
        """−log(G_k + δ), which each prompt's priorities are multiplied by."""
        return -(gains + OFFSET).log()


def _weighed(priorities: Tensor, weights: Tensor) -> Tensor:
    """``[N, K]`` w_k ∝ v_k u_k; v itself where that leaves nothing, as of an objective that does not vary."""
    products = priorities * weights
    sums = products.sum(dim=1, keepdim=True)
    return torch.where(sums > 0, products / sums, priorities)
