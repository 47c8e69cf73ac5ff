"""Files of JSON lines: appended whole, read without a last line that was cut off.

Numbers that are not finite are written as null.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from paretune.record.disk import write_error
from paretune.record.parsing import RecordError, parse, read_bytes


def append_line(path: str | Path, line: Mapping[str, Any]) -> None:
    """Append one object, whole or not at all; the file is made if there is none.

    Raises:
        OSError: if it cannot be written in full; the file is then as it was.
        TypeError: if a value has no form in JSON.
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
        OSError: if it cannot be read.
        RecordError: if another line is no JSON object; the message names the file and the line.
    """
    return [line.content for line in numbered_lines(path)]


class Line(NamedTuple):
    """A line of a file: its number, from 1, how it stands there, and the object that it holds."""

    number: int
    text: bytes
    content: dict[str, Any]


def numbered_lines(path: str | Path, refuse: Callable[[int, str], None] | None = None) -> Iterator[Line]:
    """The lines of a file that hold an object, in order; none if there is no file.

    Args:
        path: the file.
        refuse: is told the number of each line that is left out, and what it is ("torn" of one that was cut off while
            it was written). By default a torn last line is left out, and any other is an error.

    Raises:
        OSError: if it cannot be read.
        RecordError: if it is no regular file; without `refuse` also if a line is no JSON object.
    """
    path = Path(path)
    try:
        pieces = read_bytes(path).split(b"\n")
    except FileNotFoundError:
        return
    last = len(pieces) if pieces[-1] else None  # a whole file ends in a line break
    for number, text in enumerate(pieces[:-1] if last is None else pieces, start=1):
        if refuse is not None and not text.strip():
            continue
        try:
            content = parse(text)
        except ValueError as error:
            complaint = "torn" if number == last else f"is no JSON ({error})"
        else:
            if isinstance(content, dict):
                yield Line(number, text, content)
                continue
            complaint = f"is {type(content).__name__}, not a JSON object"
        if refuse is not None:
            refuse(number, complaint)
        elif complaint != "torn":
            raise RecordError(f"Line {number} of {str(path)!r} {complaint}.")


def cut_torn_line(path: str | Path) -> bool:
    """Cut off a last line without its line break, so that lines can be appended; whether there was one."""
    path = Path(path)
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        return False
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    return whole < len(content)


def to_line(line: Mapping[str, Any]) -> str:
    """An object as one line of JSON with its line break.

    Raises:
        TypeError: if a value has no form in JSON.
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
