r"""MATH-500: 500 competition problems with short answers, solved in \boxed{}.

The problems are from Lightman et al. 2023, "Let's Verify Step by Step" (https://arxiv.org/abs/2305.20050),
a selection of MATH (Hendrycks et al. 2021, https://arxiv.org/abs/2103.03874). The objectives, the instruction
and the sizes of the splits are those of Lu et al., "Learning to Optimize Multi-Objective Alignment Through
Dynamic Reward Weighting" (https://arxiv.org/abs/2509.11452).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paretune.tasks import Task

__all__ = ["DESCRIPTION", "MAX_COMPLETION_LENGTH", "load"]

DESCRIPTION = "MATH-500 competition problems: correct, short and clearly structured solutions"

MAX_COMPLETION_LENGTH = 512
"""Tokens a completion may have, and the upper bound of the length metric. One number for both: the bound
normalises the hypervolume, and a mean length above it would be worse than the worst corner."""


def load(data: str | Path | None = None) -> Task:
    """Load MATH-500 with the objectives accuracy, conciseness and clarity.

    The splits have the columns ``prompt`` (one chat message of the user), ``answer`` (the ground truth),
    ``level`` (1 to 5) and ``subject``.

    The default μ of 1e-5 belongs, with the learning rate of 1e-6, to influences on the released code's scale:
    each objective's gradient clipped to norm 1, hence |I_k| at most 3. Unclipped influence needs its own μ.

    Args:
        data: A folder with ``train.parquet``, ``val.parquet`` and ``test.parquet``, such as the split with
            which the paper trained. Without it the problems come from the Hub, where that split is not
            published: they are then split 300/100/100 in an order of our own, the same on every machine.

    Raises:
        FileNotFoundError: If the folder or one of its files is missing, or the Hub cannot be reached.
        ValueError: If a file is no parquet file, is empty or lacks what is needed.
    """
    # Listing the tasks should not wait for torch, datasets and the answer checker.
    from paretune.objectives import Conciseness, Objective, accuracy, clarity, completion_length
    from paretune.tasks.math500.problems import read_folder, read_hub

    splits = read_hub() if data is None else read_folder(Path(data))
    settings: dict[str, Any] = {
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
    return Task(
        name="math500",
        description=DESCRIPTION,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        objectives=[
            Objective("accuracy", accuracy, bounds=(0.0, 1.0)),
            Objective(
                "conciseness",
                Conciseness(),
                metric=completion_length,
                maximize=False,
                bounds=(0.0, float(MAX_COMPLETION_LENGTH)),
            ),
            Objective("clarity", clarity, bounds=(0.0, 1.0)),
        ],
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        mu=1e-5,
        settings=settings,
    )
