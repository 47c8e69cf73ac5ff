"""The rules by name: each class of this folder that has a name, and anybody's class by its import path."""

import pkgutil
from functools import cache
from importlib import import_module

from paretune import named_objects
from paretune.weighting.base import WeightingRule
from paretune.weighting.declaration import check_declaration


@cache
def built_in_rules() -> dict[str, type[WeightingRule]]:
    """The rules of this folder by their names, in alphabetical order."""
    package = __name__.rpartition(".")[0]
    found: dict[str, type[WeightingRule]] = {}
    for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, WeightingRule) and value.__module__ == module.name:
                found |= {value.name: value} if "name" in vars(value) else {}
    return dict(sorted(found.items()))


def rule_class(given: str) -> type[WeightingRule]:
    """The rule that a name gives.

    Args:
        given: a built-in rule's name, or ``module:Class`` or ``path/to/file.py:Class``.

    Raises:
        ValueError: if there is no such rule; the message is one line.
    """
    known = built_in_rules()
    if given in known:
        return known[given]
    if not named_objects.is_named(given):
        named_objects.check_name("rule", given, known)
    rule = named_objects.load(given).value
    if not isinstance(rule, type) or not issubclass(rule, WeightingRule):
        raise ValueError(f"{given!r} is no rule: name a class derived from paretune.weighting.WeightingRule.")
    try:
        check_declaration(rule)
    except ValueError as error:
        raise ValueError(f"{given!r} cannot be used: {error}") from error
    return rule
