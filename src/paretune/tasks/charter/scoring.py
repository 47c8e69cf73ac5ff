"""Rewards of the charter task, one for each of the eight requirements. TRL-style functions of a batch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from paretune.objectives import completion_text
from paretune.tasks.charter.problems import OBJECTIVES
from paretune.tasks.charter.requirements import encode, meets


def met(completions: Sequence[Any], codes: Sequence[str]) -> list[float]:
    """1.0 where a completion is a word that meets its requirement, else 0.0.

    Args:
        completions: texts, ``[N]``. What is longer than eight letters or has another character is no word.
        codes: the requirement of each, ``[N]``.
    """
    words, known = encode([completion_text(completion) for completion in completions])
    asked, found = np.array(codes), np.zeros(len(codes))
    for code in np.unique(asked):
        found = np.where(asked == code, meets(str(code), words) & known, found)
    return [float(value) for value in found]


def _reward(place: int, name: str) -> Callable[..., list[float]]:
    def reward(completions: Sequence[Any], codes: Sequence[Sequence[str]], **_: Any) -> list[float]:
        return met(completions, [each[place] for each in codes])

    reward.__name__ = reward.__qualname__ = name
    return reward


REWARDS = tuple(_reward(place, name) for place, name in enumerate(OBJECTIVES))
