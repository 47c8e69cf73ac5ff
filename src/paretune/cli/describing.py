"""Describing what can be chosen and set, from the classes themselves: what ``described.json`` holds."""

import dataclasses
import inspect
import types
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from importlib import import_module
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from accelerate.commands.launch import launch_command_parser

from paretune import advantages, influence, tasks
from paretune.cli.declared_types import describe as in_words
from paretune.cli.described import CONFIG, MODEL, RuleDescription, SettingDescription, stamp
from paretune.weighting import RULES, WeightingRule
from paretune.weighting.declaration import types_of

PLAIN = (bool, float, int, str, list, dict, Any)


def describe() -> dict[str, Any]:
    """The whole description, as plain JSON values."""
    return {
        "stamp": stamp(),
        "rules": {name: dataclasses.asdict(describe_rule(rule)) for name, rule in RULES.items()},
        "tasks": {name: tasks.describe(name) for name in tasks.names()},
        "algorithms": {name: estimator.description for name, estimator in advantages.ESTIMATORS.items()},
        "influences": {name: estimator.description for name, estimator in influence.ESTIMATORS.items()},
        "settings": {home: _fields(home) for home in (CONFIG, MODEL)},
        "launch_flags": {
            option: action.nargs != 0
            for action in launch_command_parser()._actions
            for option in action.option_strings
            if option.startswith("--")
        },
    }


def describe_rule(rule: type[WeightingRule]) -> RuleDescription:
    """What a rule is and which settings it has, by its class and the docstring of that."""
    text, documented = _parts(inspect.getdoc(rule) or "")
    hints = types_of(rule)
    settings = {
        name: SettingDescription(
            expects=in_words(hints[name]),
            default=None if parameter.default is parameter.empty else repr(parameter.default),
            text=documented.get(name, ""),
        )
        for name, parameter in rule.parameters().items()
    }
    return RuleDescription(rule.description, _needs(rule), text, settings)


def _needs(rule: type[WeightingRule]) -> str:
    """What a rule at its defaults asks the trainer to measure for its first batch; empty if that is not known."""
    made = None
    with suppress(Exception):  # it has settings without a default, or needs an extra, or refuses its own defaults
        made = rule(*([[1.0]] if rule.takes_weights else []))
    try:
        asked = (made or rule.__new__(rule)).measurements()
    except Exception:  # what it asks for hangs on its settings
        return ""
    if asked.influence is not None:
        return "gramian" if influence.ESTIMATORS[asked.influence.method].yields_gramian else "influence"
    return {"validation": "evaluations", "rollouts": "gains", None: "rewards"}[asked.evaluation]


def _parts(docstring: str) -> tuple[str, dict[str, str]]:
    """A docstring in Google's style: what stands before its sections, and the text of each argument."""
    before, _, after = docstring.partition("\nArgs:\n")
    found: dict[str, list[str]] = {}
    name = ""
    for line in after.splitlines():
        if line and not line.startswith(" "):  # the next section
            break
        if line.startswith("    ") and not line.startswith("     ") and ":" in line:
            name, _, line = line.strip().partition(":")
        if name:
            found.setdefault(name, []).append(line.strip())
    return before.strip(), {name: " ".join(filter(None, lines)) for name, lines in found.items()}


def _fields(home: str) -> dict[str, dict[str, Any]]:
    module, _, name = home.partition(":")
    cls = getattr(import_module(module), name)
    hints = get_type_hints(cls)
    return {
        f.name: {
            "group": _declares(cls, f.name),
            "type": _written(hints[f.name]),
            "default": _default(f),
            "metadata": {key: _plain(value) for key, value in f.metadata.items()},
        }
        for f in dataclasses.fields(cls)
        if f.init
    }


def _declares(cls: type, name: str) -> str:
    """The library whose class declares a field; of several the most derived."""
    return next(c.__module__ for c in cls.__mro__ if name in vars(c).get("__annotations__", {})).partition(".")[0]


def _written(hint: Any) -> str:
    """A type as an annotation that names nothing but Python's own types; an enumeration is the list of its values."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " | ".join(map(_written, arguments))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"Literal[{', '.join(repr(member.value) for member in hint)}]"
    if origin is list:
        return f"list[{_written(arguments[0])}]"
    if origin is dict:
        return f"dict[{', '.join(map(_written, arguments))}]"
    if hint is types.NoneType:
        return "None"
    if hint in PLAIN:
        return "Any" if hint is Any else str(hint.__name__)
    return "object"  # which neither a flag nor a file can give


def _default(f: "dataclasses.Field[Any]") -> Any:
    value = f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping | type({}.keys()) | list | tuple):
        return list(value)
    return value
