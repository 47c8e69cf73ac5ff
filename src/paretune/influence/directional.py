r"""Influence at a cost that does not depend on K: one backward pass and one directional derivative.

With v = Σ_j g_j,

    I_k = ⟨g_k, v⟩ = Σ_{n,t} c_k[n,t] ⟨∇ log π(y_{n,t}), v⟩,

so the derivative of the token log-probabilities along v serves every objective at once. It is taken as a difference,
(log π_{θ+εv} − log π_θ)/ε or (log π_{θ+εv} − log π_{θ−εv})/2ε, since fused log-prob heads have no forward-mode
derivative. Σ_k I_k = ‖v‖² tells what the difference is worth.
"""

import warnings
from collections.abc import Sequence
from math import isfinite, sqrt

import torch
from torch import Tensor, nn

from paretune.influence.base import Influence, PolicyLoss
from paretune.influence.exact import exact_influence
from paretune.influence.gradients import backward, high_precision, projected, put_aside, squared_norm

PARAMETER_STEP = 2.0**-20
r"""The step h = ε‖v‖ over ‖θ‖: as short as rounding allows, for what is left is curvature.

The one-sided error grows with h, the symmetric one with h². Float32 rounds θ + εv to 24 bits; at 2^-20 the step of an
average parameter is 16 times as long as what rounding may take from it. docs/performance.md has the errors around it.
"""
LOG_PROB_ROUNDING = 2.0**-22
"""By how much float32 rounds a log-probability."""
LOG_PROB_STEP = 2.0**9
r"""A lower bound of the step, for adapters, whose own norm is small.

Rounding leaves Σ_k I_k uncertain by √2·2^-22·‖Σ_k c_k‖/ε; ‖v‖² must be this many times as large.
"""
TOLERANCE = 0.005
"""How far Σ_k I_k may be from ‖v‖², relatively, before the one-sided difference is made symmetric."""
FAILURE = 0.05
"""The same for the symmetric difference, before the exact influence takes its place."""


def directional_influence(
    loss: PolicyLoss, parameters: Sequence[nn.Parameter], *, selected: Sequence[nn.Parameter] | None = None
) -> Influence:
    """I_k = ⟨g_k, v⟩ by one backward pass for v and one or two forward passes beside θ.

    Beside the activations it takes the room of one gradient and one copy of the selected parameters. Parameters and
    gradients in accumulation are afterwards bit for bit what they were. Under autocast the forward passes of the
    difference run without it, and the difference is symmetric.

    Args:
        loss: the loss on this process's part of the batch.
        parameters: all trainable parameters.
        selected: those along which v is taken; None for all. The rest are neither differentiated nor moved.

    Returns:
        The influence ``[K]``; zero where v = 0, NaN where v is not finite. Where even the symmetric difference fails
        its check by more than 5 %, a warning says so and the exact influence is returned.
    """
    chosen = list(parameters if selected is None else selected)
    coefficients: list[Tensor] = []
    here: list[Tensor] = []
    with put_aside(parameters):
        for micro_batch in loss.micro_batches:
            at = loss.forward(micro_batch)
            coefficients.append(loss.coefficients(micro_batch, at))
            here.append(at.values.detach())
            backward(loss, at.values, coefficients[-1].sum(dim=0), chosen)
            del at  # and its graph, before the next one grows
        reached = [p for p in chosen if p.grad is not None]
        v = [loss.mean_gradient(p.grad) for p in reached if p.grad is not None]

    squared = squared_norm(v, loss)
    if squared == 0 or not isfinite(squared):
        nothing = torch.full((len(coefficients[0]),), 0.0 if squared == 0 else float("nan"), dtype=torch.float64)
        return Influence(values=nothing, method="directional")
    of_log_probs = torch.stack([high_precision(c.sum(dim=0)).square().sum() for c in coefficients]).sum()
    noise = LOG_PROB_ROUNDING * sqrt(2 * float(loss.mean(of_log_probs)) / loss.num_processes)
    step = max(PARAMETER_STEP * sqrt(squared_norm(reached, loss)) / sqrt(squared), LOG_PROB_STEP * noise / squared)

    def derivative(ahead: Sequence[Tensor], behind: Sequence[Tensor], distance: float) -> tuple[Tensor, float]:
        parts = [projected(c, a, b) for c, a, b in zip(coefficients, ahead, behind, strict=True)]
        values = loss.mean(torch.stack(parts).sum(dim=0)) / distance
        return values, abs(float(values.sum()) / squared - 1)

    theta = [p.detach().clone() for p in reached]

    @torch.no_grad()
    def log_probs_at(distance: float) -> list[Tensor]:
        for parameter, saved, direction in zip(reached, theta, v, strict=True):
            parameter.copy_(saved).add_(direction, alpha=distance)
        loss.parameters_changed()
        return [loss.forward(m, full_precision=loss.low_precision).values for m in loss.micro_batches]

    try:
        ahead = log_probs_at(step)
        if not loss.low_precision:
            values, check = derivative(ahead, here, step)
            if check <= TOLERANCE:
                return Influence(values=values, method="directional", difference="one-sided", check=check)
        values, check = derivative(ahead, log_probs_at(-step), 2 * step)
    finally:
        with torch.no_grad():
            for parameter, saved in zip(reached, theta, strict=True):
                parameter.copy_(saved)
        loss.parameters_changed()
    if check <= FAILURE:
        return Influence(values=values, method="directional", difference="symmetric", check=check)
    theta.clear()
    v.clear()
    warnings.warn(
        f"directional influence fails its check here (Σ I_k is {check:.0%} off ‖v‖²), so the exact one is used; if it "
        "keeps failing, choose method='realised'.",
        stacklevel=2,
    )
    return exact_influence(loss, parameters, selected=selected)
