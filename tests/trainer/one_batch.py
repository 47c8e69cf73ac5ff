"""Trainings of one batch."""

from pathlib import Path
from typing import Any

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.weighting import WeightingRule
from policies import prompts


def trainer_of(
    model: str, directory: Path, objectives: list[Objective], rule: WeightingRule | None = None, **options: Any
) -> MultiObjectiveTrainer:
    settings = {
        "learning_rate": 1e-2, "max_steps": 1, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 4, "gradient_checkpointing": False, "report_to": [], "save_strategy": "no",
        "eval_strategy": "no", "disable_tqdm": True, "write_report": False, **options,
    }  # fmt: skip
    config = MultiObjectiveConfig(str(directory), **settings)
    rule = rule or FixedWeights([1 / len(objectives)] * len(objectives))
    return MultiObjectiveTrainer(model, objectives, config, prompts(8), prompts(4), weighting=rule)
