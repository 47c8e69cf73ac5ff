"""Reading the problems of SafeSQL from a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from paretune.tasks.math_problems import in_hash_order

__all__ = ["FILES", "VALIDATION", "read_folder"]

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
        FileNotFoundError: If the folder or a file is missing.
        ValueError: If a file is no parquet file, is too small, lacks a column or has a row that is not as expected.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"The data folder {str(folder)!r} does not exist: give a folder of parquet files.")
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"The data folder {str(folder)!r} lacks {', '.join(missing)}: SafeSQL needs {', '.join(FILES)}."
        )
    published, test = (_read_file(folder / file) for file in FILES)
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


def _read_file(path: Path) -> list[dict[str, Any]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ValueError(f"{str(path)!r} cannot be read as parquet ({reason}): fetch the file again.") from error
    absent = [column for column in _COLUMNS if column not in table.column_names]
    if absent:
        raise ValueError(f"{str(path)!r} lacks the column {', '.join(absent)}: SafeSQL needs {', '.join(_COLUMNS)}.")
    if table.num_rows == 0:
        raise ValueError(f"{str(path)!r} has no rows: a split needs at least one problem.")
    rows = [_problem(row, number, path) for number, row in enumerate(table.select(_COLUMNS).to_pylist())]
    names = [row["program_id"] for row in rows]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{str(path)!r} has the program_id {twice!r} twice: give each problem its own.")
    return rows


def _problem(row: dict[str, Any], number: int, path: Path) -> dict[str, Any]:
    for column, expected, fits in (
        ("program_id", "a name", lambda value: isinstance(value, str) and value),
        ("prompt", "messages with role and content", lambda value: _is_list(value) and all(map(_is_message, value))),
        ("construct_db", "a Python program", lambda value: isinstance(value, str) and value),
        ("test_cases", "tests with input and output", lambda value: _is_list(value) and all(map(_is_test, value))),
        ("test_attacks", "texts", lambda value: isinstance(value, list) and all(isinstance(a, str) for a in value)),
    ):
        if not fits(row[column]):
            found = " ".join(repr(row[column]).split())[:120]
            raise ValueError(f"Row {number} of {str(path)!r} should have {expected} in {column}, found {found}.")
    return {
        "prompt": [{"role": message["role"], "content": message["content"]} for message in row["prompt"]],
        "program_id": row["program_id"],
        "construct_db": row["construct_db"],
        "test_inputs": [test["input"] for test in row["test_cases"]],
        "test_outputs": [test["output"] for test in row["test_cases"]],
        "test_attacks": row["test_attacks"],
    }


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def _is_test(test: Any) -> bool:
    return isinstance(test, dict) and all(isinstance(test.get(key), str) for key in ("input", "output"))
