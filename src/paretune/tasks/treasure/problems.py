"""Sea maps: how they are drawn, shown and split into data sets."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from paretune.tasks.embedded import drawn_splits

SEED = 2011
SIZES = {"train": 2048, "validation": 256, "test": 512}
LIMIT = 20
"""Moves after which time is up."""
TIMES = (1, 3, 5, 7, 8, 9, 13, 14, 17, 19)


@dataclass(frozen=True)
class Family:
    """Maps of one kind.

    Args:
        values: of the treasures that are reached after ``TIMES`` moves, as the maps show them.
        unit: the value that earns a reward of 1.
        scales: the factors by which the values of a map may be multiplied; one is drawn for each map.
    """

    values: tuple[int, ...]
    unit: int
    scales: tuple[int, ...] = (1,)


CONCAVE = (1, 2, 3, 5, 8, 16, 24, 50, 74, 124)
FAMILIES = {
    # Vamplew et al. 2011, "Empirical evaluation methods for multiobjective reinforcement learning algorithms".
    "concave": Family(CONCAVE, 124),
    # No map reaches the unit, so that equal weights dive on none.
    "scaled": Family(CONCAVE, 5 * 124, scales=(1, 2, 3, 4)),
    # Yang et al. 2019 (arXiv 1908.08342), in tenths; in the unit of the concave family.
    "convex": Family((7, 82, 115, 140, 151, 161, 196, 203, 224, 237), 1240),
}


@dataclass(frozen=True)
class Map:
    """Treasures on the bottom of a sea, each in a column of its own.

    Args:
        treasures: column (to the right of the submarine), depth (below the surface) and value of each, as they are
            listed.
        unit: the value that earns a reward of 1.
    """

    treasures: tuple[tuple[int, int, int], ...]
    unit: int

    @property
    def prompt(self) -> str:
        """Column, depth and value of each treasure, ``4,15:124 0,1:1 3,5:8`` and a line break."""
        return " ".join(f"{column},{depth}:{value}" for column, depth, value in self.treasures) + "\n"

    @property
    def row(self) -> dict[str, Any]:
        """The row of the data: ``prompt``, ``places`` (column and depth) and ``worths`` (in rewards)."""
        places = [[column, depth] for column, depth, _ in self.treasures]
        return {"prompt": self.prompt, "places": places, "worths": [value / self.unit for *_, value in self.treasures]}


def draw(rng: random.Random, family: str) -> Map:
    """Draw a map: the nearest and the farthest treasure of the family and two or three others, in any order.

    How the moves to a treasure divide into those to the right and those down is drawn, too.
    """
    kind = FAMILIES[family]
    scale = rng.choice(kind.scales)
    chosen = [0, len(TIMES) - 1, *rng.sample(range(1, len(TIMES) - 1), rng.randint(2, 3))]
    while True:
        columns = [rng.randrange(min(TIMES[i], 10)) for i in chosen]
        if len(set(columns)) == len(columns):
            break
    treasures = [(c, TIMES[i] - c, kind.values[i] * scale) for c, i in zip(columns, chosen, strict=True)]
    rng.shuffle(treasures)
    return Map(tuple(treasures), kind.unit)


@cache
def splits(family: str) -> Mapping[str, Sequence[Map]]:
    """The data sets by name (sizes: ``SIZES``), the same on every call; no map occurs twice."""
    return drawn_splits(lambda rng: draw(rng, family), SEED, SIZES)
