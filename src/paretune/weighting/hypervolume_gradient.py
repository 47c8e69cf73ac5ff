"""The gradient of the hypervolume of all points passed so far, at the policy's own point."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paretune.pareto.volumes import exclusive_share
from paretune.weighting.base import Batch, Scalarization, check_positive
from paretune.weighting.feedback import GainFeedback
from paretune.weighting.priorities import Priorities

MOST_POINTS = 64
"""So many points are remembered, the newest ones."""


class HypervolumeGradient(GainFeedback):
    r"""Weights that turn toward what the front does not cover yet: w_k ∝ v_k ∂HV(B ∪ {p})/∂p_k.

    p is the policy's point in unit gains, B holds the points passed before, and the reference is the worst corner. The
    derivative is the (K−1)-dimensional volume of the facet of p's box that no point of B covers: Π_{j≠k} p_j times the
    share of it that lies outside all b with b_k > p_k. While B covers nothing of it this is Nash welfare.

    Two traps are avoided. B holds smoothed points less their standard error, since a point that is high by chance would
    stay and switch its objective off. And the derivative is taken at p + δ, without the points that dominate it, since
    it is 0 at a dominated point.

    Source: the set gradient of the hypervolume (Emmerich and Deutz 2012; Deist et al. 2021,
    https://arxiv.org/abs/2102.04523); the formulas were checked against published code. Signal: gains. Cost: nothing;
    beyond six objectives the share is estimated at 16,384 points (:mod:`paretune.pareto.volumes`).

    Limit: it covers the front as a whole, so the last policy may stand at one end of it.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        lookahead: δ > 0, in gain.
        smoothing: the share of the old mean gain in the new one, in [0, 1).
        floor: no weight of an objective that varies falls below this; in [0, 1/K).

    Raises:
        ValueError: for a value outside its range.

    Example: with p + δ = (0.5, 0.5) and one point b = (0.6, 0.4) in B, the facet of the first objective has 0.5 − 0.4 =
    0.1 left and that of the second 0.5, so that the weights are 1/6 and 5/6.
    """

    name: ClassVar[str] = "hypervolume-gradient"
    description: ClassVar[str] = "weights turn toward what the front does not cover yet"
    paper: ClassVar[str] = "Emmerich and Deutz 2012; Deist et al. 2021, arXiv 2102.04523"
    knows_order: ClassVar[bool] = True  # by some percent, where shares are estimated

    def __init__(
        self,
        priorities: Priorities = None,
        *,
        lookahead: float = 0.05,
        smoothing: float = 0.6,
        floor: float = 0.0,
    ) -> None:
        super().__init__(priorities, smoothing=smoothing, source="rollouts", floor=floor)
        check_positive(lookahead=lookahead)
        self.lookahead = lookahead
        self._points: list[list[float]] = []

    def log_scores(self, gains: Tensor, batch: Batch) -> Tensor:
        """Log v_k + the logarithm of the facet's free volume."""
        ahead = (gains + self.lookahead).numpy()
        passed = np.array(self._points, dtype=np.float64).reshape(-1, len(ahead))
        passed = passed[~(passed >= ahead).all(axis=1)]
        free = [_free_share(ahead, passed, k) for k in range(len(ahead))]
        return self.log_priorities(batch) - torch.tensor(ahead).log() + torch.tensor(free, dtype=torch.float64).log()

    def update(self, batch: Batch) -> Scalarization:
        """Weigh by the facets, then remember the point."""
        result = super().update(batch)
        gains = self._gains.values
        if gains is not None and batch.evaluation is not None and not torch.isnan(gains).any():
            self._remember((gains - _gain_errors(batch)).clamp(min=0.0).tolist())
        return result

    def _remember(self, point: list[float]) -> None:
        new = np.array(point)
        others = [p for p in self._points if not (new >= np.array(p)).all()]
        if not any((np.array(p) >= new).all() for p in others):
            self._points = [*others, point][-MOST_POINTS:]

    def state_dict(self) -> dict[str, Any]:
        """The mean gains and the points passed."""
        return {**super().state_dict(), "points": [list(point) for point in self._points]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        super().load_state_dict(state)
        self._points = [[float(value) for value in point] for point in state["points"]]


def _free_share(point: NDArray[np.float64], passed: NDArray[np.float64], k: int) -> float:
    """The share of the point's facet across objective k that no passed point covers."""
    others = np.delete(np.arange(len(point)), k)
    beyond = passed[passed[:, k] > point[k]][:, others]
    if len(others) == 0 or len(beyond) == 0:
        return 1.0
    return exclusive_share(np.clip(1 - beyond / point[others], 0.0, 1.0))


def _gain_errors(batch: Batch) -> Tensor:
    """The standard errors of the batch's metrics in units of gain, 0 where there is none."""
    assert batch.evaluation is not None
    ranges = torch.tensor([torch.nan if pair is None else pair[1] - pair[0] for pair in batch.bounds])
    return (torch.tensor(batch.evaluation.standard_error, dtype=torch.float64) / ranges).nan_to_num(0.0)
