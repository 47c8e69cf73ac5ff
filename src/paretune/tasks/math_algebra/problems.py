"""The algebra part of MATH as the Hub has it, its answers, and how it is split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from datasets import Dataset

from paretune.objectives.completions import last_box
from paretune.tasks.math_problems import as_problem, check_rows, cut, fetch, in_hash_order

HUB_NAME = "DigitalLearningGmbH/MATH-lighteval"
HUB_CONFIG = "algebra"

COLUMNS = ("level", "type")
"""What is kept of a problem beside its prompt and answer."""

_HUB_SIZES = {"train": 1744, "test": 1187}
_SIZES = {"validation": 593, "test": 594}
"""Of the Hub's test problems."""


def read_hub() -> dict[str, Dataset]:
    """Fetch the problems from the Hub and split them with :func:`split_hub_rows`.

    Raises:
        FileNotFoundError: if the Hub cannot be reached and the problems are not in the local cache.
        ValueError: if the published data set is no longer what it was.
    """
    return split_hub_rows(*(fetch(HUB_NAME, HUB_CONFIG, split=split) for split in _HUB_SIZES))


def split_hub_rows(train: Iterable[Mapping[str, Any]], test: Iterable[Mapping[str, Any]]) -> dict[str, Dataset]:
    """The Hub's problems for training, and those for testing split into 593 for validation and 594 for testing.

    These are the paper's sizes, not its split, which is not published there. The rows of both are put in the order of
    the SHA-256 of the problem.

    Args:
        train: the 1,744 rows of the Hub's ``train``, with ``problem``, ``solution``, ``level`` and ``type``.
        test: the 1,187 rows of its ``test``.

    Raises:
        ValueError: if there are other than so many rows, one lacks a column, or a solution has no answer.
    """
    to_train_on, to_judge_by = (_problems(split, rows) for split, rows in zip(_HUB_SIZES, (train, test), strict=True))
    return {"train": Dataset.from_list(to_train_on), **cut(to_judge_by, _SIZES)}


def _problems(split: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    source = f"{HUB_NAME} ({HUB_CONFIG}, {split})"
    wanted = ("problem", "solution", *COLUMNS)
    problems = []
    for row in in_hash_order(check_rows(rows, source=source, count=_HUB_SIZES[split], columns=wanted), "problem"):
        answer = last_box(row["solution"])
        if answer is None:
            raise ValueError(
                rf"A solution of {source} has no \boxed answer, got {row['solution'][-80:]!r}: "
                "give a local folder with --data."
            )
        problems.append(as_problem(row["problem"], answer, level=row["level"], type=row["type"]))
    return problems
