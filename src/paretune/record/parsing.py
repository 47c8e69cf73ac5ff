"""Reading JSON that anybody may have written: regular files alone, of bounded size and depth."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

LARGEST = 2**30
"""Bytes of a file."""
DEEPEST = 64
"""Lists and objects inside one another. What a run records has fewer than ten."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")


class RecordError(ValueError):
    """A record that cannot be used: one line that names the file, the line in it, and what was expected."""


def read_bytes(path: Path, most: int = LARGEST) -> bytes:
    """The content of a regular file.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError: if it cannot be read.
        RecordError: if it is none that ends, such as a pipe or a device, or is larger.
    """
    try:
        # A pipe without a writer would be waited for; of a regular file the flag changes nothing.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a NUL in its name
        raise RecordError(f"{str(path)!r} is no name of a file ({error}).") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise RecordError(f"{str(path)!r} is no regular file, but a folder, a pipe or a device: give such a file.")
        content, size = b"", found.st_size
        if size <= most:
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(most + 1)
            size = max(size, len(content))  # some files in /proc say that they have no bytes
        if size > most:
            raise RecordError(f"{str(path)!r} has {size:,} bytes: no more than {most:,} are read.")
        return content
    finally:
        os.close(descriptor)


def parse(content: bytes) -> Any:
    """The value in a JSON text. Half a surrogate pair, which has no form in UTF-8, becomes a question mark.

    NaN and infinities, which Python writes beyond JSON, are taken: whoever needs a finite number checks it.

    Raises:
        ValueError: if it is no JSON, or nested more than :data:`DEEPEST` levels deep; the message is one line.
    """
    try:
        text = content.decode("utf-8")
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"nested more than {DEEPEST} levels deep") from error
    brackets = text.count("[") + text.count("{")
    if brackets > DEEPEST and is_deeper(value, DEEPEST):
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    return _encodable(value) if "\\u" in text else value


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and mappings lie in each other over more than so many levels."""
    level = [value]
    for _ in range(levels):
        outer = (item.values() if isinstance(item, dict) else item for item in level if _has_items(item))
        level = [inner for items in outer for inner in items]
    return any(map(_has_items, level))


def _has_items(value: Any) -> bool:
    return isinstance(value, list | tuple | dict)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("?", value)
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return value
