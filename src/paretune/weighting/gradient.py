"""Gradient-based weight optimisation: Algorithm 2 of Lu et al. (arXiv 2509.11452)."""

import math
import warnings
from bisect import insort
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from paretune.influence import ESTIMATORS, Method, in_both_halves
from paretune.weighting.base import (
    Batch,
    InfluenceRequest,
    Measurements,
    Scalarization,
    WeightingRule,
    check_positive,
    check_whole,
)
from paretune.weighting.saved_state import saved_count, saved_numbers

TYPICAL_MOVE = 0.05
"""How far a typical batch moves the log-weights when μ is left to be calibrated."""
LONGEST_MOVE = 20 * TYPICAL_MOVE
"""How far any batch moves them then, however far out of proportion its influence is."""
SCALE_OF_MU: dict[str, Any] = {"clip_norm": None, "layers": "all", "include_kl": False}
"""A task's μ belongs to influence measured with these settings, and not to the realised one."""
_FLOAT64 = torch.finfo(torch.float64)
_FARTHEST = 1e300
"""No move of a log-weight is kept longer, so that the mean of several is finite."""


def mirror_descent(weights: Sequence[float] | Tensor, influence: Sequence[float] | Tensor, step_size: float) -> Tensor:
    r"""One exponentiated step on the simplex, w_k ∝ w_k·exp(step_size · I_k).

    It is the closed form of max_w ⟨w, I⟩ − (μ/η) KL(w ‖ w_t) (Lemma 5.1 and Eq. 3 of Lu et al., arXiv 2509.11452).
    It is computed in log space, from how far each influence lags behind the largest. So finite numbers of any size give
    weights on the simplex, and an equal influence, or a step of 0, gives back the same weights, bit for bit.

    A weight of 0 stays 0. A positive weight stays positive: it falls no lower than 2.2e-308, the smallest normal
    float64. So an objective that was driven into a corner can come back, once its step_size · I is ahead by 708 in sum.

    Args:
        weights: ``[K]``, on the simplex.
        influence: ``[K]``, finite.
        step_size: η/μ, the policy's learning rate over the regularisation; finite, 0 or more.

    Returns:
        ``[K]`` float64, summing to 1.

    Raises:
        ValueError: if the influence or the step size is not finite, or the step size is negative.
    """
    w = torch.as_tensor(weights, dtype=torch.float64)
    i = torch.as_tensor(influence, dtype=torch.float64)
    if not torch.isfinite(i).all():
        raise ValueError(f"`influence` must be finite, got {i.tolist()}: leave the weights as they are instead.")
    if not 0 <= step_size < float("inf"):
        raise ValueError(f"`step_size` must be finite and 0 or more, got {step_size}.")
    alive = w > 0
    exponent = step_size * _lag(i, i[alive].max())
    if not exponent[alive].any():
        return w.clone()
    moved = torch.softmax(torch.where(alive, torch.log(w) + exponent, -torch.inf), dim=0)
    return torch.where(alive, moved.clamp(min=_FLOAT64.tiny), 0.0)


def raise_to_floor(weights: Tensor, floor: float) -> Tensor:
    """The point nearest to the weights, by KL divergence, of those on the simplex with no weight below the floor.

    What is below the floor is set to it, and what is above shares the rest in proportion. After
    :func:`mirror_descent` this is the exact solution of its problem with w ≥ floor. Weights that keep to the floor are
    given back as they are.

    Args:
        weights: ``[K]``, on the simplex.
        floor: in [0, 1/K).

    Returns:
        ``[K]``, each at least the floor, summing to 1.
    """
    low = weights < floor
    if not low.any():
        return weights
    while True:
        shared = weights * (1 - floor * int(low.sum())) / weights[~low].sum()
        lower = ~low & (shared < floor)
        if not lower.any() or (low | lower).all():
            return torch.where(low, floor, shared).clamp(min=floor)
        low |= lower


