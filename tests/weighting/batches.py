"""Batches for rules to see."""

from typing import Any

import torch
from hypothesis import strategies as st

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


ADVANTAGES = torch.tensor([1.0, -1.0, 1.0, -1.0])


def seen(*gains: float, gradients: Any = None, spread: float = 0.0, **known: Any) -> Batch:
    """Objectives on [0, 1] with these mean gains and gradients, one a row; gains rise by `spread` an advantage."""
    count = len(gains)
    metrics = torch.tensor(gains, dtype=torch.float64) + spread * ADVANTAGES[:, None].double()
    values: dict[str, Any] = {
        "rewards": metrics,
        "advantages": ADVANTAGES[:, None].expand(4, count),
        "evaluation": evaluation(*gains),
        "metrics": metrics,
        "bounds": [(0.0, 1.0)] * count,
        "maximize": [True] * count,
    }
    if gradients is not None:
        rows = torch.as_tensor(gradients, dtype=torch.float64)
        values |= {"gramian": rows @ rows.T, "influence_method": "exact"}
    return batch(count, **{**values, **known})


def on(gradients: Any, **known: Any) -> Batch:
    """A batch of which only the gradients matter, one a row."""
    return seen(*[0.5] * len(gradients), gradients=gradients, **known)


gradient_rows = st.integers(2, 5).flatmap(
    lambda count: st.lists(
        st.lists(st.floats(-3, 3).map(lambda x: round(x, 3)), min_size=8, max_size=8), min_size=count, max_size=count
    )
)
"""Two to five gradients of eight parameters."""


def with_gains(*gains: float, maximize: bool = True, **known: Any) -> Batch:
    """A batch of objectives on [0, 1] whose mean metrics are these gains."""
    count = len(gains)
    advantages = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]]).expand(4, count)
    defaults = {
        "advantages": advantages,
        "evaluation": evaluation(*gains),
        "metrics": torch.tensor(gains, dtype=torch.float64).expand(4, count),
        "bounds": [(0.0, 1.0)] * count,
        "maximize": [maximize] * count,
    }
    return batch(count, **{**defaults, **known})
