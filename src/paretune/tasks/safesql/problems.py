"""Reading the problems of SafeSQL from a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset

from paretune.tasks import parquet
from paretune.tasks.math_problems import in_hash_order

FILES = ("train.parquet", "test.parquet")
VALIDATION = 60
"""Problems of the training file that are kept for validation; the paper validates on the test split instead."""

_COLUMNS = ("program_id", "prompt", "construct_db", "test_cases", "test_attacks")


def read_folder(folder: Path) -> dict[str, Dataset]:
    """Read ``train.parquet`` and ``test.parquet``.

    The rows have the columns ``prompt`` (chat messages, as published), ``program_id``, ``construct_db`` (the Python
    program that makes the database), ``test_inputs``, ``test_outputs`` (texts, one for each test) and
    ``test_attacks``. The validation split is the first :data:`VALIDATION` training problems in the order of the
    SHA-256 of their ``program_id``.

    Raises:
        FileNotFoundError: if the folder or a file is missing.
        ValueError: if a file is no parquet file, is too small, lacks a column or has a row that is not as expected.
    """
    rows = parquet.read_folder(folder, FILES, title="SafeSQL", columns=_COLUMNS)
    published, test = (_problems(of, folder / file) for of, file in zip(rows, FILES, strict=True))
    if len(published) <= VALIDATION:
        raise ValueError(
            f"{str(folder / FILES[0])!r} has {len(published)} problems: "
            f"{VALIDATION} are for validation, and training needs some too."
        )
    both = {row["program_id"] for row in published} & {row["program_id"] for row in test}
    if both:
        raise ValueError(
            f"The problem {min(both)!r} is in both files of {str(folder)!r}: a test problem is for testing."
        )
    ordered = in_hash_order(published, "program_id")
    chosen = {row["program_id"] for row in ordered[:VALIDATION]}
    return {
        "train": Dataset.from_list([row for row in published if row["program_id"] not in chosen]),
        "validation": Dataset.from_list(list(ordered[:VALIDATION])),
        "test": Dataset.from_list(test),
    }


def _problems(published: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    rows = [_problem(row, number, path) for number, row in enumerate(published)]
    names = [row["program_id"] for row in rows]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{str(path)!r} has the program_id {twice!r} twice: give each problem its own.")
    return rows


def _problem(row: dict[str, Any], number: int, path: Path) -> dict[str, Any]:
    for column, expected, fits in (
        ("program_id", "a name", lambda value: isinstance(value, str) and value),
        ("prompt", "messages with role and content", parquet.are_messages),
        ("construct_db", "a Python program", lambda value: isinstance(value, str) and value),
        ("test_cases", "tests with input and output", lambda value: _is_list(value) and all(map(_is_test, value))),
        ("test_attacks", "texts", lambda value: isinstance(value, list) and all(isinstance(a, str) for a in value)),
    ):
        if not fits(row[column]):
            got = parquet.one_line(repr(row[column]))
            raise ValueError(f"Row {number} of {str(path)!r} must have {expected} in {column}, got {got}.")
    return {
        "prompt": parquet.messages_of(row["prompt"]),
        "program_id": row["program_id"],
        "construct_db": row["construct_db"],
        "test_inputs": [test["input"] for test in row["test_cases"]],
        "test_outputs": [test["output"] for test in row["test_cases"]],
        "test_attacks": row["test_attacks"],
    }


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_test(test: Any) -> bool:
    return isinstance(test, dict) and all(isinstance(test.get(key), str) for key in ("input", "output"))
