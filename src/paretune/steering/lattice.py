"""The settings at which a dial is measured."""

import math

from paretune.pareto import weight_lattice

SETTINGS = 15
"""The most settings of a dial, unless another number is asked for: 11 for K = 2, 15 for 3, 11 for 4."""
FINEST = 10
"""Steps from one corner to another at the most: a prefix shows tenths."""


def lattice(count: int, at_most: int = SETTINGS) -> list[list[float]]:
    """Priorities on a lattice over the simplex, with all corners; the centre is added where it is none of them.

    Args:
        count: K, 1 or more.
        at_most: points of the lattice; the finest that has no more is taken, and never fewer than the corners.

    Returns:
        The settings, each on the simplex; the first has all on the first objective.
    """
    divisions = 1
    while divisions < FINEST and count > 1 and math.comb(divisions + count, count - 1) <= at_most:
        divisions += 1
    found: list[list[float]] = weight_lattice(count, divisions)[::-1].tolist()
    centre = [1 / count] * count
    return found if any(math.dist(setting, centre) < 1e-9 for setting in found) else [*found, centre]
