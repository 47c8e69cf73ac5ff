"""Rewards of the arithmetic task: accuracy, conciseness, clarity. TRL-style functions of a batch."""

import re
from collections.abc import Sequence
from typing import Any

from paretune.objectives import completion_text

# Answers are cut here: a five-term sum with every step numbered does not fit, chained it does.
TOKEN_BUDGET = 60

_FINAL_ANSWER = re.compile(r"(?:^|=)([0-9]{1,9})\.?$")
_SENTENCE = re.compile(r"(?:step ([0-9]{1,9}): )?([0-9]{1,9}(?:\+[0-9]{1,9})+)=([0-9]{1,9})\.")


def accuracy(completions: Sequence[Any], answer: Sequence[str], **_: Any) -> list[float]:
    """1.0 where the completion ends with the right number, alone or after "=", else 0.0.

    Only the number at the very end counts (a final "." may follow), so a guess that something else follows
    earns nothing.
    """
    found = (_FINAL_ANSWER.search(completion_text(text).rstrip()) for text in completions)
    return [float(match is not None and match[1] == right) for match, right in zip(found, answer, strict=True)]


def conciseness(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """1 − tokens / ``TOKEN_BUDGET`` for each completion, at least 0; the end-of-text token counts."""
    return [max(0.0, 1.0 - len(ids) / TOKEN_BUDGET) for ids in completion_ids]


def clarity(completions: Sequence[Any], numbers: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """Numbered sums over the sums needed (terms − 1), or over the sentences written where these are more.

    A sum is a sentence ``[step k: ]a+b=c.`` that goes on with this problem: its left-most term is the first
    number or the result written just before, the others are the next numbers in order. It earns when it is
    numbered, and its number is one more than the last. Whether c is right is left to accuracy. So sums of
    other numbers, a number given twice and sentences beyond the end earn nothing and dilute the rest.
    """
    return [_clarity(completion_text(text), terms) for text, terms in zip(completions, numbers, strict=True)]


def _clarity(text: str, terms: Sequence[int]) -> float:
    sentences = re.findall(r"[^.]+\.?", text.strip())
    total, pending, numbered = terms[0], list(terms[1:]), 0
    for sentence in sentences:
        match = _SENTENCE.fullmatch(sentence.strip())
        if match is None:
            continue
        first, *added = map(int, match[2].split("+"))
        if not pending or first != total or added != pending[: len(added)]:
            continue
        total, pending = int(match[3]), pending[len(added) :]
        numbered += match[1] == str(numbered + 1)
    return numbered / max(len(terms) - 1, len(sentences))
