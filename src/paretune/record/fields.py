"""The fields of a JSON object, taken out one by one and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from paretune.record.parsing import RecordError

MOST = 2**63 - 1
"""The largest whole number: what fits into 64 bits."""
LARGEST = 1e100
"""The largest number: beyond it nothing was measured, and squares and products no longer fit into floating point."""

T = TypeVar("T")


@dataclass(frozen=True)
class Fields:
    """An object of a record. A field that is missing or null counts as not there.

    Attributes:
        content: the object.
        where: the file, and the line in it, as messages name it.
        notes: gets a line about each field that is of another kind than was expected, which then counts as not there;
            None: such a field is an error.
    """

    content: Mapping[str, Any]
    where: str
    notes: list[str] | None = None

    def number(self, key: str) -> float | None:
        """A finite number, no larger than :data:`LARGEST`."""
        return self._taken(key, "a finite number", finite)

    def count(self, key: str) -> int | None:
        """A whole number, 0 or more."""
        return self._taken(key, "a whole number, 0 or more", _count)

    def text(self, key: str) -> str | None:
        """A text."""
        return self._taken(key, "a text", lambda value: value if isinstance(value, str) else None)

    def flag(self, key: str) -> bool | None:
        """True or false."""
        return self._taken(key, "true or false", lambda value: value if isinstance(value, bool) else None)

    def numbers(self, key: str) -> dict[str, float]:
        """Finite numbers by name, without those that are null (NaN); none if the field is not there."""
        return self._taken(key, "an object of finite numbers", _numbers) or {}

    def mapping(self, key: str) -> Mapping[str, Any]:
        """An object as it stands; an empty one if the field is not there."""
        return self._taken(key, "an object", lambda value: value if isinstance(value, dict) else None) or {}

    def sequence(self, key: str) -> list[Any]:
        """A list as it stands; an empty one if the field is not there."""
        return self._taken(key, "a list", lambda value: value if isinstance(value, list) else None) or []

    def texts(self, key: str) -> list[str]:
        """A list of texts; an empty one if the field is not there."""
        return self._taken(key, "a list of texts", lambda value: _all(value, str)) or []

    def counts(self, key: str) -> list[int]:
        """A list of whole numbers, 0 or more; an empty one if the field is not there."""
        found = self._taken(key, "a list of whole numbers, 0 or more", lambda value: _all(value, int)) or []
        if any(_count(value) is None for value in found):
            self.refuse(f"{key} must be a list of whole numbers, 0 or more, got {found!r:.60}")
        return found

    def inside(self, key: str) -> Fields:
        """The fields of an object in this one; none if it is not there."""
        return Fields(self.mapping(key), f"{self.where}, {key}", self.notes)

    def each(self, key: str) -> list[Fields]:
        """The fields of each object in a list."""
        found = []
        for i, item in enumerate(self.sequence(key)):
            if isinstance(item, dict):
                found.append(Fields(item, f"{self.where}, {key}[{i}]", self.notes))
            else:
                self.refuse(f"{key}[{i}] must be an object, got {shown(item)}")
        return found

    def know(self, names: Iterable[str]) -> None:
        """Refuse fields of other names."""
        for name in self.content.keys() - set(names):
            self.refuse(f"it has {name!r:.40}, which this version does not know")

    def need(self, key: str, value: T | None) -> T:
        """A value that has to be there, as one of the other methods gave it.

        Raises:
            RecordError: if it is None.
        """
        if value is None:
            raise RecordError(f"{self.where} lacks {key!r}.")
        return value

    def refuse(self, complaint: str) -> None:
        """Note what is wrong with the object, or raise :class:`RecordError` where nothing is noted."""
        if self.notes is None:
            raise RecordError(f"{self.where}: {complaint}.")
        self.notes.append(f"{self.where}: {complaint}: it is left out.")

    def _taken(self, key: str, expected: str, take: Callable[[Any], T | None]) -> T | None:
        value = self.content.get(key)
        if value is None:
            return None
        found = take(value)
        if found is None:
            self.refuse(f"{key} must be {expected}, got {shown(value)}")
        return found


def shown(value: object) -> str:
    """A value of a record in a message: in a few letters."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    told = repr(value)
    return told if len(told) <= 40 else f"{told[:37]}..."


def finite(value: Any) -> float | None:
    """A finite number, no larger than :data:`LARGEST`; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if abs(found) <= LARGEST else None  # and no NaN


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else None


def _all(value: Any, kind: type[T]) -> list[T] | None:
    return value if isinstance(value, list) and all(isinstance(item, kind) for item in value) else None


def _numbers(value: Any) -> dict[str, float] | None:
    if not isinstance(value, dict):
        return None
    found = {name: finite(entry) for name, entry in value.items() if entry is not None}
    known = {name: entry for name, entry in found.items() if entry is not None}
    return known if len(known) == len(found) else None
