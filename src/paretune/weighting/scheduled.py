"""Weights that follow a plan made before training, as TRL's users first asked for (TRL issue 3036)."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from paretune.objectives import Objective
from paretune.weighting.base import Batch, Scalarization, WeightingRule, check_count, check_weights

Breakpoints = Mapping[int, Sequence[float]] | Sequence[tuple[int, Sequence[float]]]


class ScheduledWeights(WeightingRule):
    """Weights as a function of the optimiser step.

    :class:`paretune.ScheduledWeightsCallback` does the same on an unmodified ``trl.GRPOTrainer``.

    Args:
        schedule: breakpoints ``{step: weights}`` or ``[(step, weights), …]``, between which the weights move in a
            straight line and outside of which they stay; or a function of the step that returns weights.

    Raises:
        ValueError: if a breakpoint's step is negative, or its weights are negative, do not sum to 1, or differ
            in number from the others'.

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
            self.settings = {"schedule": getattr(schedule, "__qualname__", repr(schedule))}
            return
        # YAML and JSON give the steps as strings.
        breakpoints = {int(step): check_weights(weights) for step, weights in dict(schedule).items()}
        if not breakpoints or min(breakpoints) < 0:
            raise ValueError(f"`schedule` needs breakpoints at steps of 0 or more, got {list(breakpoints)}.")
        if len({len(w) for w in breakpoints.values()}) > 1:
            raise ValueError("`schedule` must give the same number of weights at every breakpoint.")
        self._steps = sorted(breakpoints)
        self._weights = torch.stack([breakpoints[step] for step in self._steps]).numpy()
        self.settings = {"schedule": {step: breakpoints[step].tolist() for step in self._steps}}

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` unless there is one weight for each objective."""
        check_count(self.weights_at(0), objectives)

    def weights_at(self, step: int) -> Tensor:
        """The weights ``[K]`` in force after `step` optimiser steps; ``ValueError`` if a function's are wrong."""
        if self._function is not None:
            return check_weights(self._function(step))
        return torch.tensor(
            [float(np.interp(step, self._steps, column)) for column in self._weights.T], dtype=torch.float64
        )

    def update(self, batch: Batch) -> Scalarization:
        """The weights at the batch's step."""
        return Scalarization(self.weights_at(batch.step))
