"""Rewards of the recall task: recall, precision, brevity. TRL-style functions of a batch."""

import re
from collections.abc import Sequence
from typing import Any

from paretune.objectives import completion_text

LIMIT = 10
"""Characters: five claims, as many as a query may ask for."""

_CLAIMS = re.compile(r"(?:[a-z][0-9])*")


def recall(completions: Sequence[Any], query: Sequence[str], truth: Sequence[str], **_: Any) -> list[float]:
    """The share of the keys asked for whose true value is claimed."""
    right = map(_right, completions, query, truth)
    return [0.0 if found is None else sum(found) / len(keys) for found, keys in zip(right, query, strict=True)]


def precision(completions: Sequence[Any], query: Sequence[str], truth: Sequence[str], **_: Any) -> list[float]:
    """The share of the claims that are right; 1 where nothing is claimed, 0 where the answer has another form."""
    right = map(_right, completions, query, truth)
    return [0.0 if found is None else sum(found) / len(found) if found else 1.0 for found in right]


def brevity(completions: Sequence[Any], **_: Any) -> list[float]:
    """1 − characters / ``LIMIT``, at least 0."""
    return [max(0.0, 1 - len(completion_text(completion)) / LIMIT) for completion in completions]


def claims(text: str) -> list[tuple[str, str]] | None:
    """Key and value of each claim of an answer such as ``a3c2``; None if it has another form."""
    if _CLAIMS.fullmatch(text) is None:
        return None
    return list(zip(text[::2], text[1::2], strict=True))


def _right(completion: Any, query: str, truth: str) -> list[bool] | None:
    """Whether each claim is right: a key that was asked for, for the first time, with its true value."""
    stated = claims(completion_text(completion))
    if stated is None:
        return None
    pending = dict(zip(query, truth, strict=True))
    return [pending.pop(key, None) == value for key, value in stated]
