"""What the rules that feed back how much of each objective is still missing have in common."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from paretune.objectives import Objective
from paretune.weighting.base import Batch, Measurements, Scalarization
from paretune.weighting.gains import SmoothedGains
from paretune.weighting.gradient import raise_to_floor
from paretune.weighting.priorities import Priorities, Prioritised
from paretune.weighting.simplex import normalised

Source = Literal["rollouts", "validation"]


class GainFeedback(Prioritised):
    """Base of rules whose weights follow the gains G_k of the current policy.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        smoothing: the share of the old mean gain in the new one, in [0, 1).
        source: where gains are read: the batch's own ``"rollouts"``, which costs nothing; or the latest evaluation on
            the ``"validation"`` set, whenever one was made.
        floor: no weight of an objective that varies falls below this; in [0, 1/K).

    Raises:
        ValueError: for a value outside its range.
    """

    def __init__(self, priorities: Priorities, *, smoothing: float, source: Source, floor: float) -> None:
        super().__init__(priorities)
        if source not in get_args(Source):
            raise ValueError(f"`source` must be one of {', '.join(get_args(Source))}, got {source!r}.")
        if not 0 <= floor < 1:
            raise ValueError(f"`floor` must be in [0, 1/K), got {floor}.")
        self.source = source
        self.floor = floor
        self._gains = SmoothedGains(smoothing)
        self._read = -1  # the step of the evaluation that was read last

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` if priorities or floor do not fit the objectives."""
        super().check(objectives)
        if self.floor * len(objectives) >= 1:
            raise ValueError(f"`floor` must be below 1/K = {1 / len(objectives):.3g}, got {self.floor}.")

    def measurements(self) -> Measurements:
        """The metrics of the batch's own rollouts, or nothing."""
        return Measurements(evaluation="rollouts" if self.source == "rollouts" else None)

    def update(self, batch: Batch) -> Scalarization:
        """Take in the gains, and weigh by them."""
        if batch.evaluation is not None and (self.source == "rollouts" or batch.evaluation.step != self._read):
            self._gains.add(batch.gains)
            self._read = batch.evaluation.step
        gains = self._gains.values
        if gains is None:
            gains = torch.full((len(batch.names),), torch.nan, dtype=torch.float64)
        # An objective of which nothing is known yet counts like the others' mean.
        known = torch.where(torch.isnan(gains), gains.nanmean().nan_to_num(0.5), gains)
        weights = normalised(self.log_scores(known, batch), batch.varies)
        if self.floor:
            live = batch.varies.cpu() | ~batch.varies.any().cpu()
            weights = weights.masked_scatter(live, raise_to_floor(weights[live], self.floor))
        return Scalarization(weights, signals={"gain": gains})

    @abstractmethod
    def log_scores(self, gains: Tensor, batch: Batch) -> Tensor:
        """The logarithms of the weights, before they are normalised.

        Args:
            gains: ``[K]`` in [0, 1], the mean gains so far.
            batch: the batch.
        """

    def log_priorities(self, batch: Batch) -> Tensor:
        """Log v, ``[K]``."""
        return self.shares(batch).log()

    def state_dict(self) -> dict[str, Any]:
        """The mean gains."""
        return {"gains": self._gains.state_dict(), "read": self._read}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        self._gains.load_state_dict(state["gains"])
        self._read = int(state["read"])
