"""What a record says, or nothing where it says something else: records may be old, torn or foreign."""

from collections.abc import Mapping
from typing import Any

LARGEST = 1e100
"""Beyond it nothing was measured, and squares no longer fit into floating point."""


def number(value: Any) -> float | None:
    """A number that can be drawn and squared, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -LARGEST <= value <= LARGEST else None


def count(value: Any) -> int | None:
    """A whole number, 0 or more, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST else None


def text(value: Any, otherwise: str = "") -> str:
    """A text, or `otherwise`."""
    return value if isinstance(value, str) else otherwise


def mapping(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def numbers(value: Any) -> dict[str, float]:
    """The entries of an object that are numbers."""
    found = {name: number(entry) for name, entry in mapping(value).items()}
    return {name: entry for name, entry in found.items() if entry is not None}
