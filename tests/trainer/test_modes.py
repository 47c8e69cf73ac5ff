"""Policy and optimiser are given back in the mode in which they were found, whatever is measured in between."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from trl import GRPOConfig, GRPOTrainer

from paretune import (
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
)
from paretune.record.run_directory import read_evaluations, read_steps
from paretune.weighting import Batch, InfluenceRequest, Measurements, Scalarization, WeightingRule
from policies import StopAfter, brief, digits, letters, policy, prompts, saved_policy, tokenizer

WEIGHTS = [0.5, 0.3, 0.2]
REWARDS = [digits, brief, letters]


class ScheduleFreeSGD(Optimizer):
    """Schedule-free SGD (arXiv 2405.15682): the policy holds y in training and the average x in evaluation."""

    def __init__(self, parameters: Any, lr: float, beta: float = 0.9) -> None:
        super().__init__(parameters, {"lr": lr, "beta": beta, "training": False, "steps": 0})

    def train(self) -> None:
        self._turn(training=True)

    def eval(self) -> None:
        self._turn(training=False)

    @torch.no_grad()
    def _turn(self, training: bool) -> None:
        for group in self.param_groups:
            if group["training"] != training:
                weight = 1 - group["beta"] if training else 1 - 1 / group["beta"]
                for p in group["params"]:
                    if p in self.state:
                        p.lerp_(self.state[p]["z"], weight)
                group["training"] = training

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            if not group["training"]:
                raise RuntimeError("the optimiser was stepped in evaluation mode")
            group["steps"] += 1
            for p in group["params"]:
                if p.grad is not None:
                    z = self.state[p].setdefault("z", p.clone())
                    p.lerp_(z, 1 / group["steps"])
                    p.add_(p.grad, alpha=group["lr"] * (group["beta"] * (1 - 1 / group["steps"]) - 1))
                    z.sub_(p.grad, alpha=group["lr"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"), dropout=0.2)


def options(directory: Path, **kwargs: Any) -> dict[str, Any]:
    return {
        "output_dir": str(directory), "learning_rate": 1e-2, "max_steps": 3, "per_device_train_batch_size": 8,
        "num_generations": 4, "max_completion_length": 8, "gradient_checkpointing": False, "report_to": [],
        "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True, **kwargs,
    }  # fmt: skip


def objectives() -> list[Objective]:
    bounds = [(0, 1), (0, 1), (0, 8)]
    return [Objective(r.__name__, r, bounds=b) for r, b in zip(REWARDS, bounds, strict=True)]


def trainer_of(
    model: str, directory: Path, rule: WeightingRule, kind: type = MultiObjectiveTrainer, **kwargs: Any
) -> MultiObjectiveTrainer:
    config = MultiObjectiveConfig(**options(directory, **kwargs))
    return kind(model, objectives(), config, prompts(), prompts(6), weighting=rule)


OFTEN = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
SETTINGS: dict[str, dict[str, Any]] = {
    "dapo": {},
    "grpo": {"loss_type": "grpo", "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    "several updates": {"per_device_train_batch_size": 4, "steps_per_generation": 2},
}


# --- the policy's ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.turns
def test_realised_influence_is_the_same_after_an_evaluation(settings: str, model: str, tmp_path: Path) -> None:
    """Dropout is on and the loss is divided by the accumulation steps, as when the batch was trained on."""
    told = SETTINGS[settings]
    plain = trainer_of(model, tmp_path / "plain", GradientInfluence(method="realised"), **told)
    plain.train()
    often = trainer_of(model, tmp_path / "often", GradientInfluence(method="realised"), **told, **OFTEN)
    often.train()
    influences = [[line["influence"] for line in read_steps(tmp_path / run)] for run in ("plain", "often")]
    assert influences[0] == influences[1]
    assert any(influence is not None for influence in influences[0])
    for p, q in zip(plain.model.parameters(), often.model.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("settings", ["dapo", "grpo"])
@pytest.mark.turns
def test_resumed_after_an_evaluation_a_run_is_the_one_that_never_saved(
    settings: str, model: str, tmp_path: Path
) -> None:
    told = {**SETTINGS[settings], "eval_strategy": "steps", "eval_steps": 1}
    whole = trainer_of(model, tmp_path / "whole", GradientInfluence(method="realised"), **told)
    whole.train()
    told |= {"save_strategy": "steps", "save_steps": 1}
    first = trainer_of(model, tmp_path / "halves", GradientInfluence(method="realised"), **told)
    first.add_callback(StopAfter(2))
    first.train()
    resumed = trainer_of(model, tmp_path / "halves", GradientInfluence(method="realised"), **told)
    resumed.train(resume_from_checkpoint=True)
    for p, q in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(p, q)
    lines = [[{**line, "seconds": None} for line in read_steps(tmp_path / run)] for run in ("whole", "halves")]
    assert lines[0] == lines[1]


class Careless(MultiObjectiveTrainer):
    """Generates as TRL does with transformers' continuous batching, after which the policy is in training mode."""

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        generated = super()._generate_single_turn(*args, **kwargs)
        self.model.train()
        return generated


