"""Rules in ms-swift's GRPO: a plugin file for ``swift rlhf --external_plugins`` calls :func:`weigh`."""

from copy import deepcopy
from typing import Any, ClassVar, cast, get_args

import torch
from swift.rlhf_trainers import GRPOTrainer as SwiftGRPOTrainer
from swift.trainers.trainer_factory import TrainerFactory
from torch import Tensor

from paretune.advantages import Scale
from paretune.integrations.checkpoints import KeepsRule
from paretune.integrations.core import Bounds, Weigher
from paretune.weighting import WeightingRule

ESTIMATORS = ("grpo", "rloo")
"""Values of ``--advantage_estimator`` under which each reward's own advantages are as ms-swift makes them."""


class GRPOTrainer(KeepsRule, SwiftGRPOTrainer):
    """ms-swift's ``GRPOTrainer`` with a rule that sets the reward weights anew in every generation batch.

    A rule that is no weighted sum hands over advantages, which come in the place of ms-swift's.

    Raises:
        ValueError: if the rule does not fit the rewards or ms-swift's settings.
    """

    rule: ClassVar[WeightingRule]
    bounds: ClassVar[Bounds | None]

    def __init__(self, *positional: Any, **keywords: Any) -> None:
        super().__init__(*positional, **keywords)
        rule = deepcopy(self.rule)  # several trainings of one process begin alike
        refused = {
            "reward_weights": self.args.reward_weights is not None,  # the weights are the rule's
            "advantage_estimator": self.advantage_estimator not in ESTIMATORS,
            "dynamic_sample": self.dynamic_sample,  # drops prompts by weights that the rule has not set yet
        }
        for name in (name for name, given in refused.items() if given):
            raise ValueError(
                f"`{name}`={getattr(self.args, name)!r} does not go with {rule!r}: leave it out, or train without."
            )
        self.weigher = Weigher(
            rule,
            self.reward_func_names,
            self.bounds,
            estimator=self.advantage_estimator,
            scale=self.scale_rewards if self.scale_rewards in get_args(Scale) else "group",
        )

    def _compute_advantages(self, samples: Any, rewards_per_func: Tensor, batch_encoded_inputs: Any) -> Tensor:
        if not self.model.training:
            return cast(Tensor, super()._compute_advantages(samples, rewards_per_func, batch_encoded_inputs))
        if self.dynamic_num_samples:
            raise ValueError("A prompt has more samples than others, as in several turns: a rule cannot weigh them.")
        lengths = torch.cat([batch["grpo_batch"].completion_mask.sum(dim=1) for batch in batch_encoded_inputs])
        self.reward_weights = self.weigher.weigh(
            rewards_per_func,
            num_generations=self.num_generations,
            lengths=self.accelerator.gather(lengths),
            **self._moment(),
        ).to(rewards_per_func.device)
        for name, value in self.weigher.figures().items():
            self._metrics["train"][name].append(value)
        advantages = cast(Tensor, super()._compute_advantages(samples, rewards_per_func, batch_encoded_inputs))
        own = self.weigher.advantages()
        if own is None:
            return advantages
        if self.kl_in_reward and self.beta != 0.0:
            raise ValueError(
                f"{self.weigher.rule!r} makes advantages of its own, which `kl_in_reward` would not reach."
            )
        return own.to(advantages)


def weigh(rule: WeightingRule, bounds: Bounds | None = None) -> None:
    """Let the GRPO training of this process go by a rule.

    Args:
        rule: it may go by rewards and by gains on the rollouts.
        bounds: (low, high) of rewards, which gains are measured on, by the names that ms-swift logs: the function's or
            the class's.
    """
    GRPOTrainer.rule, GRPOTrainer.bounds = rule, bounds
    TrainerFactory.TRAINER_MAPPING["grpo"] = f"{__name__}.{GRPOTrainer.__name__}"
