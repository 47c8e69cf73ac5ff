"""Records as nobody writes them: whatever stands in the place of something else, for every reader."""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

GONE = object()
DEEP = json.loads("[" * 200 + "]" * 200)
JUNK: list[Any] = [
    None, True, 0, -1, 3, 10**18, 10**400, 1e308, -1e308, float("nan"), float("inf"), 1e-300, "", "x", "grid", "\ud800",
    "a" * 300, "\x1b[2J", [], {}, [1], [[]], [None], [[1, 2]], {"a": 1}, {"name": None}, [{"a": [{}]}], DEEP, GONE,
]  # fmt: skip

TEXTS = ["", "null", "[]", "7", '"x"', "{}", '{"a": 1}', "[" * 100_000, "{" * 100_000, "PK\x03\x04\n\x00", "{}\n{}\n",
         '{"schema": 1}', "\ufeff{}", '{"step": ' + "9" * 5000 + "}\n",
         '{"points": [' + "[" * 90 + "]" * 90 + "]}"]  # fmt: skip
"""What stands in the place of a whole file."""


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield path
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key))


def replaced(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The value with another one in a place."""
    if not path:
        return None if value is GONE else value
    inside = tree
    for key in path[:-1]:
        inside = inside[key]
    if value is GONE:
        del inside[path[-1]]
    else:
        inside[path[-1]] = deepcopy(value)
    return tree


@st.composite
def damages(draw: st.DrawFn, directory: Path, files: list[str]) -> tuple[str, bytes | None]:
    """A file of a directory and what it then holds; None: it is a pipe, which nobody writes to."""
    file = draw(st.sampled_from(files))
    whole = (directory / file).read_text()
    kind = draw(st.sampled_from(["value"] * 6 + ["text", "torn", "bytes", "pipe"]))
    if kind == "text":
        return file, draw(st.sampled_from(TEXTS)).encode()
    if kind == "torn":
        return file, whole.encode()[: draw(st.integers(0, len(whole)))]
    if kind == "bytes":
        return file, draw(st.binary(max_size=30))
    if kind == "pipe":
        return file, None
    lines = whole.splitlines() if file.endswith("l") else [whole]
    i = draw(st.integers(0, len(lines) - 1))
    value = json.loads(lines[i])
    lines[i] = json.dumps(replaced(value, draw(st.sampled_from(list(places(value)))), draw(st.sampled_from(JUNK))))
    return file, ("\n".join(lines) + "\n").encode()


def damaged(path: Path, content: bytes | None) -> None:
    """Put the damage in the place of a file."""
    path.unlink(missing_ok=True)
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
