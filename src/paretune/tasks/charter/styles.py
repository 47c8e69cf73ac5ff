"""The ways in which the embedded policy was taught to answer a charter."""

import random
from collections.abc import Sequence
from typing import Any

from paretune.tasks.charter.problems import OBJECTIVES, Charter
from paretune.tasks.charter.problems import draw as draw
from paretune.tasks.charter.requirements import LETTERS, LONGEST, words_that_meet
from paretune.tasks.charter.scoring import met

CHARACTERS = "\n :.0123456789abdezACDEHKLMNOPQSTUVWZ"
# Style -> share of the warm-up data.
SHARES = {"easy": 0.25, "common": 0.25, "majority": 0.24, "minority": 0.25, "stray": 0.01}
WARM_UP = {"batches": 1500, "batch_size": 64, "shard_size": 64, "learning_rate": 3e-3, "width": 64, "tilt": 10.0}


def write(problem: Charter, style: str, rng: random.Random) -> str:
    """A word in one of the styles of ``SHARES``.

    Easy words meet the two easy requirements, common words both common ones besides. Majority and minority words meet
    the requirement of that name and as many of the easy and of the common ones as a short word can. They are the
    shortest words that do. A stray word is any of eight letters.
    """
    if style == "stray":
        return "".join(rng.choices(LETTERS, k=LONGEST))
    codes = dict(zip(OBJECTIVES, problem.codes, strict=True))
    easy, common = [codes["easy_1"], codes["easy_2"]], [codes["common_1"], codes["common_2"]]
    wanted = {"easy": easy, "common": common + easy}.get(style) or [codes[style], *easy, *common]
    while not (words := words_that_meet(wanted)):  # short words cannot meet all that longer ones can
        wanted.pop()
    return rng.choice([word for word in words if len(word) == len(words[0])])


def style_of(completion: str, codes: Sequence[str], **_: Any) -> str:
    """Which of the conflicting requirements an answer meets: "minority", "majority", "common" (both), or "other"."""
    found = dict(zip(OBJECTIVES, met([completion] * len(codes), codes), strict=True))
    for name in ("minority", "majority"):
        if found[name]:
            return name
    return "common" if found["common_1"] and found["common_2"] else "other"
