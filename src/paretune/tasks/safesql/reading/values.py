"""What the reading of a program knows of a value, and what becomes of it under the operations of strings.

A text is followed as several spellings at once, one for each probe put in place of an input, and real string methods
are applied to each. A text is tainted when its spellings differ: then the input shows in it. Conditions are not
followed, so that a value may be one of several alternatives.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from string import Formatter
from typing import NamedTuple, TypeAlias

__all__ = [
    "OPAQUE",
    "PROBES",
    "UNKNOWN",
    "Alternative",
    "Constant",
    "Function",
    "Items",
    "LostError",
    "Module",
    "Number",
    "Opaque",
    "Scope",
    "Table",
    "Text",
    "Value",
    "changed",
    "choices",
    "formatted",
    "interpolated",
    "joined",
    "literal",
    "spelled",
    "tainted",
    "united",
]

UNKNOWN = "\ue000"
"""The character, of private use, that stands in a text for a part of which nothing is known."""

PROBES = 4
"""How many spellings are followed at once."""

_MOST_ALTERNATIVES = 32
_MOST_ELEMENTS = 500
_LONGEST = 4_000
_LONGEST_ARGUMENT = 100

_CONVERSIONS: dict[str, Callable[[str], str]] = {"s": str, "r": repr, "a": ascii}

# %-formats that put the whole text in; a width or a precision might cut it.
_PERCENT = re.compile(r"%(?:\((?P<key>\w+)\))?(?P<spec>\.?\d*)(?P<type>[sdifr%])")


class LostError(Exception):
    """The input met something that the reading does not follow: a check, or an operation it does not know."""


class Text(NamedTuple):
    """A string: its spelling under each probe, and whether the program alone determines it."""

    spellings: tuple[str, ...]
    known: bool = True


class Number(NamedTuple):
    """Some number; whatever it was made from, no text of it is left."""

    sort: str = "number"


class Constant(NamedTuple):
    """A constant that is no string."""

    value: bool | int | float | None


class Items(NamedTuple):
    """A list, tuple or set. An endless one has as many elements like its only one as are asked for.

    ``size`` counts what is in it, the contents of its elements included.
    """

    elements: tuple[Value, ...]
    endless: bool
    size: int

    @classmethod
    def of(cls, elements: Iterable[Value], endless: bool = False) -> Items:
        """Items of these elements; raises :class:`LostError` if there are too many to follow."""
        elements = tuple(elements)
        return cls(elements, endless, _size(elements))

    def at_least(self, count: int) -> tuple[Value, ...]:
        """The elements, or this many of an endless one."""
        return self.elements * count if self.endless else self.elements


class Table(NamedTuple):
    """A dictionary with constant keys; ``size`` counts what is in it."""

    entries: tuple[tuple[object, Value], ...]
    size: int

    @classmethod
    def of(cls, entries: Iterable[tuple[object, Value]]) -> Table:
        """A table of these entries, the last of a key counting; raises :class:`LostError` if there are too many."""
        entries = tuple(dict(entries).items())
        return cls(entries, _size(value for _, value in entries))


class Module(NamedTuple):
    """An imported module, or an attribute of one, by its dotted name."""

    name: str


class Opaque(NamedTuple):
    """Anything without the attacked input in it."""

    sort: str = "opaque"


@dataclass(eq=False)
class Scope:
    """The names of a function's body or of the module, and where those that are not in it are looked up."""

    names: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None
    outer: set[str] = field(default_factory=set)  # names declared global or nonlocal

    def holder(self, name: str) -> Scope | None:
        """The scope in which a name is found."""
        scope: Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.parent
        return scope


