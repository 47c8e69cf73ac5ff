"""Rewards of the call task: format, correctness, length. TRL-style functions of a batch."""

import re
from collections.abc import Sequence
from typing import Any

from paretune.objectives import completion_text

LIMIT = 8
"""Needless characters at which the reward for length is 0."""

_CALL = r"[a-z]+\([0-9]+,[0-9]+\)"
_TAGGED = re.compile(rf"<c>{_CALL}</c>")
_PLAIN = re.compile(_CALL)


def tagged(call: str) -> str:
    """A call as it has to be written: ``<c>add(12,7)</c>``."""
    return f"<c>{call}</c>"


def form(completions: Sequence[Any], **_: Any) -> list[float]:
    """1.0 where the answer has one opening and one closing tag with nothing but a call between them, else 0.0."""
    texts = map(completion_text, completions)
    return [float(text.count("<") == 2 and _TAGGED.search(text) is not None) for text in texts]


def correctness(completions: Sequence[Any], call: Sequence[str], **_: Any) -> list[float]:
    """1.0 where the answer has one call, in tags or not, and it is the right one, else 0.0."""
    found = (_PLAIN.findall(completion_text(completion)) for completion in completions)
    return [float(calls == [right]) for calls, right in zip(found, call, strict=True)]


def length(completions: Sequence[Any], call: Sequence[str], **_: Any) -> list[float]:
    """1 − needless characters / ``LIMIT``, at least 0: those beyond the length of the right call in its tags."""
    texts = map(completion_text, completions)
    needless = (len(text) - len(tagged(right)) for text, right in zip(texts, call, strict=True))
    return [min(1.0, max(0.0, 1 - more / LIMIT)) for more in needless]
