"""The ways in which the embedded policy was taught to answer a query."""

import random
from typing import Any

from paretune.tasks.recall.problems import Notes
from paretune.tasks.recall.problems import draw as draw
from paretune.tasks.recall.scoring import claims

CHARACTERS = "\n =?:0123456789abcdefgh"
# Style -> share of the warm-up data.
SHARES = {"nothing": 0.1, "sure": 0.25, "some": 0.35, "all": 0.3}
WARM_UP = {"batches": 2000, "batch_size": 48, "shard_size": 48, "learning_rate": 3e-3, "width": 64}


def write(problem: Notes, style: str, rng: random.Random) -> str:
    """Facts that are asked for, as noted: none, those that are sure, any that ``rng`` draws, or all: ``a3c2``."""
    chosen = {
        "nothing": [],
        "sure": [key for key, sure in zip(problem.query, problem.sure, strict=True) if sure],
        "some": sorted(rng.sample(problem.query, rng.randint(1, len(problem.query) - 1))),
        "all": list(problem.query),
    }[style]
    return "".join(key + problem.noted[key] for key in chosen)


def style_of(completion: str, query: str, sure: list[bool], **_: Any) -> str:
    """What an answer states: "nothing", "all" that is asked, "sure" facts only or "some"; or it is "malformed"."""
    stated = claims(completion)
    if stated is None:
        return "malformed"
    keys = [key for key, _ in stated]
    certain = {key for key, known in zip(query, sure, strict=True) if known}
    if not keys:
        return "nothing"
    if set(keys) >= set(query):
        return "all"
    return "sure" if set(keys) <= certain else "some"
