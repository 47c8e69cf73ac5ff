"""Trainers of several libraries on one tiny policy, for tests that compare what a rule does in them."""

from pathlib import Path
from typing import Any

import torch
from trl.experimental import online_dpo

from policies import digits, letters, prompts, tokenizer

BOUNDS = {"digits": (0.0, 1.0), "letters": (0.0, 8.0)}
REWARDS = [digits, letters]
STEPS = 4
COMMON = {
    "use_cpu": True, "bf16": False, "learning_rate": 1e-2, "max_steps": STEPS, "per_device_train_batch_size": 8,
    "gradient_checkpointing": False, "report_to": [], "save_strategy": "steps", "save_steps": 2, "logging_steps": 1,
    "disable_tqdm": True, "seed": 7,
}  # fmt: skip


def settings(config: type, directory: Path, **further: Any) -> Any:
    """A library's settings, with its own names for how many tokens and completions there are."""
    own = {"max_new_tokens": 8} if config is online_dpo.OnlineDPOConfig else {"max_completion_length": 8}
    if "num_generations" in config.__dataclass_fields__:
        own["num_generations"] = 4
    return config(str(directory), **{**COMMON, **own, **further})


def made(trainer: type, config: type, model: str, directory: Path, **further: Any) -> Any:
    """A trainer; what its settings have no field for is its own."""
    fields = {name: value for name, value in further.items() if name in config.__dataclass_fields__}
    own = {name: value for name, value in further.items() if name not in fields}
    rewards = own.pop("reward_funcs", REWARDS)
    return trainer(
        model=model, reward_funcs=list(rewards), args=settings(config, directory, **fields), train_dataset=prompts(),
        processing_class=tokenizer(), **own,
    )  # fmt: skip


def trained(*given: Any, **further: Any) -> Any:
    """The same after training, which begins with the random numbers that the trainer was made with."""
    trainer = made(*given, **further)
    trainer.train()
    return trainer


def losses(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def weights(trainer: Any) -> list[list[float]]:
    """What the log says of the weights, step by step."""
    return [
        [entry[f"weights/{name}"] for name in trainer.weigher.names]
        for entry in trainer.state.log_history
        if "loss" in entry
    ]


def assert_same_policy(a: Any, b: Any) -> None:
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        assert torch.equal(p, q)
