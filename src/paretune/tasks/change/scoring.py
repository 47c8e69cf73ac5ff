"""Rewards of the change task: exactness, fewness, greenness, evenness, lightness. TRL-style functions of a batch.

An answer is a string of coins such as ``dddca``. One with another character or with more than eight coins earns nothing
at all. Without a coin, greenness and evenness are 0.
"""

from collections.abc import Sequence
from typing import Any

from paretune.objectives import completion_text
from paretune.tasks.change.problems import COINS, MOST

TOLERANCE = 5
"""How far off the amount an answer is when its exactness is 0."""
HEAVY = 40
"""The mass at which lightness is 0."""


def exactness(completions: Sequence[Any], amount: Sequence[int], **_: Any) -> list[float]:
    """1 − |paid − amount| / ``TOLERANCE``, at least 0."""
    return [
        0.0 if coins is None else max(0.0, 1 - abs(_total(coins, COINS.values()) - due) / TOLERANCE)
        for coins, due in zip(map(counts, completions), amount, strict=True)
    ]


def fewness(completions: Sequence[Any], **_: Any) -> list[float]:
    """1 − coins / ``MOST``."""
    return [0.0 if coins is None else 1 - sum(coins) / MOST for coins in map(counts, completions)]


def greenness(completions: Sequence[Any], green: Sequence[Sequence[bool]], **_: Any) -> list[float]:
    """The share of the coins that are green."""
    return [
        _total(coins, kinds) / sum(coins) if coins and sum(coins) else 0.0
        for coins, kinds in zip(map(counts, completions), green, strict=True)
    ]


def evenness(completions: Sequence[Any], **_: Any) -> list[float]:
    """The coins of the rarest kind over those of the commonest, all four kinds counted."""
    return [min(coins) / max(coins) if coins and sum(coins) else 0.0 for coins in map(counts, completions)]


def lightness(completions: Sequence[Any], masses: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """1 − mass / ``HEAVY``, at least 0."""
    return [
        0.0 if coins is None else max(0.0, 1 - _total(coins, each) / HEAVY)
        for coins, each in zip(map(counts, completions), masses, strict=True)
    ]


REWARDS = (exactness, fewness, greenness, evenness, lightness)


def counts(completion: Any) -> list[int] | None:
    """How many coins of each kind an answer holds; None if it has another form."""
    text = completion_text(completion)
    found = [text.count(kind) for kind in COINS]
    return found if sum(found) == len(text) <= MOST else None


def _total(coins: Sequence[int], each: Any) -> int:
    return sum(count * value for count, value in zip(coins, each, strict=True))
