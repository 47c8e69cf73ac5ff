"""The ranges of what a command is told."""

from collections.abc import Collection, Mapping
from typing import Any

from paretune import setting_ranges
from paretune.cli.bad_input import BadInputError
from paretune.setting_ranges import COUNT, DECAY, NOT_NEGATIVE, SHARE, Range, complaint

__all__ = ["RANGES", "check_ranges"]

RANGES: dict[str, Range] = {
    **setting_ranges.RANGES,
    "lora_r": COUNT,
    "lora_dropout": DECAY,
    # Comparisons and divergence.
    **dict.fromkeys(("seeds", "jobs", "threads", "test_samples", "exploratory_seeds", "samples"), COUNT),
    "tuning_seeds": NOT_NEGATIVE,
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
        elif name == "output_dir" and not value.strip():
            raise BadInputError("--output_dir is empty: give a folder.")
