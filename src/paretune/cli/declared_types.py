"""Whether a value out of YAML or JSON is of the type that a setting declares."""

import math
import types
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from reprlib import Repr
from typing import Annotated, Any, Literal, Union, get_args, get_origin

NamedNumbers = dict[str, float] | str | None
"""Annotates numbers by the objectives' names: a mapping in YAML, ``accuracy=2,clarity=1`` as a flag."""

NamedBounds = dict[str, list[float]] | str | None
"""Annotates bounds by the objectives' names: a mapping to [low, high] in YAML, ``accuracy=0:1`` as a flag."""

DEEPEST = 20
"""Levels of lists and mappings within a setting."""

COMMAS = "a list, or a text with commas"
"""Annotates a text that is a list with commas between its items, so that a list is taken as well."""

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type; numbers may be written as text, as YAML 1.1 reads 1e-6 as such."""
    members = _members(hint)
    if len(members) > 1:
        return any(fits(value, member) for member in members)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin in (list, Sequence) or hint in (list, tuple, Sequence) or arguments[1:] == (...,):
        return isinstance(value, list) and all(fits(item, arguments[0]) for item in value if arguments)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(arguments) and all(map(fits, value, arguments))
    if origin in (dict, Mapping) or hint in (dict, Mapping):
        return isinstance(value, dict) and (not arguments or all(fits(v, arguments[1]) for v in value.values()))
    if origin is Callable:
        return False  # which no file can give
    if hint is Any:
        return True
    if hint is float:
        return _number(value) is not None
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return value in [member.value for member in hint]
    return hint is type(value) or (hint in (None, types.NoneType) and value is None)


def converted(value: Any, hint: Any) -> Any:
    """A value that :func:`fits` as its type has it: numbers that were written as text as numbers, inside of it too."""
    members = _members(hint)
    if len(members) > 1:
        fitting = [member for member in members if fits(value, member)]
        return value if isinstance(value, str) and str in members else converted(value, (fitting or [Any])[0])
    arguments = get_args(hint)
    if hint is float and isinstance(value, str):
        return _number(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if isinstance(value, dict) and arguments:
        return {key: converted(item, arguments[1]) for key, item in value.items()}
    if isinstance(value, list) and get_origin(hint) is tuple:
        kinds = [arguments[0]] * len(value) if arguments[1:] == (...,) else arguments
        return tuple(map(converted, value, kinds))
    if isinstance(value, list) and arguments:
        return [converted(item, arguments[0]) for item in value]
    return value


def describe(hint: Any) -> str:
    """A declared type in words."""
    members = _members(hint)
    if len(members) > 1:
        told = [describe(m) for m in members if m is not types.NoneType and get_origin(m) is not Callable]
        return " or ".join(dict.fromkeys(told))
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in arguments)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(str(member.value) for member in hint)
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Any: "any value"}
    if hint in names:
        return names[hint]
    known = {list: "a list", tuple: "a list", Sequence: "a list", dict: "a mapping", Mapping: "a mapping"}
    return known.get(origin or hint, str(hint))


def brief(value: Any) -> str:
    """A value in a message: short, however much it holds."""
    return _SHORT.repr(value)


def shown(value: Any) -> str:
    """A value in a message, with its type."""
    return f"{brief(value)} ({type(value).__name__})"


def finite(value: Any) -> bool:
    """Whether no number in a value, in its lists or in its mappings is NaN or infinite."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    return all(map(finite, value)) if isinstance(value, list | tuple) else True


def has_commas(hint: Any) -> bool:
    """Whether a hint is annotated with :data:`COMMAS`."""
    return get_origin(hint) is Annotated and COMMAS in hint.__metadata__


def _members(hint: Any) -> tuple[Any, ...]:
    if has_commas(hint):
        return (*_members(get_args(hint)[0]), list[float | str])
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
