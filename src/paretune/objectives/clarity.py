"""The paper's clarity: a boxed answer after explicit steps (Lu et al., arXiv 2509.11452)."""

import re
from collections.abc import Sequence
from typing import Any

from paretune.objectives.completions import boxes, completion_text

# The paper's grammar: at the start, after white space or after "(": an optional "step", then digits, one letter or a
# roman numeral, then one of `) . : -`; or a bullet between white space, or between the start and white space.
_ROMAN = r"(?=[mdclxvi])m*(?:c[md]|d?c{0,3})(?:x[cl]|l?x{0,3})(?:i[xv]|v?i{0,3})"
_ENUMERATOR = re.compile(rf"(?<![^\s(])(?:step\s*)?(?:[0-9]+|[a-z]|{_ROMAN})[).:\-]|(?<!\S)[-*•](?=\s)", re.IGNORECASE)
_ORDINAL = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|next|then)\b", re.IGNORECASE
)


def clarity(completions: Sequence[Any], **_: Any) -> list[float]:
    r"""The paper's clarity: 1 for a non-empty \boxed{…} with explicit steps, else 0.

    Explicit steps are two or more enumerators ("Step 1:", "(b)", "iv.", bullets), or two or more of the whole words
    first … tenth, next and then, in any case.

    Args:
        completions: N strings or chats.

    Returns:
        N rewards, 0.0 or 1.0.
    """
    return [float(_is_clear(completion_text(completion))) for completion in completions]


def _is_clear(text: str) -> bool:
    if not any(box.closed and box.braced and box.content for box in boxes(text)):
        return False
    return any(_at_least_two(pattern, text) for pattern in (_ENUMERATOR, _ORDINAL))


def _at_least_two(pattern: re.Pattern[str], text: str) -> bool:
    first = pattern.search(text)
    return first is not None and pattern.search(text, first.end()) is not None
