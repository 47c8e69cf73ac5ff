"""With a plain ``GRPOConfig`` an evaluation is TRL's, bit for bit; with ours it leaves no trace in training."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from paretune import (
    FixedWeights,
    HypervolumeGuided,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
    ScheduledWeights,
)
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from paretune.weighting import WeightingRule
from policies import brief, digits, letters, prompts, saved_policy
from records import read_completions

WEIGHTS = [0.5, 0.3, 0.2]
REWARDS = [digits, brief, letters]
TIMES = ("runtime", "per_second", "step_time")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"), dropout=0.2)


def options(directory: Path, **kwargs: Any) -> dict[str, Any]:
    return {
        "output_dir": str(directory), "use_cpu": True, "bf16": False, "learning_rate": 1e-2, "max_steps": 2,
        "per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 8,
        "gradient_checkpointing": False, "report_to": [], "save_strategy": "no", "logging_steps": 1,
        "eval_strategy": "steps", "eval_steps": 1, "disable_tqdm": True, **kwargs,
    }  # fmt: skip


def ours(
    model: str, config: GRPOConfig, rule: WeightingRule, rows: Any = None, rewards: Any = None
) -> MultiObjectiveTrainer:
    bounds = [(0, 1), (0, 1), (0, 8)]
    objectives = [Objective(r.__name__, r, bounds=b) for r, b in zip(REWARDS, bounds, strict=True)]
    rows = prompts(6) if rows is None else rows
    return MultiObjectiveTrainer(model, rewards or objectives, config, prompts(), rows, weighting=rule)


def figures(trainer: GRPOTrainer, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The log without times, and of each entry what the other trainer logs."""
    log = trainer.state.log_history
    assert len(log) == len(known)
    return [
        {key: entry[key] for key in other if not any(time in key for time in TIMES)}
        for entry, other in zip(log, known, strict=True)
    ]


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "several completions": {"num_generations_eval": 2, "per_device_eval_batch_size": 4},
    "at the start and not at the end": {"eval_on_start": True, "eval_delay": 3},
    "accumulation": {"loss_type": "grpo", "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    "by epochs": {"eval_strategy": "epoch", "max_steps": 9},
    "sampled otherwise": {"generation_kwargs": {"temperature": 0.7, "top_k": 5}},
    "the best": {
        "save_strategy": "steps", "save_steps": 1, "load_best_model_at_end": True,
        "metric_for_best_model": "eval_reward",
    },
    "without the other columns": {"remove_unused_columns": True},
}  # fmt: skip


QUICK = ("plain", "several completions", "at the start and not at the end", "accumulation")


@pytest.mark.parametrize("case", [pytest.param(c, marks=[] if c in QUICK else pytest.mark.slow) for c in CASES])
@pytest.mark.turns
def test_with_a_plain_config_it_is_trls(case: str, model: str, tmp_path: Path) -> None:
    stock_config = GRPOConfig(**options(tmp_path / "stock", reward_weights=WEIGHTS, **CASES[case]))
    stock = GRPOTrainer(model, list(REWARDS), stock_config, prompts(), prompts(6))
    stock.train()
    state = torch.get_rng_state()
    trainer = ours(model, GRPOConfig(**options(tmp_path / "ours", **CASES[case])), FixedWeights(WEIGHTS))
    trainer.train()
    assert torch.equal(torch.get_rng_state(), state)
    for (name, p), q in zip(trainer.model.named_parameters(), stock.model.parameters(), strict=True):
        assert torch.equal(p, q), name
    log = figures(stock, stock.state.log_history)
    assert figures(trainer, stock.state.log_history) == log
    assert any("eval_reward" in entry for entry in log)
    assert trainer.state.best_metric == stock.state.best_metric


@pytest.mark.parametrize(
    "rule",
    [FixedWeights(WEIGHTS), HypervolumeGuided(WEIGHTS), ScheduledWeights({0: WEIGHTS, 5: [1, 0, 0]})],
    ids=lambda rule: rule.name,
)
def test_before_the_first_batch_eval_reward_is_of_the_rules_weights(
    rule: WeightingRule, model: str, tmp_path: Path
) -> None:
    found = ours(model, MultiObjectiveConfig(**options(tmp_path)), rule).evaluate()
    parts = [found[f"eval_rewards/{reward.__name__}/mean"] for reward in REWARDS]
    assert found["eval_reward"] == pytest.approx(sum(w * r for w, r in zip(WEIGHTS, parts, strict=True)))


