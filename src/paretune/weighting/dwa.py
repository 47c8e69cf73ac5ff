"""Dynamic weight average: more weight on what progresses least."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from paretune.weighting.base import Batch, Measurements, Scalarization, check_positive
from paretune.weighting.gains import SmoothedGains
from paretune.weighting.priorities import Priorities, Prioritised
from paretune.weighting.saved_state import saved_numbers
from paretune.weighting.simplex import normalised

OFFSET = 1e-3
"""Added to both headrooms, so that a ratio of two that are nearly used up says little."""


class DWA(Prioritised):
    r"""More weight where the headroom shrinks least: w_k ∝ v_k exp((h_k(t−1)/h_k(t−2)) / T).

    The headroom h_k = 1 − G_k takes the place of the loss of supervised multi-task learning. In the first two batches
    the weights are the priorities.

    Source: "End-to-End Multi-Task Learning with Attention" (https://arxiv.org/abs/1803.10704); the formula was checked
    against TorchJD. Headrooms instead of losses and the smoothing are ours. Signal: gains. Cost: nothing.

    Limit: gains hardly differ between two batches, so the weights stay near the priorities and follow noise.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        temperature: T > 0.
        smoothing: the share of the old mean gain in the new one, in [0, 1).

    Raises:
        ValueError: for a value outside its range.

    Example: headrooms that went from 0.8 to 0.4 and from 0.5 to 0.5 have ratios of 0.5 and 1, so with T = 2 the weights
    are 0.438 and 0.562.
    """

    name: ClassVar[str] = "dwa"
    description: ClassVar[str] = "more weight on what progresses least (DWA)"
    paper: ClassVar[str] = "End-to-End Multi-Task Learning with Attention, arXiv 1803.10704"

    def __init__(self, priorities: Priorities = None, *, temperature: float = 2.0, smoothing: float = 0.6) -> None:
        super().__init__(priorities)
        check_positive(temperature=temperature)
        self.temperature = temperature
        self._gains = SmoothedGains(smoothing)
        self._headrooms: list[Tensor] = []  # of the last two batches, NaN for what had not applied yet

    def measurements(self) -> Measurements:
        """The metrics of the batch's own rollouts."""
        return Measurements(evaluation="rollouts")

    def update(self, batch: Batch) -> Scalarization:
        """Weigh by the ratio of the last two headrooms, then take in this batch's."""
        count = len(batch.names)
        ratios = torch.ones(count, dtype=torch.float64)
        if len(self._headrooms) == 2:
            before, last = self._headrooms
            ratios = ((last + OFFSET) / (before + OFFSET)).nan_to_num(1.0)
        gains = self._gains.add(batch.gains)
        self._headrooms = [*self._headrooms, 1 - gains][-2:]
        weights = normalised(self.shares(batch).log() + ratios / self.temperature, batch.varies)
        return Scalarization(weights, signals={"gain": gains, "ratio": ratios})

    def state_dict(self) -> dict[str, Any]:
        """The mean gains and the last two headrooms."""
        headrooms = [[None if value != value else value for value in h.tolist()] for h in self._headrooms]
        return {"gains": self._gains.state_dict(), "headrooms": headrooms}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        self._gains.load_state_dict(state["gains"])
        self._headrooms = [saved_numbers("headrooms", headroom, missing=True) for headroom in state["headrooms"]]
