"""Random weights: the control that any rule must beat."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from paretune.weighting.base import Batch, Scalarization, WeightingRule, check_whole


class RandomWeights(WeightingRule):
    r"""Weights drawn anew in every batch: w = softmax(z) with z ~ N(0, 1).

    Source: "Reasonable Effectiveness of Random Weighting" (https://arxiv.org/abs/2111.10603). Signal: none. Cost:
    nothing.

    Limit: it knows nothing. What a rule gains over it is due to where its weights go, not to their moving.

    Args:
        seed: of the draws; 1 or more. Batch t of every run with the same seed has the same weights.

    Raises:
        ValueError: for a seed that is no whole number of 1 or more.

    Example: with draws of 0 and 1 the weights are 0.269 and 0.731.
    """

    name: ClassVar[str] = "random"
    description: ClassVar[str] = "weights drawn anew in every batch: a control"
    paper: ClassVar[str] = "Reasonable Effectiveness of Random Weighting, arXiv 2111.10603"
    knows_order: ClassVar[bool] = True

    def __init__(self, seed: int = 1) -> None:
        check_whole(seed=seed)
        self.seed = seed
        self._batches = 0

    def update(self, batch: Batch) -> Scalarization:
        """The next draw."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self._batches) % 2**63)
        self._batches += 1
        draws = torch.randn(len(batch.names), generator=generator, dtype=torch.float64)
        return Scalarization(torch.softmax(draws, dim=0))

    def state_dict(self) -> dict[str, Any]:
        """How many batches there were."""
        return {"batches": self._batches}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        self._batches = int(state["batches"])
