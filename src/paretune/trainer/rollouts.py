"""The scored completions of one batch, and the advantages they come to."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from paretune.advantages import ESTIMATORS, AdvantageEstimator, normalize_then_sum, sum_rewards
from paretune.influence import ESTIMATORS as influence_estimators  # noqa: N811
from paretune.influence import Influence, in_both_halves, prompt_halves
from paretune.objectives.reward_values import countable, do_not_count
from paretune.trainer.config import MultiObjectiveConfig
from paretune.weighting import Scalarization


@dataclass
class Rollouts:
    """One generation batch, scored and gathered over processes.

    Args:
        config: says how rewards become advantages.
        scored: ``[N, K]`` after gates, NaN where an objective does not apply. They may overflow.
        lengths: ``[N]`` completion lengths in tokens.
        loss_lengths: ``[N]``, the tokens that the loss counts.
        priorities: ``[N, K]``, what each completion's prompt says; None where the data have none.

    Attributes:
        rewards: ``[N, K]``, those that count. Until the weights are known each objective may have one.
        uncounted: completions that do not count, since a reward that overflows may act on them.
    """

    config: MultiObjectiveConfig
    scored: Tensor
    lengths: Tensor
    loss_lengths: Tensor
    priorities: Tensor | None = None
    rewards: Tensor = field(init=False)
    uncounted: int = field(init=False)

    def __post_init__(self) -> None:
        self._count(None)

    def decided(self, scalarization: Scalarization) -> None:
        """Let the completions count that only rewards at weight 0 would keep out.

        The weights of a rule that hands over advantages or rewards say nothing of what acts: there nothing changes.
        """
        of_its_own = scalarization.advantages is not None or scalarization.rewards is not None
        self._count(None if of_its_own else scalarization.reward_weights)

    def _count(self, weights: Tensor | None) -> None:
        self.rewards = countable(self.scored, weights)
        self.uncounted = int(do_not_count(self.scored, weights).sum())

    def per_objective(self, factor: float = 1.0) -> Tensor:
        """Each objective's advantages ``[N, K]``, estimated alone, with all rewards times `factor`."""
        return self._estimator.per_objective(factor * self.rewards, **self._options)

    def of_means(self, *, halved: bool = False) -> Tensor:
        """Advantages ``[N, K]`` whose gradients g_k are those of each objective's mean where it applies.

        TRL's loss divides by all completions, among which a rare objective counts little. Its metric, and J_k, is the
        mean over the completions to which it applies.

        Args:
            halved: those of the means over each half of the prompts; 0 for an objective that applies in one alone.
        """
        applies, count = ~self.rewards.isnan(), len(self.rewards)
        if not halved:
            return self.per_objective() * (count / applies.sum(dim=0).clamp(min=1))
        halves = prompt_halves(count, self.config.num_generations).to(applies.device)
        scored = torch.stack([applies[halves == half].sum(dim=0) for half in (0, 1)])
        factors = torch.where((scored > 0).all(dim=0), count / scored.clamp(min=1), 0.0)
        return self.per_objective() * factors[halves].to(self.rewards)

    def where_applicable(self, influence: Influence | None) -> Influence | None:
        """The influence with NaN for the objectives that it knows nothing of; None where that is all of them.

        They apply to no completion, or for an influence across halves to none of one half.
        """
        absent = self.rewards.isnan().all(dim=0).cpu()
        if influence is not None and influence_estimators[influence.method].halved:
            absent = ~in_both_halves(self.rewards, self.config.num_generations).cpu()
        if influence is None or absent.all():
            return None
        return replace(influence, values=influence.values.masked_fill(absent.to(influence.values.device), torch.nan))

    def combined(self, scalarization: Scalarization) -> Tensor:
        """The weighted rewards ``[N]``, or the rule's own, in TRL's float32; NaN where no objective applies."""
        if scalarization.rewards is not None:
            own = scalarization.rewards.to(self.rewards)
            return own.masked_fill(self.rewards.isnan().all(dim=1), torch.nan)
        return sum_rewards(self.rewards, scalarization.reward_weights.to(self.rewards.device))

    def advantages(self, scalarization: Scalarization) -> Tensor:
        """The advantages ``[N]`` to train on; 0 where no objective applies, whatever the rule hands over."""
        if scalarization.advantages is not None:
            advantages = scalarization.advantages.to(self.rewards)
            advantages = advantages.masked_fill(self.rewards.isnan().all(dim=1), 0.0)
        elif scalarization.rewards is None and self.config.combine == "advantages":
            alone = self.per_objective(scalarization.factor("reward"))
            advantages = alone @ scalarization.weights.to(alone)
        elif scalarization.rewards is None and self.config.multi_objective_aggregation == "normalize_then_sum":
            weights = scalarization.reward_weights.to(self.rewards.device)
            advantages = normalize_then_sum(self.rewards, weights, self.config.num_generations)
        else:
            advantages = self._estimator.estimate(self.combined(scalarization), **self._options)
        factor = scalarization.factor("advantage")
        return advantages if factor == 1.0 else factor * advantages

    def combine_cosine(self, scalarization: Scalarization) -> float:
        """How far A(Σ w_k r_k) and Σ w_k A_k point the same way: 1 where `combine` makes no difference."""
        of_sum = self._estimator.estimate(self.combined(scalarization), **self._options)
        sum_of = self.per_objective() @ scalarization.weights.to(self.rewards)
        norms = of_sum.norm() * sum_of.norm()
        return float(of_sum @ sum_of / norms) if norms > 0 else float("nan")

    def reward_metrics(self, scalarization: Scalarization) -> dict[str, float]:
        """TRL's figures of the combined reward, under the names that TRL logs."""
        combined = self.combined(scalarization)
        scored = combined[~torch.isnan(combined)]
        groups = combined.view(-1, self.config.num_generations)
        spread = groups.nan_to_num(nan=-torch.inf).amax(1) - groups.nan_to_num(nan=torch.inf).amin(1)
        several = (~groups.isnan()).sum(dim=1) > 1  # TRL takes the deviation of a single score for unknown
        return {
            "reward": scored.mean().item(),
            "reward_std": scored.std().item() if len(scored) > 1 else float("nan"),
            "frac_reward_zero_std": ((spread <= 1e-8) & several).float().mean().item(),
        }

    @property
    def _estimator(self) -> AdvantageEstimator:
        return ESTIMATORS[self.config.advantage_estimator]

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "num_generations": self.config.num_generations,
            "lengths": self.loss_lengths,
            "scale": self.config.scale_rewards,
        }
