"""The small chat model that the tasks on published problems train by default, and the settings that suit it."""

from __future__ import annotations

from typing import Any

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"

MAX_COMPLETION_LENGTH = 512
"""Tokens a completion may have, and the upper bound of the length metric. One number for both: the bound
normalises the hypervolume, and a mean length above it would be worse than the worst corner."""

SETTINGS: dict[str, Any] = {
    "max_completion_length": MAX_COMPLETION_LENGTH,
    "num_generations": 8,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 8,
    "learning_rate": 1e-6,
    "weight_decay": 0.01,
    # A model this small fits without recomputing its activations, which would cost a third more time.
    "gradient_checkpointing": False,
    "logging_steps": 1,
    # The paper validates every 5 batches; the policy before training belongs to the front too.
    "eval_strategy": "steps",
    "eval_steps": 5,
    "eval_on_start": True,
}
