"""GD²PO: completions on which the objectives disagree are left out."""

from typing import ClassVar

import torch

from paretune.weighting.base import Batch, Scalarization
from paretune.weighting.priorities import Priorities, Prioritised
from paretune.weighting.simplex import whiten


class ConflictFiltered(Prioritised):
    r"""Train only on completions on which the objectives agree.

    S_n = Σ_k a_nk / (Σ_k |a_nk| + 1e-8) with a_nk = K v_k A_nk. A completion whose advantages have both signs and whose
    |S_n| is below τ is left out. ρ_g is the share that is kept in its group, and A_n = whiten(ρ_g Σ_k a_nk) over what
    is kept; the others have the advantage 0.

    Source: GD²PO (https://arxiv.org/abs/2606.16771), checked against the authors' code for K = 2 and equal priorities;
    more objectives and priorities are ours. Signal: the batch's advantages. Cost: nothing, but what is left out was
    generated in vain.

    Limit: where objectives conflict on every completion, nothing is trained.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        threshold: τ in [0, 1]; 0 keeps all.

    Raises:
        ValueError: for a value outside its range.

    Example: advantages of 1 and −0.5 give S = 0.5/1.5 = 0.33: with τ = 0.8 the completion is left out. 1 and −0.1 give
    S = 0.82, and it stays.
    """

    name: ClassVar[str] = "gd2po"
    description: ClassVar[str] = "completions with conflicts are left out (GD²PO)"
    paper: ClassVar[str] = "GD²PO, arXiv 2606.16771"

    def __init__(self, priorities: Priorities = None, *, threshold: float = 0.8) -> None:
        super().__init__(priorities)
        if not 0 <= threshold <= 1:
            raise ValueError(f"`threshold` must be from 0 to 1, got {threshold}.")
        self.threshold = threshold

    def update(self, batch: Batch) -> Scalarization:
        """The priorities, and the advantages of the completions that are kept."""
        priorities = self.shares(batch)
        advantages = len(priorities) * priorities * batch.advantages.cpu().double()
        agreement = advantages.sum(dim=1) / (advantages.abs().sum(dim=1) + 1e-8)
        conflicts = (advantages > 0).any(dim=1) & (advantages < 0).any(dim=1)
        kept = ~(conflicts & (agreement.abs() < self.threshold))
        share = kept.double().view(-1, batch.num_generations).mean(dim=1).repeat_interleave(batch.num_generations)
        result = torch.zeros(len(advantages), dtype=torch.float64)
        if kept.any():
            result[kept] = whiten((share * advantages.sum(dim=1))[kept])
        kept_share = torch.full_like(priorities, float(kept.double().mean()))
        return Scalarization(priorities, advantages=result, signals={"kept": kept_share})
