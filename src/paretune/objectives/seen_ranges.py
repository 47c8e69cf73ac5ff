"""The ranges of metrics: as they were declared, and else as far as training has seen them."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

TAIL = 0.02
"""The share of a batch's completions at either end that do not count."""


class SeenRanges:
    """For each of K metrics the declared range, or the one between the batches' 2 % and 98 % quantiles.

    Where an end is not declared, the low one is the smallest 2 % quantile of any batch so far, the high one the largest
    98 % quantile. A few outliers in a batch move neither, and a range never shrinks, so that a gain does not change its
    meaning when the policy falls back.

    Args:
        declared: (low, high) of each metric, None for an end that is not declared.
    """

    def __init__(self, declared: Sequence[tuple[float | None, float | None]]) -> None:
        self._declared = list(declared)
        self._low = torch.full((len(declared),), torch.inf, dtype=torch.float64)
        self._high = torch.full((len(declared),), -torch.inf, dtype=torch.float64)

    def observe(self, metrics: Tensor) -> None:
        """Take in a batch's metrics ``[N, K]``; NaN, where a metric does not apply, does not count."""
        finite = metrics.cpu().double().masked_fill(~metrics.cpu().isfinite(), torch.nan)
        low, high = torch.nanquantile(finite, torch.tensor([TAIL, 1 - TAIL], dtype=torch.float64), dim=0)
        self._low = torch.fmin(self._low, low)
        self._high = torch.fmax(self._high, high)

    @property
    def ranges(self) -> list[tuple[float, float] | None]:
        """(low, high) of each metric, None while no two ends are known that differ."""
        found = []
        for (low, high), *seen in zip(self._declared, self._low.tolist(), self._high.tolist(), strict=True):
            ends = (seen[0] if low is None else low, seen[1] if high is None else high)
            found.append(ends if -torch.inf < ends[0] < ends[1] < torch.inf else None)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Both ends as they were seen, None where nothing was seen."""
        return {
            end: [None if abs(value) == torch.inf else value for value in values.tolist()]
            for end, values in (("low", self._low), ("high", self._high))
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave.

        Raises:
            ValueError: if it holds something else than a number or null for each metric.
        """
        found = {}
        for end, unseen in (("low", torch.inf), ("high", -torch.inf)):
            values = state[end]
            fits = isinstance(values, list) and len(values) == len(self._declared)
            if not fits or not all(value is None or _is_finite(value) for value in values):
                raise ValueError(f"`{end}` must be {len(self._declared)} finite numbers or null, got {values!r:.60}")
            found[end] = torch.tensor([unseen if v is None else v for v in values], dtype=torch.float64)
        self._low, self._high = found["low"], found["high"]


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False
