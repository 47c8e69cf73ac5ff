"""Values on their way between a program and its database: parameters, columns and rows."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .wire import Declared, Text

if TYPE_CHECKING:
    from .client import Cursor


def bound(parameters: Any) -> Any:
    """A statement's parameters as they are sent."""
    if isinstance(parameters, Mapping):
        return {key: _storable(parameters[key]) for key in parameters}
    if isinstance(parameters, Sequence) or (hasattr(parameters, "__len__") and hasattr(parameters, "__getitem__")):
        return [_storable(parameters[i]) for i in range(len(parameters))]
    return parameters


def _storable(value: Any) -> Any:
    if type(value) in (int, float, str, bytes, type(None)):
        return _bounded(value)
    value = sqlite3.adapt(value, sqlite3.PrepareProtocol, value)
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return _bounded(kind(value))
    return _stand_in(value) if isinstance(value, list | tuple | dict) else value


def _bounded(value: Any) -> Any:
    """An integer that SQLite cannot store as the least such one: it may have too many digits to be sent."""
    return 2**63 if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _stand_in(value: Any) -> Any:
    """An object of a type of the same name, which is sent by that name."""
    return type(type(value).__name__, (), {})()


def column(value: Any, text: Callable[[bytes], Any]) -> Any:
    """A column's value as the program sees it."""
    if isinstance(value, Declared):
        return sqlite3.converters[value.converter](bytes(value))
    return text(bytes(value)) if isinstance(value, Text) else value


class Row(Sequence[Any]):
    """As in the real module."""

    def __init__(self, cursor: "Cursor", values: tuple[Any, ...], /) -> None:
        self._names = [column[0] for column in cursor.description or ()]
        self._values = values

    def keys(self) -> list[str]:
        """The names of the columns."""
        return list(self._names)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | slice):
            return self._values[key]
        if isinstance(key, str):
            for name, value in zip(self._names, self._values, strict=False):
                if name.lower() == key.lower():
                    return value
            raise IndexError("No item with that key")
        raise IndexError("Index must be int or string")

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __hash__(self) -> int:
        return hash((tuple(self._names), self._values))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Row):
            return NotImplemented
        return self._names == other._names and self._values == other._values
