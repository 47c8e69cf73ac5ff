"""The volume of a union of boxes, and what one box adds to it.

All boxes stand on the origin, so a box is its far corner. The volume of a union (the hypervolume of Zitzler and Thiele,
1998) is computed by moocore: O(n log n) for K ≤ 3 and n boxes, O(n²) for K = 4, exponential in K beyond. So it is exact
for up to :data:`EXACT_UP_TO` objectives, and what one box adds is estimated for more.
"""

import math
from functools import cache

import moocore
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EXACT_UP_TO = 5
"""The number of objectives up to which volumes are exact.

Five objectives and thousands of points take a fraction of a second; eight and two hundred points ten seconds, twelve
and fifty more than anybody waits, and moocore takes 31 at most.
"""
SAMPLES = 2**14
"""Points at which a share is estimated where it is not exact."""
_TOO_FEW = 100 / SAMPLES
"""Below this share an estimate is not trusted: its error is 10 % of it."""
_CUTS = 2
"""How many times a box whose estimate is not trusted is cut into slabs, and these again."""
_CANCELLATION = 1e-3
"""Below this share a difference from 1 is not trusted: its rounding error is some 1e-16 in 1e-3."""


def union_volume(corners: Array) -> float:
    """The volume that boxes cover together, exactly.

    Args:
        corners: ``[n, K]``, finite and not negative, K up to :data:`EXACT_UP_TO`.

    Returns:
        0 for no box; infinity or 0 where float64 does not hold the volume.
    """
    if len(corners) == 0:
        return 0.0
    if corners.shape[1] > 3:
        # From four objectives on, points cost far more than finding out which of them are dominated.
        corners = moocore.filter_dominated(corners, maximise=True)
    # In units of a power of 2 near the largest, nothing in between overflows, and no digit changes.
    exponents = np.frexp(corners.max(axis=0))[1]
    volume = moocore.hypervolume(np.ldexp(corners, -exponents), ref=0.0, maximise=True)
    if volume > 0:
        return _scaled(volume, exponents)
    # Sides so different that every box is lost beside the largest sides: the largest box is as near as float64 comes.
    mantissas, exponents = np.frexp(corners)
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(mantissas.prod(axis=1), exponents.sum(axis=1)).max())


def part_volume(corner: Array, share: float) -> float:
    """The volume of a share of one box, above 0 wherever the share is.

    Args:
        corner: ``[K]``, finite and above 0.
        share: in [0, 1].

    Returns:
        At least the smallest float64 above 0 for a share above 0; infinity where float64 does not hold it.
    """
    mantissas, exponents = np.frexp(corner)
    return max(_scaled(mantissas.prod() * share, exponents), math.ulp(0.0) if share > 0 else 0.0)


def _scaled(volume: float, exponents: NDArray[np.int32]) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(volume, exponents.sum()))


def exclusive_share(shortfalls: Array) -> float:
    """The share of a new box that no other box covers.

    Exact for K up to :data:`EXACT_UP_TO`, with a relative precision of some 1e-12. Beyond, it is estimated at
    :data:`SAMPLES` points, the same in every call, whose standard error is √(s (1 − s) / 16,384) for a share s: 1 % of
    0.4, 10 % of 0.006. A smaller share is estimated slab by slab, with errors of some 10 % down to a millionth; below
    that the order of magnitude may be lost, but never that the share is above 0.

    Args:
        shortfalls: ``[n, K]``, in [0, 1], how far each other corner falls short of the new one, in units of the new
            one: 0 where it is as far, 1 where it is at the origin.

    Returns:
        A share in [0, 1]: 0 only if one of the others falls short nowhere.
    """
    return _share(shortfalls, _CUTS)


def _share(shortfalls: Array, cuts: int) -> float:
    """:func:`exclusive_share`, of which an estimate may still cut the box so many times."""
    if (shortfalls == 0).all(axis=1).any():
        return 0.0
    shortfalls = shortfalls[(shortfalls < 1).all(axis=1)]
    if len(shortfalls) == 0:
        return 1.0
    if shortfalls.shape[1] <= EXACT_UP_TO:
        share = 1.0 - union_volume(1.0 - shortfalls)
        if share > _CANCELLATION:
            return share
    else:
        share = _estimate(shortfalls)
        if share > _TOO_FEW or cuts == 0:
            return max(share, _certain(shortfalls))
    # Nearly all is covered. Cut what the nearest box leaves free into one thin slab per objective, and see what the
    # others leave of each, in units of that slab.
    nearest = int((1.0 - shortfalls).prod(axis=1).argmax())
    others = np.delete(shortfalls, nearest, axis=0)
    share, low, high = 0.0, np.zeros(shortfalls.shape[1]), np.ones(shortfalls.shape[1])
    for k, shortfall in enumerate(shortfalls[nearest]):
        if shortfall > 0:
            high[k] = shortfall
            share += float((high - low).prod()) * _share((others.clip(low, high) - low) / (high - low), cuts - 1)
            low[k], high[k] = shortfall, 1.0
    return share


def _estimate(shortfalls: Array) -> float:
    covered = 1.0 - shortfalls
    volumes = covered.prod(axis=1)
    order = np.argsort(-volumes, kind="stable")
    points = _points(shortfalls.shape[1])
    free = np.ones(SAMPLES, dtype=bool)
    for i, left in zip(order, volumes[order][::-1].cumsum()[::-1], strict=True):
        if left < 0.01 / SAMPLES or not free.any():
            break  # all boxes from here on together cover less than the points can tell
        inside = np.flatnonzero(free)
        for k in covered[i].argsort():  # the side that most points are beyond comes first
            inside = inside[points[k, inside] <= covered[i, k]]
        free[inside] = False
    return int(free.sum()) / SAMPLES


def _certain(shortfalls: Array) -> float:
    """A share that is free for certain, small but above 0.

    Each of the others covers nothing beyond its own corner in the objective where it falls short most: what is beyond
    all of these is a box at the new one's corner.
    """
    sides = np.ones(shortfalls.shape[1])
    np.minimum.at(sides, shortfalls.argmax(axis=1), shortfalls.max(axis=1))
    return max(float(sides.prod()), math.ulp(0.0))


@cache
def _points(dimension: int) -> Array:
    """Points ``[K, SAMPLES]``, uniform in the unit cube."""
    return 1.0 - np.random.default_rng(0).random((dimension, SAMPLES))
