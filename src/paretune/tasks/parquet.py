"""Reading a task's problems from a local folder of parquet files; it is no task itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def read_folder(
    folder: Path, files: Sequence[str], *, title: str, columns: Sequence[str]
) -> list[list[dict[str, Any]]]:
    """The rows of each file of a folder, with these columns alone.

    Args:
        folder: where the files are.
        files: their names.
        title: what the problems are called in messages.
        columns: what every file has to have.

    Raises:
        FileNotFoundError: if the folder or a file is missing.
        ValueError: if a file is no parquet file, is empty or lacks a column.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"The data folder {str(folder)!r} does not exist: give a folder of parquet files.")
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"The data folder {str(folder)!r} lacks {', '.join(missing)}: {title} needs {', '.join(files)}."
        )
    return [_read_file(folder / file, title, columns) for file in files]


def _read_file(path: Path, title: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as parquet ({one_line(error)}): fetch the file again."
        ) from error
    absent = [column for column in columns if column not in table.column_names]
    if absent:
        raise ValueError(
            f"{str(path)!r} lacks the column {', '.join(absent)}: "
            f"{title} needs {', '.join(columns)}, got {', '.join(table.column_names)}."
        )
    if table.num_rows == 0:
        raise ValueError(f"{str(path)!r} has no rows: a split needs at least one problem.")
    rows: list[dict[str, Any]] = table.select(list(columns)).to_pylist()
    return rows


def are_messages(prompt: Any) -> bool:
    """Whether a prompt is chat messages, each with a role and a content."""
    return isinstance(prompt, list) and bool(prompt) and all(map(_is_message, prompt))


def messages_of(prompt: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The messages with nothing else than role and content."""
    return [{"role": message["role"], "content": message["content"]} for message in prompt]


def one_line(problem: object) -> str:
    """A text for a message: one line, not too long."""
    return " ".join(str(problem).split())[:160]


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))
