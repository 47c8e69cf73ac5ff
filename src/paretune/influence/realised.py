r"""Influence read off the update itself: what the optimiser's step did for each objective.

After θ → θ' = θ + Δθ,

    Σ_{n,t} c_k[n,t] (log π_θ'(y_{n,t}) − log π_θ(y_{n,t})) ≈ ⟨g_k, Δθ⟩,

preconditioning, momentum and clipping included. log π_θ is what training itself computed, so one forward pass is all
it takes, and nothing of the model's size is stored. It comes after the update and so steers the next batch's weights.
"""

from collections.abc import Sequence

import torch

from paretune.influence.base import Influence, LogProbs, PolicyLoss
from paretune.influence.gradients import projected


@torch.no_grad()
def realised_influence(loss: PolicyLoss, before: Sequence[LogProbs]) -> Influence:
    """⟨c_k, log π_θ' − log π_θ⟩ of a batch on which the policy has just been trained.

    Its scale is the optimiser's: under plain gradient descent with learning rate η and weights of 1 it is η·I_k.

    Args:
        loss: the loss on this process's part of that batch, the policy now at θ'.
        before: the log-probabilities under θ, a micro-batch each.

    Returns:
        The influence ``[K]``, in the units of J_k (of advantages).
    """
    parts = []
    for micro_batch, at in zip(loss.micro_batches, before, strict=True):
        coefficients = loss.coefficients(micro_batch, at)
        parts.append(projected(coefficients, loss.forward(micro_batch).values, at.values))
    return Influence(values=loss.mean(torch.stack(parts).sum(dim=0)), method="realised")
