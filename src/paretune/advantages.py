"""From rewards to advantages: GRPO, RLOO and REINFORCE++.

Rewards come as one number for each completion, ``[N]``. The completions of one prompt stand together in groups of
``num_generations``. A NaN reward means that nothing scored the completion: it counts in no mean or deviation,
and its advantage is 0. So is every advantage that cannot be estimated (in a group with a single score).

:func:`grpo`, :func:`sum_rewards` and :func:`normalize_then_sum` take the same floating-point steps in the
same order as ``trl.GRPOTrainer``, so their results equal TRL's bit for bit.
All functions keep dtype and device.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import torch
from torch import Tensor

Scale = Literal["group", "batch", "none"]


def grpo(rewards: Tensor, num_generations: int, *, scale: Scale = "group", epsilon: float = 1e-4) -> Tensor:
    """Rewards less the mean of their group, over a standard deviation (arXiv 2402.03300, section 4.1.2).

    A = (r − mean_group(r)) / (std(r) + ε), the deviation with Bessel's correction.

    Args:
        rewards: ``[N]``, floating point; NaN: not scored.
        num_generations: completions per prompt, at least 2, dividing N.
        scale: whose deviation divides: that of each ``"group"``, of the whole ``"batch"``, or ``"none"``.
        epsilon: ε, in units of the reward; 1e-4 is TRL's.

    Returns:
        ``[N]`` advantages, finite for finite rewards.

    Raises:
        ValueError: for a wrong shape or dtype, a wrong ``num_generations`` or an unknown ``scale``.
    """
    grouped = _grouped(rewards, num_generations)
    if scale not in get_args(Scale):
        raise ValueError(f"`scale` must be one of {', '.join(get_args(Scale))}, got {scale!r}.")
    advantages = grouped - torch.nanmean(grouped, dim=1, keepdim=True)
    if scale == "group":
        advantages = advantages / (_deviation(advantages, dim=1).unsqueeze(1) + epsilon)
    elif scale == "batch":
        advantages = advantages / (_deviation(rewards - torch.nanmean(rewards), dim=0) + epsilon)
    return torch.nan_to_num(advantages.view(-1), nan=0.0)


def rloo(rewards: Tensor, num_generations: int) -> Tensor:
    """Each reward less the mean of the *other* rewards of its group (RLOO, arXiv 2402.14740).

    Args:
        rewards: ``[N]``, floating point; NaN: not scored.
        num_generations: completions per prompt, at least 2, dividing N.

    Returns:
        ``[N]`` advantages in units of the reward.

    Raises:
        ValueError: for a wrong shape or dtype or a wrong ``num_generations``.
    """
    # r_i − mean_{j≠i} r_j is n / (n − 1) times the distance from the mean of all n. In float64 the mean of
    # equal float32 rewards is exact. An Apple GPU has no float64.
    values = _grouped(rewards, num_generations).cpu().double()
    scored = (~torch.isnan(values)).sum(dim=1, keepdim=True)
    advantages = (values - torch.nanmean(values, dim=1, keepdim=True)) * (scored.double() / (scored - 1))
    return torch.where(torch.isnan(values) | (scored < 2), 0.0, advantages).reshape(-1).to(rewards)


def reinforce_plus_plus(rewards: Tensor, lengths: Tensor, *, epsilon: float = 1e-8) -> Tensor:
    """Rewards whitened over all tokens of the batch (REINFORCE++, arXiv 2501.03262, without discount).

    Every token of a completion has the completion's reward as its return, so a completion counts as often as
    it has tokens: A = (r − μ) / √(σ² + ε) with μ = Σ l_n r_n / L, σ² = Σ l_n (r_n − μ)² / (L − 1), L = Σ l_n.
    The sums are taken in float64: a float32 rounding error of μ would be whitened into an advantage.

    Args:
        rewards: ``[N]``, floating point; NaN: not scored.
        lengths: ``[N]``, loss tokens of each completion, 0 or more.
        epsilon: ε, in squared units of the reward.

    Returns:
        ``[N]``, the advantage that all tokens of a completion share; 0 for a completion without loss tokens,
        and for all where fewer than two tokens count.

    Raises:
        ValueError: for a wrong shape or dtype, or a negative length.
    """
    _check_rewards(rewards, 1)
    if lengths.shape != rewards.shape:
        raise ValueError(
            f"`lengths` has shape {tuple(lengths.shape)} and `rewards` {tuple(rewards.shape)}: "
            "give one length for each reward."
        )
    if (lengths < 0).any():
        raise ValueError(f"`lengths` must not be negative, got {lengths.min().item():g}: count the loss tokens.")
    given, lengths = rewards.cpu(), lengths.cpu()
    counted = ~torch.isnan(given) & (lengths > 0)
    returns = torch.where(counted, given, 0.0).double()
    tokens = torch.where(counted, lengths, 0).double()
    total = tokens.sum()
    if total < 2:
        return torch.zeros_like(rewards)
    distance = returns - (tokens * returns).sum() / total
    variance = (tokens * distance**2).sum() / (total - 1)
    advantages = distance / torch.sqrt(variance + epsilon)
    return torch.where(counted, advantages, 0.0).to(rewards)


def sum_rewards(rewards: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of the objectives that apply, as TRL's ``"sum_then_normalize"`` builds it.

    Args:
        rewards: ``[N, K]``, floating point; NaN: that objective does not apply.
        weights: ``[K]``.

    Returns:
        ``[N]`` scalar rewards, NaN where no objective applies.

    Raises:
        ValueError: for a wrong shape or dtype.
    """
    _check_rewards(rewards, 2)
    total = (rewards * _row(weights, rewards)).nansum(dim=1)
    return torch.where(torch.isnan(rewards).all(dim=1), torch.nan, total)


