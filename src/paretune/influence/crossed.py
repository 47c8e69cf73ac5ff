r"""Influence across two halves of the prompts, which leaves out the square of the noise.

With g_k^A and g_k^B the gradients on two halves, v^A = Σ_j g_j^A and v^B alike,

    I_k = ½ (⟨g_k^A, v^B⟩ + ⟨g_k^B, v^A⟩),

whose mean over batches is ⟨∇J_k, Σ_j ∇J_j⟩, because the noise of the halves is independent. The ordinary influence
has ¼ ⟨g_k^A − g_k^B, v^A − v^B⟩ in addition, which is noise alone.
"""

import warnings
from collections.abc import Sequence
from math import isfinite, sqrt

import torch
from torch import nn

from paretune.influence.base import Influence, PolicyLoss
from paretune.influence.crossed_exact import CrossedExact, crossed_exact_influence
from paretune.influence.directional import FAILURE, Directional, derivative_along, summed_gradients
from paretune.influence.estimator import Target
from paretune.influence.gradients import inner, put_aside, squared_norm


def crossed_influence(
    loss: PolicyLoss, parameters: Sequence[nn.Parameter], *, selected: Sequence[nn.Parameter] | None = None
) -> Influence:
    """I_k across two halves by a backward pass over each and a forward pass over each along the other's direction.

    Each row is in one backward pass and in one forward pass (two where the difference has to be symmetric), as with the
    directional influence. Beside the activations it takes the room of two gradients and one copy of the selected
    parameters. An error is held against (‖v^A‖² + ‖v^B‖²)/4√K, about the least length that the ordinary influence has,
    since this one can be 0.

    Args:
        loss: the loss on this process's part of the batch, its advantages made for two halves.
        parameters: all trainable parameters.
        selected: those along which directions are taken; None for all.

    Returns:
        The influence ``[K]``; zero where a half has no gradient, NaN where one is not finite. Where a difference may be
        off by more than 10 %, a warning says so and the exact influence across halves is returned.
    """
    chosen = list(parameters if selected is None else selected)
    with put_aside(parameters):
        pieces, sums = summed_gradients(loss, parameters, chosen, halved=True)
    squares = [squared_norm(v.tensors, loss) for v in sums]
    count = len(pieces[0][0].coefficients)
    if not all(map(isfinite, squares)) or 0 in squares:
        nothing = 0.0 if all(map(isfinite, squares)) else float("nan")
        return Influence(values=torch.full((count,), nothing, dtype=torch.float64), method=Crossed.name)
    in_second = dict(zip(map(id, sums[1].parameters), sums[1].tensors, strict=True))
    pairs = [(v, in_second[id(p)]) for p, v in zip(*sums[0], strict=True) if id(p) in in_second]
    total = inner([v for v, _ in pairs], [v for _, v in pairs], loss)
    least = sum(squares) / 4 / sqrt(count)
    found = [derivative_along(loss, pieces[half], sums[1 - half], total=total, least=least) for half in (0, 1)]
    check = max(derivative.check for derivative in found)
    if check <= FAILURE:
        symmetric = any(derivative.difference == "symmetric" for derivative in found)
        return Influence(
            values=(found[0].values + found[1].values) / 2,
            method=Crossed.name,
            difference="symmetric" if symmetric else "one-sided",
            check=check,
        )
    sums.clear()
    warnings.warn(
        f"crossed influence fails its check here (it may be {check:.0%} off), so the exact one across halves is used; "
        "if it keeps failing, choose method='crossed-exact' yourself.",
        stacklevel=2,
    )
    return crossed_exact_influence(loss, parameters, selected=selected)


class Crossed(Directional):
    """:func:`crossed_influence` as an estimator; ``"crossed-exact"`` stands in for it."""

    name = "crossed"
    description = "directional across two halves of the prompts, less noise"
    halved = True
    instead = CrossedExact()

    def measure(self, target: Target) -> Influence:
        """The influence across halves by two directional derivatives."""
        return crossed_influence(target.loss, target.parameters, selected=target.selected)
