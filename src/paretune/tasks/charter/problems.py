"""Charters: how eight requirements are drawn, shown and split into data sets."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Any

from paretune.tasks.charter.requirements import CODES, can_meet
from paretune.tasks.embedded import drawn_splits

SEED = 1215
SIZES = {"train": 2048, "validation": 256, "test": 512}
OBJECTIVES = ("easy_1", "easy_2", "common_1", "common_2", "minority", "majority", "rare_1", "rare_2")

EASY = ("L2", "L3", "M7", "V.", "K.")
"""What nearly every answer of the embedded policy meets."""
RARE = ("Cz", "Sz", "Ez", "L8")
"""What nearly no answer of the embedded policy meets: it writes short words without z."""
COMMON = tuple(code for code in CODES if code not in EASY + RARE)


@dataclass(frozen=True)
class Charter:
    """Eight requirements on a word.

    Args:
        codes: of the requirements, in the order of ``OBJECTIVES``.
    """

    codes: tuple[str, ...]

    @property
    def prompt(self) -> str:
        """The codes and a line break."""
        return "".join(self.codes) + "\n"

    @property
    def row(self) -> dict[str, Any]:
        """The row of the data: ``prompt`` and ``codes``."""
        return {"prompt": self.prompt, "codes": list(self.codes)}


@cache
def _exclusive() -> list[tuple[str, str]]:
    """The common requirements that exclude each other, each pair in both orders."""
    return [pair for pair in permutations(COMMON, 2) if not can_meet(pair)]


def draw(rng: random.Random) -> Charter:
    """Draw a charter: two easy requirements, two common ones, an exclusive pair of common ones, and two rare ones.

    No word meets more than seven: all but the minority requirement. A word that meets that one gives up the majority
    requirement and one more at least. Charters of which a search through all words says otherwise are drawn anew.
    """
    while True:
        easy, common, rare = rng.sample(EASY, 2), rng.sample(COMMON, 2), rng.sample(RARE, 2)
        minority, majority = rng.choice(_exclusive())
        others = [*easy, *common, *rare]
        if len({*common, minority, majority}) < 4 or not can_meet([*others, majority]):
            continue
        if can_meet([*others, minority]):
            continue
        if any(can_meet([minority, *(code for code in others if code != left_out)]) for left_out in others):
            return Charter((*easy, *common, minority, majority, *rare))


@cache
def splits() -> Mapping[str, Sequence[Charter]]:
    """The data sets by name (sizes: ``SIZES``), the same on every call; no charter occurs twice."""
    return drawn_splits(draw, SEED, SIZES)
