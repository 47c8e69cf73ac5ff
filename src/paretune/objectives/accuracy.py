"""The paper's accuracy: the right answer in the last box (Lu et al., arXiv 2509.11452)."""

import logging
import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from paretune.objectives.completions import completion_text, last_box
from paretune.objectives.equality import equal
from paretune.objectives.notation import normal, same_notation
from paretune.time_limit import TimeLimitError, call_within, can_be_limited

MAX_ANSWER_LENGTH = 1000
"""Answers of more characters are compared as strings: none in MATH has 200, and parsing time grows with them."""

ANSWER_SECONDS = 2
"""Limit of a symbolic comparison, in seconds."""

# It warns that a time limit is missing; ours stands around it.
logging.getLogger("math_verify.grader").addFilter(lambda record: not str(record.msg).startswith("Timeout is disabled"))

# Formulas that a computer algebra system is done with at once: arithmetic, fractions, roots, and powers of a number or
# letter to one digit or letter. A short formula of any other kind can keep it busy for hours.
_PLAIN = re.compile(
    r"""(?:
        [^\\^!*]
      | (?<=[0-9a-zA-Z]) \^ (?: [0-9a-z] (?!\d) | \{-?[0-9a-z]\} | \{?\\circ\}? ) (?! \s*\^ )
      | \\ (?: [dtc]?frac | sqrt | pi | left | right | text | mathrm | cdot | times | div | pm | circ | infty | degree )
        (?![A-Za-z])
      | \\ [^A-Za-z]
    ){1,60}""",
    re.VERBOSE,
)
_PLAIN_POWERS = 2
_PLAIN_BRACKETS = 8


def accuracy(completions: Sequence[Any], answer: Sequence[Any], **_: Any) -> list[float | None]:
    r"""The paper's accuracy: 1 if the last non-empty \boxed{} holds the answer, else 0.

    A brace-less ``\boxed 4`` counts as an answer, an answer without a box does not. A last box that is cut off is no
    answer, and the one before it does not count.

    Typography does not matter (:func:`~paretune.objectives.notation.normal`). Then answers are parsed by
    latex2sympy2_extended and compared by SymPy, so that ``\frac12``, ``0.5`` and ``1/2`` are equal. An exact ground
    truth wants an exact answer: 3.142857 is not 22/7. A decimal one has a tolerance of half a unit of its last decimal
    place, at most of the sixth, and of 5 parts in 100,000. Letters count as they are, lower case or capital;
    brackets as well, and the base of a number. What cannot be told apart: docs/math500.md.

    No completion raises or holds up training: only the box is parsed, answers of more than
    :data:`MAX_ANSWER_LENGTH` characters are compared as strings, and the comparison gives up after
    :data:`ANSWER_SECONDS`. That limit is a signal, which only the main thread can receive (and not on Windows):
    elsewhere all but short plain formulas (numbers, fractions, roots, small powers) are compared in their notation.

    Args:
        completions: N strings or chats.
        answer: N ground truths, LaTeX, plain or numbers; ``$`` or a box around one is ignored. None, NaN and empty
            ones are missing.

    Returns:
        N rewards, 0.0 or 1.0; None, the objective does not apply, where the ground truth is missing.

    Raises:
        ValueError: if there is not one answer for each completion.
    """
    if len(completions) != len(answer):
        raise ValueError(f"`answer` has {len(answer)} values for {len(completions)} completions: give one for each.")
    seconds = ANSWER_SECONDS if can_be_limited() else None
    rewards: list[float | None] = []
    for completion, given in zip(completions, answer, strict=True):
        truth = _ground_truth(given)
        right = truth is not None and _is_right(completion_text(completion), truth, seconds)
        rewards.append(None if truth is None else float(right))
    return rewards


def _ground_truth(given: Any) -> str | None:
    """A ground truth as a formula; None if it is missing."""
    if given is None or (not isinstance(given, str) and given != given):
        return None
    # Python writes a number that is small or large as 1e-05, which is no formula.
    text = f"{Decimal(repr(float(given))):f}" if isinstance(given, float) else str(given)
    text = last_box(text) or text
    return text if text.strip(" \t\n$") else None


def _is_right(text: str, truth: str, seconds: int | None) -> bool:
    found = last_box(text)
    if found is None:
        return False
    if max(len(found), len(truth)) > MAX_ANSWER_LENGTH:
        return same_notation(truth, found)
    return _says_the_same(found, truth, seconds)


def _is_plain(formula: str) -> bool:
    if formula.count("^") > _PLAIN_POWERS or sum(map(formula.count, "([{|")) > _PLAIN_BRACKETS:
        return False
    return _PLAIN.fullmatch(formula) is not None


# The completions of a group share their ground truth and, more often than not, their answer.
@lru_cache(maxsize=4096)
def _says_the_same(found: str, truth: str, seconds: int | None) -> bool:
    """Whether two formulas are equal; no if that is not known in time."""

    def compared() -> bool:
        gold, own = normal(truth), normal(found)
        if seconds is None and not (_is_plain(own) and _is_plain(gold)):
            return same_notation(gold, own)
        return equal(gold, own)

    try:
        return call_within(seconds, compared)
    except (Exception, TimeLimitError):
        return False
