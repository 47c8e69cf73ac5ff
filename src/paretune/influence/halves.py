"""A batch as one whole, or as two halves of its prompts, whose noise is independent.

⟨g_k, Σ_j g_j⟩ of one batch is too large in the mean: g_k holds noise, and the noise's own square does not average out.
With g_k from one half of the prompts and g_j from the other, their noise is independent and the product is right in the
mean. Each half goes through the model alone, so a row is in one graph only, and two halves cost what the whole costs.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from paretune.influence.base import LogProbs, PolicyLoss


class Piece(NamedTuple):
    """One half's share of a micro-batch, or a whole one."""

    micro_batch: Any
    rows: Tensor | None
    """``[b]``, its rows of the micro-batch; None for all."""
    log_probs: Tensor
    """``[b, T]``, with their graph where gradients are enabled."""
    coefficients: Tensor
    """``[K, b, T]``: c_k, 0 in rows of the other half."""

    def detached(self) -> "Piece":
        """The same without the graph."""
        return self._replace(log_probs=self.log_probs.detach())


def prompt_halves(count: int, num_generations: int) -> Tensor:
    """``[N]``, 0 or 1: to which half each completion belongs; prompts take turns.

    Example:
        >>> prompt_halves(6, 2).tolist()
        [0, 0, 1, 1, 0, 0]
    """
    return torch.arange(count) // num_generations % 2


def in_both_halves(rewards: Tensor, num_generations: int) -> Tensor:
    """``[K]``, which objectives apply to completions of both halves; those alone have an influence across them."""
    applies, halves = ~rewards.isnan(), prompt_halves(len(rewards), num_generations).to(rewards.device)
    return applies[halves == 0].any(dim=0) & applies[halves == 1].any(dim=0)


def pieces_of(loss: PolicyLoss, micro_batch: Any, *, halved: bool) -> list[Piece]:
    """A micro-batch after its forward pass: one piece, or one for each half of the prompts.

    On every process a piece has at least one row, so that all make the same passes; where the micro-batch has none of a
    half, that row's coefficients are 0.
    """
    if not halved:
        at = loss.forward(micro_batch)
        return [Piece(micro_batch, None, at.values, loss.coefficients(micro_batch, at))]
    of_rows = loss.halves(micro_batch)
    rows = [(of_rows == which).nonzero().flatten() for which in (0, 1)]
    passed = [own if len(own) else own.new_zeros(1) for own in rows]
    parts = [loss.forward(micro_batch, rows=indices) for indices in passed]
    coefficients = loss.coefficients(micro_batch, _joined(parts, rows, len(of_rows)))
    return [
        Piece(micro_batch, indices, part.values, coefficients[:, indices] * (of_rows[indices] == which)[None, :, None])
        for which, (indices, part) in enumerate(zip(passed, parts, strict=True))
    ]


def _joined(parts: list[LogProbs], rows: list[Tensor], count: int) -> LogProbs:
    """What the parts say of the whole micro-batch, without a graph."""

    def whole(tensors: list[Tensor]) -> Tensor:
        joined = tensors[0].new_zeros(count, *tensors[0].shape[1:])
        for own, tensor in zip(rows, tensors, strict=True):
            joined[own] = tensor[: len(own)]
        return joined

    entropies = [part.entropies for part in parts if part.entropies is not None]
    return LogProbs(whole([part.values.detach() for part in parts]), whole(entropies) if entropies else None)
