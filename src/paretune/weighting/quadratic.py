"""The small quadratic problems that weights on a Gramian come from."""

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

RIDGE = 1e-9
"""Added to a diagonal of ones, so that dependent gradients have one solution."""


def nonnegative_minimum(matrix: Tensor, slope: Tensor) -> Tensor:
    r"""The x ≥ 0 with the least ½ xᵀ M x − bᵀ x.

    With M = RᵀR it is the non-negative least-squares problem min ‖R x − R⁻ᵀ b‖, which scipy solves exactly. Each entry
    of x is taken in units in which M has a diagonal of ones, so that short gradients count, too.

    Args:
        matrix: M, ``[L, L]`` float64, positive semi-definite with a diagonal above 0.
        slope: b, ``[L]``.

    Returns:
        ``[L]``; of several solutions the shortest, within rounding.

    Raises:
        RuntimeError: if the solver does not end.

    Example:
        >>> nonnegative_minimum(torch.eye(2).double(), torch.tensor([2.0, -1.0]).double()).round(decimals=6).tolist()
        [2.0, 0.0]
    """
    units = matrix.diagonal().sqrt()
    root = np.linalg.cholesky((matrix / torch.outer(units, units)).numpy() + RIDGE * np.eye(len(matrix))).T
    target = np.linalg.solve(root.T, (slope / units).numpy())
    return torch.from_numpy(scipy.optimize.nnls(root, target)[0]) / units


def shortest(gramian: Tensor) -> Tensor:
    r"""The point w of the simplex where wᵀ M w, the squared length of Σ_k w_k g_k, is least (MGDA).

    The least of wᵀ M w + c (Σ_k w_k − 1)² over w ≥ 0 lies in the same direction, whatever c > 0; here c is the least
    squared length of a gradient.

    Args:
        gramian: M, ``[L, L]`` float64, positive semi-definite with a diagonal above 0.

    Example:
        >>> shortest(torch.diag(torch.tensor([4.0, 1.0])).double()).round(decimals=6).tolist()
        [0.2, 0.8]
    """
    least = gramian.diagonal().min()
    found = nonnegative_minimum(gramian + least, least.expand(len(gramian)))
    return found / found.sum()
