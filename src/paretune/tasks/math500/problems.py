"""Reading the problems of MATH-500, from a local folder or from the Hub, into one form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, load_dataset

__all__ = ["HUB_NAME", "INSTRUCTION", "read_folder", "read_hub", "split_hub_rows"]

HUB_NAME = "HuggingFaceH4/MATH-500"

INSTRUCTION = "Let's think step by step and output the final answer within \\boxed{}."
"""The paper's instruction; it follows the problem after a space."""

_FILES = {"train": "train.parquet", "validation": "val.parquet", "test": "test.parquet"}
_SIZES = {"train": 300, "validation": 100, "test": 100}
_COLUMNS = ("prompt", "reward_model", "level", "subject")
_HUB_COLUMNS = ("problem", "answer", "level", "subject", "unique_id")


def read_folder(folder: Path) -> dict[str, Dataset]:
    """Read the splits from ``train.parquet``, ``val.parquet`` and ``test.parquet``, the prompts as published.

    Each file has the columns ``prompt`` (chat messages), ``reward_model`` (with the field ``ground_truth``),
    ``level`` and ``subject``; other columns are left out.

    Raises:
        FileNotFoundError: If the folder or a file is missing.
        ValueError: If a file is no parquet file, is empty, lacks a column or has a row without prompt or
            answer.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"The data folder {str(folder)!r} does not exist: give a folder of parquet files.")
    missing = [file for file in _FILES.values() if not (folder / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"The data folder {str(folder)!r} lacks {', '.join(missing)}: MATH-500 needs {', '.join(_FILES.values())}."
        )
    return {split: _read_file(folder / file) for split, file in _FILES.items()}


def read_hub() -> dict[str, Dataset]:
    """Fetch the 500 problems from the Hub and split them with :func:`split_hub_rows`.

    Raises:
        FileNotFoundError: If the Hub cannot be reached and the problems are not in the local cache.
        ValueError: If the published data set is no longer what it was.
    """
    try:
        rows = load_dataset(HUB_NAME, split="test")
    except OSError as error:
        raise FileNotFoundError(
            f"{HUB_NAME} could not be fetched from the Hub ({_one_line(error)}): "
            "go online, or give a local folder of parquet files with --data."
        ) from error
    return split_hub_rows(rows)


def split_hub_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Dataset]:
    """Split the Hub's rows 300/100/100: the paper's proportions, not its split, which is not published there.

    The rows are put in the order of the SHA-256 of their ``unique_id``, so that the split depends neither on
    the order of the rows nor on anybody's random number generator.

    Raises:
        ValueError: If there are other than 500 rows, or one lacks a column.
    """
    problems = list(rows)
    if len(problems) != sum(_SIZES.values()):
        raise ValueError(
            f"{HUB_NAME} should have 500 problems, found {len(problems)}: give a local folder with --data."
        )
    for row in problems:
        absent = [column for column in _HUB_COLUMNS if row.get(column) is None]
        if absent:
            raise ValueError(f"A row of {HUB_NAME} lacks {', '.join(absent)}: give a local folder with --data.")
    problems.sort(key=lambda row: hashlib.sha256(row["unique_id"].encode()).hexdigest())

    splits, start = {}, 0
    for split, size in _SIZES.items():
        part = problems[start : start + size]
        start += size
        splits[split] = Dataset.from_list(
            [
                {
                    "prompt": [{"role": "user", "content": f"{row['problem']} {INSTRUCTION}"}],
                    "answer": row["answer"],
                    "level": row["level"],
                    "subject": row["subject"],
                }
                for row in part
            ]
        )
    return splits


def _read_file(path: Path) -> Dataset:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as parquet ({_one_line(error)}): fetch the file again."
        ) from error
    absent = [column for column in _COLUMNS if column not in table.column_names]
    if absent:
        raise ValueError(
            f"{str(path)!r} lacks the column {', '.join(absent)}: "
            f"MATH-500 needs {', '.join(_COLUMNS)}, found {', '.join(table.column_names)}."
        )
    if table.num_rows == 0:
        raise ValueError(f"{str(path)!r} has no rows: a split needs at least one problem.")
    return Dataset.from_list([_problem(row, number, path) for number, row in enumerate(table.to_pylist())])


def _problem(row: dict[str, Any], number: int, path: Path) -> dict[str, Any]:
    prompt, scoring = row["prompt"], row["reward_model"]
    if not isinstance(prompt, list) or not prompt or not all(_is_message(message) for message in prompt):
        raise ValueError(
            f"Row {number} of {str(path)!r} should have messages with role and content as its prompt, "
            f"found {_one_line(repr(prompt))}."
        )
    if not isinstance(scoring, dict) or not isinstance(scoring.get("ground_truth"), str):
        raise ValueError(
            f"Row {number} of {str(path)!r} should have its answer as a string in reward_model.ground_truth, "
            f"found {_one_line(repr(scoring))}."
        )
    messages = [{"role": message["role"], "content": message["content"]} for message in prompt]
    return {
        "prompt": messages,
        "answer": scoring["ground_truth"],
        "level": row["level"],
        "subject": row["subject"],
    }


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())[:160]
