"""PCD: one objective first, the others with a share of their own progress."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from paretune.objectives import Objective
from paretune.weighting.base import Batch
from paretune.weighting.gramian_solution import GramianSolution
from paretune.weighting.quadratic import nonnegative_minimum
from paretune.weighting.saved_state import saved_numbers

VIOLATION = 1e-6
"""A constraint that is missed by more cannot be met."""


class PCD(GramianSolution):
    r"""Follow one objective's gradient, but give every other at least τ of its own progress.

    g̃_k = g_k/√v̂_k are gradients over the root mean square of their norms so far, v̂_k the mean of ‖g_k‖² with the decay
    β, debiased. With objective 1 the one to `maximize`, the direction is

        d = argmin ½‖d − g̃_1‖²   subject to   ⟨g̃_j, d⟩ ≥ τ_j ‖g̃_j‖²   for all others j.

    ‖g̃_j‖² is the progress that a step along j's own gradient would make. Duality gives d = g̃_1 + Σ_j μ_j g̃_j, where
    μ ≥ 0 minimises ½ μᵀ M̃ μ − bᵀ μ with M̃ the others' Gramian and b_j = τ_j ‖g̃_j‖² − ⟨g̃_j, g̃_1⟩, a non-negative
    least-squares problem. So the weights are 1/√v̂_1 and μ_j/√v̂_j, before they are divided by their sum.

    Source: "Priority-Constrained Descent" (https://arxiv.org/abs/2606.29521); the problem and its defaults were checked
    against TorchJD. The average over batches is ours. Signal: the Gramian. Cost: one backward pass for each objective.

    Limits: the guarantee is of the first order and for the batch's gradients, so it is as noisy as they are. Where the
    constraints contradict each other they are dropped, as in the paper. In a batch in which the objective to maximise
    has no gradient the weights stay.

    Args:
        maximize: the name of the objective to follow.
        tau: τ in [0, 1] for the others: one for all, or by name (0.02 for those that are not named).
        decay: β in [0, 1), of the mean squared norms.
        smoothing: the share of the old weights in the new ones, in [0, 1).
        halves: take M across two halves of the prompts, which has no noise term and costs as many passes.

    Raises:
        ValueError: for a value outside its range.

    Example: two gradients of length 1 with the inner product −0.5 and τ = 0.02 have b = 0.02 + 0.5 and μ = 0.52. The
    solution is 1/1.52 = 0.658 and 0.342, and ⟨g_2, d⟩ = −0.5 + 0.52 = 0.02.
    """

    name: ClassVar[str] = "pcd"
    description: ClassVar[str] = "follow one objective, keep a share of the others (PCD)"
    paper: ClassVar[str] = "Priority-Constrained Descent, arXiv 2606.29521"

    def __init__(
        self,
        maximize: str,
        tau: float | Mapping[str, float] = 0.02,
        *,
        decay: float = 0.999,
        smoothing: float = 0.9,
        halves: bool = False,
    ) -> None:
        super().__init__(None, smoothing=smoothing, halves=halves)
        self.tau = dict(tau) if isinstance(tau, Mapping) else {}
        self.rest = 0.02 if isinstance(tau, Mapping) else tau
        for value in [self.rest, *self.tau.values()]:
            if not 0 <= value <= 1:
                raise ValueError(f"`tau` must be in [0, 1], got {value}.")
        if maximize in self.tau:
            raise ValueError(f"An objective is maximised or has a share of its own, got {maximize!r} twice.")
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must be in [0, 1), got {decay}.")
        self.maximize = maximize
        self.decay = decay
        self._squares: Tensor | None = None  # the mean squared norms before debiasing, and the batches in them
        self._batches: Tensor | None = None

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` if a name is no objective's."""
        names = [objective.name for objective in objectives]
        for name in [self.maximize, *self.tau]:
            if name not in names:
                raise ValueError(f"The rule names {name!r}: the objectives are {', '.join(names)}.")

    def solve(self, gramian: Tensor, live: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """1/√v̂_1 for the objective to maximise and μ_j/√v̂_j for the others."""
        names = [name for name, alive in zip(batch.names, live.tolist(), strict=True) if alive]
        scales = self._scales(gramian.diagonal(), live)
        signals = {"scale": torch.full((len(live),), torch.nan, dtype=torch.float64).masked_scatter(live, scales)}
        if self.maximize not in names:
            return torch.full_like(scales, torch.nan), signals
        first = names.index(self.maximize)
        others = [j for j in range(len(names)) if j != first]
        scaled = gramian * scales[:, None] * scales[None, :]
        shares = torch.tensor([self.tau.get(names[j], self.rest) for j in others], dtype=torch.float64)
        among = scaled[others][:, others]
        solution = torch.zeros_like(scales)
        solution[first] = 1.0
        solution[others] = _multipliers(among, shares * among.diagonal() - scaled[others, first])
        return solution * scales, signals

    def _scales(self, squares: Tensor, live: Tensor) -> Tensor:
        """1/√v̂_k of the objectives that have a gradient, once their squared norms count in v̂."""
        if self._squares is None or self._batches is None:
            self._squares = torch.zeros(len(live), dtype=torch.float64)
            self._batches = torch.zeros_like(self._squares)
        moved = self.decay * self._squares[live] + (1 - self.decay) * squares
        self._squares = self._squares.masked_scatter(live, moved)
        self._batches = self._batches + live
        return (moved / (1 - self.decay ** self._batches[live])).rsqrt()

    def state_dict(self) -> dict[str, Any]:
        """The mean weights, the mean squared norms and how many batches are in each."""
        kept = {"squares": self._squares, "batches": self._batches}
        return {**super().state_dict(), **{k: None if v is None else v.tolist() for k, v in kept.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        super().load_state_dict(state)
        squares, batches = state["squares"], state["batches"]
        self._squares = None if squares is None else saved_numbers("squares", squares)
        self._batches = None if batches is None else saved_numbers("batches", batches)


def _multipliers(gramian: Tensor, missing: Tensor) -> Tensor:
    """μ ≥ 0 with the least ½ μᵀ M μ − bᵀ μ; 0 if no direction has ⟨g_j, d⟩ ≥ b_j for all j."""
    if not (missing > 0).any():
        return torch.zeros_like(missing)
    multipliers = nonnegative_minimum(gramian, missing)
    met = gramian @ multipliers - missing >= -VIOLATION * gramian.diagonal().max()
    return multipliers if met.all() else torch.zeros_like(missing)
