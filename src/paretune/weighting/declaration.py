"""What the class of a rule declares: its name, and its settings as the arguments of its constructor."""

import dataclasses
import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any, get_type_hints

OPEN_ENDED: Mapping[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
"""Kinds of arguments that name no setting, and how they are written."""


def parameters_of(rule: type[Any]) -> dict[str, inspect.Parameter]:
    """A rule's settings by name, with their defaults: the arguments of its constructor, if it has one."""
    if rule.__init__ is object.__init__:  # which takes anything, by its signature
        return {}
    found = dict(inspect.signature(rule).parameters)
    for field in dataclasses.fields(rule) if dataclasses.is_dataclass(rule) else ():
        if field.name in found and field.default_factory is not dataclasses.MISSING:
            found[field.name] = found[field.name].replace(default=field.default_factory())
    return found


def types_of(rule: type[Any]) -> dict[str, Any]:
    """The declared type of each setting of a rule; ``Any`` where the constructor does not say.

    Raises:
        ValueError: if the type of one is a name that the rule's module does not have.
    """
    try:
        hints = get_type_hints(rule.__init__)
    except Exception as error:  # what stands there is run as a program
        raise ValueError(f"the types of its settings cannot be read ({error}): import what they name.") from error
    return {name: hints.get(name, Any) for name in parameters_of(rule)}


def check_declaration(rule: type[Any]) -> None:
    """Raise ``ValueError`` with one line if the class lacks something without which no rule can be made of it."""
    for attribute in ("name", "description"):
        text = getattr(rule, attribute, None)
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"its class has no `{attribute}`: set it to a text in the body of the class.")
    if missing := sorted(getattr(rule, "__abstractmethods__", ())):
        raise ValueError(f"its class has no method {missing[0]!r}: write it.")
    for parameter in parameters_of(rule).values():
        if stars := OPEN_ENDED.get(parameter.kind):
            raise ValueError(f"its constructor takes {stars}{parameter.name}: name each setting there instead.")
    types_of(rule)


def plain(value: Any) -> Any:
    """A setting in JSON's terms; a function by the name that it is imported by."""
    if hasattr(value, "tolist"):  # a tensor or an array
        return value.tolist()
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if inspect.isroutine(value):
        return f"{value.__module__}:{value.__qualname__}"
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
