"""How near a set of policies comes to the best possible: expected utility, regret, the best geometric mean.

The gains G of a policy are its metrics on their bounds, ``[K]`` in [0, 1], where more is better. A weighting w, ``[K]``
on the simplex, values the policy at w·G. The gains that can be reached form a convex set, since two policies can be
mixed. The support function of that set, h(w) = max_G w·G, says how much the best policy for each weighting is worth.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

LATTICE_SIZE = 128
"""The most weightings a lattice may have."""


def weight_lattice(objectives: int, divisions: int | None = None) -> Array:
    """All weightings whose weights are multiples of 1 / divisions: the simplex lattice (Das and Dennis, 1998).

    Args:
        objectives: K ≥ 1.
        divisions: H ≥ 1; None for the finest lattice of at most :data:`LATTICE_SIZE` weightings: H = 127 for K = 2,
            14 for 3, 7 for 4, 5 for 5, 3 for 8, and never below 1.

    Returns:
        ``[M, K]``, M = (H + K − 1 choose K − 1), each row summing to 1, in lexicographic order.

    Raises:
        ValueError: if there is no objective or division.

    Example:
        >>> weight_lattice(3, 2)
        array([[0. , 0. , 1. ],
               [0. , 0.5, 0.5],
               [0. , 1. , 0. ],
               [0.5, 0. , 0.5],
               [0.5, 0.5, 0. ],
               [1. , 0. , 0. ]])
    """
    if objectives < 1 or (divisions is not None and divisions < 1):
        raise ValueError(f"A lattice needs objectives and divisions of 1 or more, got {objectives} and {divisions}.")
    if divisions is None:
        divisions = 1
        while objectives > 1 and math.comb(divisions + objectives, objectives - 1) <= LATTICE_SIZE:
            divisions += 1
    # Stars and bars: K − 1 bars among H + K − 1 places, and the stars between them are the multiples.
    places = divisions + objectives - 1
    bars = np.array(list(combinations(range(places), objectives - 1)), dtype=np.int64)
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, places)))
    return np.asarray((np.diff(edges, axis=1) - 1) / divisions, dtype=np.float64)


def expected_utility(gains: ArrayLike, weights: ArrayLike) -> float:
    """The mean over weightings of what the best of some policies is worth: mean_m max_n w_m·G_n.

    The expected utility metric (EUM) of Zintgraf et al. 2015, "Quality assessment of MORL algorithms: a utility-based
    approach", for linear utilities.

    Args:
        gains: ``[N, K]`` of the policies, or ``[K]`` of one.
        weights: ``[M, K]``.

    Returns:
        In [0, 1] for gains in [0, 1] and weights on the simplex.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> expected_utility([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])  # (1 + 0.5 + 1) / 3
        0.8333333333333334
    """
    return float(_worth(gains, weights).mean())


def regret(gains: ArrayLike, weights: ArrayLike, support: ArrayLike) -> float:
    """How much less the best of some policies is worth than the best possible: mean_m (h(w_m) − max_n w_m·G_n).

    Args:
        gains: ``[N, K]`` of the policies, or ``[K]`` of one.
        weights: ``[M, K]``.
        support: ``[M]``, h at each weighting.

    Returns:
        0 if for every weighting one of the policies is the best possible. Gains that were estimated from samples can
        make it negative by as much as their error.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> regret([0.5, 0.5], [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]], [1.0, 0.6, 1.0])  # (0.5 + 0.1 + 0.5) / 3
        0.3666666666666667
    """
    best = np.asarray(support, dtype=np.float64)
    worth = _worth(gains, weights)
    if best.shape != worth.shape:
        raise ValueError(f"`support` must have shape {worth.shape}, one value for each weighting, got {best.shape}.")
    return float((best - worth).mean())


def _worth(gains: ArrayLike, weights: ArrayLike) -> Array:
    """``[M]``: what the best policy is worth under each weighting."""
    points, w = np.atleast_2d(np.asarray(gains, dtype=np.float64)), np.asarray(weights, dtype=np.float64)
    if points.ndim != 2 or w.ndim != 2 or 0 in points.shape + w.shape or points.shape[1] != w.shape[1]:
        raise ValueError(
            f"`gains` must have shape [N, K] and `weights` [M, K] with one K, none of them 0, got {points.shape} and "
            f"{w.shape}."
        )
    return np.asarray((w @ points.T).max(axis=1))


def geometric_mean(gains: ArrayLike) -> float:
    """(Π_k G_k)^(1/K) of gains ``[K]``: Nash welfare with equal priorities; 0 if a gain is 0 or below.

    Example:
        >>> geometric_mean([0.25, 1.0])
        0.5
    """
    values = np.asarray(gains, dtype=np.float64).clip(min=0.0)
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(values).mean()))


@dataclass(frozen=True)
class BestMean:
    """The best geometric mean of gains that can be reached.

    Attributes:
        value: the geometric mean found; no policy has one above value · exp(gap).
        gains: ``[K]``, where it is reached.
        gap: the duality gap of the logarithm.
    """

    value: float
    gains: Array
    gap: float


def best_geometric_mean(
    best_policy: Callable[[Array], Array], objectives: int, *, tolerance: float = 1e-6, rounds: int = 500
) -> BestMean:
    """The best geometric mean over a convex set of gains that is known by its support function.

    Fully corrective Frank-Wolfe on f(G) = 1/K Σ_k log G_k: the best policy for the weighting ∇f ∝ 1/G joins the
    policies found so far, and their best mixture λ is found anew by λ_n ← λ_n · 1/K Σ_k V_nk / G_k (Cover 1984, "An
    algorithm for maximizing expected log investment return"), under which f never falls. f is concave, so no G' of the
    set has f(G') > f(G) + gap, where gap = max_G' 1/K Σ_k G'_k / G_k − 1.

    Args:
        best_policy: weights ``[M, K]`` -> ``[M, K]``, the gains of the best policy for each weighting, in [0, 1]: a
            task's ``front`` on the rows of a split.
        objectives: K.
        tolerance: the gap at which to stop.
        rounds: the most policies to add.

    Returns:
        The mean, with the gap that was reached. An objective in which no policy gains anything makes it 0.

    Example:
        The triangle of (1, 0), (0, 1) and (0, 0): its best is the middle of the long side.

        >>> corners = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> best_geometric_mean(lambda w: corners[w.argmax(axis=1)], 2).value
        0.5
    """
    found = np.asarray(best_policy(np.eye(objectives)), dtype=np.float64)
    if (found.diagonal() <= 0).any():
        return BestMean(0.0, found.mean(axis=0), 0.0)
    mixture = np.full(len(found), 1 / len(found))
    gap = math.inf
    for _ in range(rounds):
        mixture = _best_mixture(found, mixture, tolerance / 10)
        gains = mixture @ found
        slope = 1 / (objectives * gains)
        new = np.asarray(best_policy((slope / slope.sum())[None]), dtype=np.float64)
        gap = max(float((new @ slope).max()) - 1.0, 0.0)
        if gap <= tolerance:
            break
        used = mixture > 1e-12
        found = np.concatenate([found[used], new])
        mixture = np.concatenate([mixture[used] * (1 - 1 / len(found)), [1 / len(found)]])
        mixture /= mixture.sum()
    return BestMean(geometric_mean(gains), gains, gap)


def _best_mixture(vertices: Array, mixture: Array, tolerance: float, rounds: int = 5000) -> Array:
    """``[n]`` shares of vertices ``[n, K]`` whose mixture has the best geometric mean, from shares that are all > 0."""
    for _ in range(rounds):
        growth = vertices @ (1 / (vertices.shape[1] * (mixture @ vertices)))
        if growth.max() - 1.0 <= tolerance:
            break
        mixture = mixture * growth
    return mixture