def normalize_then_sum(rewards: Tensor, weights: Tensor, num_generations: int, *, epsilon: float = 1e-4) -> Tensor:
    """Each objective normalised in its group, summed, then whitened over the batch (GDPO, arXiv 2601.05242).

    TRL's ``multi_objective_aggregation="normalize_then_sum"``. An objective of small spread is not drowned by
    one of large spread: what each counts for is its weight.

    Args:
        rewards: ``[N, K]``, floating point; NaN: that objective does not apply.
        weights: ``[K]``.
        num_generations: completions per prompt, at least 2, dividing N.
        epsilon: added to both deviations; 1e-4 is TRL's.

    Returns:
        ``[N]`` advantages.

    Raises:
        ValueError: for a wrong shape or dtype or a wrong ``num_generations``.
    """
    _check_rewards(rewards, 2)
    _check_groups(len(rewards), num_generations)
    grouped = rewards.view(-1, num_generations, rewards.shape[1])
    distance = grouped - torch.nanmean(grouped, dim=1, keepdim=True)
    normalised = distance / (_deviation(distance, dim=1).unsqueeze(1) + epsilon)
    total = (normalised.view(rewards.shape) * _row(weights, rewards)).nansum(dim=1)
    total = torch.where(torch.isnan(rewards).all(dim=1), torch.nan, total)
    distance = total - torch.nanmean(total)
    advantages = distance / (_deviation(distance, dim=0) + epsilon)
    return torch.nan_to_num(advantages, nan=0.0)


