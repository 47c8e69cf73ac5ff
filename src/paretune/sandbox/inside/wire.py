"""How a program and the process that holds its database talk: a JSON value a line, either way.

It is JSON because the program's side is not trusted: nothing that it can send does more than make a value.
"""

import base64
import json
from io import BufferedIOBase
from typing import Any


class Text(bytes):
    """A text column as SQLite has it, for a program that decodes its text itself."""


class Declared(bytes):
    """A value for which the program has a converter, and the converter's name."""

    converter: str

    def __new__(cls, value: bytes, converter: str) -> "Declared":
        """The value, marked."""
        self = super().__new__(cls, value)
        self.converter = converter
        return self


class Foreign:
    """Stands for an object that SQLite cannot store, so that the engine itself says so."""


def send(stream: BufferedIOBase, value: Any) -> None:
    """Write a value: None, booleans, numbers, strings, bytes, and lists and dictionaries of them."""
    stream.write(json.dumps(value, default=_encode).encode() + b"\n")
    stream.flush()


def receive(stream: BufferedIOBase) -> Any:
    """Read a value.

    Raises:
        EOFError: if the other side is gone.
        ValueError: if it sent something else.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError("the other side closed the connection")
    return json.loads(line, object_hook=_decode)


def _encode(value: Any) -> Any:
    if isinstance(value, Declared):
        return {"!": "declared", "of": base64.b64encode(value).decode(), "converter": value.converter}
    if isinstance(value, Text):
        return {"!": "text", "of": base64.b64encode(value).decode()}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"!": "bytes", "of": base64.b64encode(value).decode()}
    return {"!": "foreign", "of": type(value).__name__}


def _decode(value: dict[str, Any]) -> Any:
    match value.get("!"):
        case None:
            return value
        case "bytes":
            return base64.b64decode(value["of"])
        case "text":
            return Text(base64.b64decode(value["of"]))
        case "declared":
            return Declared(base64.b64decode(value["of"]), value["converter"])
        case _:
            return type(str(value["of"]), (Foreign,), {})()
