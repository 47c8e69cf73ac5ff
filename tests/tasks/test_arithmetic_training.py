"""Real training on arithmetic: every rule under every estimator, on the embedded policy."""

from pathlib import Path
from typing import Any

import pytest
import torch

from paretune import (
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    ScheduledWeights,
    tasks,
)
from paretune.record.run_directory import read_evaluations, read_steps
from paretune.weighting import WeightingRule

RULES: dict[str, Any] = {
    "fixed": lambda: FixedWeights("balanced"),
    "scheduled": lambda: ScheduledWeights({0: (1.0, 0.0, 0.0), 2: (0.2, 0.4, 0.4)}),
    "hypervolume": lambda: HypervolumeGuided([0.4, 0.3, 0.3]),
    "gradient": lambda: GradientInfluence(mu=3e-3),
}


def train(directory: Path, rule: WeightingRule, **changed: Any) -> MultiObjectiveTrainer:
    task = tasks.load("arithmetic")
    settings = {
        **task.settings,
        "per_device_train_batch_size": 32,
        "max_completion_length": 32,
        "max_steps": 2,
        "eval_steps": 1,
        "eval_samples": 8,
        "save_strategy": "no",
        "disable_tqdm": True,
        "write_report": False,
        "report_to": [],
        **changed,
    }
    trainer = MultiObjectiveTrainer(
        task.model,
        task.objectives,
        MultiObjectiveConfig(str(directory), **settings),
        task.train,
        task.validation,
        weighting=rule,
        task="arithmetic",
    )
    trainer.train()
    return trainer


# Each rule under one estimator; tests/trainer/test_trainer.py has more rules with a smaller policy.
@pytest.mark.parametrize(
    ("name", "estimator"),
    [
        pytest.param(name, estimator, marks=[] if number % 3 == place else [pytest.mark.slow])
        for number, name in enumerate(RULES)
        for place, estimator in enumerate(("grpo", "rloo", "reinforce++"))
    ],
)
@pytest.mark.turns
def test_every_rule_under_every_estimator(name: str, estimator: str, tmp_path: Path) -> None:
    trainer = train(tmp_path, RULES[name](), advantage_estimator=estimator)
    start = type(trainer.model).from_pretrained(tasks.load("arithmetic").model)
    assert any(not torch.equal(a, b) for a, b in zip(trainer.model.parameters(), start.parameters(), strict=True))
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    lines = read_steps(tmp_path)
    assert len(lines) == 2
    if name == "gradient":
        assert lines[-1]["weights"] != lines[0]["weights"]
        assert all(v != 0 for v in lines[0]["influence"].values())


@pytest.mark.slow
def test_the_meta_reward_spans_its_range(tmp_path: Path) -> None:
    train(tmp_path, RULES["hypervolume"](), max_steps=8, eval_samples=64, eval_temperature=1.0)
    scales = [line["scale"] for line in read_steps(tmp_path)]
    assert scales[0] == 1.0
    assert max(scales) - min(scales) >= 0.3
    assert all(0.5 <= scale <= 2.0 for scale in scales)
    assert len([line for line in read_evaluations(tmp_path) if line["purpose"] == "rule"]) == 8


def test_training_shows_in_the_rewards(tmp_path: Path) -> None:
    """Clarity alone, 10 steps: its mean reward must rise well beyond chance."""
    train(tmp_path, FixedWeights([0.0, 0.0, 1.0]), max_steps=10, max_completion_length=60, eval_strategy="no")
    clarity = [line["rewards"]["clarity"] for line in read_steps(tmp_path)]
    assert sum(clarity[-3:]) / 3 > sum(clarity[:3]) / 3 + 0.2