def test_with_a_plain_config_several_sets_are_trls(model: str, tmp_path: Path) -> None:
    """Worker processes that persist keep their rows: TRL tells them by the set's name."""
    rows = {"few": prompts(4), "others": prompts(12).select(range(4, 12))}
    told = {"dataloader_num_workers": 1, "dataloader_persistent_workers": True, "max_steps": 2}
    stock_config = GRPOConfig(**options(tmp_path / "stock", reward_weights=WEIGHTS, **told))
    stock = GRPOTrainer(model, list(REWARDS), stock_config, prompts(), rows)
    stock.train()
    trainer = ours(model, GRPOConfig(**options(tmp_path / "ours", **told)), FixedWeights(WEIGHTS), rows)
    trainer.train()
    assert figures(trainer, stock.state.log_history) == figures(stock, stock.state.log_history)
    assert [line["samples"] for line in read_evaluations(tmp_path / "ours")] == [4 * 4, 4 * 4]


def test_an_objective_may_have_the_name_of_a_figure_of_trls(model: str, tmp_path: Path) -> None:
    def loss(completions: list[str], **_: Any) -> list[float]:
        return [2.0 + share for share in digits(completions)]

    def reward(completions: list[str], **_: Any) -> list[float]:
        return [5.0 + share for share in digits(completions)]

    stock_config = GRPOConfig(**options(tmp_path / "stock", reward_weights=[0.5, 0.5]))
    stock = GRPOTrainer(model, [loss, reward], stock_config, prompts(), prompts(6))
    stock.train()
    config = GRPOConfig(**options(tmp_path / "ours"))
    trainer = ours(model, config, FixedWeights([0.5, 0.5]), rewards=[loss, reward])
    trainer.train()
    assert figures(trainer, stock.state.log_history) == figures(stock, stock.state.log_history)
    assert read_evaluations(tmp_path / "ours")[0]["metrics"]["loss"] > 2


def test_the_rules_own_evaluation_leaves_no_trace_with_a_plain_config_either(model: str, tmp_path: Path) -> None:
    """It samples as the grid's evaluations do, so that its metrics mean the same."""
    trained = []
    for rule in (FixedWeights(WEIGHTS), HypervolumeGuided(WEIGHTS, scale=1e12)):  # whose factor is 1, then 0.5
        config = GRPOConfig(**options(tmp_path / rule.name, max_steps=1, eval_strategy="no"))
        trainer = ours(model, config, rule)
        trainer.train()
        trained.append(list(trainer.model.parameters()))
    assert all(torch.equal(p, q) for p, q in zip(*trained, strict=True))
    [line] = read_evaluations(tmp_path / "hypervolume")
    assert (line["purpose"], line["samples"]) == ("rule", 6 * 4)


@pytest.mark.parametrize(
    ("kind", "told", "expected"),
    [
        (GRPOConfig, {"temperature": 0.8}, {"samples": None, "temperature": 0.8, "every": 1}),
        (GRPOConfig, {"generation_kwargs": {"temperature": 0.6}}, {"samples": None, "temperature": 0.6, "every": 1}),
        (GRPOConfig, {"generation_kwargs": {"do_sample": False}}, {"samples": None, "temperature": 0.0, "every": 1}),
        (GRPOConfig, {"eval_strategy": "epoch"}, {"samples": None, "temperature": 1.0, "every": None}),
        (MultiObjectiveConfig, {"temperature": 0.8}, {"samples": None, "temperature": 0.0, "every": 1}),
        (MultiObjectiveConfig, {"eval_temperature": 0.5, "eval_samples": 4},
         {"samples": 4, "temperature": 0.5, "every": 1}),
        (MultiObjectiveConfig, {"eval_temperature": None, "temperature": 0.8},
         {"samples": None, "temperature": 0.8, "every": 1}),
        (MultiObjectiveConfig, {"eval_strategy": "no"}, {"samples": None, "temperature": 0.0, "every": None}),
    ],
)  # fmt: skip
@pytest.mark.turns
def test_the_record_says_how_evaluations_were_made(
    kind: type, told: dict[str, Any], expected: dict[str, Any], model: str, tmp_path: Path
) -> None:
    trainer = ours(model, kind(**options(tmp_path, max_steps=1, **told)), FixedWeights(WEIGHTS))
    trainer.train()
    assert read_run(tmp_path)["evaluation"] == expected
    again = MultiObjectiveConfig(str(tmp_path), **read_run(tmp_path)["settings"])
    assert (again.eval_temperature, again.num_generations_eval) == (
        trainer.args.eval_temperature,
        trainer.args.num_generations_eval,
    )


