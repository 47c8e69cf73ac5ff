import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from trl import GRPOConfig

from paretune import MultiObjectiveConfig, tasks
from paretune.tasks import smollm2
from paretune.trainer.config import SET_BY_TASKS


def test_what_a_task_sets_is_recorded_even_at_its_default(tmp_path: Path) -> None:
    """Else `--learning_rate 1e-6`, TRL's default, would be made again at the task's."""
    for name in tasks.names():
        package = import_module(f"paretune.tasks.{name}")
        own = getattr(package, "SETTINGS", {}) or smollm2.SETTINGS
        assert set(own) - {"max_steps"} <= SET_BY_TASKS
    recorded = MultiObjectiveConfig(str(tmp_path), learning_rate=1e-6, temperature=1.0).changed()
    assert (recorded["learning_rate"], recorded["temperature"]) == (1e-6, 1.0)
    assert json.loads(json.dumps(recorded)) == recorded


def test_nothing_in_place_of_a_default_is_recorded(tmp_path: Path) -> None:
    """Else the run made again from its record would have the default."""
    config = MultiObjectiveConfig(str(tmp_path), eval_temperature=None, num_generations_eval=None)
    recorded = json.loads(json.dumps(config.changed()))
    assert (recorded["eval_temperature"], recorded["num_generations_eval"]) == (None, None)
    assert MultiObjectiveConfig(str(tmp_path), **recorded).changed() == config.changed()
    assert None not in MultiObjectiveConfig(str(tmp_path)).changed().values()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"advantage_estimator": "ppo"}, r"one of grpo, rloo, reinforce\+\+, got 'ppo'"),
        ({"combine": "losses"}, "'rewards' or 'advantages', got 'losses'"),
        ({"eval_samples": 0}, "`eval_samples` must be 1 or more, got 0"),
        ({"eval_temperature": -1.0}, "`eval_temperature` must be 0 or more"),
        ({"dial_steps": 0}, "`dial_steps` must be 1 or more, got 0"),
        ({"front_checkpoints": -1}, "`front_checkpoints` must be 0 or more"),
        ({"num_generations": 1}, "at least 2 generations"),
        (
            {"multi_objective_aggregation": "normalize_then_sum", "advantage_estimator": "rloo"},
            "leave it at 'sum_then_normalize'",
        ),
        ({"multi_objective_aggregation": "normalize_then_sum", "combine": "advantages"}, "leave it at"),
    ],
)
def test_wrong_values(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        MultiObjectiveConfig(str(tmp_path), **options)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="this machine has an accelerator")
def test_without_an_accelerator_it_just_works(tmp_path: Path) -> None:
    config = MultiObjectiveConfig(str(tmp_path))
    assert config.use_cpu
    assert config.bf16 is False
    assert MultiObjectiveConfig(str(tmp_path), bf16=True).bf16 is True


def test_a_plain_config_keeps_every_value(tmp_path: Path) -> None:
    plain = GRPOConfig(str(tmp_path), use_cpu=True, bf16=False, num_generations=4, beta=0.1, steps_per_generation=3)
    ours = MultiObjectiveConfig.from_grpo(plain)
    assert {name: getattr(ours, name) for name in vars(plain)} == vars(plain)
    assert (ours.advantage_estimator, ours.combine) == ("grpo", "rewards")
    assert ours.eval_temperature is None  # evaluations are TRL's
    assert MultiObjectiveConfig.from_grpo(ours) is ours


def test_every_field_of_ours_explains_itself() -> None:
    inherited = set(GRPOConfig.__dataclass_fields__)
    for name, field in MultiObjectiveConfig.__dataclass_fields__.items():
        if name not in inherited:
            assert field.metadata.get("help"), name
