"""The paper's accuracy: the right answer in the last box (Lu et al., arXiv 2509.11452)."""

import logging
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

from math_verify import LatexExtractionConfig, parse, verify
from math_verify.errors import TimeoutException

from paretune.objectives.completions import boxes, completion_text

MAX_ANSWER_LENGTH = 1000
"""Answers of more characters are compared as strings: none in MATH has 200, and parsing time grows with them."""

ANSWER_SECONDS = 2
"""Limit of a symbolic comparison, in seconds."""

for _module in ("math_verify.parser", "math_verify.grader"):
    # It warns that a time limit is missing; ours stands around it.
    logging.getLogger(_module).addFilter(lambda record: not str(record.msg).startswith("Timeout is disabled"))

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


def accuracy(completions: Sequence[Any], answer: Sequence[Any], **_: Any) -> list[float]:
    r"""The paper's accuracy: 1 if the last non-empty \boxed{} holds the answer, else 0.

    A brace-less ``\boxed 4`` counts as an answer, an answer without a box does not. Answers are compared as strings
    without white space, then symbolically by math-verify, so that ``\frac12``, ``0.5`` and ``1/2`` are equal.

    No completion raises or holds up training: only the box is parsed, answers of more than
    :data:`MAX_ANSWER_LENGTH` characters are compared as strings, and the comparison gives up after
    :data:`ANSWER_SECONDS`. That limit is a signal, which only the main thread can receive (and not on Windows):
    elsewhere all but short plain formulas (numbers, fractions, roots, small powers) are compared as strings.

    Args:
        completions: N strings or chats.
        answer: N ground truths, LaTeX or plain; ``$`` or a box around one is ignored.

    Returns:
        N rewards, 0.0 or 1.0.

    Raises:
        ValueError: if there is not one answer for each completion.
    """
    if len(completions) != len(answer):
        raise ValueError(f"`answer` has {len(answer)} values for {len(completions)} completions: give one for each.")
    alarmed = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    seconds = ANSWER_SECONDS if alarmed else None
    return [
        float(_is_right(completion_text(completion), str(truth), seconds))
        for completion, truth in zip(completions, answer, strict=True)
    ]


def _is_right(text: str, truth: str, seconds: int | None) -> bool:
    found = _last_box(text)
    if found is None:
        return False
    truth = _last_box(truth) or truth
    found, truth = _bare(found), _bare(truth)
    if "".join(found.split()) == "".join(truth.split()):
        return bool(found)
    if max(len(found), len(truth)) > MAX_ANSWER_LENGTH:
        return False
    if seconds is None and not (_is_plain(found) and _is_plain(truth)):
        return False
    return _equal(found, truth, seconds)


def _is_plain(formula: str) -> bool:
    if formula.count("^") > _PLAIN_POWERS or sum(map(formula.count, "([{|")) > _PLAIN_BRACKETS:
        return False
    return _PLAIN.fullmatch(formula) is not None


def _last_box(text: str) -> str | None:
    r"""The content of the last \boxed that is not empty."""
    last_first = sorted(boxes(text), reverse=True)
    return next((box.content for box in last_first if box.content), None)


def _bare(formula: str) -> str:
    """A formula without the dollars of math mode around it (but with that of a price)."""
    formula = formula.strip().lstrip("$")
    return (formula if formula.endswith(r"\$") else formula.rstrip("$")).strip()


# The completions of a group share their ground truth and, more often than not, their answer.
@lru_cache(maxsize=4096)
def _equal(found: str, truth: str, seconds: int | None) -> bool:
    """Whether two formulas are equal to math-verify."""
    try:
        with nullcontext() if seconds is None else _alarm(seconds):
            gold, target = (
                # The box makes the whole formula what is parsed: left to search, math-verify takes a part of it.
                parse(
                    f"\\boxed{{{formula}}}",
                    [LatexExtractionConfig(boxed_match_priority=0)],
                    extraction_mode="first_match",
                    parsing_timeout=None,
                )
                for formula in (truth, found)
            )
            return bool(verify(gold, target, timeout_seconds=None))
    except (Exception, TimeoutException):
        return False


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise math-verify's ``TimeoutException`` after so many seconds, and every second from then on.

    math-verify's own alarm rings once, and is lost for good where it rings in a destructor or in a callback of the
    garbage collector, from which Python lets no exception out.
    """

    def ring(*_: Any) -> None:
        raise TimeoutException("Operation timed out!")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        silent = False
        while not silent:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, previous)
                silent = True
            except TimeoutException:  # it rang just now
                continue
