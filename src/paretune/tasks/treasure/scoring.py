"""Rewards of the treasure tasks: treasure and speed. TRL-style functions of a batch."""

import re
from collections.abc import Sequence
from typing import Any

from paretune.objectives import completion_text
from paretune.tasks.treasure.problems import LIMIT

_MOVES = re.compile(r"r([0-9]|1[0-9])d([0-9]|1[0-9])")


def treasure(
    completions: Sequence[Any], places: Sequence[Sequence[Sequence[int]]], worths: Sequence[Sequence[float]], **_: Any
) -> list[float]:
    """The worth of the treasure that the moves end at; 0 if they end at none."""
    found = map(reached, map(completion_text, completions), places)
    return [0.0 if i is None else worth[i] for i, worth in zip(found, worths, strict=True)]


def speed(completions: Sequence[Any], places: Sequence[Sequence[Sequence[int]]], **_: Any) -> list[float]:
    """1 − moves / ``LIMIT`` if the moves end at a treasure; 0 if they do not, as all the time is then used up."""
    found = map(reached, map(completion_text, completions), places)
    return [0.0 if i is None else 1 - sum(at[i]) / LIMIT for i, at in zip(found, places, strict=True)]


def reached(moves: str, places: Sequence[Sequence[int]]) -> int | None:
    """The index of the treasure at which the moves end; None if there is none, or the answer has another form.

    Args:
        moves: ``r4d15``: four to the right along the surface, then fifteen down.
        places: column and depth of each treasure.
    """
    match = _MOVES.fullmatch(moves)
    place = None if match is None else [int(match[1]), int(match[2])]
    return next((i for i, at in enumerate(places) if list(at) == place), None)
