"""The ranges of what a command is told."""

from collections.abc import Collection, Mapping
from typing import Any

from paretune import setting_ranges
from paretune.cli.bad_input import BadInputError
from paretune.setting_ranges import ANY, COUNT, DECAY, NOT_NEGATIVE, SHARE, Range, at_most, complaint

FIRST_TUNING_SEED = 1000
"""Configurations are chosen on this seed and those after it."""

RANGES: dict[str, Range] = {
    **setting_ranges.RANGES,
    "lora_r": at_most(65536),  # a model's own widths are asked in addition
    "lora_dropout": DECAY,
    # Comparisons and divergence.
    **dict.fromkeys(("test_samples", "samples", "dial_settings"), COUNT),
    **dict.fromkeys(("jobs", "threads"), at_most(65_536)),
    **dict.fromkeys(("seeds", "exploratory_seeds"), at_most(FIRST_TUNING_SEED)),  # others than those for tuning
    "batches": at_most(1000),
    "tuning_seeds": at_most(FIRST_TUNING_SEED, NOT_NEGATIVE),
    "target": SHARE,
}


def check_ranges(settings: Mapping[str, Any], required: Collection[str]) -> None:
    """Check that every number among some settings is in its range.

    Args:
        settings: values by name; those without a range are left alone.
        required: names that may not be None.

    Raises:
        BadInputError: naming the first that is not.
    """
    for name, value in settings.items():
        if value is None:
            if name in RANGES and name in required:
                raise BadInputError(f"--{name} needs a value of {RANGES[name].words}: leave it out for its default.")
        elif wrong := complaint(name, value, RANGES):
            raise BadInputError(f"--{name} {wrong}")
        elif isinstance(value, dict | list) and (wrong := _complaint_within(value)):
            raise BadInputError(f"--{name}: {wrong}")


def _complaint_within(value: Any) -> str | None:
    """What is wrong with a whole number in lists and mappings; NaN and infinity are for those who know their use."""
    if isinstance(value, dict):
        # A schedule's steps are keys, which JSON and YAML's quotes make texts.
        steps = [int(key[:20]) for key in value if isinstance(key, str) and key.isdecimal()]
        return _complaint_within([*steps, *value.values()])
    if isinstance(value, list):
        return next((wrong for item in value if (wrong := _complaint_within(item))), None)
    return complaint("", value, {"": ANY}) if isinstance(value, int) and not isinstance(value, bool) else None