@dataclass(eq=False)
class Function:
    """A function of the program's and the scope it was made in."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope


Alternative: TypeAlias = Text | Number | Constant | Items | Table | Module | Opaque | Function
Value: TypeAlias = tuple[Alternative, ...]

OPAQUE: Value = (Opaque(),)


def _size(values: Iterable[Value]) -> int:
    size = sum(getattr(alternative, "size", 1) for value in values for alternative in value) + 1
    if size > _MOST_ELEMENTS:
        raise LostError
    return size


def united(values: Iterable[Value]) -> Value:
    """The value that is one of these.

    Raises:
        LostError: If there are too many alternatives to follow.
    """
    alternatives = tuple(dict.fromkeys(alternative for value in values for alternative in value))
    if len(alternatives) > _MOST_ALTERNATIVES:
        raise LostError
    return alternatives or OPAQUE


def choices(*values: Value) -> Iterator[tuple[Alternative, ...]]:
    """Every combination of alternatives.

    Raises:
        LostError: If there are too many combinations to follow.
    """
    count = 1
    for value in values:
        count *= len(value)
        if count > _MOST_ALTERNATIVES:
            raise LostError
    return product(*values)


def tainted(value: Value) -> bool:
    """Whether the attacked input shows in the value."""
    for alternative in value:
        if isinstance(alternative, Text) and len(set(alternative.spellings)) > 1:
            return True
        if isinstance(alternative, Items) and any(map(tainted, alternative.elements)):
            return True
        if isinstance(alternative, Table) and any(tainted(element) for _, element in alternative.entries):
            return True
    return False


def spelled(alternative: Alternative, conversion: str = "s") -> Text:
    """The value as text, as ``str`` ("s"), ``repr`` ("r") or ``ascii`` ("a") gives it.

    Raises:
        LostError: If the input is in it but not as a text.
    """
    if conversion not in _CONVERSIONS:
        raise LostError
    if isinstance(alternative, Text):
        return Text(tuple(_CONVERSIONS[conversion](spelling) for spelling in alternative.spellings), alternative.known)
    if tainted((alternative,)):
        raise LostError
    if isinstance(alternative, Constant):
        try:
            return literal(str(alternative.value))
        except ValueError as error:  # an integer of thousands of digits
            raise LostError from error
    return literal("1" if isinstance(alternative, Number) else UNKNOWN, known=False)


def literal(text: str, known: bool = True) -> Text:
    """A text in which the input does not show."""
    return Text((text,) * PROBES, known)


def joined(parts: Iterable[Text], separator: str = "") -> Text:
    """The parts one after the other.

    Raises:
        LostError: If the text gets too long to follow.
    """
    parts = tuple(parts)
    spellings = tuple(separator.join(part.spellings[probe] for part in parts) for probe in range(PROBES))
    if max(map(len, spellings)) > _LONGEST:
        raise LostError
    return Text(spellings, all(part.known for part in parts))


def changed(text: Text, method: str, arguments: Iterable[str | int | float | None]) -> Text:
    """The text after a string method that takes constants and gives a string.

    Raises:
        LostError: If the method refuses the arguments, or the text gets too long to follow.
    """
    arguments = tuple(arguments)
    if any(isinstance(argument, str) and len(argument) > _LONGEST_ARGUMENT for argument in arguments):
        raise LostError  # replace() could make a text of any length with it
    try:
        spellings = tuple(getattr(spelling, method)(*arguments) for spelling in text.spellings)
    except (TypeError, ValueError, OverflowError) as error:
        raise LostError from error
    return joined([Text(spellings, text.known)])


def interpolated(template: Text, arguments: Alternative) -> Text:
    """``template % arguments``, the template without the input in it.

    Raises:
        LostError: If a format or its argument is not one that can be followed.
    """
    source = template.spellings[0]
    if tainted((template,)):
        raise LostError
    positional = iter(arguments.elements if isinstance(arguments, Items) and not arguments.endless else ((arguments,),))
    pieces: list[Text] = []
    position = 0
    for match in _PERCENT.finditer(source):
        pieces.append(_without_percent(source[position : match.start()]))
        position = match.end()
        if match["type"] == "%":
            pieces.append(literal("%"))
            continue
        value = next(positional, None) if match["key"] is None else _entry(arguments, match["key"])
        plain = match["type"] in "sr" and not match["spec"]
        pieces.append(spelled(_argument(value, plain), "r" if match["type"] == "r" else "s"))
    pieces.append(_without_percent(source[position:]))
    return joined([*pieces, literal("", template.known)])


def formatted(template: Text, positional: Alternative, named: Alternative) -> Text:
    """``template.format(*positional, **named)``.

    Raises:
        LostError: If a field or its argument is not one that can be followed.
    """
    listed = positional.elements if isinstance(positional, Items) else ()
    spellings = []
    for probe, source in enumerate(template.spellings):
        pieces = []
        automatic = iter(listed)
        try:
            parsed = list(Formatter().parse(source))
        except ValueError as error:
            raise LostError from error
        for before, name, spec, conversion in parsed:
            pieces.append(before)
            if name is None:
                continue
            if name == "":
                value = next(automatic, None)
            elif name.isdecimal() and len(name) < 3:
                value = listed[int(name)] if int(name) < len(listed) else None
            else:
                value = _entry(named, name)
            pieces.append(spelled(_argument(value, not spec), conversion or "s").spellings[probe])
        spellings.append("".join(pieces))
    return joined([Text(tuple(spellings), known=False)])


def _without_percent(source: str) -> Text:
    if "%" in source:
        raise LostError
    return literal(source)


def _argument(value: Value | None, plain: bool) -> Alternative:
    """The only alternative of a format's argument; one in which the input shows must be put in as it is."""
    if value is None or len(value) != 1 or (tainted(value) and not plain):
        raise LostError
    return value[0]


def _entry(table: Alternative, key: str) -> Value:
    if isinstance(table, Table):
        for name, value in table.entries:
            if name == key:
                return value
    raise LostError
