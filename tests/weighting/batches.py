"""Batches for rules to see."""

from typing import Any

import torch

from paretune.weighting import Batch, Evaluation


def batch(count: int = 3, **known: Any) -> Batch:
    """A batch of K objectives of which a test fills in what its rule reads."""
    values: dict[str, Any] = {
        "names": [f"o{k}" for k in range(count)],
        "rewards": torch.zeros(4, count),
        "advantages": torch.zeros(4, count),
        "lengths": torch.ones(4),
        "num_generations": 2,
        "learning_rate": 1e-3,
        "step": 0,
        **known,
    }
    return Batch(**values)


def evaluation(*metrics: float, step: int = 0) -> Evaluation:
    return Evaluation(step=step, metrics=list(metrics), standard_error=[0.0] * len(metrics), samples=10)
