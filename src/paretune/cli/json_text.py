"""Mappings that a flag gives as JSON."""

import json
from typing import Any

from paretune.cli.bad_input import BadInputError
from paretune.cli.declared_types import DEEPEST
from paretune.record.parsing import is_deeper


def read_mapping(name: str, text: str) -> dict[str, Any]:
    """The mapping that the text of a setting holds.

    Args:
        name: the setting.
        text: its JSON.

    Raises:
        BadInputError: if the text is no JSON, holds something else than an object, or is nested too deeply.
    """
    try:
        found = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"--{name} is not valid JSON ({error}): {text}") from error
    if not isinstance(found, dict):
        raise BadInputError(f"--{name} must be a JSON object, got {text}.")
    if is_deeper(found, DEEPEST):
        raise BadInputError(f"--{name} is nested too deeply: settings take at most {DEEPEST} levels, got {text}.")
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice!r} is given twice")
    return dict(pairs)
