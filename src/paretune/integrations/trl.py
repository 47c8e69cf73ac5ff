"""Rules in TRL's RLOO and online DPO trainers. For GRPO there is :class:`paretune.MultiObjectiveTrainer`."""

from functools import wraps
from typing import Any, cast

import torch
import trl
from torch import Tensor, nn
from trl.experimental import online_dpo

from paretune.advantages import rloo
from paretune.integrations.checkpoints import KeepsRule
from paretune.integrations.core import Bounds, Weigher
from paretune.objectives import as_objectives
from paretune.weighting import WeightingRule


class RLOOTrainer(KeepsRule, trl.RLOOTrainer):
    """``trl.RLOOTrainer`` with a rule that sets the reward weights anew in every generation batch.

    A rule that is no weighted sum hands over advantages, or a reward of its own: they come in the place of what the
    weighted rewards would have come to, beside the KL penalty.

    Args:
        *positional: TRL's arguments, in TRL's order.
        weighting: the rule; it may go by rewards and by gains on the rollouts.
        bounds: (low, high) of rewards by name, which gains are measured on.
        **keywords: TRL's arguments.

    Raises:
        ValueError: if the rule does not fit the rewards or wants more measured, or if TRL's ``reward_weights`` are set.
    """

    def __init__(
        self, *positional: Any, weighting: WeightingRule, bounds: Bounds | None = None, **keywords: Any
    ) -> None:
        super().__init__(*positional, **keywords)
        self.weigher = _weigher(self, weighting, bounds, estimator="rloo")

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: list[list[int]]
    ) -> Tensor:
        rewards = cast(Tensor, super()._calculate_rewards(inputs, prompts, completions, completion_ids_list))
        if self.model.training:
            lengths = torch.tensor([len(ids) for ids in completion_ids_list], device=rewards.device)
            self.reward_weights = self.weigher.weigh(
                rewards,
                num_generations=self.num_generations,
                lengths=self.accelerator.gather(lengths),
                **self._moment(),
            )
            self._weighted = (rewards * self.reward_weights.to(rewards.device)).nansum(dim=1)
            self._weighted[rewards.isnan().all(dim=1)] = torch.nan
            for name, value in self.weigher.figures().items():
                self._metrics["train"][name].append(value)
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output = cast(dict[str, Any], super()._generate_and_score_completions(inputs))
        own = self.weigher.advantages() if self.model.training else None
        if own is None:
            return output
        if self.normalize_advantages:
            raise ValueError(f"{self.weigher.rule!r} makes advantages of its own: leave `normalize_advantages` off.")
        clipped = self._weighted.clamp(*self.reward_clip_range) if self.reward_clip_range else self._weighted
        change = own.to(clipped) - rloo(clipped, self.num_generations)
        first = self.accelerator.process_index * len(inputs)
        output["advantages"] = output["advantages"] + change[first : first + len(inputs)]
        logged = self._logs["advantages"]
        trls = [logged.pop() for _ in range(min(len(logged), len(change)))][::-1]
        logged.extend((torch.tensor(trls) + change[-len(trls) :].cpu()).tolist())
        return output


class OnlineDPOTrainer(KeepsRule, online_dpo.OnlineDPOTrainer):
    """``trl.experimental.online_dpo.OnlineDPOTrainer`` with a rule that sets the reward weights anew in every batch.

    The weighted sum says which completion of a pair is chosen. A rule that is no weighted sum says it by the advantages
    that it hands over.

    Args:
        *positional: TRL's arguments, in TRL's order.
        weighting: the rule; it may go by rewards and by gains on the rollouts.
        bounds: (low, high) of rewards by name, which gains are measured on.
        **keywords: TRL's arguments.

    Raises:
        ValueError: if the rule does not fit the rewards or wants more measured, or if TRL's ``reward_weights`` are set.
    """

    reward_funcs: list[Any]

    def __init__(
        self, *positional: Any, weighting: WeightingRule, bounds: Bounds | None = None, **keywords: Any
    ) -> None:
        super().__init__(*positional, **keywords)
        self.weigher = _weigher(self, weighting, bounds)
        self._columns: list[Any] = []  # of the rewards, as the functions give them: TRL sums them at once
        self.reward_funcs = [self._noted(reward) for reward in self.reward_funcs]

    def _noted(self, reward: Any) -> Any:
        if isinstance(reward, nn.Module):
            reward.register_forward_hook(lambda _model, _given, output: self._columns.append(output.logits[:, 0]))
            return reward

        @wraps(reward)
        def noted(**given: Any) -> list[float]:
            values = [torch.nan if value is None else float(value) for value in reward(**given)]
            self._columns.append(values)
            return values

        return noted

    def _calculate_rewards_from_functions(
        self, prompts: Any, completions: Any, completion_ids_list: list[list[int]], **columns: Any
    ) -> Tensor:
        self._columns.clear()
        trls: Tensor = super()._calculate_rewards_from_functions(prompts, completions, completion_ids_list, **columns)
        rewards = torch.stack([torch.as_tensor(column).to(trls) for column in self._columns], dim=1)
        ends = set(self.eos_token_ids)
        lengths = [next((n for n, i in enumerate(ids, 1) if i in ends), len(ids)) for ids in completion_ids_list]
        gather = self.accelerator.gather
        self.reward_weights = self.weigher.weigh(
            gather(_pairs_together(rewards)),
            num_generations=2,
            lengths=gather(_pairs_together(torch.tensor(lengths, device=trls.device))),
            **self._moment(),
        )
        for name, value in self.weigher.figures().items():
            self.stats.setdefault(name, []).append(value)
        own = self.weigher.advantages()
        if own is None:
            return (rewards * self.reward_weights.to(rewards.device)).nansum(dim=1)
        first = self.accelerator.process_index * len(rewards)
        return own[first : first + len(rewards)].to(trls).view(-1, 2).T.flatten()


def _weigher(trainer: Any, rule: WeightingRule, bounds: Bounds | None, **options: Any) -> Weigher:
    """The rule at work on a trainer's rewards."""
    if trainer.args.reward_weights is not None:
        raise ValueError(
            f"`reward_weights`={trainer.args.reward_weights} is set, but the weights are the rule's: leave it out, or "
            "take FixedWeights."
        )
    names = [objective.name for objective in as_objectives(trainer.reward_funcs)]
    weigher = Weigher(rule, names, bounds, **options)
    trainer.reward_weights = rule.initial_weights(len(names)).to(torch.float32)
    return weigher


def _pairs_together(rows: Tensor) -> Tensor:
    """Rows ``[2B, …]`` of online DPO, whose second half has each prompt's other completion, prompt by prompt."""
    first, second = rows.chunk(2)
    return torch.stack([first, second], dim=1).flatten(0, 1)
