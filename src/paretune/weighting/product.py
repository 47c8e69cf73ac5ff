"""One reward that is the product of the gains (HVO)."""

from typing import ClassVar

import torch

from paretune.weighting.base import Batch, Measurements, Scalarization
from paretune.weighting.priorities import Priorities, Prioritised


class Product(Prioritised):
    r"""Each completion is rewarded by R_n = Π_k q_nk^(v_k K), the volume that its own point dominates.

    q_nk is the gain of the single completion between the bounds, raised to a floor of 0.05. The estimator makes
    advantages of R.

    Source: HVO (https://arxiv.org/abs/2510.19325); the formula was checked against the authors' code. (In a public
    implementation the weights cancel under standardising; exponents do not.) Signal: gains of completions. Cost:
    nothing.

    Limits: a completion at the worst bound of one objective earns next to nothing whatever else it does. The recorded
    weights are the priorities.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        floor: the least that a gain counts as, in (0, 1].

    Raises:
        ValueError: for a value outside its range.

    Example: gains of 0.5 and 0.8 give 0.4 with equal priorities, and 0.5^1.5 · 0.8^0.5 = 0.316 with the priorities 3
    and 1.
    """

    name: ClassVar[str] = "product"
    description: ClassVar[str] = "one reward: the product of a completion's gains (HVO)"
    paper: ClassVar[str] = "HVO, arXiv 2510.19325"

    def __init__(self, priorities: Priorities = None, *, floor: float = 0.05) -> None:
        super().__init__(priorities)
        if not 0 < floor <= 1:
            raise ValueError(f"`floor` must be above 0 and at most 1, got {floor}.")
        self.floor = floor

    def measurements(self) -> Measurements:
        """The metrics of the batch's own rollouts."""
        return Measurements(evaluation="rollouts")

    def update(self, batch: Batch) -> Scalarization:
        """The products; a gain that does not apply counts as 1, and a completion without any has no reward."""
        priorities = self.shares(batch)
        gains = batch.completion_gains
        logs = len(priorities) * priorities * gains.clamp(min=self.floor).log()
        rewards = torch.where(torch.isnan(gains).all(dim=1), torch.nan, logs.nansum(dim=1).exp())
        return Scalarization(priorities, rewards=rewards)
