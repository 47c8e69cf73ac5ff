"""Hypervolume-guided weight adaptation: Algorithm 1 of Lu et al. (arXiv 2509.11452)."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

from torch import Tensor

from paretune.advantages import ESTIMATORS
from paretune.objectives import Objective
from paretune.pareto import ParetoArchive, worst_corner
from paretune.weighting.base import (
    Batch,
    Measurements,
    Placement,
    Scalarization,
    WeightingRule,
    check_count,
    check_positive,
    check_simplex,
    check_whole,
)
from paretune.weighting.presets import weights_of
from paretune.weighting.saved_state import saved_count, saved_numbers


def meta_reward(contribution: float, scale: float = 1.0) -> float:
    """The factor r = 0.5 + 1.5·tanh(contribution / scale), in [0.5, 2] (Eq. 1 of Lu et al.).

    Args:
        contribution: ΔHV ≥ 0 of the policy's point.
        scale: the ΔHV that counts as ordinary progress, > 0 and finite, in the same units; the paper's is 1.

    Raises:
        ValueError: if the contribution is negative or NaN, or the scale is not positive and finite.
    """
    if not contribution >= 0:
        raise ValueError(f"`contribution` must be 0 or more, got {contribution}.")
    check_positive(scale=scale)
    return 0.5 + 1.5 * math.tanh(contribution / scale)


def swallowed(
    apply_to: Placement,
    *,
    estimator: str,
    scale_rewards: str,
    aggregation: str,
    max_grad_norm: float,
) -> str | None:
    """Why a factor put there would not act on the update, in one line; None if it acts.

    Args:
        apply_to: where the factor is put.
        estimator: the name of the estimator of advantages.
        scale_rewards: TRL's ``"group"``, ``"batch"`` or ``"none"``; GRPO only.
        aggregation: TRL's ``multi_objective_aggregation``; GRPO only.
        max_grad_norm: gradient clipping, 0 for none.
    """
    if apply_to == "update":
        return None
    if apply_to == "reward":
        known = ESTIMATORS[estimator]
        if known.computed_by_trl and aggregation == "normalize_then_sum":
            return f"a factor on all rewards cancels in multi_objective_aggregation={aggregation!r}"
        cancels = known.cancels_factor(scale_rewards)
        if cancels is not None:
            return f"a factor on all rewards cancels in {cancels}"
    if max_grad_norm > 0:
        return (
            f"gradient clipping at max_grad_norm={max_grad_norm:g} removes a factor on the {apply_to} "
            "whenever the gradient's norm exceeds it"
        )
    return None


class HypervolumeGuided(WeightingRule):
    """The user's preferences stay fixed; a batch counts more when the last one widened the Pareto front.

    After every update the policy is evaluated, its point's contribution ΔHV to the archive of non-dominated points
    becomes r = 0.5 + 1.5·tanh(ΔHV / scale), and the next batch is scaled by r (Algorithm 1 of "Learning to Optimize
    Multi-Objective Alignment Through Dynamic Reward Weighting", arXiv 2509.11452). Every objective needs bounds. A
    policy is judged once: where several batches make one update, they all have the r of the update before.

    An objective that never gets above the reference leaves no point with any volume: r then is 0.5 from the second
    evaluation on. An evaluation with a metric that is not finite is not judged: r stays, and a warning says so. With
    more than five objectives ΔHV is an estimate (:class:`paretune.ParetoArchive`).

    Args:
        weights: the preferences, one for each objective: a point of the simplex, 0 or more and summing to 1, as in the
            paper. Their sum would be a factor on r. Or the name of a preset; None: 1/K for each.
        apply_to: where r acts. ``"update"``: the size of the optimiser's step, after clipping, which always acts;
            ``"advantage"``; ``"reward"``, as in the paper, where normalised advantages cancel it
            (:func:`swallowed`).
        reference: the hypervolume's reference point: the ``"worst"`` corner of the bounds, the ``"initial"``
            policy's metrics as in the paper, or K values in the metrics' units.
        scale: the ΔHV that counts as ordinary progress; None: the running mean of the positive contributions.
        evaluate_on: the ``"validation"`` set; or the training ``"rollouts"`` of the next batch, which cost nothing
            but are sampled and see training prompts.
        every: batches between two evaluations; in between, r stays.

    Raises:
        ValueError: for a value outside its range.
    """

    name: ClassVar[str] = "hypervolume"
    description: ClassVar[str] = "progress of the Pareto front scales each update"
    paper: ClassVar[str] = (
        "Learning to Optimize Multi-Objective Alignment Through Dynamic Reward Weighting, arXiv 2509.11452"
    )
    takes_weights: ClassVar[bool] = True
    scales_updates: ClassVar[bool] = True

    def __init__(
        self,
        weights: Sequence[float] | str | None = None,
        *,
        apply_to: Placement = "update",
        reference: Literal["worst", "initial"] | Sequence[float] = "worst",
        scale: float | None = None,
        evaluate_on: Literal["validation", "rollouts"] = "validation",
        every: int = 1,
    ) -> None:
        self.weights = None if weights is None else check_simplex(weights_of(weights))
        if apply_to not in get_args(Placement):
            raise ValueError(f"`apply_to` must be one of {', '.join(get_args(Placement))}, got {apply_to!r}.")
        if isinstance(reference, str):
            if reference not in ("worst", "initial"):
                raise ValueError(f"`reference` must be 'worst', 'initial' or K values, got {reference!r}.")
        elif self.weights is not None and len(reference) != len(self.weights):
            raise ValueError(f"`reference` has {len(reference)} values for {len(self.weights)} weights.")
        elif not all(math.isfinite(r) for r in reference):
            raise ValueError(f"`reference` must be finite, got {list(reference)}.")
        check_positive(scale=scale)
        if evaluate_on not in ("validation", "rollouts"):
            raise ValueError(f"`evaluate_on` must be 'validation' or 'rollouts', got {evaluate_on!r}.")
        check_whole(every=every)
        self.apply_to = apply_to
        self.reference = reference if isinstance(reference, str) else [float(r) for r in reference]
        self.scale = scale
        self.evaluate_on = evaluate_on
        self.every = every
        self.archive: ParetoArchive | None = None
        self.meta_reward = 1.0
        self._progress_sum = 0.0
        self._progress_count = 0
        self._batches = 0
        self._judged: int | None = None  # the optimiser steps of the policy that was judged last
        self._maximize: list[bool] = []
        self._bounds: list[tuple[float, float]] = []

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` unless there is a weight for each objective, each has bounds, and the reference room."""
        if self.weights is not None:
            check_count(self.weights, objectives)
        if not isinstance(self.reference, str) and len(self.reference) != len(objectives):
            raise ValueError(f"`reference` has {len(self.reference)} values for {len(objectives)} objectives.")
        unbounded = [o.name for o in objectives if o.bounds is None]
        if unbounded:
            raise ValueError(
                f"The hypervolume rule needs bounds of every objective's metric; without are: "
                f"{', '.join(unbounded)}. Give Objective(..., bounds=(low, high)), or --bounds NAME=LOW:HIGH."
            )
        self._maximize = [o.maximize for o in objectives]
        self._bounds = [o.bounds for o in objectives if o.bounds is not None]
        if not isinstance(self.reference, str):
            for objective, reference, (low, high) in zip(objectives, self.reference, self._bounds, strict=True):
                if reference >= high if objective.maximize else reference <= low:
                    raise ValueError(
                        f"`reference` is {reference:g} for {objective.name}, whose best bound is "
                        f"{high if objective.maximize else low:g}: nothing can be better. Give a worse value."
                    )

    def caution(self, *, estimator: str, scale_rewards: str, aggregation: str, max_grad_norm: float) -> str | None:
        """Why r would not act on the update, in one line; None if it does."""
        reason = swallowed(
            self.apply_to,
            estimator=estimator,
            scale_rewards=scale_rewards,
            aggregation=aggregation,
            max_grad_norm=max_grad_norm,
        )
        return reason and f"HypervolumeGuided(apply_to={self.apply_to!r}): {reason}. apply_to='update' always acts."

    def initial_weights(self, count: int) -> Tensor:
        """The preferences."""
        return super().initial_weights(count) if self.weights is None else self.weights

    def measurements(self) -> Measurements:
        """A fresh evaluation in every n-th batch."""
        return Measurements(evaluation=self.evaluate_on if self._batches % self.every == 0 else None)

    def update(self, batch: Batch) -> Scalarization:
        """Judge the policy that made this batch, hence the update before it, and scale this batch accordingly."""
        fresh = self._batches % self.every == 0
        self._batches += 1
        # A second look at the same policy would find that it adds nothing to itself.
        if fresh and batch.evaluation is not None and batch.evaluation.step != self._judged:
            self._judge(batch.evaluation.metrics, batch.evaluation.step)
        return Scalarization(self.initial_weights(len(batch.names)), scale=self.meta_reward, apply_to=self.apply_to)

    def _judge(self, point: Sequence[float], step: int) -> None:
        if not all(math.isfinite(value) for value in point):
            warnings.warn(
                f"The metrics at step {step} are not finite ({list(point)}): the factor stays {self.meta_reward:g}.",
                stacklevel=3,
            )
            return
        self._judged = step
        if self.archive is None:  # the initial policy opens the archive, and r is 1
            self.archive = self._new_archive(point)
            self.archive.add(point, step)
            return
        contribution = self.archive.add(point, step)
        if contribution > 0:
            self._progress_sum += contribution
            self._progress_count += 1
        scale = self.scale or (self._progress_sum / self._progress_count if self._progress_count else 1.0)
        self.meta_reward = meta_reward(contribution, scale)

    def _new_archive(self, initial: Sequence[float]) -> ParetoArchive:
        if self.reference == "worst":
            reference = worst_corner(self._maximize, self._bounds)
        elif self.reference == "initial":
            reference = list(initial)
        else:
            reference = [float(r) for r in self.reference]
        return ParetoArchive(self._maximize, reference, self._bounds)

    def state_dict(self) -> dict[str, Any]:
        """The archive, r, the calibration of its scale, and which policy was judged last."""
        archive = self.archive
        return {
            "archive": None if archive is None else archive.state_dict(),
            "reference": None if archive is None else [float(r) for r in archive.reference],
            "meta_reward": self.meta_reward,
            "progress": [self._progress_sum, self._progress_count],
            "batches": self._batches,
            "judged": self._judged,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave; :meth:`check` must have been called.

        Raises:
            ValueError: if it is none that such a rule has.
        """
        archive = None
        if state["archive"] is not None:
            reference = saved_numbers("reference", state["reference"], len(self._maximize)).tolist()
            archive = ParetoArchive(self._maximize, reference, self._bounds)
            archive.load_state_dict(state["archive"])
            if archive.dimension != len(self._maximize):
                raise ValueError(f"`archive` is of {archive.dimension} objectives, the run of {len(self._maximize)}")
        (meta_reward,) = saved_numbers("meta_reward", [state["meta_reward"]], 1).tolist()
        progress, count = state["progress"]
        (self._progress_sum,) = saved_numbers("progress", [progress], 1).tolist()
        self._progress_count = saved_count("progress", count)
        self._batches = saved_count("batches", state["batches"])
        self.archive, self.meta_reward = archive, meta_reward
        self._judged = None if state["judged"] is None else saved_count("judged", state["judged"])
