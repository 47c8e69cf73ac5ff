"""Whether what a rule is told is what its constructor declares."""

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_type_hints

from paretune.cli.bad_input import BadInputError
from paretune.cli.declared_types import converted, describe, finite, fits, shown
from paretune.weighting import WeightingRule


def check_rule_settings(rule: type[WeightingRule], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with every number as a number.

    Args:
        rule: whose settings they are.
        settings: what was given.

    Raises:
        BadInputError: for a setting that the rule does not have, one that is missing, or a value of another type.
    """
    hints = get_type_hints(rule.__init__)
    parameters = inspect.signature(rule).parameters
    for name, value in settings.items():
        if name not in parameters:
            close = get_close_matches(str(name), parameters, n=1)
            known = ", ".join(parameters) or "no settings"
            hint = f"did you mean {close[0]}?" if close else f"it takes {known}."
            raise BadInputError(f"--rule {rule.name} has no setting {name!r}: {hint}")
        if not fits(value, hints[name]):
            raise BadInputError(f"--rule {rule.name}: {name} expects {describe(hints[name])}, got {shown(value)}.")
        if not finite(converted(value, hints[name])):
            raise BadInputError(f"--rule {rule.name}: {name} must be finite, got {shown(value)}.")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in settings:
            raise BadInputError(f"--rule {rule.name} needs {name}: give it in --rule_settings.")
    return {name: converted(value, hints[name]) for name, value in settings.items()}
