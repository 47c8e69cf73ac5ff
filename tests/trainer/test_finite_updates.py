"""A gradient that is not finite makes no update."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from paretune import FixedWeights, GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.record.run_directory import read_run, read_steps
from paretune.weighting import WeightingRule
from policies import brief, digits, prompts, saved_policy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


class Poisoned(MultiObjectiveTrainer):
    """Whose loss is what it should not be in some steps."""

    poison: dict[int, float]
    """By step (optimiser steps done before it), the factor on the loss."""

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Tensor:
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        return loss * self.poison.get(self.state.global_step, 1.0)


def trainer_of(
    model: str, directory: Path, poison: dict[int, float], rule: WeightingRule | None = None, **kwargs: Any
) -> Poisoned:
    options = {
        "max_steps": 3, "per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 6,
        "gradient_checkpointing": False, "report_to": [], "save_strategy": "no", "eval_strategy": "no",
        "disable_tqdm": True, "write_report": False,
        "learning_rate": 1e-2, "weight_decay": 0.1, "lr_scheduler_type": "constant", **kwargs,
    }  # fmt: skip
    given = [Objective("digits", digits, bounds=(0, 1)), Objective("brief", brief, bounds=(0, 1))]
    rule = rule or FixedWeights([0.5, 0.5])
    trainer = Poisoned(model, given, MultiObjectiveConfig(str(directory), **options), prompts(), weighting=rule)
    trainer.poison = poison
    return trainer


def state(trainer: MultiObjectiveTrainer) -> tuple[list[Tensor], str]:
    optimizer = {i: {k: v.tolist() for k, v in s.items()} for i, s in trainer.optimizer.state_dict()["state"].items()}
    return [p.detach().clone() for p in trainer.model.parameters()], json.dumps(optimizer)


class AfterSteps:
    """Parameters and optimiser state after each step."""

    def __init__(self, trainer: MultiObjectiveTrainer) -> None:
        self.states = []
        trainer.run_log.end_step, inner = self, trainer.run_log.end_step
        self._trainer, self._inner = trainer, inner

    def __call__(self, step: int, **kwargs: Any) -> None:
        self._inner(step, **kwargs)
        self.states.append(state(self._trainer))


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1e38])
@pytest.mark.parametrize("max_grad_norm", [0.0, 1.0])
@pytest.mark.turns
def test_nothing_moves_in_such_a_step(factor: float, max_grad_norm: float, model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, {1: factor}, max_grad_norm=max_grad_norm)
    after = AfterSteps(trainer)
    with pytest.warns(UserWarning, match="gradient of step 2 is not finite: no update"):
        trainer.train()
    (first, first_state), (second, second_state) = after.states[:2]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert first_state == second_state
    assert [line["left_out"] for line in read_steps(tmp_path)] == [0, 1, 0]
    third = after.states[2][0]
    assert any(not torch.equal(a, b) for a, b in zip(after.states[1][0], third, strict=True))
    assert all(torch.isfinite(p).all() for p in third)


@pytest.mark.filterwarnings("ignore:The gradient of step")
def test_weights_stay_on_the_simplex_and_influence_is_that_of_no_update(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, {1: float("nan")}, GradientInfluence(mu=1e-2, method="realised"))
    trainer.train()
    lines = read_steps(tmp_path)
    assert lines[2]["influence"] == {"digits": 0.0, "brief": 0.0}
    assert lines[2]["weights"] == lines[1]["weights"]
    assert sum(lines[2]["weights"].values()) == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore:The gradient of step")
def test_ten_in_a_row_end_the_run(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, {step: float("nan") for step in range(1, 40)}, max_steps=40)
    with pytest.raises(FloatingPointError, match="not finite in 10 steps in a row, up to step 11: resume"):
        trainer.train()
    assert read_run(tmp_path)["status"] == "failed"
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())


@pytest.mark.filterwarnings("ignore:The gradient of step")
def test_a_batch_of_several_updates_counts_them(model: str, tmp_path: Path) -> None:
    options = {"per_device_train_batch_size": 4, "steps_per_generation": 2, "max_steps": 4}
    trainer = trainer_of(model, tmp_path, {0: float("nan"), 1: float("nan"), 2: float("nan")}, **options)
    trainer.train()
    assert [line["left_out"] for line in read_steps(tmp_path)] == [2, 1]


def test_finite_gradients_are_left_alone(model: str, tmp_path: Path) -> None:
    """Also where some parameters have none."""
    trainer = trainer_of(model, tmp_path, {})
    frozen = next(iter(trainer.model.parameters()))
    frozen.requires_grad_(False)
    assert isinstance(frozen, nn.Parameter)
    trainer.train()
    assert [line["left_out"] for line in read_steps(tmp_path)] == [0, 0, 0]
