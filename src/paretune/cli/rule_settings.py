"""The settings that the command line gives to a rule, checked against what its constructor declares."""

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.cli.arguments import RunArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.declared_types import converted, describe, finite, fits, shown
from paretune.cli.named_numbers import check_names
from paretune.named_objects import hint
from paretune.weighting import RULES, WeightingRule
from paretune.weighting.declaration import types_of
from paretune.weighting.priorities import priorities_of

FLAGS = ("priorities", "maximize", "at_least", "at_most")
"""Settings that some rules share, each with a flag of its own."""


def given_settings(make: type[WeightingRule], own: RunArguments, objectives: Sequence[str]) -> dict[str, Any]:
    """The settings of a rule that were given, in ``--rule_settings`` and by flags of their own.

    Args:
        make: the rule's class.
        own: what the command was told.
        objectives: the objectives' names.

    Raises:
        BadInputError: for a flag that the rule has no use for, and a setting that is given twice.
    """
    assert not isinstance(own.rule_settings, str)  # it was JSON
    settings = dict(own.rule_settings or {})
    if own.weights is not None and own.preset is not None:
        raise BadInputError("give either --weights or --preset, not both.")
    flags = {name: value for name in FLAGS if (value := getattr(own, name)) is not None}
    for name, value in flags.items():
        check_names(f"--{name}", value if isinstance(value, dict) else [value], objectives)
    if (weights := _weights(own)) is not None:
        if not make.takes_weights:
            raise BadInputError(f"--rule {own.rule} finds its own weights: leave out --weights and --preset.")
        flags["weights"] = weights
    if make.takes_weights and "priorities" in flags:  # for such a rule they are the weights
        if weights is not None:
            raise BadInputError(f"--rule {own.rule} takes priorities as weights: leave out --priorities.")
        flags["weights"] = _shares(flags.pop("priorities"), objectives)
    for name, value in flags.items():
        if name not in make.parameters():
            able = [rule for rule, cls in RULES.items() if name in cls.parameters()]
            raise BadInputError(f"--rule {own.rule} has no use for --{name}: these have, {', '.join(able)}.")
        if name in settings:
            raise BadInputError(f"the {name} stand in --rule_settings and beside it: give them once.")
        settings[name] = value
    return settings


def _weights(own: RunArguments) -> list[float] | str | None:
    if own.weights is None:
        return own.preset
    try:
        return [float(w) for w in own.weights.split(",")]
    except ValueError as error:
        raise BadInputError(f"--weights must be numbers with commas between them, got {own.weights!r}.") from error


def _shares(priorities: Mapping[str, float], objectives: Sequence[str]) -> list[float]:
    if not all(value > 0 for value in priorities.values()):
        raise BadInputError(f"--priorities must be numbers above 0, got {dict(priorities)}.")
    shares: list[float] = priorities_of(priorities, objectives).tolist()
    return shares


def check_rule_settings(rule: type[WeightingRule], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with every number as a number.

    Args:
        rule: whose settings they are.
        settings: what was given.

    Raises:
        BadInputError: for a setting that the rule does not have, one that is missing, or a value of another type.
    """
    hints = types_of(rule)
    parameters = rule.parameters()
    for name, value in settings.items():
        if name not in parameters:
            what = hint(str(name), parameters, f"it takes {', '.join(parameters) or 'no settings'}.")
            raise BadInputError(f"--rule {rule.name} has no setting {name!r}: {what}")
        if not fits(value, hints[name]):
            raise BadInputError(f"--rule {rule.name}: {name} expects {describe(hints[name])}, got {shown(value)}.")
        if not finite(converted(value, hints[name])):
            raise BadInputError(f"--rule {rule.name}: {name} must be finite, got {shown(value)}.")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in settings:
            where = f"as --{name}" if name in FLAGS else "in --rule_settings"
            raise BadInputError(f"--rule {rule.name} needs {name}: give it {where}.")
    return {name: converted(value, hints[name]) for name, value in settings.items()}
