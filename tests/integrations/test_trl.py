"""Rules in TRL's RLOO and online DPO trainers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import trl
from trl.experimental import online_dpo

from integrations.doors import BOUNDS, assert_same_policy, losses, made, trained, weights
from paretune import Decoupled, FixedWeights, FrontTour, GradientInfluence, HypervolumeGuided, NashWelfare
from paretune.advantages import normalize_then_sum, rloo
from paretune.integrations.trl import OnlineDPOTrainer, RLOOTrainer
from paretune.weighting import WeightingRule
from policies import saved_policy

TRAINERS = {
    "rloo": (RLOOTrainer, trl.RLOOTrainer, trl.RLOOConfig),
    "online-dpo": (OnlineDPOTrainer, online_dpo.OnlineDPOTrainer, online_dpo.OnlineDPOConfig),
}
RULES: dict[str, Callable[[], WeightingRule]] = {"nash": NashWelfare, "tour": FrontTour, "gdpo": Decoupled}

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"), dropout=0.1)


@pytest.mark.parametrize("name", TRAINERS)
def test_with_equal_fixed_weights_training_is_trls(name: str, model: str, tmp_path: Path) -> None:
    ours, trls, config = TRAINERS[name]
    stock = trained(trls, config, model, tmp_path / "stock", reward_weights=[0.5, 0.5])
    weighed = trained(ours, config, model, tmp_path / "ours", weighting=FixedWeights([0.5, 0.5]))
    assert losses(weighed) == losses(stock)
    assert len(set(losses(stock))) > 1
    assert_same_policy(weighed, stock)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.turns
def test_a_rule_trains_and_goes_on_from_a_checkpoint(name: str, rule: str, model: str, tmp_path: Path) -> None:
    ours, _, config = TRAINERS[name]
    whole = trained(ours, config, model, tmp_path, weighting=RULES[rule](), bounds=BOUNDS)
    assert torch.tensor(weights(whole)).sum(dim=1).allclose(torch.ones(4))
    assert (len({tuple(step) for step in weights(whole)}) > 1) == (rule != "gdpo")  # whose weights are its priorities
    resumed = made(ours, config, model, tmp_path / "resumed", weighting=RULES[rule](), bounds=BOUNDS)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert weights(resumed) == weights(whole)
    assert losses(resumed) == losses(whole)
    assert_same_policy(resumed, whole)
    assert resumed.weigher.rule.state_dict() == whole.weigher.rule.state_dict()


@pytest.mark.parametrize("options", [{"beta": 0.0}, {"beta": 0.1}, {"beta": 0.1, "reward_clip_range": (0.2, 0.7)}])
def test_advantages_of_a_rules_own_come_beside_rloos_penalty(options: Any, model: str, tmp_path: Path) -> None:
    """The penalty of a run is what its advantages are with all weights at 0."""
    seen: dict[str, Any] = {}

    class Watched(RLOOTrainer):
        def _calculate_rewards(self, *given: Any) -> Any:
            self.rewards = super()._calculate_rewards(*given)
            return self.rewards

        def _generate_and_score_completions(self, inputs: Any) -> Any:
            output = super()._generate_and_score_completions(inputs)
            seen.setdefault(
                self.weigher.rule.name, (self.rewards, output["advantages"], list(self._logs["advantages"]))
            )
            return output

    for rule in (Decoupled(), FixedWeights([0.0, 0.0])):
        trained(
            Watched, trl.RLOOConfig, model, tmp_path / rule.name, weighting=rule, max_steps=1, save_strategy="no",
            **options,
        )  # fmt: skip
    rewards, advantages, logged = seen["gdpo"]
    clipped = torch.full((len(rewards),), 0.2 if "reward_clip_range" in options else 0.0)
    penalty = seen["fixed"][1] - rloo(clipped, 4)
    own = normalize_then_sum(rewards, torch.tensor([0.5, 0.5]), 4)
    torch.testing.assert_close(advantages, own + penalty, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.tensor(logged), advantages, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_had_is_refused_before_training(model: str, tmp_path: Path) -> None:
    def refused(message: str, rule: WeightingRule, **further: Any) -> None:
        with pytest.raises(ValueError, match=message):
            made(RLOOTrainer, trl.RLOOConfig, model, tmp_path, weighting=rule, **further)

    refused("measures gradients, which paretune.MultiObjectiveTrainer alone does", GradientInfluence())
    refused("evaluates the policy", NashWelfare(source="validation"))
    refused("evaluates the policy", HypervolumeGuided([0.5, 0.5]), bounds=BOUNDS)
    refused("scales updates", HypervolumeGuided([0.5, 0.5], evaluate_on="rollouts"), bounds=BOUNDS)
    refused(r"`reward_weights`=\[1.0, 2.0\] is set", NashWelfare(), reward_weights=[1.0, 2.0])
    refused("`bounds` names 'safe': the rewards are digits, letters", NashWelfare(), bounds={"safe": (0, 1)})


def test_a_checkpoint_of_another_rule_or_of_none_is_refused(model: str, tmp_path: Path) -> None:
    ours, trls, config = TRAINERS["rloo"]
    trained(trls, config, model, tmp_path / "stock", max_steps=2)
    trained(ours, config, model, tmp_path / "tour", max_steps=2, weighting=FrontTour())
    resumed = made(ours, config, model, tmp_path / "resumed", weighting=NashWelfare())
    with pytest.raises(FileNotFoundError, match="is missing: the checkpoint"):
        resumed.train(resume_from_checkpoint=str(tmp_path / "stock/checkpoint-2"))
    with pytest.raises(ValueError, match="has the name 'tour', this training has 'nash'"):
        resumed.train(resume_from_checkpoint=str(tmp_path / "tour/checkpoint-2"))