class AdvantageEstimator(ABC):
    """One way to make advantages of rewards; :data:`ESTIMATORS` has them by name.

    Attributes:
        name: what settings, records and the command line's ``--algorithm`` call it.
        description: one line for listings.
        within_groups: whether it compares the completions of one prompt, not those of the whole batch.
        computed_by_trl: whether ``trl.GRPOTrainer`` computes it from its ``reward_weights``.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    within_groups: ClassVar[bool] = True
    computed_by_trl: ClassVar[bool] = False

    @abstractmethod
    def estimate(self, rewards: Tensor, num_generations: int, *, lengths: Tensor, scale: Scale) -> Tensor:
        """The advantages ``[N]`` of one reward.

        Args:
            rewards: ``[N]``, floating point; NaN: not scored.
            num_generations: completions per prompt, for an estimator within groups.
            lengths: ``[N]`` loss tokens, for one that counts tokens.
            scale: TRL's ``scale_rewards``, for one that TRL computes.

        Raises:
            ValueError: for a wrong shape or dtype, or a wrong ``num_generations``.
        """

    def per_objective(self, rewards: Tensor, num_generations: int, *, lengths: Tensor, scale: Scale) -> Tensor:
        """The advantages A_k ``[N, K]`` of each objective, each estimated as if it were alone.

        Args:
            rewards: ``[N, K]``, floating point; NaN: that objective does not apply.
            num_generations: as in :meth:`estimate`, like the other arguments.
            lengths: ``[N]`` loss tokens.
            scale: TRL's ``scale_rewards``.

        Raises:
            ValueError: as :meth:`estimate` does.
        """
        _check_rewards(rewards, 2)
        if self.within_groups and scale != "batch":
            # A group knows nothing of others, so those of all objectives are estimated at once, as of one long reward.
            _check_groups(len(rewards), num_generations)
            count = rewards.shape[1]
            in_a_row = self.estimate(rewards.T.reshape(-1), num_generations, lengths=lengths.repeat(count), scale=scale)
            return in_a_row.view(count, -1).T.contiguous()
        columns = [
            # contiguous, so that a column is summed in the order in which a lone reward would be
            self.estimate(column.contiguous(), num_generations, lengths=lengths, scale=scale)
            for column in rewards.unbind(dim=1)
        ]
        return torch.stack(columns, dim=1)

    def cancels_factor(self, scale: str) -> str | None:
        """What in it, under a ``scale_rewards``, makes a factor on all rewards cancel; None if nothing does."""
        del scale
        return None


class GRPO(AdvantageEstimator):
    """:func:`grpo` as an estimator."""

    name = "grpo"
    description = "rewards less their group's mean, over its deviation"
    computed_by_trl = True

    def estimate(self, rewards: Tensor, num_generations: int, *, lengths: Tensor, scale: Scale) -> Tensor:
        """As :func:`grpo`; `lengths` do not count."""
        return grpo(rewards, num_generations, scale=scale)

    def per_objective(self, rewards: Tensor, num_generations: int, *, lengths: Tensor, scale: Scale) -> Tensor:
        """The same, exactly 0 where all completions of a group are worth the same to an objective.

        :func:`grpo`, as TRL does, leaves the rounding error of float32 means there, which the division by a deviation
        as small magnifies.
        """
        table = super().per_objective(rewards, num_generations, lengths=lengths, scale=scale)
        return table.masked_fill(_no_difference(rewards, num_generations), 0.0)

    def cancels_factor(self, scale: str) -> str | None:
        """The division by a deviation."""
        return None if scale == "none" else f"GRPO's scale_rewards={scale!r}"


class RLOO(AdvantageEstimator):
    """:func:`rloo` as an estimator."""

    name = "rloo"
    description = "rewards less the mean of the group's other rewards"

    def estimate(self, rewards: Tensor, num_generations: int, *, lengths: Tensor, scale: Scale) -> Tensor:
        """As :func:`rloo`; `lengths` and `scale` do not count."""
        return rloo(rewards, num_generations)


class ReinforcePlusPlus(AdvantageEstimator):
    """:func:`reinforce_plus_plus` as an estimator."""

    name = "reinforce++"
    description = "rewards whitened over all tokens of the batch"
    within_groups = False

    def estimate(self, rewards: Tensor, num_generations: int, *, lengths: Tensor, scale: Scale) -> Tensor:
        """As :func:`reinforce_plus_plus`; `num_generations` and `scale` do not count."""
        return reinforce_plus_plus(rewards, lengths)

    def cancels_factor(self, scale: str) -> str | None:
        """The whitening."""
        return "REINFORCE++'s whitening"


ESTIMATORS: dict[str, AdvantageEstimator] = {e.name: e for e in (GRPO(), RLOO(), ReinforcePlusPlus())}
"""The estimators by name, the default one first."""

if TYPE_CHECKING:
    Algorithm = str
else:
    Algorithm = Literal[tuple(ESTIMATORS)]  # parsers read the choices off the type


def _no_difference(rewards: Tensor, num_generations: int) -> Tensor:
    """``[N, K]``, whether an objective's scores in a completion's group are all equal."""
    grouped = rewards.view(-1, num_generations, rewards.shape[1])
    highest = grouped.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf).amax(dim=1)
    lowest = grouped.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf).amin(dim=1)
    return (highest == lowest).repeat_interleave(num_generations, dim=0)


def _deviation(distance: Tensor, dim: int) -> Tensor:
    """Standard deviation with Bessel's correction, by the distances from the mean; NaN for a single value or none.

    The order of the operations is that of TRL's ``nanstd``, for equality to the last bit.
    """
    count = (~torch.isnan(distance)).sum(dim=dim)
    # of a single value: 0 · ∞, which is NaN
    return torch.sqrt(torch.nanmean(distance**2, dim=dim) * (count / (count - 1)))


def _row(weights: Tensor, rewards: Tensor) -> Tensor:
    """The weights ``[K]`` as a row ``[1, K]`` beside the rewards ``[N, K]``."""
    if weights.shape != rewards.shape[1:]:
        raise ValueError(
            f"`weights` has shape {tuple(weights.shape)} and `rewards` {tuple(rewards.shape)}: "
            "give one weight for each objective."
        )
    return weights.to(rewards.device).unsqueeze(0)


def _grouped(rewards: Tensor, num_generations: int) -> Tensor:
    """Rewards ``[N]`` as ``[N / num_generations, num_generations]``."""
    _check_rewards(rewards, 1)
    _check_groups(len(rewards), num_generations)
    return rewards.view(-1, num_generations)


def _check_rewards(rewards: Tensor, dimensions: int) -> None:
    shape = "[N]" if dimensions == 1 else "[N, K]"
    if rewards.dim() != dimensions or len(rewards) == 0:
        raise ValueError(f"`rewards` must have shape {shape} with N > 0, got {tuple(rewards.shape)}.")
    if not rewards.is_floating_point():
        raise ValueError(f"`rewards` must be floating point, got {rewards.dtype}: convert it with `.float()`.")


def _check_groups(count: int, num_generations: int) -> None:
    if num_generations < 2:
        raise ValueError(
            f"`num_generations` must be at least 2, got {num_generations}: a lone completion has no baseline."
        )
    if count % num_generations:
        raise ValueError(
            f"`num_generations` must divide the number of rewards, got {num_generations} for {count} rewards."
        )
