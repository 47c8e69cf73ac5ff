"""The true front of a task in which the answers to a prompt can be enumerated."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

TIE = 1e-9
"""Answers whose worth differs by less are equally good."""


def best_answers(choices: Iterable[ArrayLike], weights: ArrayLike) -> NDArray[np.float64]:
    """The gains of the policy that gives the best answer to each prompt, for each weighting.

    Of answers that are equally good under a weighting, the one with the largest sum of gains is taken, so that a weight
    of 0 leads to no point that another one dominates.

    Args:
        choices: for each prompt ``[A, K]``, the expected gains of its answers; A may differ. Answers that another one
            dominates may be left out.
        weights: ``[M, K]``, none negative.

    Returns:
        ``[M, K]``, means over prompts: w·G is the support function h(w) = E_x max_y w·r(x, y).

    Raises:
        ValueError: if there is no prompt, or the weights have another shape or are negative.

    Example:
        Two prompts; the second one's compromise is worth more than its ends only under equal weights.

        >>> best_answers([[[1, 0], [0, 1]], [[1, 0], [0.6, 0.6], [0, 1]]], [[1, 0], [0.5, 0.5]])
        array([[1. , 0. ],
               [0.8, 0.3]])
    """
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 2 or not (w >= 0).all():
        raise ValueError(f"`weights` must have shape [M, K] and none may be negative, got {w!r}.")
    total, prompts = np.zeros_like(w), 0
    for answers in choices:
        gains = np.asarray(answers, dtype=np.float64)
        if gains.ndim != 2 or gains.shape[1] != w.shape[1]:
            raise ValueError(f"`weights` must have a weight for each objective, got shape {w.shape}.")
        worth = w @ gains.T
        tied = worth >= worth.max(axis=1, keepdims=True) - TIE
        total += gains[np.where(tied, gains.sum(axis=1), -np.inf).argmax(axis=1)]
        prompts += 1
    if prompts == 0:
        raise ValueError("There is no prompt: give a split with at least one row.")
    return np.asarray(total / prompts)
