"""Reading files that may be missing, torn or foreign: what is there, and a line about what is not."""

import json
from pathlib import Path
from typing import Any


def read_object(path: Path, notes: list[str], *, missing: str | None) -> dict[str, Any]:
    """The object in a JSON file, or an empty one.

    Args:
        path: the file.
        notes: gets a line if there is nothing to use.
        missing: what is lost without the file; None if it need not be there.
    """
    content = _bytes(path, notes, missing)
    if content is None:
        return {}
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        notes.append(f"{_name(path)} is no JSON ({_line(error)}): it is left out.")
        return {}
    if not isinstance(found, dict):
        notes.append(f"{_name(path)} holds {type(found).__name__} where an object was expected: it is left out.")
        return {}
    return found


def read_objects(path: Path, notes: list[str], *, missing: str | None) -> list[dict[str, Any]]:
    """The objects in a file of JSON lines, without those that cannot be read.

    Args:
        path: the file.
        notes: gets a line about what is left out.
        missing: what is lost without the file; None if it need not be there.
    """
    content = _bytes(path, notes, missing)
    if content is None:
        return []
    found, broken = [], []
    pieces = content.split(b"\n")
    torn = len(pieces)  # a whole file ends in a line break, and its last piece is empty
    for position, piece in enumerate(pieces, start=1):
        if not piece.strip():
            continue
        try:
            line = json.loads(piece)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict):
            found.append(line)
        elif position == torn:
            notes.append(f"{_name(path)} was cut off while its last line was written: that line is left out.")
        else:
            broken.append(position)
    if broken:
        which = ", ".join(map(str, broken[:5])) + (" …" if len(broken) > 5 else "")
        notes.append(f"{_name(path)}: {_lines(len(broken))} ({which}) cannot be read and {_are(len(broken))} left out.")
    return found


def _bytes(path: Path, notes: list[str], missing: str | None) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if missing is not None:
            notes.append(f"{_name(path)} is missing: {missing}.")
    except OSError as error:
        notes.append(f"{_name(path)} cannot be read ({error.strerror or error}): it is left out.")
    return None


def _name(path: Path) -> str:
    """The file with its folder: enough to find it, in one run or among many."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _lines(count: int) -> str:
    return "a line" if count == 1 else f"{count} lines"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