def test_an_evaluation_stays_one_when_generation_ends_in_training_mode(model: str, tmp_path: Path) -> None:
    told = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 2, "max_steps": 2}
    for kind in (MultiObjectiveTrainer, Careless):
        trainer_of(model, tmp_path / kind.__name__, FixedWeights(WEIGHTS), kind, **told).train()
    runs = [read_evaluations(tmp_path / kind.__name__) for kind in (MultiObjectiveTrainer, Careless)]
    assert runs[0] == runs[1]
    assert [line["samples"] for line in runs[1]] == [6, 6]


def test_a_reward_that_measures_with_the_policy_in_evaluation_mode(model: str, tmp_path: Path) -> None:
    def digits_by_an_evaluated_policy(completions: list[str], **_: Any) -> list[float]:
        trainer.model.eval()
        return digits(completions)

    trained = []
    for reward in (digits, digits_by_an_evaluated_policy):
        config = MultiObjectiveConfig(**options(tmp_path / reward.__name__, **SETTINGS["grpo"]))
        trainer = MultiObjectiveTrainer(model, [reward], config, prompts(), weighting=FixedWeights([1.0]))
        trainer.train()
        trained.append(list(trainer.model.parameters()))
    assert all(torch.equal(p, q) for p, q in zip(*trained, strict=True))


# --- the optimiser's ---------------------------------------------------------------------------------------


def schedule_free(kind: type, config: GRPOConfig, **kwargs: Any) -> Any:
    """A trainer of a policy whose optimiser has modes."""
    held = policy(dropout=0.2)
    optimizer = ScheduleFreeSGD(held.parameters(), lr=0.5)
    return kind(
        held, args=config, train_dataset=prompts(), eval_dataset=prompts(6), processing_class=tokenizer(),
        optimizers=(optimizer, LambdaLR(optimizer, lambda _: 1.0)), **kwargs,
    )  # fmt: skip


@pytest.mark.parametrize("told", [{}, OFTEN, SETTINGS["grpo"]], ids=["alone", "often", "accumulation"])
@pytest.mark.turns
def test_a_schedule_free_optimiser_under_the_hypervolume_rule(told: dict[str, Any], tmp_path: Path) -> None:
    """The rule's own evaluation comes when a micro-batch begins, in training mode."""
    rule = HypervolumeGuided(WEIGHTS)
    config = MultiObjectiveConfig(**options(tmp_path, **told))
    trainer = schedule_free(MultiObjectiveTrainer, config, reward_funcs=objectives(), weighting=rule)
    before = [p.detach().clone() for p in trainer.model.parameters()]
    trainer.train()
    assert [line["step"] for line in read_evaluations(tmp_path) if line["purpose"] == "rule"] == [0, 1, 2]
    assert not all(torch.equal(p, q) for p, q in zip(trainer.model.parameters(), before, strict=True))


class Watching(FixedWeights):
    """Fixed weights that want everything measured that there is."""

    def measurements(self) -> Measurements:
        return Measurements(influence=InfluenceRequest(method="realised"), evaluation="validation")

    def update(self, batch: Batch) -> Scalarization:
        assert batch.evaluation is not None
        return super().update(batch)


@pytest.mark.parametrize("often", [{}, OFTEN], ids=["never", "often"])
@pytest.mark.turns
def test_measuring_moves_no_bit_of_what_a_schedule_free_optimiser_trains(often: dict[str, Any], tmp_path: Path) -> None:
    told = {"use_cpu": True, "bf16": False, **often}
    stock_config = GRPOConfig(**options(tmp_path / "stock", reward_weights=WEIGHTS, **told))
    stock = schedule_free(GRPOTrainer, stock_config, reward_funcs=list(REWARDS))
    stock.train()
    config = GRPOConfig(**options(tmp_path / "ours", **told))  # which evaluates as the other does
    ours = schedule_free(MultiObjectiveTrainer, config, reward_funcs=objectives(), weighting=Watching(WEIGHTS))
    ours.train()
    for (name, p), q in zip(ours.model.named_parameters(), stock.model.parameters(), strict=True):
        assert torch.equal(p, q), name
