"""What the rules that solve for weights on the Gramian of the objectives' gradients have in common."""

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from paretune.weighting.base import Batch, InfluenceRequest, Measurements, Scalarization
from paretune.weighting.priorities import Priorities, Prioritised
from paretune.weighting.saved_state import saved_numbers
from paretune.weighting.simplex import normalised


class GramianSolution(Prioritised):
    r"""Base of rules whose weights solve a small problem on M_ij = ⟨g_i, g_j⟩, averaged over batches.

    ŵ is the solution for one batch's Gramian. Since M is noisy, the weights are its mean w ← s w + (1 − s) ŵ, with s
    the `smoothing` (as CR-MOGM does, NeurIPS 2022). Weights below 0 become 0, and ŵ is divided by its sum first.

    g_k is the gradient of objective k's own advantages, and a solution speaks of the sum Σ_k w_k g_k. So the rule hands
    over that sum's advantages, A_n = Σ_k w_k A_nk, where an objective that applies to a part of the completions counts
    for as much as one that applies to all.

    An objective without a gradient in the batch (its reward does not vary or does not apply, or ⟨g_k, g_k⟩ is 0 or
    less, as it can be when it is taken across halves of the prompts) is left out of the problem and keeps its mean
    weight; the others share the rest. An indefinite M gives way to the nearest positive semi-definite matrix, with
    negative eigenvalues set to 0. A batch whose Gramian is not finite, or for which no solution is found, leaves the
    weights as they are.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal. The mean starts at v.
        smoothing: s, the share of the old weights in the new ones, in [0, 1).
        halves: whether M is taken across two halves of the prompts, ½ (G_A G_Bᵀ + G_B G_Aᵀ). That has no noise term, so
            its mean over batches is the true Gramian.

    Raises:
        ValueError: for a value outside its range.
    """

    halves: bool = False

    def __init__(self, priorities: Priorities, *, smoothing: float, halves: bool = False) -> None:
        super().__init__(priorities)
        if not 0 <= smoothing < 1:
            raise ValueError(f"`smoothing` must be in [0, 1), got {smoothing}.")
        self.smoothing = smoothing
        self.halves = halves
        self._weights: Tensor | None = None

    def measurements(self) -> Measurements:
        """The Gramian, which the exact influence yields."""
        return Measurements(influence=InfluenceRequest(method="crossed-exact" if self.halves else "exact"))

    def update(self, batch: Batch) -> Scalarization:
        """Solve for the batch's Gramian, and weigh by the mean of the solutions so far.

        Raises:
            ValueError: if influence is measured in a way that yields no Gramian.
        """
        if batch.influence is not None and batch.gramian is None:
            raise ValueError(
                f"the rule {self.name} needs the Gramian, and this run can measure the {batch.influence_method} "
                "influence only: choose a rule that goes by that, or train without what stands in the way."
            )
        count = len(batch.names)
        mean = self.shares(batch) if self._weights is None else self._weights
        nothing = torch.full((count,), torch.nan, dtype=torch.float64)
        solution = squares = nothing
        signals: dict[str, Tensor] = {}
        if batch.gramian is not None:
            gramian = batch.gramian.detach().cpu().double()
            squares = gramian.diagonal()
            live = ~batch.rewards.isnan().all(dim=0).cpu() & ~(squares <= 0)
            gramian = gramian[live][:, live]
            if not torch.isfinite(gramian).all():
                warnings.warn(f"The Gramian at step {batch.step} is not finite: weights unchanged.", stacklevel=2)
            elif live.any():
                found, signals = self.solve(nearest_semidefinite(gramian), live, batch)
                found = found.double()
                solution = nothing.masked_scatter(live, found)
                mean = self._averaged(mean, live, found)
        self._weights = mean
        weights = normalised(mean.log(), batch.varies)
        signals = {"solution": solution, "norm": squares.clamp(min=0).sqrt(), **signals}
        return Scalarization(weights, advantages=_advantages_of_means(batch) @ weights, signals=signals)

    def _averaged(self, mean: Tensor, live: Tensor, found: Tensor) -> Tensor:
        """The mean with this solution in it; as it was where the solution is none."""
        positive = found.clamp(min=0.0)
        total = positive.sum()
        if not torch.isfinite(total) or total <= 0:
            return mean
        target = mean[live].sum() * positive / total
        return mean.masked_scatter(live, self.smoothing * mean[live] + (1 - self.smoothing) * target)

    @abstractmethod
    def solve(self, gramian: Tensor, live: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weights for one batch, of any sum and sign, and the signals ``[K]`` that they rest on.

        Args:
            gramian: ``[L, L]`` float64, positive semi-definite, of the L ≥ 1 objectives that have a gradient.
            live: ``[K]`` bools, which those are.
            batch: the batch.

        Returns:
            ``[L]``; NaN where there is no solution.
        """

    def state_dict(self) -> dict[str, Any]:
        """The mean weights."""
        return {"weights": None if self._weights is None else self._weights.tolist()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        self._weights = None if state["weights"] is None else saved_numbers("weights", state["weights"])


def nearest_semidefinite(gramian: Tensor) -> Tensor:
    """The symmetric positive semi-definite matrix nearest to this one, by the Frobenius norm."""
    symmetric = (gramian + gramian.T) / 2
    values, vectors = torch.linalg.eigh(symmetric)
    if values[0] >= 0:
        return symmetric
    semidefinite: Tensor = (vectors * values.clamp(min=0.0)) @ vectors.T
    return semidefinite


def _advantages_of_means(batch: Batch) -> Tensor:
    """``[N, K]``: advantages whose gradients are those of each objective's mean where it applies."""
    scored = (~batch.rewards.isnan()).sum(dim=0).clamp(min=1).cpu()
    return batch.advantages.detach().cpu().double() * (len(batch.rewards) / scored)
