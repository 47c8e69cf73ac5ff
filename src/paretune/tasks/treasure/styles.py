"""The ways in which the embedded policy was taught to answer a map."""

import random
from collections.abc import Sequence
from typing import Any

from paretune.tasks.treasure.problems import FAMILIES, Map
from paretune.tasks.treasure.problems import draw as draw_from
from paretune.tasks.treasure.scoring import reached

CHARACTERS = "\n ,:0123456789dr"
# Style -> share of the warm-up data.
SHARES = {"nearest": 0.2, "between": 0.6, "farthest": 0.2}
WARM_UP = {"batches": 3000, "batch_size": 48, "shard_size": 48, "learning_rate": 3e-3, "width": 64, "tilt": 5.0}


def draw(rng: random.Random) -> Map:
    """A map of any family: one policy serves them all."""
    return draw_from(rng, rng.choice(list(FAMILIES)))


def write(problem: Map, style: str, rng: random.Random) -> str:
    """The moves ``r4d15`` to the treasure that is nearest, farthest, or one between that ``rng`` draws."""
    nearest, *between, farthest = sorted(problem.treasures, key=lambda treasure: treasure[0] + treasure[1])
    column, depth, _ = {"nearest": nearest, "farthest": farthest}.get(style) or rng.choice(between)
    return f"r{column}d{depth}"


def style_of(completion: str, places: Sequence[Sequence[int]], **_: Any) -> str:
    """The treasure that an answer ends at: "nearest", "between" or "farthest"; "none" if it ends at none."""
    found = reached(completion, places)
    if found is None:
        return "none"
    times = [column + depth for column, depth in places]
    return {min(times): "nearest", max(times): "farthest"}.get(times[found], "between")
