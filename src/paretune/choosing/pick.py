"""Choosing a policy from the Pareto front of a run, or from the fronts of several runs of one task.

The choice is made by the metrics on the validation set, by which the fronts were found. What was measured on the test
set afterwards is shown beside them and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import moocore
import numpy as np

from paretune.bounded_run import BoundedRun, Bounds
from paretune.record.checkpoints import checkpoints
from paretune.record.entries import Evaluation, Objective, newest
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader
from paretune.steering import FILE


class PickError(ValueError):
    """Nothing can be chosen; the message says why, in a line."""


@dataclass(frozen=True, eq=False)
class Point:
    """A policy on the front of its run, or a steerable policy at one setting of its dial.

    Attributes:
        run: the run's directory.
        step: optimiser steps it was trained for.
        metrics: each objective's metric on the validation set.
        errors: their standard errors, where there are any.
        checkpoint: its folder, or None where it was not kept.
        test: what was measured on the test set afterwards, by decoding (sampled, greedy).
        priorities: that its prompts stated, by objective; None where they stated none.
    """

    run: Path
    step: int
    metrics: Mapping[str, float]
    errors: Mapping[str, float]
    checkpoint: Path | None
    test: Mapping[str, Evaluation]
    priorities: Mapping[str, float] | None = None

    @property
    def setting(self) -> str:
        """The priorities that are not 0, as ``paretune steer --priorities`` takes them; empty where there are none."""
        return ",".join(f"{name}={value:.3g}" for name, value in (self.priorities or {}).items() if value)


@dataclass(frozen=True, eq=False)
class Fronts:
    """The fronts of some runs.

    Attributes:
        objectives: those of all runs, each with bounds.
        points: the points of all runs, by run and step. Those of a steerable run are the settings of its last policy's
            dial, where it was measured on the validation set.
        left_out: a line about each run that has no front, or whose dial was not measured.
    """

    objectives: Sequence[Objective]
    points: Sequence[Point]
    left_out: Sequence[str]

    @property
    def several(self) -> bool:
        """Whether the points are of more than one run."""
        return len({point.run for point in self.points}) > 1

    @property
    def undominated(self) -> list[Point]:
        """The points that no other point of any run dominates."""
        values = np.array([[point.metrics[o.name] for o in self.objectives] for point in self.points])
        maximize = [objective.maximize for objective in self.objectives]
        stays = moocore.is_nondominated(values, maximise=maximize, keep_weakly=True)
        return [point for point, is_on_front in zip(self.points, stays, strict=True) if is_on_front]


@dataclass(frozen=True)
class Condition:
    """What a metric must come to, in its own units.

    Attributes:
        name: the objective.
        sign: whether the metric must be ``value`` or more, or ``value`` or less.
        value: the threshold.
    """

    name: str
    sign: Literal["≥", "≤"]
    value: float

    def holds(self, metrics: Mapping[str, float]) -> bool:
        """Whether a policy with these metrics meets it."""
        metric = metrics[self.name]
        return metric >= self.value if self.sign == "≥" else metric <= self.value

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {self.value:g}"


def at_least(objective: Objective, value: float) -> Condition:
    """At least as good as a value: that or more, or that or less where less is better."""
    return Condition(objective.name, "≥" if objective.maximize else "≤", value)


@dataclass(frozen=True)
class Wish:
    """What is wanted of a policy.

    Attributes:
        preference: how much each objective counts, 0 or more; objectives that are not named count nothing. Empty: the
            product of all gains decides.
        conditions: what must hold.
    """

    preference: Mapping[str, float]
    conditions: Sequence[Condition]

    def score(self, objectives: Sequence[Objective], metrics: Mapping[str, float]) -> float:
        """How good a policy is, in [0, 1]: the preference's mean of the gains, or their product."""
        gains = gains_of(objectives, metrics)
        if not self.preference:
            return math.prod(gains.values())
        return sum(self.preference[name] * gains[name] for name in self.preference) / sum(self.preference.values())

    def unmet(self, point: Point) -> list[Condition]:
        """The conditions that a point does not meet."""
        return [condition for condition in self.conditions if not condition.holds(point.metrics)]


@dataclass(frozen=True, eq=False)
class Choice:
    """A policy that was chosen.

    Attributes:
        fronts: from which.
        wish: by which.
        point: the policy; it has a checkpoint.
        better: points that are better still but have no checkpoint, best first.
        candidates: all that no other point dominates, every setting of a dial, and the policy itself; those that meet
            the conditions come first, of these the best.
    """

    fronts: Fronts
    wish: Wish
    point: Point
    better: Sequence[Point]
    candidates: Sequence[Point]


