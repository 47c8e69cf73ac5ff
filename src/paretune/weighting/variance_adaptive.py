"""DVAO: within each group, objectives count by their standard deviation."""

from typing import ClassVar

import torch

from paretune.weighting.base import Batch, Scalarization
from paretune.weighting.priorities import Prioritised


class VarianceAdaptive(Prioritised):
    r"""Group z-scores, weighted within each group by the objectives' standard deviations.

    ŵ_gk = v_k σ_gk / Σ_l v_l σ_gl, A_n = Σ_k ŵ_gk A_nk with A_nk = (r_nk − μ_gk)/σ_gk.

    Insert A_nk and σ_gk cancels: A_n = Σ_k v_k (r_nk − μ_gk) / Σ_l v_l σ_gl. So this is GRPO with the fixed weights v
    times one factor for each group, std_g(Σ_k v_k r_k) / Σ_k v_k σ_gk ≤ 1. It does not weigh objectives against each
    other; it makes groups count less in which the objectives disagree. A test holds the identity.

    Source: DVAO (https://arxiv.org/abs/2605.25604), read in the paper; the identity is ours. Signal: the batch's
    rewards. Cost: nothing.

    Limit: the recorded weights are the mean of ŵ_gk over groups.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.

    Raises:
        ValueError: for priorities that are not positive.

    Example: a group with rewards (0, 1) and (0, 3) and equal priorities has deviations in the ratio 1 to 3 and the
    weights 1/4 and 3/4; both z-scores are ∓0.707, and so is A.
    """

    name: ClassVar[str] = "dvao"
    description: ClassVar[str] = "objectives count by their spread within groups (DVAO)"
    paper: ClassVar[str] = "DVAO, arXiv 2605.25604"

    def update(self, batch: Batch) -> Scalarization:
        """Σ_k v_k (r_nk − μ_gk) / Σ_l v_l σ_gl for each completion; 0 in a group in which nothing varies."""
        priorities = self.shares(batch)
        rewards = batch.rewards.cpu().double()
        rewards = rewards.masked_fill(rewards.isinf(), torch.nan)
        groups = rewards.view(-1, batch.num_generations, rewards.shape[1])
        low, high = groups.nan_to_num(nan=torch.inf).amin(dim=1), groups.nan_to_num(nan=-torch.inf).amax(dim=1)
        varies = (high > low)[:, None, :]  # of equal rewards the mean differs by rounding, which must not be divided
        distance = torch.where(varies, groups - groups.nanmean(dim=1, keepdim=True), 0.0)
        counts = (~torch.isnan(groups)).sum(dim=1)
        deviations = (distance.square().nansum(dim=1) / (counts - 1).clamp(min=1)).sqrt()  # [groups, K]
        spread = priorities * deviations
        total = spread.sum(dim=1, keepdim=True)
        advantages = (priorities * distance).nansum(dim=2) / torch.where(total > 0, total, torch.inf)
        several = total[:, 0] > 0
        shares = spread[several] / total[several]
        weights = shares.mean(dim=0) if several.any() else priorities
        return Scalarization(weights, advantages=advantages.reshape(-1).nan_to_num())
