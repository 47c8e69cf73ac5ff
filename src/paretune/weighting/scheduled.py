"""Weights that follow a plan made before training, as TRL's users first asked for (TRL issue 3036)."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from paretune.objectives import Objective
from paretune.weighting.base import Batch, Scalarization, WeightingRule, check_count, check_weights

Breakpoints = Mapping[int, Sequence[float]] | Sequence[tuple[int, Sequence[float]]]


class ScheduledWeights(WeightingRule):
    """Weights as a function of the optimiser step.

    :class:`paretune.ScheduledWeightsCallback` does the same on an unmodified ``trl.GRPOTrainer``. The weights may have
    any sum and sign, as TRL's ``reward_weights``: one reward can fade while another stays at 1.

    Args:
        schedule: breakpoints ``{step: weights}`` or ``[(step, weights), …]``, between which the weights move in a
            straight line and outside of which they stay; or a function of the step that returns weights.

    Raises:
        ValueError: if a breakpoint's step is no whole number of 0 or more or stands twice, or its weights are no finite
            numbers, or differ in number from the others'.

    Example:
        >>> rule = ScheduledWeights({0: (1.0, 0.0), 100: (0.5, 0.5)})
        >>> rule.weights_at(50).tolist()
        [0.75, 0.25]
    """

    name: ClassVar[str] = "scheduled"
    description: ClassVar[str] = "weights that follow breakpoints over the steps"

    def __init__(self, schedule: Breakpoints | Callable[[int], Sequence[float]]) -> None:
        self._function: Callable[[int], Sequence[float]] | None = None
        if callable(schedule):
            self._function = schedule
            return
        try:
            pairs = [
                (step, weights) for step, weights in (schedule.items() if isinstance(schedule, Mapping) else schedule)
            ]
        except (TypeError, ValueError):
            raise ValueError(f"`schedule` must map steps to weights, got {schedule!r}.") from None
        breakpoints = {_whole(step): check_weights(weights) for step, weights in pairs}
        if not breakpoints:
            raise ValueError("`schedule` needs breakpoints, got none.")
        if len(breakpoints) < len(pairs):
            raise ValueError(f"`schedule` has two breakpoints at one step, got {[step for step, _ in pairs]}.")
        if len({len(w) for w in breakpoints.values()}) > 1:
            raise ValueError("`schedule` must give the same number of weights at every breakpoint.")
        self._steps = sorted(breakpoints)
        self._weights = torch.stack([breakpoints[step] for step in self._steps])

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` unless there is one weight for each objective."""
        check_count(self.weights_at(0), objectives)

    def weights_at(self, step: int) -> Tensor:
        """The weights ``[K]`` in force after `step` optimiser steps; ``ValueError`` if a function's are wrong."""
        if self._function is not None:
            return check_weights(self._function(step))
        after = bisect_right(self._steps, step)
        if after in (0, len(self._steps)):
            return self._weights[max(after - 1, 0)].clone()
        before, following = self._steps[after - 1 : after + 1]
        share = (step - before) / (following - before)  # of whole numbers of any size, rounded once
        return (1 - share) * self._weights[after - 1] + share * self._weights[after]

    def initial_weights(self, count: int) -> Tensor:
        """The weights at step 0."""
        return self.weights_at(0)

    def update(self, batch: Batch) -> Scalarization:
        """The weights at the batch's step."""
        return Scalarization(self.weights_at(batch.step))


def _whole(step: Any) -> int:
    """A breakpoint's step; YAML and JSON give it as a string."""
    try:
        whole = int(step)
    except (TypeError, ValueError, OverflowError):
        whole = -1
    if whole < 0 or (isinstance(step, float) and step != whole):
        raise ValueError(f"`schedule` needs breakpoints at whole steps of 0 or more, got {step!r}.")
    return whole
