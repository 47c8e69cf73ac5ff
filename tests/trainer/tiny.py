"""Tiny trainings of three objectives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paretune import (
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
)
from paretune.objectives import Conciseness, completion_length
from paretune.weighting import WeightingRule
from policies import digits, letters, prompts


def objectives() -> list[Objective]:
    return [
        Objective("digits", digits, bounds=(0, 1)),
        Objective("conciseness", Conciseness(), metric=completion_length, maximize=False, bounds=(0, 10)),
        Objective("letters", letters, bounds=(0, 8)),
    ]


def config(directory: Path, **kwargs: Any) -> MultiObjectiveConfig:
    options = {
        "learning_rate": 1e-2, "max_steps": 3, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 10, "gradient_checkpointing": False, "report_to": [], "logging_steps": 1,
        "save_strategy": "no", "eval_strategy": "steps", "eval_steps": 1,
        "disable_tqdm": True, "write_report": False, **kwargs,
    }  # fmt: skip
    return MultiObjectiveConfig(str(directory), **options)


def trainer_of(
    model: Any, directory: Path, rule: WeightingRule, of: Sequence[Objective] | None = None, **kwargs: Any
) -> MultiObjectiveTrainer:
    given = objectives() if of is None else of
    return MultiObjectiveTrainer(model, given, config(directory, **kwargs), prompts(), prompts(6), weighting=rule)