def test_greedy_answers_are_not_given_twice(model: str, tmp_path: Path) -> None:
    told = {"num_generations_eval": 4, "per_device_eval_batch_size": 4, "max_steps": 1}
    for temperature, samples in ((0.0, 6), (1.0, 24)):
        directory = tmp_path / str(temperature)
        config = MultiObjectiveConfig(**options(directory, eval_temperature=temperature, **told))
        trainer = ours(model, config, FixedWeights(WEIGHTS))
        trainer.train()
        [line] = read_evaluations(directory)
        assert line["samples"] == samples
        assert [shown["row"] for shown in read_completions(directory)] == list(range(6))
        assert (line["tokens"] - read_steps(directory)[0]["tokens"]) <= samples * 8


def test_a_reward_may_draw_random_numbers_of_any_kind(model: str, tmp_path: Path) -> None:
    """How often one evaluates changes nothing in training: not even then."""

    def noise(completions: list[str], **_: Any) -> list[float]:
        return [random.random() + np.random.rand() + torch.rand(()).item() for _ in completions]

    trained = []
    for strategy in ("steps", "no"):
        config = MultiObjectiveConfig(**options(tmp_path / strategy, eval_strategy=strategy))
        trainer = ours(model, config, FixedWeights([1.0]), rewards=[noise])
        trainer.train()
        trained.append(list(trainer.model.parameters()))
    assert all(torch.equal(p, q) for p, q in zip(*trained, strict=True))


def test_every_prompt_counts_when_other_columns_are_removed(model: str, tmp_path: Path) -> None:
    told = {"remove_unused_columns": True, "per_device_eval_batch_size": 2, "max_steps": 1}
    ours(model, MultiObjectiveConfig(**options(tmp_path, **told)), FixedWeights(WEIGHTS), prompts(6)).train()
    assert read_evaluations(tmp_path)[0]["samples"] == 6


def test_every_prompt_counts_in_a_prediction(model: str, tmp_path: Path) -> None:
    config = MultiObjectiveConfig(**options(tmp_path, per_device_eval_batch_size=2))
    trainer = ours(model, config, FixedWeights(WEIGHTS))
    found, predicted = trainer.evaluate(), trainer.predict(prompts(6)).metrics
    for name in ("digits", "brief", "letters"):
        assert predicted[f"test_metrics/{name}"] == found[f"eval_metrics/{name}"]
        assert predicted[f"test_standard_error/{name}"] == found[f"eval_standard_error/{name}"]


def test_rows_without_a_prompt_are_still_refused(model: str, tmp_path: Path) -> None:
    rows = Dataset.from_dict({"question": ["1+1="]})
    with pytest.raises(ValueError, match="`eval_dataset` has no column 'prompt', it has question"):
        ours("/nowhere/model", MultiObjectiveConfig(**options(tmp_path)), FixedWeights(WEIGHTS), rows)


def test_a_metric_gets_all_that_a_reward_gets(model: str, tmp_path: Path) -> None:
    told = {}

    def reward(**keywords: Any) -> list[float]:
        told["reward"] = set(keywords)
        return [0.0] * len(keywords["completions"])

    def metric(**keywords: Any) -> list[float]:
        told["metric"] = set(keywords)
        keywords["log_extra"]("read", keywords["completions"])  # would be there twice if the reward logs it, too
        keywords["log_metric"]("read", 1.0)
        return [1.0] * len(keywords["completions"])

    config = MultiObjectiveConfig(**options(tmp_path))
    trainer = ours(model, config, FixedWeights([1.0]), rewards=[Objective("one", reward, metric=metric)])
    assert trainer.evaluate()["eval_metrics/one"] == 1.0
    assert told["metric"] == told["reward"]
