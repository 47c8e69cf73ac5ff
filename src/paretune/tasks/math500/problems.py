"""MATH-500 as the Hub has it, and how it is split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from datasets import Dataset

from paretune.tasks.math_problems import as_problem, check_rows, cut, fetch, in_hash_order

HUB_NAME = "HuggingFaceH4/MATH-500"

COLUMNS = ("level", "subject")
"""What is kept of a problem beside its prompt and answer."""

_SIZES = {"train": 300, "validation": 100, "test": 100}


def read_hub() -> dict[str, Dataset]:
    """Fetch the 500 problems from the Hub and split them with :func:`split_hub_rows`.

    Raises:
        FileNotFoundError: if the Hub cannot be reached and the problems are not in the local cache.
        ValueError: if the published data set is no longer what it was.
    """
    return split_hub_rows(fetch(HUB_NAME, split="test"))


def split_hub_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Dataset]:
    """Split the Hub's rows 300/100/100: the paper's proportions, not its split, which is not published there.

    The rows are put in the order of the SHA-256 of their ``unique_id``.

    Raises:
        ValueError: if there are other than 500 rows, or one lacks a column.
    """
    wanted = ("problem", "answer", "unique_id", *COLUMNS)
    checked = check_rows(rows, source=HUB_NAME, count=sum(_SIZES.values()), columns=wanted)
    problems = [
        as_problem(row["problem"], row["answer"], level=row["level"], subject=row["subject"])
        for row in in_hash_order(checked, "unique_id")
    ]
    return cut(problems, _SIZES)
