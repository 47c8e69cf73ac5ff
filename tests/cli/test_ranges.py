"""The table of ranges, held against the settings that it speaks of."""

import dataclasses
import re
from typing import Any

import pytest
from trl import GRPOConfig, ModelConfig

from paretune.cli.arguments import CheckArguments, CompareArguments, DivergenceArguments, EvaluateArguments
from paretune.cli.ranges import RANGES, check_ranges
from paretune.setting_ranges import CHOICES
from paretune.trainer import MultiObjectiveConfig

SETTINGS: dict[str, Any] = {
    field.name: field.default
    for dataclass in (
        CheckArguments,
        CompareArguments,
        DivergenceArguments,
        EvaluateArguments,
        ModelConfig,
        MultiObjectiveConfig,
    )
    for field in dataclasses.fields(dataclass)
}


def test_every_range_is_of_a_setting() -> None:
    assert RANGES.keys() | CHOICES.keys() <= SETTINGS.keys()


def test_every_default_is_in_its_range() -> None:
    given = {name: None if value is dataclasses.MISSING else value for name, value in SETTINGS.items()}
    check_ranges(given, required=())


@pytest.mark.parametrize(
    ("name", "no_choice", "unquoted"),
    [
        ("loss_type", {"sequence"}, set()),
        ("scale_rewards", set(), {"group"}),
        ("importance_sampling_level", set(), set()),
    ],
)
def test_the_choices_are_trls(name: str, no_choice: set[str], unquoted: set[str]) -> None:
    """TRL has them in the words of its help alone; where it learns a new one, this says so."""
    of_trl = set(re.findall(r"'([a-z_]+)'", GRPOConfig.__dataclass_fields__[name].metadata["help"]))
    ours = {choice for choice in CHOICES[name] if isinstance(choice, str)}
    assert ours == (of_trl - no_choice) | unquoted
