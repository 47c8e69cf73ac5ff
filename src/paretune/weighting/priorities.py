"""Priorities: how much each objective matters to the user, whatever a rule then makes of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from paretune.objectives import Objective
from paretune.weighting.base import Batch, WeightingRule

Priorities = Mapping[str, float] | Sequence[float] | None
"""Numbers by the objectives' names, or one for each in their order; None: all equal."""


class Prioritised(WeightingRule):
    """Base of rules that take priorities v.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.

    Raises:
        ValueError: if they are not all positive and finite.
    """

    def __init__(self, priorities: Priorities = None) -> None:
        values: Any = priorities.values() if isinstance(priorities, Mapping) else priorities
        try:
            fine = priorities is None or (len(priorities) > 0 and all(0 < float(v) < float("inf") for v in values))
        except (TypeError, ValueError):
            fine = False
        if not fine:
            raise ValueError(
                f"`priorities` must be numbers above 0, by name or one for each objective, got {priorities!r}."
            )
        self.priorities = priorities

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` if the priorities do not fit the objectives."""
        priorities_of(self.priorities, [objective.name for objective in objectives])

    def shares(self, batch: Batch) -> Tensor:
        """V of the batch's objectives, ``[K]`` float64, summing to 1."""
        return priorities_of(self.priorities, batch.names)


def priorities_of(priorities: Priorities, names: Sequence[str]) -> Tensor:
    """The priorities v of these objectives, ``[K]`` float64, summing to 1.

    An objective that a mapping does not name has the priority 1 before all are divided by their sum, so that
    ``{"accuracy": 2}`` means: twice as important as each of the others.

    Raises:
        ValueError: if a name is no objective's, or the number of priorities is not that of the objectives.
    """
    if priorities is None:
        values = [1.0] * len(names)
    elif isinstance(priorities, Mapping):
        unknown = [name for name in priorities if name not in names]
        if unknown:
            raise ValueError(f"`priorities` name {unknown[0]!r}: the objectives are {', '.join(names)}.")
        values = [float(priorities.get(name, 1.0)) for name in names]
    else:
        if len(priorities) != len(names):
            raise ValueError(
                f"`priorities` has {len(priorities)} values for {len(names)} objectives: give one for each."
            )
        values = [float(value) for value in priorities]
    return torch.tensor(values, dtype=torch.float64) / sum(values)
