"""Whole files of JSON: replaced at once, so that nobody ever sees half of one."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from paretune.record.disk import write_error
from paretune.record.json_lines import plain
from paretune.record.parsing import RecordError, parse, read_bytes


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object in the file's place; numbers that are not finite become null.

    Raises:
        OSError: if it cannot be written; the old file is then still there.
        TypeError: if a value has no form in JSON.
    """
    write_whole(path, json.dumps(plain(content), allow_nan=False, ensure_ascii=False, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Put the text in the file's place at once: a reader, or a crash, finds the old file or the new one.

    Raises:
        OSError: if it cannot be written; the old file is then still there.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise write_error(path, error) from error
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        OSError: if there is no such file, or it cannot be read.
        RecordError: if the file holds something else; the message names it.
    """
    try:
        content = parse(read_bytes(path))
    except RecordError:
        raise
    except ValueError as error:
        raise RecordError(f"{str(path)!r} is no JSON ({error}).") from error
    if not isinstance(content, dict):
        raise RecordError(f"{str(path)!r} must hold a JSON object, got {type(content).__name__}.")
    return content
