"""What built-in functions, methods and a few functions of modules give, and which of them the followed input may enter.

Only those that leave a text as it is or change it in a known way are here; a call of any other with the input in it
ends the reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from paretune.tasks.safesql.reading.values import (
    OPAQUE,
    Alternative,
    Constant,
    Items,
    LostError,
    Module,
    Number,
    Opaque,
    Table,
    Text,
    Value,
    changed,
    choices,
    formatted,
    interpolated,
    joined,
    literal,
    spelled,
    tainted,
    united,
)

__all__ = [
    "Arguments",
    "builtin",
    "constant",
    "entry",
    "known_constant",
    "method",
    "module_function",
    "percent",
    "unfollowed",
]

_TEXT_TO_TEXT = frozenset(
    {"strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "swapcase", "casefold", "replace"}
    | {"removeprefix", "removesuffix"}
)
_TO_NUMBER = frozenset({"int", "float", "len", "abs", "sum", "round", "ord", "hash"})
_TO_ITEMS = frozenset({"list", "tuple", "set", "sorted", "reversed", "frozenset"})

# A pattern from the program is run only where it takes no more than linear time: one class of characters, without
# the doubled operators that Python warns of.
_ONE_CLASS = re.compile(r"(?!.*(?:--|&&|~~|\|\|))(?:\[\^?(?:[^\\\[\]]|\\.)+\]|\\[dDwWsS])\+?")


class Arguments(NamedTuple):
    """The arguments of a call; incomplete if some came out of ``*`` or ``**``."""

    positional: list[Value]
    named: dict[str, Value]
    complete: bool = True

    def values(self) -> list[Value]:
        """All of them."""
        return [*self.positional, *self.named.values()]


def unfollowed(values: Iterable[Value], result: Value = OPAQUE) -> Value:
    """The result of what is not followed: allowed as long as the input has no part in it.

    Raises:
        LostError: If it has.
    """
    if any(map(tainted, values)):
        raise LostError
    return result


def builtin(name: str, arguments: Arguments) -> Value:
    """What a built-in function gives."""
    given = arguments.positional
    if name == "print":
        return (Constant(None),)
    if name == "dict" and not given and arguments.complete:
        return (Table.of(arguments.named.items()),)
    if name in _TO_ITEMS and not given:
        return (Items.of(()),)
    if len(given) == 1:
        (argument,) = given
        if name in ("str", "repr", "ascii"):
            return united((spelled(alternative, name[0]),) for alternative in argument)
        # Of a list the length says nothing about the texts in it.
        if name == "len" and not any(isinstance(alternative, Text) for alternative in argument):
            return (Number(),)
        if name in _TO_ITEMS and all(isinstance(alternative, Items) for alternative in argument):
            return argument
    if name == "filter" and len(given) == 2 and given[0] == (Constant(None),):
        return given[1]
    return unfollowed(arguments.values(), (Number(),) if name in _TO_NUMBER else OPAQUE)


def method(owner: Alternative, name: str, arguments: Arguments) -> Value:
    """What a method of a text, a list, a dictionary or a module gives."""
    if isinstance(owner, Text):
        return _text_method(owner, name, arguments)
    if isinstance(owner, Module):
        return module_function(f"{owner.name}.{name}", arguments)
    if isinstance(owner, Table):
        match name, arguments.positional:
            case "get", [key, *default]:
                unfollowed([key])
                found = [entry(owner, each) for each in key]
                return united([*found, *(default or [(Constant(None),)])])
            case "items", []:
                return (Items.of((Items.of([constant(key), value]),) for key, value in owner.entries),)
            case "values", []:
                return (Items.of(value for _, value in owner.entries),)
            case "keys", []:
                return (Items.of(constant(key) for key, _ in owner.entries),)
    return unfollowed([(owner,), *arguments.values()])


def module_function(name: str, arguments: Arguments) -> Value:
    """What a function of a module gives, by its dotted name."""
    match name, arguments.positional:
        case "re.sub", [pattern, replacement, text] if not arguments.named:
            return united((_substituted(pattern, replacement, alternative),) for alternative in text)
    return unfollowed(arguments.values())


def percent(template: Text, arguments: Alternative) -> Value:
    """``template % arguments``."""
    return united((interpolated(template, each),) for each in _expanded(arguments))


def entry(owner: Alternative, key: Alternative) -> Value:
    """``owner[key]``."""
    match owner, key:
        case (Items(elements, True), _):
            return elements[0]
        case (Items(elements, False), Constant(int(index))) if -len(elements) <= index < len(elements):
            return elements[index]
        case (Table(entries), Constant(name) | Text((name, *_), True)):
            return next((value for each, value in entries if each == name), OPAQUE)
        case (Table(entries), _):
            return united(value for _, value in entries)
    return unfollowed([(owner,)])


def constant(value: object) -> Value:
    """The value of a constant."""
    if isinstance(value, str):
        return (literal(value),)
    if value is None or isinstance(value, bool | int | float):
        return (Constant(value),)
    return OPAQUE


def known_constant(value: Value) -> tuple[bool, str | int | float | None]:
    """Whether a value is one constant that the program determines, and which."""
    match value:
        case (Text((spelling, *others), True),) if set(others) <= {spelling}:
            return True, spelling
        case (Constant(number),):
            return True, number
    return False, None


def _text_method(owner: Text, name: str, arguments: Arguments) -> Value:
    given = arguments.positional
    constants = [known_constant(value) for value in given]
    known = all(each for each, _ in constants) and not arguments.named
    match name, given:
        case "format", _ if arguments.complete:
            positional, named = _expanded(Items.of(given)), list(_expanded(Table.of(arguments.named.items())))
            return united((formatted(owner, each, other),) for each in positional for other in named)
        case "format_map", [tables]:
            return united((formatted(owner, Items.of(()), each),) for table in tables for each in _expanded(table))
        case "join", [lists]:
            return united(_joined(owner, items) for items in lists)
        case "split" | "rsplit" | "splitlines", _ if known:
            return _split(owner, constants[0][1] if constants else None)
    if name in _TEXT_TO_TEXT and known:
        return (changed(owner, name, [each for _, each in constants]),)
    return unfollowed([(owner,), *arguments.values()])


def _expanded(alternative: Alternative) -> Iterator[Alternative]:
    """A list or dictionary, once for each choice among the alternatives of what is in it."""
    if isinstance(alternative, Items) and not alternative.endless:
        for chosen in choices(*alternative.elements):
            yield Items.of((each,) for each in chosen)
    elif isinstance(alternative, Table):
        names = [name for name, _ in alternative.entries]
        for chosen in choices(*(value for _, value in alternative.entries)):
            yield Table.of((name, (each,)) for name, each in zip(names, chosen, strict=True))
    else:
        yield alternative


def _joined(separator: Text, items: Alternative) -> Value:
    if not isinstance(items, Items) or tainted((separator,)):
        return unfollowed([(separator,), (items,)])
    return united((joined(map(spelled, chosen), separator.spellings[0]),) for chosen in choices(*items.at_least(2)))


def _split(text: Text, separator: object) -> Value:
    """As many parts as the program wants, each as the input's author wants it, unless a quote would end one."""
    if not tainted((text,)):
        return (Items.of([(Text(text.spellings, known=False),)], endless=True),)
    if separator is not None and (not isinstance(separator, str) or "'" in separator or '"' in separator):
        raise LostError
    first = Text(tuple(spelling.split("\n")[0] for spelling in text.spellings), known=False)
    return (Items.of([(first,)], endless=True),)


def _substituted(pattern: Value, replacement: Value, text: Alternative) -> Alternative:
    """``re.sub``, where the pattern is a class of characters and the replacement is short and plain."""
    match known_constant(pattern), known_constant(replacement), text:
        case (True, str(characters)), (True, str(put)), Text() if _ONE_CLASS.fullmatch(characters):
            if len(put) > 10 or "\\" in put:
                raise LostError
            try:
                compiled = re.compile(characters)
            except re.error as error:
                raise LostError from error
            return joined([Text(tuple(compiled.sub(put, spelling) for spelling in text.spellings), text.known)])
    unfollowed([(text,)])
    return Opaque()
