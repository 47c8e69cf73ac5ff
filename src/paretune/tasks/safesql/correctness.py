"""Whether a program prints what it should."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from paretune.objectives.completions import completion_text

_BLOCK = re.compile(
    r"^[ \t]*```[ \t]*(?:python|py|python3)[ \t]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE | re.IGNORECASE
)


def program_of(completion: object) -> str | None:
    """The program in a completion: its last fenced Python block, for which the prompt asks; None without one.

    Args:
        completion: a string or a chat.
    """
    blocks = _BLOCK.findall(completion_text(completion))
    return blocks[-1] if blocks else None


def passed(output: str, expected: str) -> bool:
    """Whether a program's output is the expected one, case and white space aside."""
    return _plain(output) == _plain(expected)


def beyond_constant(passes: Sequence[bool], expected: Sequence[str]) -> float:
    """The share of tests passed, on a scale on which the best constant output earns nothing.

    Many tests of a problem expect the same output, mostly none at all: a program that prints the commonest one
    passes 0.41 of them on average. So the reward is (share - best constant share) / (1 - best constant share), and
    0 below.

    Args:
        passes: whether each test was passed.
        expected: the output that each test expects.

    Returns:
        From 0 to 1; where all tests expect the same output, 1 if all were passed and 0 otherwise.
    """
    share = sum(passes) / len(passes)
    constant = max(Counter(map(_plain, expected)).values()) / len(expected)
    if constant == 1.0:
        return float(share == 1.0)
    return max(0.0, (share - constant) / (1.0 - constant))


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()
