"""Gradient-based weight optimisation: Algorithm 2 of Lu et al. (arXiv 2509.11452)."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from paretune.influence.base import METHODS, Method
from paretune.weighting.base import Batch, InfluenceRequest, Measurements, Scalarization, WeightingRule

TYPICAL_MOVE = 0.05
"""How far a typical batch moves the log-weights when μ is left to be calibrated."""


def mirror_descent(weights: Sequence[float] | Tensor, influence: Sequence[float] | Tensor, step_size: float) -> Tensor:
    r"""One exponentiated step on the simplex, w_k ∝ w_k·exp(step_size · I_k).

    Computed in log space, so that an influence of any finite size gives weights on the simplex. It is the closed
    form of max_w ⟨w, I⟩ − (μ/η) KL(w ‖ w_t) (Lemma 5.1 and Eq. 3 of Lu et al., arXiv 2509.11452). A weight of 0
    stays 0.

    Args:
        weights: ``[K]``, on the simplex.
        influence: ``[K]``, finite.
        step_size: η/μ, the policy's learning rate over the regularisation.

    Returns:
        ``[K]`` float64, summing to 1.
    """
    w = torch.as_tensor(weights, dtype=torch.float64)
    i = torch.as_tensor(influence, dtype=torch.float64)
    return torch.softmax(torch.log(w) + step_size * i, dim=0)


class GradientInfluence(WeightingRule):
    r"""Weights that move toward the objectives whose gradients help all objectives most.

    Every batch, before the policy's update and on the same rollouts, I_k = ⟨g_k, Σ_j g_j⟩ is measured, and
    w_k ← w_k·exp(η I_k / μ), normalised. The weights start uniform (Algorithm 2 of "Learning to Optimize
    Multi-Objective Alignment Through Dynamic Reward Weighting", arXiv 2509.11452).

    The realised influence ⟨g_k, Δθ⟩ has η in it and the optimiser's scale; with it w_k ← w_k·exp(I_k / μ).

    Args:
        mu: μ > 0, on the scale of the method's influence. The released runs use 1e-5 and 1e-4 with influence clipped
            to |I_k| ≤ K; unclipped influence needs its own, the realised one another. None: the task's default;
            without one it is calibrated so that a batch whose largest influence is the mean of those so far moves
            the log-weights by at most 0.05.
        method: how influence is measured. ``"directional"``: one backward pass and one or two forward passes, whatever
            the number of objectives. ``"realised"``: one forward pass after the update; it steers the next batch, and
            works wherever TRL trains. ``"exact"``: a backward pass for each objective.
        layers: ``"all"`` trainable parameters; only those of the ``"middle"`` blocks, as the paper does; or a list
            of block indices. Not with ``"realised"``, which sees the whole update.
        average_over: batches whose mean influence makes one move of the weights.
        every: influence is measured in every n-th batch only; in between, the weights stay.
        floor: no weight falls below this; in [0, 1/K).
        clip_norm: clip each objective's gradient to this norm first (the released code: 1); with ``"exact"`` only.
        include_kl: let the KL term's gradient count in each g_k (the released code does).

    Raises:
        ValueError: for a value outside its range.
    """

    name: ClassVar[str] = "gradient"
    description: ClassVar[str] = "weights move with each objective's gradient influence (no preferences needed)"

    def __init__(
        self,
        mu: float | None = None,
        *,
        method: Method = "directional",
        layers: Literal["all", "middle"] | Sequence[int] = "all",
        average_over: int = 1,
        every: int = 1,
        floor: float = 0.0,
        clip_norm: float | None = None,
        include_kl: bool = False,
    ) -> None:
        if mu is not None and not 0 < mu < float("inf"):
            raise ValueError(f"`mu` must be positive and finite, got {mu}.")
        if method not in METHODS:
            raise ValueError(f"Unknown influence `method` {method!r}: choose one of {', '.join(METHODS)}.")
        if isinstance(layers, str):
            if layers not in ("all", "middle"):
                raise ValueError(f"`layers` must be 'all', 'middle' or a list of block indices, got {layers!r}.")
        elif not layers or not all(isinstance(i, int) and i >= 0 for i in layers):
            raise ValueError(f"`layers` as a list needs block indices of 0 or more, got {list(layers)}.")
        if average_over < 1 or every < 1:
            raise ValueError(f"`average_over` and `every` must be 1 or more, got {average_over} and {every}.")
        if not 0 <= floor < 1:
            raise ValueError(f"`floor` must be in [0, 1/K), got {floor}.")
        if clip_norm is not None and clip_norm <= 0:
            raise ValueError(f"`clip_norm` must be positive or None, got {clip_norm}.")
        if clip_norm is not None and method != "exact":
            raise ValueError(f"`clip_norm` needs each objective's own gradient: use method='exact', not {method!r}.")
        if layers != "all" and method == "realised":
            raise ValueError(f"method='realised' sees the update of all parameters: leave out `layers`={layers!r}.")
        self.mu = mu
        self.average_over = average_over
        self.every = every
        self.floor = floor
        self.request = InfluenceRequest(
            method=method,
            layers=layers if isinstance(layers, str) else tuple(layers),
            clip_norm=clip_norm,
            include_kl=include_kl,
        )
        self.settings = {
            "mu": mu,
            "method": method,
            "layers": layers if isinstance(layers, str) else list(layers),
            "average_over": average_over,
            "every": every,
            "floor": floor,
            "clip_norm": clip_norm,
            "include_kl": include_kl,
        }
        self.weights: Tensor | None = None
        self._pending: list[Tensor] = []
        self._batches = 0
        self._typical = 0.0  # mean of the largest |η I_k| so far
        self._calibrated_on = 0

    def check(self, objectives: Sequence[Any]) -> None:
        """Raise ``ValueError`` if the floor leaves no room for the weights to move."""
        if self.floor * len(objectives) >= 1:
            raise ValueError(
                f"`floor` must be below 1/K = {1 / len(objectives):.3g} for {len(objectives)} objectives, "
                f"got {self.floor}."
            )

    def measurements(self) -> Measurements:
        """The influence, in every n-th batch."""
        return Measurements(influence=self.request if self._batches % self.every == 0 else None)

    def update(self, batch: Batch) -> Scalarization:
        """Move the weights along the (averaged) influence; leave them where none was or could be measured."""
        if self.weights is None:
            self.weights = torch.full((len(batch.names),), 1 / len(batch.names), dtype=torch.float64)
        self._batches += 1
        if batch.influence is not None:
            influence = batch.influence.detach().to("cpu", torch.float64)
            if torch.isfinite(influence).all():
                self._pending.append(self._exponent(influence, batch))
            else:
                warnings.warn(
                    f"The influence at step {batch.step} is not finite ({influence.tolist()}): weights unchanged.",
                    stacklevel=2,
                )
        if len(self._pending) >= self.average_over:
            moved = mirror_descent(self.weights, torch.stack(self._pending).mean(dim=0), 1.0)
            self._pending.clear()
            self.weights = self.floor + (1 - self.floor * len(moved)) * moved if self.floor else moved
        return Scalarization(self.weights)

    def _exponent(self, influence: Tensor, batch: Batch) -> Tensor:
        """η I_k / μ, by which the log-weights move."""
        realised = batch.influence_method == "realised"
        move = influence if realised else batch.learning_rate * influence
        # A μ that was given belongs to the scale of the method that was asked for.
        if self.mu is not None and realised == (self.request.method == "realised"):
            return move / self.mu
        largest = float(move.abs().max())
        if largest > 0:
            self._calibrated_on += 1
            self._typical += (largest - self._typical) / self._calibrated_on
        return TYPICAL_MOVE * move / self._typical if self._typical > 0 else move

    def state_dict(self) -> dict[str, Any]:
        """Weights, what μ is calibrated by, and what is waiting to be averaged."""
        return {
            "weights": None if self.weights is None else self.weights.tolist(),
            "pending": [i.tolist() for i in self._pending],
            "batches": self._batches,
            "typical": self._typical,
            "calibrated_on": self._calibrated_on,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        weights = state["weights"]
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        self._typical, self._calibrated_on = state["typical"], state["calibrated_on"]
        self._pending = [torch.tensor(i, dtype=torch.float64) for i in state["pending"]]
        self._batches = state["batches"]