def _is_index(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def _median(ordered: Sequence[float]) -> float:
    """That of `statistics`, which would sort thousands of sorted numbers once more in every batch."""
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2  # halves of the smallest would be 0


def _applies(batch: Batch, influence: Tensor) -> Tensor:
    """``[K]``, which objectives apply to a completion that the influence was measured on."""
    estimator = None if batch.influence_method is None else ESTIMATORS[batch.influence_method]
    if estimator is None or not estimator.of_update:
        if estimator is not None and estimator.halved:
            return in_both_halves(batch.rewards, batch.num_generations).cpu()
        return ~batch.rewards.isnan().all(dim=0).cpu()
    # It is of the batch before, and NaN where an objective did not apply there; with nothing but NaN it has failed.
    return ~influence.isnan() | influence.isnan().all()


def _lag(influence: Tensor, largest: Tensor) -> Tensor:
    """How far each is behind the largest, 0 or less and finite."""
    return (influence - largest).clamp(min=_FLOAT64.min, max=0.0)


class GradientInfluence(WeightingRule):
    r"""Weights that move toward the objectives whose gradients help all objectives most.

    Every batch, before the policy's update and on the same rollouts, I_k = ⟨g_k, Σ_j g_j⟩ is measured, and
    w_k ← w_k·exp(η I_k / μ), normalised. The weights start uniform (Algorithm 2 of "Learning to Optimize
    Multi-Objective Alignment Through Dynamic Reward Weighting", arXiv 2509.11452).

    The realised influence ⟨g_k, Δθ⟩ has η in it and the optimiser's scale; with it w_k ← w_k·exp(I_k / μ).

    J_k is the mean reward of the completions to which objective k applies, as its metric is. So the influence of an
    objective is not small only because it is rare. An objective that applies to no completion of a batch keeps its
    weight there, and the others share the rest (the same update with that weight held fixed).

    Args:
        mu: μ > 0, on the scale of the method's influence. The released runs use 1e-5 and 1e-4 with influence clipped
            to |I_k| ≤ K; unclipped and realised influence each need a value of their own. None: the task's
            default; without one, μ is calibrated. A batch whose largest influence is the median of those so far then
            moves the log-weights by at most 0.05, and no batch moves them by more than 1. (With a median, a batch
            whose influence is far out of proportion does not change those after it. The rule keeps one number of each
            batch for this.)
        method: how influence is measured. ``"directional"``: one backward pass and one or two forward passes, whatever
            the number of objectives. ``"realised"``: one forward pass after the update; it steers the next batch, and
            works wherever TRL trains. ``"exact"``: a backward pass for each objective. ``"crossed"``: as directional,
            across two halves of the prompts, so that the noise's own square is not in it; ``"crossed-exact"``: the same
            by a backward pass for each objective.
        layers: ``"all"`` trainable parameters; only those of the ``"middle"`` blocks, as the paper does; or a list
            of block indices (one named twice counts once). Not with ``"realised"``, which sees the whole update.
        average_over: batches whose mean influence makes one move of the weights, as in the paper; an objective's mean
            is over those to which it applied. Over m batches the weights move an m-th as far as they would batch by
            batch, which makes them steadier. With mu / m they move as far.
        every: influence is measured in every n-th batch only, and counts for n batches. The weights then move n times
            as far, and stay as they are in between.
        floor: no weight falls below this; in [0, 1/K). Without one, a weight can fall so low that its objective
            counts for nothing for the rest of a run (:func:`mirror_descent` says how low).
        clip_norm: clip each objective's gradient to this norm first (the released code: 1); with ``"exact"`` only.
        include_kl: let the KL term's gradient count in each g_k (the released code does).

    Raises:
        ValueError: for a value outside its range.
    """

    name: ClassVar[str] = "gradient"
    description: ClassVar[str] = "weights move with each objective's gradient influence"
    paper: ClassVar[str] = (
        "Learning to Optimize Multi-Objective Alignment Through Dynamic Reward Weighting, arXiv 2509.11452"
    )

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
        check_positive(mu=mu)
        if method not in ESTIMATORS:
            raise ValueError(f"`method` must be one of {', '.join(ESTIMATORS)}, got {method!r}.")
        estimator = ESTIMATORS[method]
        if isinstance(layers, str):
            if layers not in ("all", "middle"):
                raise ValueError(f"`layers` must be 'all', 'middle' or a list of block indices, got {layers!r}.")
        elif not isinstance(layers, Sequence) or not layers or not all(map(_is_index, layers)):
            raise ValueError(f"`layers` as a list needs block indices of 0 or more, got {layers!r}.")
        check_whole(average_over=average_over, every=every)
        if not 0 <= floor < 1:
            raise ValueError(f"`floor` must be in [0, 1/K), got {floor}.")
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"`clip_norm` must be positive or None, got {clip_norm}.")
        if clip_norm is not None and not estimator.clips:
            clipping = " or ".join(repr(e.name) for e in ESTIMATORS.values() if e.clips)
            raise ValueError(f"`clip_norm` needs each objective's own gradient: use method={clipping}, not {method!r}.")
        if layers != "all" and not estimator.selects_layers:
            raise ValueError(f"method={method!r} sees the update of all parameters: leave out `layers`={layers!r}.")
        self.mu = mu
        self.average_over = average_over
        self.every = every
        self.floor = floor
        self.request = InfluenceRequest(
            method=method,
            layers=layers if isinstance(layers, str) else tuple(map(int, layers)),
            clip_norm=clip_norm,
            include_kl=include_kl,
        )
        self.weights: Tensor | None = None
        self._pending: list[Tensor] = []  # [K] η I / μ of batches that wait to be averaged, NaN: did not apply
        self._batches = 0
        self._count: int | None = None
        self._sizes: list[float] = []  # the largest |η I_k| of each batch so far, sorted

    @classmethod
    def task_settings(cls, settings: Mapping[str, Any], *, mu: float | None) -> dict[str, Any]:
        """The task's μ, where the influence is on the scale of the rule's defaults."""
        at_scale = all(settings.get(name, default) == default for name, default in SCALE_OF_MU.items())
        estimator = ESTIMATORS.get(settings.get("method", InfluenceRequest.method))
        return {"mu": mu} if at_scale and estimator is not None and not estimator.of_update else {}

    def check(self, objectives: Sequence[Any]) -> None:
        """Raise ``ValueError`` if the floor leaves no room for the weights to move."""
        self._count = len(objectives)
        if self.floor * len(objectives) >= 1:
            raise ValueError(
                f"`floor` must be below 1/K = {1 / len(objectives):.3g} for {len(objectives)} objectives, "
                f"got {self.floor}."
            )

    def measurements(self) -> Measurements:
        """The influence, in every n-th batch."""
        return Measurements(influence=self.request if self._batches % self.every == 0 else None)

    def update(self, batch: Batch) -> Scalarization:
        """Move the weights along the (averaged) influence; leave those whose influence was or could not be measured."""
        if self.weights is None:
            self.weights = torch.full((len(batch.names),), 1 / len(batch.names), dtype=torch.float64)
        self._batches += 1
        if batch.influence is not None:
            influence = batch.influence.detach().to("cpu", torch.float64)
            applies = _applies(batch, influence)
            if torch.isfinite(influence[applies]).all():
                if applies.any():
                    self._pending.append(self._exponent(influence.masked_fill(~applies, torch.nan), batch))
            else:
                warnings.warn(
                    f"The influence at step {batch.step} is not finite ({influence.tolist()}): weights unchanged.",
                    stacklevel=2,
                )
        if len(self._pending) >= self.average_over:
            self.weights = self._moved(self.weights, torch.stack(self._pending).nanmean(dim=0))
            self._pending.clear()
        return Scalarization(self.weights)

    def _moved(self, weights: Tensor, exponent: Tensor) -> Tensor:
        """The weights after a step along an exponent; those where it is NaN stay, and the others keep their sum."""
        applies = ~exponent.isnan()
        share = 1.0 if applies.all() else float(weights[applies].sum())
        before = weights[applies] / share
        # A batch that is measured stands for those up to the next one.
        after = raise_to_floor(mirror_descent(before, exponent[applies], self.every), self.floor / share)
        moved = (share * after).clamp(min=max(self.floor, _FLOAT64.tiny))
        return weights.masked_scatter(applies, torch.where(after == before, weights[applies], moved))

    def _exponent(self, influence: Tensor, batch: Batch) -> Tensor:
        """η I_k / μ, finite; NaN where the influence is."""
        of_update = batch.influence_method is not None and ESTIMATORS[batch.influence_method].of_update
        rate = 1.0 if of_update else batch.learning_rate
        moves = (rate * influence).clamp(_FLOAT64.min, _FLOAT64.max)
        largest = float(moves.abs().nan_to_num(nan=0.0).max())
        # A μ that was given belongs to the scale of the method that was asked for.
        if self.mu is not None and of_update == ESTIMATORS[self.request.method].of_update:
            mu, longest = self.mu, math.inf
        else:
            if largest > 0:
                insort(self._sizes, min(largest, _FARTHEST))
            if not self._sizes:
                return moves  # all 0
            mu, longest = _median(self._sizes) / TYPICAL_MOVE, LONGEST_MOVE
        exponent = moves / max(mu, largest / _FARTHEST)
        return exponent.clamp(min=float(exponent.nan_to_num(nan=-torch.inf).max()) - longest)

    def state_dict(self) -> dict[str, Any]:
        """Weights, what μ is calibrated by, and what is waiting to be averaged."""
        return {
            "weights": None if self.weights is None else self.weights.tolist(),
            "pending": [[None if math.isnan(x) else x for x in row.tolist()] for row in self._pending],
            "batches": self._batches,
            "sizes": list(self._sizes),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave.

        Raises:
            ValueError: if it is none that such a rule has; the number of objectives is known after :meth:`check`.
        """
        weights = state["weights"]
        self.weights = None if weights is None else saved_numbers("weights", weights, self._count)
        self._sizes = saved_numbers("sizes", state["sizes"]).tolist()
        self._pending = [saved_numbers("pending", row, self._count, missing=True) for row in state["pending"]]
        self._batches = saved_count("batches", state["batches"])
