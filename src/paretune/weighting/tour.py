"""The front tour: one run that passes along the Pareto front."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from paretune.weighting.base import Batch, check_not_negative, check_positive
from paretune.weighting.feedback import Source
from paretune.weighting.nash import NashWelfare
from paretune.weighting.priorities import Priorities


class FrontTour(NashWelfare):
    r"""Nash welfare whose priorities go round once while the run lasts.

    w_k ∝ v_k exp(a cos 2π(n·s + k/K)) / (G_k + δ)^α, with s the share of training that is done. The feedback keeps the
    policy near the middle of the front, and the priorities swing it along: the checkpoints of one run pass the front
    that a sweep of fixed weights samples. Over one turn every objective comes first once.

    Source: our own. Signal: gains. Cost: nothing.

    Limits: the last policy is as good as its priorities at that moment let it be; `settle` lets the swing fade so that
    the run ends in the middle. An amplitude of 1, or two turns, overshot on random bandits (docs/rules/bandits.md).
    The order of the objectives decides in which order they come first. It stays off the ends of the front
    (docs/results.md).

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        amplitude: a ≥ 0.
        turns: n > 0, how often the priorities go round.
        settle: the share of training at the end over which the amplitude falls to 0 in a straight line, in [0, 1].
        alpha: see :class:`NashWelfare`.
        offset: see :class:`NashWelfare`.
        smoothing: see :class:`NashWelfare`.
        source: see :class:`NashWelfare`.
        floor: see :class:`NashWelfare`.

    Raises:
        ValueError: for a value outside its range.

    Example: at s = 0 with K = 2 and equal gains the log-weights differ by a − (−a) = 2a, so that with a = 0.5 the
    weights are 1/(1 + e⁻¹) = 0.731 and 0.269; at s = 1/2 it is the other way round.
    """

    name: ClassVar[str] = "tour"
    description: ClassVar[str] = "Nash welfare whose priorities go round once"
    knows_order: ClassVar[bool] = True

    def __init__(
        self,
        priorities: Priorities = None,
        *,
        amplitude: float = 0.5,
        turns: float = 1.0,
        settle: float = 0.0,
        alpha: float = 1.0,
        offset: float = 0.02,
        smoothing: float = 0.6,
        source: Source = "rollouts",
        floor: float = 0.0,
    ) -> None:
        super().__init__(priorities, alpha=alpha, offset=offset, smoothing=smoothing, source=source, floor=floor)
        check_not_negative(amplitude=amplitude)
        check_positive(turns=turns)
        if not 0 <= settle <= 1:
            raise ValueError(f"`settle` must be from 0 to 1, got {settle}.")
        self.amplitude = amplitude
        self.turns = turns
        self.settle = settle

    def log_priorities(self, batch: Batch) -> Tensor:
        """Log v_k + a cos 2π(n·s + k/K)."""
        count, left = len(batch.names), 1.0 - batch.progress
        amplitude = self.amplitude * (min(1.0, left / self.settle) if self.settle else 1.0)
        phase = self.turns * batch.progress + torch.arange(count, dtype=torch.float64) / count
        return super().log_priorities(batch) + amplitude * torch.cos(2 * math.pi * phase)
