"""Worst first: mirror descent on how little each objective has gained so far."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from paretune.weighting.base import Batch, Measurements, Scalarization, check_not_negative
from paretune.weighting.priorities import Priorities, Prioritised
from paretune.weighting.simplex import normalised


class WorstFirst(Prioritised):
    r"""Weights that add up what was missing over the whole run: w_k ∝ v_k exp(−η Σ_t G_k(t)).

    It is the mirror form of group distributionally robust optimisation, with objectives for groups.

    Source: group DRO (https://arxiv.org/abs/1911.08731), carried over to objectives at second hand. Signal: gains of
    each batch. Cost: nothing.

    Limits: the sum never forgets, so after T batches a mean difference of 0.1 in gain has moved the log-weights by
    0.1 η T, and the rule ends with nearly all weight on the objective with the smallest gain, however hard that is.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        rate: η ≥ 0.

    Raises:
        ValueError: for a value outside its range.

    Example: after ten batches with gains of 0.5 and 0.2 and η = 0.1 the log-weights differ by 0.3, and the weights are
    0.426 and 0.574.
    """

    name: ClassVar[str] = "worst-first"
    description: ClassVar[str] = "weights move toward what has gained least so far"
    paper: ClassVar[str] = "group DRO, arXiv 1911.08731"

    def __init__(self, priorities: Priorities = None, *, rate: float = 0.1) -> None:
        super().__init__(priorities)
        check_not_negative(rate=rate)
        self.rate = rate
        self._sums: list[float] = []

    def measurements(self) -> Measurements:
        """The metrics of the batch's own rollouts."""
        return Measurements(evaluation="rollouts")

    def update(self, batch: Batch) -> Scalarization:
        """Add up the gains; those of an objective that does not apply stay."""
        gains = batch.gains
        sums = torch.tensor(self._sums or [0.0] * len(gains), dtype=torch.float64) + gains.nan_to_num(0.0)
        self._sums = sums.tolist()
        scores = self.shares(batch).log() - self.rate * sums
        return Scalarization(normalised(scores, batch.varies), signals={"gain": gains})

    def state_dict(self) -> dict[str, Any]:
        """The sums of the gains so far."""
        return {"sums": list(self._sums)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        self._sums = [float(value) for value in state["sums"]]
