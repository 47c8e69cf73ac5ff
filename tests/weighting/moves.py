"""How the weights of the gradient rule move, for tests."""

import math

import numpy as np
import torch
from hypothesis import strategies as st

from paretune import GradientInfluence
from weighting.batches import batch

TINY = float(np.finfo(np.float64).tiny)
simplex = st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=6).map(lambda row: [w / sum(row) for w in row])


def moved(rule: GradientInfluence, *influence: float, learning_rate: float = 1e-3) -> list[float]:
    values = torch.tensor(influence, dtype=torch.float64)
    return rule.update(batch(len(influence), influence=values, learning_rate=learning_rate)).weights.tolist()


def log_ratio(weights: list[float]) -> float:
    return math.log(weights[0] / weights[1])