def read_fronts(directory: str | Path, bounds: Bounds | None = None) -> Fronts:
    """Read the front of a run, or those of the runs in a comparison's directory.

    Args:
        directory: the run's or the comparison's.
        bounds: of objectives, in place of those that the runs have recorded; the fronts are then computed anew.

    Raises:
        PickError: if there is no run or no front, if a record is broken, or if the runs differ in their objectives.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise PickError(f"there is no folder {directory}.")
    alone = (directory / "run.json").is_file()
    runs = [directory] if alone else sorted(path.parent for path in directory.glob("*/run.json"))
    if not runs:
        raise PickError(f"{directory} holds no run: give the folder of a run, or one with the folders of several.")
    objectives: list[Objective] = []
    points: list[Point] = []
    left_out = []
    for run in runs:
        try:
            own_objectives, own = _read_run(run, bounds)
        except (OSError, RecordError) as error:
            raise PickError(f"the record of {run} is broken: {error}") from error
        if own is None:
            left_out.append(f"{run} has no front: it is not evaluated yet, or an objective has no bounds (--bounds).")
            continue
        if not own:
            left_out.append(f"{run} {why_empty(RunReader(run))}")
        elif own[0].priorities is None and _is_steerable(own):
            left_out.append(
                f"the dial of {run} is not measured on the validation set, which `paretune evaluate {run} --split "
                "validation` does."
            )
        objectives = objectives or own_objectives
        if own_objectives != objectives:
            raise PickError(f"{run} has other objectives, or other bounds of them, than {runs[0]}: give one of them.")
        points += own
    if not points:
        raise PickError(left_out[0])
    return Fronts(objectives, points, left_out)


def choose(fronts: Fronts, wish: Wish) -> Choice:
    """The best point that meets all conditions and has a checkpoint; of equals the one with more gain, then earlier.

    Raises:
        PickError: if no point meets the conditions, or none that does has a checkpoint.
    """

    def rank(point: Point) -> tuple[float, float, int]:
        gains = sum(gains_of(fronts.objectives, point.metrics).values())
        # Rounded, so that what is equal but for the last bit counts as equal.
        return -round(wish.score(fronts.objectives, point.metrics), 12), -round(gains, 12), point.step

    ranked = sorted(fronts.points, key=rank)
    fitting = [point for point in ranked if not wish.unmet(point)]
    if not fitting:
        raise PickError(f"no policy on the front meets {_nearest(ranked, wish)}.")
    kept = [i for i, point in enumerate(fitting) if point.checkpoint is not None]
    if not kept:
        count = f"{len(fitting)} on the front" + (" that meet the conditions" if wish.conditions else "")
        raise PickError(f"none of the {count} has a checkpoint: train with save_steps equal to eval_steps.")
    point = fitting[kept[0]]
    shown = {id(p) for p in [*fronts.undominated, *(p for p in ranked if p.priorities), point]}
    candidates = [p for p in sorted(ranked, key=lambda p: len(wish.unmet(p)) > 0) if id(p) in shown]
    return Choice(fronts, wish, point, fitting[: kept[0]], candidates)


def _nearest(points: Sequence[Point], wish: Wish) -> str:
    """The conditions, each with the best value that any policy has."""
    told = []
    for condition in wish.conditions:
        values = [point.metrics[condition.name] for point in points]
        best = max(values) if condition.sign == "≥" else min(values)
        told.append(f"{condition} (the best is {best:.4g})")
    return " and ".join(told)


def gains_of(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> dict[str, float]:
    """Where each metric stands between the worst bound, 0, and the best, 1."""
    gains = {objective.name: objective.gain(metrics[objective.name]) for objective in objectives}
    return {name: gain for name, gain in gains.items() if gain is not None}  # all of them: each has bounds


def why_empty(run: RunReader) -> str:
    """Why the front of a run has no point, as the predicate of a sentence."""
    if not run.grid:
        return "was never evaluated: train with --eval_strategy steps and --eval_steps, so that it gets a front."
    return "has an empty front: no evaluation gave a finite metric for every objective."


def _read_run(run: Path, bounds: Bounds | None) -> tuple[list[Objective], list[Point] | None]:
    """The objectives of a run and its points by step; None for the points if it has no front."""
    reader = BoundedRun(run, bounds=bounds)
    objectives, front = list(reader.header.objectives), reader.front
    if front is None:
        return objectives, None
    unbounded = [objective.name for objective in objectives if objective.bounds is None]
    if unbounded or not objectives:
        raise RecordError(f"it has a front, and no bounds of {', '.join(unbounded) or 'any objective'}")
    kept = checkpoints(run)
    if settings := _settings(reader):
        return objectives, [_setting(run, one, kept, reader.dial) for one in settings]
    errors = {evaluation.step: evaluation.errors for evaluation in reader.grid}
    test: dict[int, dict[str, Evaluation]] = {}
    for evaluation in reader.measured_again:
        if evaluation.split == "test":  # of several the last counts
            test.setdefault(evaluation.step, {})[evaluation.decoding] = evaluation
    return objectives, [
        Point(
            run, point.step, point.metrics, errors.get(point.step, {}), kept.get(point.step), test.get(point.step, {})
        )
        for point in front
    ]


def _settings(run: RunReader) -> list[Evaluation]:
    """The settings of the last policy's dial on the validation set, sampled: as it was measured on the most prompts.

    One measured in training counts where none was made after it. A setting that lacks a metric is left out.
    """
    after = [one for one in run.dial if one.split == "validation" and one.decoding == "sampled"]
    names = [objective.name for objective in run.header.objectives]
    return [one for one in newest(after or run.dial_in_training) if all(name in one.metrics for name in names)]


def _setting(run: Path, one: Evaluation, kept: Mapping[int, Path], dial: Sequence[Evaluation]) -> Point:
    """A setting as a point; `dial` holds what was measured after training."""
    test = {
        other.decoding: other
        for other in dial
        if (other.split, other.step, other.priorities) == ("test", one.step, one.priorities)
    }
    return Point(run, one.step, one.metrics, one.errors, kept.get(one.step), test, one.priorities)


def _is_steerable(points: Sequence[Point]) -> bool:
    return any(point.checkpoint is not None and (point.checkpoint / FILE).is_file() for point in points)
