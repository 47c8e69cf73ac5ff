r"""Influence read off the update itself: what the optimiser's step did for each objective.

After θ → θ' = θ + Δθ,

    Σ_{n,t} c_k[n,t] (log π_θ'(y_{n,t}) − log π_θ(y_{n,t})) ≈ ⟨g_k, Δθ⟩,

preconditioning, momentum and clipping included. In float32, training itself has computed log π_θ, so one forward pass
is enough, and nothing of the model's size is stored. Under autocast both passes are made without it, because a step at
the usual learning rates changes log π by less than bfloat16 can represent. The influence comes after the update, so it
steers the next batch's weights.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from paretune.influence.base import Influence, LogProbs, PolicyLoss
from paretune.influence.estimator import Estimator, Passes, RunFacts, Target
from paretune.influence.gradients import projected


@torch.no_grad()
def realised_influence(
    loss: PolicyLoss, at: Sequence[LogProbs], before: Sequence[Tensor] | None = None, *, full_precision: bool = False
) -> Influence:
    """⟨c_k, log π_θ' − log π_θ⟩ of a batch on which the policy has just been trained.

    Its scale is the optimiser's: under plain gradient descent with learning rate η and weights of 1 it is η·I_k.

    Args:
        loss: the loss on this process's part of that batch, the policy now at θ'.
        at: the log-probabilities at which c_k is taken, a micro-batch each.
        before: ``[B, T]`` log π_θ, a micro-batch each; those of `at` if left out.
        full_precision: whether `before` was computed without autocast, as log π_θ' then is, too.

    Returns:
        The influence ``[K]``, in the units of J_k (of advantages).
    """
    parts = []
    for micro_batch, point, theta in zip(loss.micro_batches, at, before or [p.values for p in at], strict=True):
        coefficients = loss.coefficients(micro_batch, point)
        after = loss.forward(micro_batch, full_precision=full_precision).values
        parts.append(projected(coefficients, after, theta))
    return Influence(values=loss.mean(torch.stack(parts).sum(dim=0)), method=Realised.name)


class Realised(Estimator):
    """:func:`realised_influence` as an estimator; it can be measured wherever TRL trains."""

    name = "realised"
    description = "a forward pass after the update; steers the next batch"
    of_update = True
    selects_layers = False
    as_substitute = "over all parameters and with its own μ"

    def measure(self, target: Target) -> Influence:
        """What the update did for each objective."""
        if target.before is None:
            raise ValueError("The realised influence needs what was kept from before the update, got `before`=None.")
        at, values, full_precision = target.before
        return realised_influence(target.loss, at, values, full_precision=full_precision)

    def passes(self, objectives: int, difference: str | None = None) -> Passes:
        """One forward pass."""
        return Passes(1, 0)

    def caution(self, facts: RunFacts) -> str | None:
        """Where forward passes round to 16 bits, by how much it was off on a tiny policy (docs/performance.md)."""
        if facts.rounding is None:
            return None
        measured = (
            "0.1 of its length at a learning rate of 1e-4, 0.3 to 1 at 1e-5, 3 to 20 times that at 1e-6"
            if facts.weights is None
            else "about its own length at a learning rate of 1e-4, 9 to 27 times that at 1e-5"
        )
        return (
            f"the realised influence is mostly rounding here: {facts.rounding}, and against float64 it was then "
            f"off by {measured}. Load the model in float32 (autocast to bfloat16 does no harm), or use "
            "method='exact' where that is possible."
        )
