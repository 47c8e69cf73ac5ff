"""The paper's two statistics of a front, and how they spread when nothing differs.

Lu et al. (arXiv 2509.11452) report for each method the mean of each objective over the checkpoints on its own Pareto
front, and steps-to-front, the mean step of those checkpoints. Both are computed on the evaluations that chose the
front, so noise that looks good is chosen: the means lie above the truth and spread even for a policy that never
changes. :func:`null_spread` says by how much, to be shown beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from paretune.pareto import worst_corner


def front_statistics(points: ArrayLike, steps: Sequence[float]) -> tuple[list[float], float]:
    """The paper's two statistics of one front.

    Args:
        points: ``[n, K]``, the front's points.
        steps: ``[n]``, when each was measured.

    Returns:
        The front's mean, ``[K]``, and steps-to-front, the mean of the steps.

    Raises:
        ValueError: if there are no points, or another number of steps.

    Example:
        >>> front_statistics([[0.5, 40.0], [0.7, 60.0]], [10, 40])
        ([0.6, 50.0], 25.0)
    """
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or len(values) == 0 or len(values) != len(steps):
        raise ValueError(f"`points` must be [n, K] with n = {len(steps)} steps and n above 0, got {values.shape}.")
    return values.mean(axis=0).tolist(), float(np.mean(steps))


def null_spread(
    metrics: Sequence[float],
    standard_errors: Sequence[float],
    steps: Sequence[int],
    maximize: Sequence[bool],
    bounds: Sequence[tuple[float, float]],
    repeats: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """The spread of :func:`front_statistics` over runs of a policy that never changes.

    Each run evaluates the same policy at every step: its metrics plus independent normal noise, clipped to the
    bounds. Its front is what :class:`~paretune.pareto.ParetoArchive` would hold, and is described by the two
    statistics. A difference between two rules should be seen against √2 times the sd, for both sides have it.

    Noise is independent between objectives here, which in an evaluation it is not (a long answer is more often right);
    with positive dependence between what is better in each, the front is smaller. Close to a bound clipping pulls the
    values inwards, and of evaluations that are equal at the bound the archive keeps the first, so fronts come early.

    Args:
        metrics: ``[K]``, the policy's true metrics in raw units.
        standard_errors: ``[K]``, of one evaluation; 0 for an objective without noise.
        steps: ``[T]``, when it is evaluated, in order.
        maximize: ``[K]``, whether more is better.
        bounds: K pairs (low, high) in raw units.
        repeats: the number of runs, 2 or more. The sd is right to about 5 % with 200.
        seed: of the noise.

    Returns:
        ``front_mean`` {``mean`` [K], ``sd`` [K]}; ``selection_gain`` [K], how much better than `metrics` the mean of
        the fronts looks, positive if it looks better; ``steps_to_front`` {``mean``, ``sd``}; ``n``, the runs.

    Raises:
        ValueError: if the lengths differ, there is no step, a number is not finite, a standard error is negative, or
            there are fewer than two repeats.

    Example:
        >>> null = null_spread([0.5], [0.1], [0, 10], [True], [(0.0, 1.0)], repeats=2000)
        >>> round(null["selection_gain"][0], 2)  # of two evaluations the better: 0.1 / √π
        0.06
    """
    truth, noise = np.asarray(metrics, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    count = len(worst_corner(maximize, bounds))  # which checks both
    if truth.shape != (count,) or noise.shape != truth.shape:
        raise ValueError(f"`metrics` and `standard_errors` must have {count} values, got {metrics}, {standard_errors}.")
    if not np.isfinite(truth).all() or not np.isfinite(noise).all() or (noise < 0).any():
        raise ValueError(f"`metrics` must be finite and `standard_errors` 0 or more, got {metrics}, {standard_errors}.")
    if len(steps) == 0 or repeats < 2:
        raise ValueError(f"Give one step or more and 2 repeats or more, got {len(steps)} steps and {repeats} repeats.")
    low, high = np.array(bounds, dtype=np.float64).T
    draws = np.random.default_rng(seed).normal(truth, noise, size=(repeats, len(steps), count))

    means, arrivals = [], []
    sign = np.where(maximize, 1.0, -1.0)
    for evaluations in draws.clip(low, high):
        front = _front(sign * evaluations)
        mean, arrival = front_statistics(evaluations[front], [steps[i] for i in front])
        means.append(mean)
        arrivals.append(arrival)
    average = np.mean(means, axis=0)
    return {
        "front_mean": {"mean": average.tolist(), "sd": np.std(means, axis=0, ddof=1).tolist()},
        "selection_gain": (sign * (average - truth)).tolist(),
        "steps_to_front": {"mean": float(np.mean(arrivals)), "sd": float(np.std(arrivals, ddof=1))},
        "n": repeats,
    }


def _front(values: NDArray[np.float64]) -> list[int]:
    """Which of these points an archive would hold that was offered them in this order: of equal ones the first.

    No volumes are computed, which would take all the time.

    Args:
        values: ``[T, K]``, more being better, nothing beyond a bound.
    """
    front: list[int] = np.flatnonzero(moocore.is_nondominated(values, maximise=True)).tolist()
    return front
