"""Choosing a policy from the Pareto front of a run, or from the fronts of several runs of one task.

The choice is made by the metrics on the validation set, by which the fronts were found. What was measured on the test
set afterwards is shown beside them and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from paretune.pareto import dominates
from paretune.record.checkpoints import checkpoints
from paretune.record.final_evaluations import read_final_evaluations
from paretune.record.run_directory import read_evaluations, read_front, read_run

__all__ = ["Axis", "Choice", "Condition", "Fronts", "PickError", "Point", "Wish", "at_least", "choose", "read_fronts"]


class PickError(ValueError):
    """Nothing can be chosen; the message says why, in a line."""


@dataclass(frozen=True)
class Axis:
    """An objective of a front.

    Attributes:
        name: the objective.
        maximize: whether more of its metric is better.
        low: the lower bound of the metric.
        high: the upper bound.
    """

    name: str
    maximize: bool
    low: float
    high: float

    def gain(self, value: float) -> float:
        """Where a metric stands between the worst bound, 0, and the best, 1; beyond a bound it counts as the bound."""
        share = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return share if self.maximize else 1.0 - share


@dataclass(frozen=True, eq=False)
class Point:
    """A policy on the front of its run.

    Attributes:
        run: the run's directory.
        step: optimiser steps it was trained for.
        metrics: each objective's metric on the validation set.
        errors: their standard errors, None where there is none.
        checkpoint: its folder, or None where it was not kept.
        test: what was measured on the test set afterwards, by decoding (sampled, greedy): lines of the record.
    """

    run: Path
    step: int
    metrics: Mapping[str, float]
    errors: Mapping[str, float | None]
    checkpoint: Path | None
    test: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Fronts:
    """The fronts of some runs.

    Attributes:
        axes: the objectives, the same for all runs.
        points: the points of all runs, by run and step.
        left_out: a line about each run that has no front.
    """

    axes: Sequence[Axis]
    points: Sequence[Point]
    left_out: Sequence[str]

    @property
    def undominated(self) -> list[Point]:
        """The points that no other point of any run dominates."""
        maximize = [axis.maximize for axis in self.axes]
        values = np.array([[point.metrics[axis.name] for axis in self.axes] for point in self.points])
        beaten = np.zeros(len(self.points), dtype=bool)
        for row in values:
            beaten |= dominates(row, values, maximize)
        return [point for point, is_beaten in zip(self.points, beaten, strict=True) if not is_beaten]


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


def at_least(axis: Axis, value: float) -> Condition:
    """At least as good as a value: that or more, or that or less where less is better."""
    return Condition(axis.name, "≥" if axis.maximize else "≤", value)


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

    def score(self, axes: Sequence[Axis], metrics: Mapping[str, float]) -> float:
        """How good a policy is, in [0, 1]: the preference's mean of the gains, or their product."""
        gains = {axis.name: axis.gain(metrics[axis.name]) for axis in axes}
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
        candidates: all that no other point dominates, and the policy itself; those that meet the conditions come first,
            of these the best.
    """

    fronts: Fronts
    wish: Wish
    point: Point
    better: Sequence[Point]
    candidates: Sequence[Point]


def read_fronts(directory: str | Path) -> Fronts:
    """Read the front of a run, or those of the runs in a comparison's directory.

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
    axes: list[Axis] = []
    points: list[Point] = []
    left_out = []
    for run in runs:
        try:
            own_axes, own = _read_run(run)
        except FileNotFoundError:
            left_out.append(f"{run} has no front: it is not evaluated yet, or not every objective has bounds.")
            continue
        except KeyError as error:
            raise PickError(f"the record of {run} is broken: it lacks {error}.") from error
        except (OSError, ValueError, TypeError) as error:
            raise PickError(f"the record of {run} is broken: {error}") from error
        if not own:
            left_out.append(f"{run} has an empty front: no evaluation gave a finite metric for every objective.")
        axes = axes or own_axes
        if own_axes != axes:
            raise PickError(f"{run} has other objectives, or other bounds of them, than {runs[0]}: give one of them.")
        points += own
    if not points:
        raise PickError(left_out[0])
    return Fronts(axes, points, left_out)


def choose(fronts: Fronts, wish: Wish) -> Choice:
    """The best point that meets all conditions and has a checkpoint; of equals the one with more gain, then earlier.

    Raises:
        PickError: if no point meets the conditions, or none that does has a checkpoint.
    """

    def rank(point: Point) -> tuple[float, float, int]:
        gains = sum(axis.gain(point.metrics[axis.name]) for axis in fronts.axes)
        # Rounded, so that what is equal but for the last bit counts as equal.
        return -round(wish.score(fronts.axes, point.metrics), 12), -round(gains, 12), point.step

    ranked = sorted(fronts.points, key=rank)
    fitting = [point for point in ranked if not wish.unmet(point)]
    if not fitting:
        raise PickError(f"no policy on the front meets {_nearest(ranked, wish)}.")
    kept = [i for i, point in enumerate(fitting) if point.checkpoint is not None]
    if not kept:
        count = f"{len(fitting)} on the front" + (" that meet the conditions" if wish.conditions else "")
        raise PickError(f"none of the {count} has a checkpoint: train with save_steps equal to eval_steps.")
    point = fitting[kept[0]]
    shown = {id(p) for p in [*fronts.undominated, point]}
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


def _read_run(run: Path) -> tuple[list[Axis], list[Point]]:
    header, front = read_run(run), read_front(run)
    axes = [
        Axis(str(objective["name"]), bool(objective["maximize"]), *map(float, objective["bounds"]))
        for objective in header["objectives"]
    ]
    for axis in axes:
        if not axis.low < axis.high:
            raise ValueError(f"the bounds of {axis.name} are {axis.low:g} and {axis.high:g}.")
    kept = checkpoints(run)
    grid = [line for line in read_evaluations(run) if line.get("purpose", "grid") == "grid"]
    errors = {line["step"]: line.get("standard_error") or {} for line in grid}
    test: dict[int, dict[str, Mapping[str, Any]]] = {}
    for line in read_final_evaluations(run):
        if line.get("split") == "test":  # of several the last counts
            test.setdefault(line["step"], {})[str(line.get("decoding", "sampled"))] = line
    points = []
    for entry in sorted(front["points"], key=lambda entry: int(entry["step"])):
        step = int(entry["step"])
        own_errors = errors.get(step, {})
        points.append(
            Point(
                run=run,
                step=step,
                metrics={axis.name: float(entry["metrics"][axis.name]) for axis in axes},
                errors={axis.name: own_errors.get(axis.name) for axis in axes},
                checkpoint=kept.get(step),
                test=test.get(step, {}),
            )
        )
    return axes, points
