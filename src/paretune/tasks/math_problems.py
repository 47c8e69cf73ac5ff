"""Competition problems with one answer each, from a local folder or from the Hub, in one form.

The tasks on parts of MATH share this module, which is no task itself. A problem is a row with the columns ``prompt``
(chat messages), ``answer`` (the ground truth) and those that its task keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset

from paretune.tasks import parquet

INSTRUCTION = "Let's think step by step and output the final answer within \\boxed{}."
"""The paper's instruction (Lu et al., arXiv 2509.11452); it follows the problem after a space."""

FILES = {"train": "train.parquet", "validation": "val.parquet", "test": "test.parquet"}
"""The file of each split in a local folder."""


def read_folder(folder: Path, *, title: str, columns: Sequence[str]) -> dict[str, Dataset]:
    """Read the splits from ``train.parquet``, ``val.parquet`` and ``test.parquet``, the prompts as published.

    Each file has the columns ``prompt`` (chat messages), ``reward_model`` (with the field ``ground_truth``) and those
    to keep; other columns are left out.

    Args:
        folder: where the files are.
        title: what the problems are called in messages.
        columns: the columns to keep beside the prompt and the answer.

    Raises:
        FileNotFoundError: if the folder or a file is missing.
        ValueError: if a file is no parquet file, is empty, lacks a column or has a row without prompt or answer.
    """
    splits = {}
    files = parquet.read_folder(folder, list(FILES.values()), title=title, columns=("prompt", "reward_model", *columns))
    for (split, file), rows in zip(FILES.items(), files, strict=True):
        problems = [_published(row, number, folder / file, columns) for number, row in enumerate(rows)]
        splits[split] = Dataset.from_list(problems)
    return splits


def fetch(name: str, config: str | None = None, *, split: str) -> list[dict[str, Any]]:
    """The rows of one split of a data set on the Hub, or of its copy in the local cache.

    Raises:
        FileNotFoundError: if the Hub cannot be reached, or has no such data set, and there is no copy either.
    """
    try:
        return list(load_dataset(name, config, split=split))
    # Without a network datasets raises ValueError where it has another configuration in its cache than the one wanted.
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{name} could not be fetched from the Hub ({parquet.one_line(error)}): "
            "go online, or give a local folder of parquet files with --data."
        ) from error


def check_rows(
    rows: Iterable[Mapping[str, Any]], *, source: str, count: int, columns: Sequence[str]
) -> list[Mapping[str, Any]]:
    """The rows of a data set that is known, as a list, if it is still what it was.

    Args:
        rows: as the Hub has them.
        source: what the data set is called in messages.
        count: how many rows there should be.
        columns: what each row should have.

    Raises:
        ValueError: if there are more or fewer rows, or one lacks a column.
    """
    problems = list(rows)
    if len(problems) != count:
        raise ValueError(f"{source} must have {count} problems, got {len(problems)}: give a local folder with --data.")
    for row in problems:
        absent = [column for column in columns if row.get(column) is None]
        if absent:
            raise ValueError(f"A row of {source} lacks {', '.join(absent)}: give a local folder with --data.")
    return problems


def in_hash_order(rows: Iterable[Mapping[str, Any]], column: str) -> list[Mapping[str, Any]]:
    """The rows in the order of the SHA-256 of a text column that tells them apart.

    What is cut from this order depends neither on the order in which the rows came nor on anybody's random number
    generator.
    """
    return sorted(rows, key=lambda row: hashlib.sha256(row[column].encode()).hexdigest())


def as_problem(problem: str, answer: str, **columns: Any) -> dict[str, Any]:
    """A problem as a row: asked in one message of the user, with the paper's :data:`INSTRUCTION`."""
    return {"prompt": [{"role": "user", "content": f"{problem} {INSTRUCTION}"}], "answer": answer, **columns}


def cut(problems: Sequence[dict[str, Any]], sizes: Mapping[str, int]) -> dict[str, Dataset]:
    """Cut the problems, in their order, into splits of these sizes."""
    following = iter(problems)
    return {split: Dataset.from_list(list(islice(following, size))) for split, size in sizes.items()}


def _published(row: dict[str, Any], number: int, path: Path, kept: Sequence[str]) -> dict[str, Any]:
    prompt, scoring = row["prompt"], row["reward_model"]
    if not parquet.are_messages(prompt):
        raise ValueError(
            f"Row {number} of {str(path)!r} must have messages with role and content as its prompt, "
            f"got {parquet.one_line(repr(prompt))}."
        )
    if not isinstance(scoring, dict) or not isinstance(scoring.get("ground_truth"), str):
        raise ValueError(
            f"Row {number} of {str(path)!r} must have its answer as a string in reward_model.ground_truth, "
            f"got {parquet.one_line(repr(scoring))}."
        )
    return {
        "prompt": parquet.messages_of(prompt),
        "answer": scoring["ground_truth"],
        **{column: row[column] for column in kept},
    }
