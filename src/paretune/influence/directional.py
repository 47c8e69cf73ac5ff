r"""Influence at a cost that does not depend on K: one backward pass and one directional derivative.

With v = Σ_j g_j,

    I_k = ⟨g_k, v⟩ = Σ_{n,t} c_k[n,t] ⟨∇ log π(y_{n,t}), v⟩,

so the derivative of the token log-probabilities along v serves every objective at once. It is taken as a difference,
(log π_{θ+εv} − log π_θ)/ε or (log π_{θ+εv} − log π_{θ−εv})/2ε, since fused log-prob heads have no forward-mode
derivative.

An estimate of its error comes with it, objective by objective. It is the larger of two, because the first one does not
see errors that cancel in a sum, as they do between objectives that oppose each other:

- Σ_k I_k = ‖v‖² is known. An error of the log-probabilities that shows in the sum shows in I_k ‖c_k‖/‖Σ_j c_j‖ times.
- Rounding shows in I_k in proportion to ‖c_k‖. Curvature is added to it: the policy's own samples have
  E[∂²log π] = −E[(∂log π)²] along any direction, so the squares of the differences say how large the second derivatives
  are and their cubes how large the third are.

The error table of docs/performance.md has the estimate beside the error.
"""

import warnings
from collections.abc import Sequence
from math import factorial, isfinite, sqrt
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from paretune.influence.base import Influence, PolicyLoss
from paretune.influence.estimator import Estimator, Passes, RunFacts, Target
from paretune.influence.exact import Exact, exact_influence
from paretune.influence.gradients import (
    Gradient,
    backward,
    high_precision,
    projected,
    put_aside,
    set_gradients,
    squared_norm,
)
from paretune.influence.halves import Piece, pieces_of

