"""What TRL's trainer takes, ours takes too: async rewards, reward models, adapters, a KL term, policies as objects."""

import math
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments
from trl import GRPOConfig, RLOOConfig

from paretune import (
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    MultiObjectiveTrainer,
    Objective,
)
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from policies import brief, digits, policy, prompts, saved_policy, tokenizer
from trainer.tiny import config, objectives, trainer_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


async def slow_digits(completions: list[str], **_: Any) -> list[float]:
    return digits(completions)


def test_async_rewards(model: str, tmp_path: Path) -> None:
    of = [Objective("digits", slow_digits, bounds=(0, 1)), Objective("brief", brief, bounds=(0, 1))]
    trainer = trainer_of(model, tmp_path, GradientInfluence(mu=1e-2), of=of, max_steps=1)
    trainer.train()
    assert read_evaluations(tmp_path)[0]["metrics"]["digits"] >= 0


def test_a_reward_model(model: str, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    judge = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
    judge.config.pad_token_id = 0
    judge.save_pretrained(tmp_path / "judge")
    tokenizer().save_pretrained(tmp_path / "judge")
    of = [Objective("digits", digits), Objective("judge", str(tmp_path / "judge"))]
    trainer = trainer_of(model, tmp_path / "run", FixedWeights([0.5, 0.5]), of=of, max_steps=1)
    trainer.train()
    assert math.isfinite(read_steps(tmp_path / "run")[0]["rewards"]["judge"])


def test_adapters_of_peft(model: str, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    trainer = MultiObjectiveTrainer(
        model, objectives(), config(tmp_path, max_steps=2), prompts(), prompts(6), weighting=GradientInfluence(mu=1e-2),
        peft_config=peft.LoraConfig(target_modules=["q_proj", "v_proj"]),
    )  # fmt: skip
    trainer.train()
    influence = list(read_steps(tmp_path)[-1]["influence"].values())
    assert any(v != 0 for v in influence)
    run = read_run(tmp_path)
    assert run["source"] is None  # no setting names the objects of a script
    assert (run["adapter"]["peft_type"], run["adapter"]["r"]) == ("LORA", 8)
    assert run["adapter"]["target_modules"] == ["q_proj", "v_proj"]


def test_a_kl_term(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, GradientInfluence(mu=1e-2), beta=0.001)
    trainer.train()
    assert any(entry.get("kl", 0) > 0 for entry in trainer.state.log_history)


def test_plain_reward_functions_get_names_of_their_own(model: str, tmp_path: Path) -> None:
    trainer = MultiObjectiveTrainer(
        model, reward_funcs=[digits, digits, brief], args=GRPOConfig(str(tmp_path), use_cpu=True, bf16=False),
        train_dataset=prompts(), weighting=FixedWeights("balanced"),
    )  # fmt: skip
    assert trainer.reward_func_names == ["digits", "digits_2", "brief"]


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (lambda: FixedWeights([0.5, 0.5]), {}, "2 values for 3 objectives"),
        (lambda: GradientInfluence(layers=[9]), {}, "names block 9"),
        (lambda: FixedWeights("balanced"), {"reward_weights": [1.0, 1.0, 1.0]}, "the weights are the rule's"),
    ],
)
def test_what_does_not_fit_is_said_at_once(
    rule: Any, options: dict[str, Any], message: str, model: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        trainer_of(model, tmp_path, rule(), **options)


def test_rewards_by_both_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`reward_funcs` is another name for `objectives`"):
        MultiObjectiveTrainer(
            "/nowhere/model", objectives(), config(tmp_path), prompts(), reward_funcs=[digits],
            weighting=FixedWeights("balanced"),
        )  # fmt: skip


@pytest.mark.parametrize("config", [RLOOConfig, TrainingArguments])
def test_the_settings_of_another_trainer_are_refused(config: Any, tmp_path: Path) -> None:
    """TRL's RLOO has settings, and defaults, that would not count here."""
    args = config(str(tmp_path), use_cpu=True, bf16=False)
    message = rf"`args` must be a MultiObjectiveConfig or a trl.GRPOConfig, got a {config.__name__}: .*RLOOTrainer"
    with pytest.raises(ValueError, match=message):
        MultiObjectiveTrainer("/nowhere/model", objectives(), args, prompts(), weighting=FixedWeights("balanced"))


def test_the_hypervolume_rule_needs_an_evaluation_set(model: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give an `eval_dataset`"):
        MultiObjectiveTrainer(
            model,
            objectives(),
            config(tmp_path, eval_strategy="no"),
            prompts(),
            weighting=HypervolumeGuided([0.4, 0.3, 0.3]),
        )


def test_a_policy_as_an_object(tmp_path: Path) -> None:
    trainer = MultiObjectiveTrainer(
        policy(), objectives(), config(tmp_path, max_steps=1), prompts(), prompts(6), tokenizer(),
        weighting=FixedWeights("balanced"),
    )  # fmt: skip
    trainer.train()
    assert read_run(tmp_path)["status"] == "finished"
