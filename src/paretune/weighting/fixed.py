"""Weights that stay as they are: the baseline of every comparison, and what TRL does on its own."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from paretune.objectives import Objective
from paretune.weighting.base import Batch, Scalarization, WeightingRule, check_count, check_weights
from paretune.weighting.presets import weights_of


class FixedWeights(WeightingRule):
    """The same weights in every batch.

    Args:
        weights: one for each objective, of any sum and sign as TRL's ``reward_weights``; or the name of a preset of the
            paper (:data:`~paretune.weighting.presets.PRESETS`), for three objectives; None: 1/K for each.

    Raises:
        ValueError: for wrong weights or an unknown preset.
    """

    name: ClassVar[str] = "fixed"
    description: ClassVar[str] = "the same weights in every batch"
    takes_weights: ClassVar[bool] = True

    def __init__(self, weights: Sequence[float] | str | None = None) -> None:
        self.preset = weights if isinstance(weights, str) else None
        self.weights = None if weights is None else check_weights(weights_of(weights))

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` unless there is one weight for each objective."""
        if self.weights is None:
            return
        if self.preset and len(objectives) != len(self.weights):
            raise ValueError(
                f"The preset {self.preset!r} needs three objectives, got {len(objectives)}: give the weights."
            )
        check_count(self.weights, objectives)

    def initial_weights(self, count: int) -> Tensor:
        """The weights."""
        return super().initial_weights(count) if self.weights is None else self.weights

    def update(self, batch: Batch) -> Scalarization:
        """The weights."""
        return Scalarization(self.initial_weights(len(batch.names)) if self.weights is None else self.weights)