PARAMETER_STEP = 2.0**-20
r"""The step h = ε‖v‖ over ‖θ‖: as short as rounding allows, for what is left is curvature.

The one-sided error grows with h, the symmetric one with h². Float32 rounds θ + εv to 24 bits; at 2^-20 the step of an
average parameter is 16 times as long as what rounding may take from it. docs/performance.md has the errors around it.
"""
LOG_PROB_ROUNDING = 2.0**-22
"""By how much float32 rounds a log-probability."""
LOG_PROB_STEP = 2.0**9
r"""A lower bound of the step, for adapters, whose own norm is small, and for objectives that oppose each other.

Rounding leaves the influence uncertain by √2·2^-22·(Σ_k ‖c_k‖²)^½/ε; the least length that it can have, ‖v‖²/√K, must
be this many times as large.
"""
TOLERANCE = 0.01
"""How far the influence may be off, relative to its length, before the one-sided difference is made symmetric."""
FAILURE = 0.1
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
        The influence ``[K]`` and how far it may be off; zero where v = 0, NaN where v is not finite. Where even the
        symmetric difference may be off by more than 10 %, a warning says so and the exact influence is returned.
    """
    chosen = list(parameters if selected is None else selected)
    with put_aside(parameters):
        (pieces,), (v,) = summed_gradients(loss, parameters, chosen, halved=False)
    squared, count = squared_norm(v.tensors, loss), len(pieces[0].coefficients)
    if squared == 0 or not isfinite(squared):
        nothing = torch.full((count,), 0.0 if squared == 0 else float("nan"), dtype=torch.float64)
        return Influence(values=nothing, method=Directional.name)
    found = derivative_along(loss, pieces, v, total=squared, least=squared / sqrt(count))
    if found.check <= FAILURE:
        values, difference, check = found
        return Influence(values=values, method=Directional.name, difference=difference, check=check)
    check = found.check
    del v
    warnings.warn(
        f"directional influence fails its check here (it may be {check:.0%} off), so the exact one is used; if it "
        "keeps failing, choose method='exact' yourself, or 'realised', which costs less.",
        stacklevel=2,
    )
    return exact_influence(loss, parameters, selected=selected)


class Direction(NamedTuple):
    """A gradient of those parameters that it reaches."""

    parameters: list[nn.Parameter]
    tensors: list[Tensor]


class Derivative(NamedTuple):
    """The influence ``[K]``, how the difference was taken, and by how much of its length it may be off."""

    values: Tensor
    difference: Literal["one-sided", "symmetric"]
    check: float


def summed_gradients(
    loss: PolicyLoss, parameters: Sequence[nn.Parameter], chosen: Sequence[nn.Parameter], *, halved: bool
) -> tuple[list[list[Piece]], list[Direction]]:
    """A backward pass over the batch for v = Σ_j g_j, of the whole batch or of each half of its prompts.

    Returns:
        For the whole or each half its pieces, without graphs, and v.
    """
    pieces: list[list[Piece]] = [[] for _ in range(1 + halved)]
    sums: list[Gradient] = [[None] * len(chosen) for _ in pieces]
    for micro_batch in loss.micro_batches:
        for half, piece in enumerate(pieces_of(loss, micro_batch, halved=halved)):
            set_gradients(parameters, [None] * len(parameters))
            set_gradients(chosen, sums[half])  # so that autograd adds to what is there
            backward(loss, piece.log_probs, piece.coefficients.sum(dim=0), chosen)
            sums[half] = [p.grad for p in chosen]
            pieces[half].append(piece.detached())
    directions = []
    for gradient in sums:
        reached = [(p, g) for p, g in zip(chosen, gradient, strict=True) if g is not None]
        directions.append(Direction([p for p, _ in reached], [loss.mean_gradient(g) for _, g in reached]))
    return pieces, directions


def derivative_along(
    loss: PolicyLoss, pieces: Sequence[Piece], v: Direction, *, total: float, least: float
) -> Derivative:
    """⟨g_k, v⟩ for the objectives' gradients g_k over some pieces, by a difference of log-probabilities.

    It is one-sided where that is good enough, and symmetric where it is not and under autocast.

    Args:
        loss: the loss that the pieces are of.
        pieces: over which g_k is taken.
        v: the direction.
        total: Σ_k ⟨g_k, v⟩, which is known.
        least: the least length of the influence that an error is held against.
    """
    sizes = loss.mean(torch.stack([_squares(piece.coefficients) for piece in pieces]).sum(dim=0))
    sizes = sizes.div(loss.num_processes).sqrt()
    of_each, of_sum = sizes[:-1], sizes[-1]
    rounding = LOG_PROB_ROUNDING * sqrt(2) * of_each
    shortest = LOG_PROB_STEP * float(rounding.norm()) / least
    lengths = [sqrt(squared_norm(tensors, loss)) for tensors in (v.parameters, v.tensors)]
    step = max(PARAMETER_STEP * lengths[0] / lengths[1], shortest)

    def derivative(ahead: Sequence[Tensor], behind: Sequence[Tensor], steps: Literal[1, 2]) -> tuple[Tensor, float]:
        """The influence by a difference over one step or two, and by how much of its length it may be off."""
        triples = list(zip([piece.coefficients for piece in pieces], ahead, behind, strict=True))
        change = loss.mean(torch.stack([projected(c, a, b) for c, a, b in triples]).sum(dim=0))
        # Over one step the second derivatives are left, over two the third ones.
        left = loss.mean(torch.stack([_remainder(c, a, b, steps) for c, a, b in triples]).sum(dim=0)) / step
        values = change / (steps * step)
        missed = abs(float(values.sum()) - total) * of_each / of_sum
        unseen = rounding / (steps * step) + left
        return values, float(torch.maximum(missed, unseen).norm()) / max(float(values.norm()), least)

    theta = [p.detach().clone() for p in v.parameters]

    @torch.no_grad()
    def log_probs_at(distance: float) -> list[Tensor]:
        for parameter, saved, direction in zip(v.parameters, theta, v.tensors, strict=True):
            parameter.copy_(saved).add_(direction, alpha=distance)
        loss.parameters_changed()
        precisely = loss.low_precision
        return [loss.forward(p.micro_batch, full_precision=precisely, rows=p.rows).values for p in pieces]

    try:
        ahead = log_probs_at(step)
        if not loss.low_precision:
            values, check = derivative(ahead, [piece.log_probs for piece in pieces], 1)
            if check <= TOLERANCE:
                return Derivative(values, "one-sided", check)
        values, check = derivative(ahead, log_probs_at(-step), 2)
        return Derivative(values, "symmetric", check)
    finally:
        with torch.no_grad():
            for parameter, saved in zip(v.parameters, theta, strict=True):
                parameter.copy_(saved)
        loss.parameters_changed()


def _squares(coefficients: Tensor) -> Tensor:
    """``[K + 1]``: ‖c_k‖² of each objective, and ‖Σ_k c_k‖²."""
    exactly = high_precision(coefficients)
    return torch.cat([exactly.square().sum(dim=(1, 2)), exactly.sum(dim=0).square().sum()[None]])


def _remainder(coefficients: Tensor, ahead: Tensor, behind: Tensor, steps: Literal[1, 2]) -> Tensor:
    """``[K]``: Σ |c_k| |Δ|^n / n! with Δ the change over one step and n = 2 (one-sided) or 3 (symmetric)."""
    change = (high_precision(ahead) - high_precision(behind)).abs() / steps
    order = steps + 1
    return torch.einsum("knt,nt->k", high_precision(coefficients).abs(), change**order) / factorial(order)


class Directional(Estimator):
    """:func:`directional_influence` as an estimator; ``"exact"``, on the same scale, stands in for it."""

    name = "directional"
    description = "a backward and one or two forward passes, whatever K is"
    instead = Exact()

    def measure(self, target: Target) -> Influence:
        """The influence by one directional derivative."""
        return directional_influence(target.loss, target.parameters, selected=target.selected)

    def passes(self, objectives: int, difference: str | None = None) -> Passes:
        """A forward and a backward pass, and one further forward pass, or two for a symmetric difference."""
        return Passes(3 if difference == "symmetric" else 2, 1)

    def obstacle(self, facts: RunFacts) -> str | None:
        """Whatever keeps training from taking another backward pass, and 16-bit forward passes."""
        if facts.no_backward is not None or facts.rounding is None:
            return facts.no_backward
        return f"{facts.rounding}, and differences as small as it takes drown in their rounding."
