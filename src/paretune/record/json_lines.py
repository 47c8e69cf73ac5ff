"""Files of JSON lines: appended whole, read without a last line that was cut off.

Numbers that are not finite are written as null.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from paretune.record.disk import write_error

__all__ = ["append_line", "cut_torn_line", "plain", "read_lines", "to_line"]


def append_line(path: str | Path, line: Mapping[str, Any]) -> None:
    """Append one object, whole or not at all; the file is made if there is none.

    Raises:
        OSError: If it cannot be written in full; the file is then as it was.
        TypeError: If a value has no form in JSON.
    """
    content = to_line(line).encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            _write_whole_or_not_at_all(descriptor, content)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise write_error(path, error) from error


def read_lines(path: str | Path) -> list[dict[str, Any]]:
    """The objects in order, without a torn last line; none if there is no file.

    Raises:
        ValueError: If another line is no JSON object; the message names the file and the line.
    """
    path = Path(path)
    if not path.exists():
        return []
    pieces = path.read_bytes().split(b"\n")
    if pieces[-1] == b"":
        pieces.pop()
        torn = None
    else:
        torn = len(pieces)
    lines = []
    for number, text in enumerate(pieces, start=1):
        try:
            line = json.loads(text)
        except ValueError as error:
            if number == torn:  # cut off while it was written
                break
            raise ValueError(f"Line {number} of {str(path)!r} is no JSON ({error}).") from error
        if not isinstance(line, dict):
            raise ValueError(f"Line {number} of {str(path)!r} is {type(line).__name__}, not a JSON object.")
        lines.append(line)
    return lines


def cut_torn_line(path: str | Path) -> None:
    """Cut off a last line without its line break, so that lines can be appended; nothing if there is no file."""
    path = Path(path)
    if path.exists():
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)


def to_line(line: Mapping[str, Any]) -> str:
    """An object as one line of JSON with its line break.

    Raises:
        TypeError: If a value has no form in JSON.
    """
    return json.dumps(plain(line), allow_nan=False, ensure_ascii=False) + "\n"


def _write_whole_or_not_at_all(descriptor: int, content: bytes) -> None:
    size = os.fstat(descriptor).st_size
    try:
        while content:  # a signal may cut a slow write short
            content = content[os.write(descriptor, content) :]
    except BaseException:
        with suppress(OSError):  # a pipe keeps what it got
            os.ftruncate(descriptor, size)  # half a line would spoil the next one
        raise


def plain(value: Any) -> Any:
    """The value in JSON's terms: arrays as lists, scalars as numbers, paths as text, NaN and infinity as None."""
    if hasattr(value, "tolist"):  # numpy's and torch's arrays and scalars
        value = value.tolist()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value
