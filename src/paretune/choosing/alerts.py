"""One-line remarks on a run while it goes: what its weights and its evaluations on the grid say.

Evaluations are noisy. So a remark needs a difference of several standard errors, or one that is seen several times in
a row.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from paretune.record.entries import Batch, Evaluation, Objective

CORNERS = (0.02, 0.95)
"""A weight below the first or above the second is cornered."""
CORNERED_FOR = 5
"""Lines in a row before a cornered weight is worth a remark."""
SATURATED_FOR = 3
"""Evaluations in a row before an objective counts as saturated."""
EDGE = 0.05
"""The part of the range next to a bound."""
FLAT = 2.0
"""Joint standard errors within which a metric counts as unchanged."""
MOVED = 3.0
"""Joint standard errors beyond which a metric has moved."""


class Measured(NamedTuple):
    """One objective's metric in one evaluation."""

    step: int
    value: float
    error: float


class Alerts:
    """Takes a run's batches and evaluations one by one, and says each thing once.

    Args:
        objectives: the K objectives.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = {objective.name: objective for objective in objectives}
        self._weights: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self._free: set[str] = set()  # objectives whose weight has stood between the corners
        self._metrics: dict[str, list[Measured]] = defaultdict(list)
        self._said: set[tuple[str, str]] = set()

    def batch(self, batch: Batch) -> list[str]:
        """Remarks on a batch's weights: one that has been cornered for some lines.

        A weight that has stood in the corner from the first line on was put there, and is passed over.
        """
        remarks = []
        for name in self._objectives:
            weight = batch.weights.get(name)
            if weight is None:
                continue
            seen = self._weights[name]
            if CORNERS[0] <= weight <= CORNERS[1]:
                self._free.add(name)
                seen.clear()
                continue
            if seen and (seen[0][1] < CORNERS[0]) != (weight < CORNERS[0]):  # from one corner to the other
                seen.clear()
            seen.append((batch.step, weight))
            if name in self._free and len(seen) >= CORNERED_FOR:
                side, corner = ("below", CORNERS[0]) if weight < CORNERS[0] else ("above", CORNERS[1])
                text = f"the weight of {name} is cornered: {side} {corner} since step {seen[0][0]}, now {weight:.3g}"
                remarks += self._once(f"cornered {side}", name, text)
        return remarks

    def evaluation(self, evaluation: Evaluation) -> list[str]:
        """Remarks on an evaluation: an objective that is saturated, or one that has paid for another's rise.

        Evaluations that a rule asked for are passed over.
        """
        if evaluation.purpose != "grid":
            return []
        measured = []
        for name in self._objectives:
            value, error = evaluation.metrics.get(name), evaluation.errors.get(name)
            if value is not None and error is not None:
                self._metrics[name].append(Measured(evaluation.step, value, error))
                measured.append(name)
        return [remark for name in measured for remark in self._saturation(name)] + self._costs(measured)

    def _saturation(self, name: str) -> list[str]:
        """Whether the latest evaluations of an objective all lie at one end of its bounds, and no longer move."""
        latest, objective = self._metrics[name][-SATURATED_FOR:], self._objectives[name]
        bounds = objective.bounds
        if bounds is None or len(latest) < SATURATED_FOR:
            return []
        low, high = bounds
        best, worst = (high, low) if objective.maximize else (low, high)
        at_best = all(_gap(m, best, worst) <= EDGE for m in latest)
        if at_best and (_touches(latest[-1], best, worst) or abs(_moved(latest[0], latest[-1])) <= FLAT):
            text = f"{name} is saturated: {_values(latest)} in the last {len(latest)} evaluations, {best:g} is its best"
            return self._once("best", name, text)
        # At the bad end a few percent may be a beginning, so there only the bound itself counts.
        if all(_gap(m, worst, best) <= EDGE and _touches(m, worst, best) for m in latest):
            text = f"{name} is stuck at its worst: {_values(latest)} in the last {len(latest)} evaluations"
            return self._once("worst", name, text)
        return []

    def _costs(self, measured: Sequence[str]) -> list[str]:
        """Objectives that have got worse since the first evaluation while others got better."""
        moves = {}
        for name in measured:
            sign = 1 if self._objectives[name].maximize else -1
            moves[name] = sign * _moved(self._metrics[name][0], self._metrics[name][-1])
        risen = [name for name in measured if moves[name] > MOVED]
        remarks = []
        for name in measured:
            if moves[name] < -MOVED and risen:
                text = (
                    f"{self._change(name)} has got worse since step {self._metrics[name][0].step}, while "
                    f"{' and '.join(map(self._change, risen))} improved (each by over {MOVED:g} standard errors)"
                )
                remarks += self._once("cost", name, text)
        return remarks

    def _change(self, name: str) -> str:
        first, last = self._metrics[name][0], self._metrics[name][-1]
        return f"{name} ({first.value:.3g} → {last.value:.3g})"

    def _once(self, kind: str, name: str, text: str) -> list[str]:
        if (kind, name) in self._said:
            return []
        self._said.add((kind, name))
        return [text]


def _gap(measured: Measured, bound: float, other: float) -> float:
    """How far a value is from a bound, as a share of the range; 0 or less beyond it."""
    return (bound - measured.value) / (bound - other)


def _touches(measured: Measured, bound: float, other: float) -> bool:
    """Whether a value is within a standard error of a bound, or beyond it."""
    return _gap(measured, bound, other) <= measured.error / abs(bound - other)


def _moved(first: Measured, last: Measured) -> float:
    """The change from one evaluation to another in joint standard errors."""
    change, error = last.value - first.value, math.hypot(first.error, last.error)
    if error == 0:
        return math.copysign(math.inf, change) if change else 0.0
    return change / error


def _values(measured: Sequence[Measured]) -> str:
    return ", ".join(f"{m.value:.3g}" for m in measured)
