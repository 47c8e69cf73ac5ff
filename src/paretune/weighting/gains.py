"""How far each objective has come: gains on the bounds, and their running mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from paretune.weighting.saved_state import saved_numbers


def gains_of(metrics: Tensor, bounds: Sequence[tuple[float, float] | None], maximize: Sequence[bool]) -> Tensor:
    """Each metric's place between the worst bound, 0, and the best, 1.

    Args:
        metrics: ``[..., K]`` in the metrics' own units.
        bounds: ``(low, high)`` of each, or None where there are none yet.
        maximize: whether a larger metric is better.

    Returns:
        ``[..., K]`` float64 in [0, 1]; NaN where a metric does not apply or has no bounds. A metric beyond a bound
        counts as the bound.

    Example:
        >>> gains_of(torch.tensor([0.25, 30.0]), [(0.0, 1.0), (0.0, 40.0)], [True, False]).tolist()
        [0.25, 0.25]
    """
    unknown = (float("nan"), float("nan"))
    low, high = torch.tensor([unknown if pair is None else pair for pair in bounds], dtype=torch.float64).T
    share = ((metrics.cpu().double() - low) / (high - low)).clamp(0.0, 1.0)
    return torch.where(torch.tensor(list(maximize)), share, 1 - share)


class SmoothedGains:
    """The exponential mean of gains over batches, each objective's over the batches in which it applied.

    Args:
        smoothing: the share of the old mean in the new one, in [0, 1).

    Raises:
        ValueError: for a share outside that range.
    """

    def __init__(self, smoothing: float) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(f"`smoothing` must be in [0, 1), got {smoothing}.")
        self.smoothing = smoothing
        self.values: Tensor | None = None
        """``[K]``, NaN for an objective that has not applied yet; None before the first batch."""

    def add(self, gains: Tensor) -> Tensor:
        """Take in a batch's gains ``[K]`` (NaN: leaves the mean as it is); returns the means."""
        old = torch.full_like(gains, float("nan")) if self.values is None else self.values
        mean = self.smoothing * old + (1 - self.smoothing) * gains
        self.values = torch.where(torch.isnan(gains), old, torch.where(torch.isnan(old), gains, mean))
        return self.values

    def state_dict(self) -> dict[str, Any]:
        """The means, None where there is none yet."""
        if self.values is None:
            return {"values": None}
        return {"values": [None if value != value else value for value in self.values.tolist()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave."""
        self.values = None if state["values"] is None else saved_numbers("values", state["values"], missing=True)
