"""What is known of settings and rules without TRL: that it is current, and that nothing heavy is imported for it."""

import dataclasses
import json
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from trl import ModelConfig

from paretune.cli import described
from paretune.cli.declared_types import describe, fits
from paretune.cli.describing import describe as describe_all
from paretune.trainer import MultiObjectiveConfig
from paretune.weighting import RULES

HOMES = {described.CONFIG: MultiObjectiveConfig, described.MODEL: ModelConfig}
VALUES: list[Any] = [None, True, 1, 1.5, "1e-6", "word", "steps", "adamw_torch", [], ["a"], [1.5], {}, {"a": True}]


def test_the_description_is_current() -> None:
    assert json.loads(described.FILE.read_text("utf-8")) == describe_all(), "run scripts/describe_settings.py"


def test_an_old_description_is_not_used(tmp_path: Path) -> None:
    old = tmp_path / "described.json"
    old.write_text(json.dumps({**described.content(), "stamp": "of another version", "rules": {}}))
    assert list(described.content(old)["rules"]) == list(RULES)
    assert described.content(tmp_path / "none.json") == described.content()


@pytest.mark.parametrize("home", HOMES)
def test_described_fields_take_what_the_real_ones_take(home: str) -> None:
    found, real = described.settings_class(home), HOMES[home]
    hints, real_hints = get_type_hints(found), get_type_hints(real)
    fields = {f.name: f for f in dataclasses.fields(real) if f.init}
    assert [f.name for f in dataclasses.fields(found)] == list(fields)
    for f in dataclasses.fields(found):
        default = fields[f.name].default
        if default is not dataclasses.MISSING:
            assert f.default == (default.value if isinstance(default, Enum) else default), f.name
        for value in VALUES:
            assert fits(value, hints[f.name]) == fits(value, real_hints[f.name]), (f.name, value)
    assert describe(hints.get("eval_strategy", str)) == describe(real_hints.get("eval_strategy", str))


LIGHT = [
    ["--help"],
    ["list"],
    *([command, "--help"] for command in ("train", "check", "evaluate", "compare", "report", "divergence", "pick")),
    ["train", "--help", "rule", "nash"],
    ["train", "--help", "all"],
    ["trian"],
    ["train", "--lerning_rate", "1"],
    ["train", "--max_steps", "many"],
    ["train", "--learning_rate", "-1"],
    ["train", "--rule", "magic"],
    ["train", "--task", "poetry"],
    ["train", "--config", "none.yaml"],
    ["train", "--rule_settings", "{"],
    ["train", "--num_processes"],
    ["check", "--batches", "0"],
    ["evaluate"],
    ["evaluate", "nowhere"],
    ["compare", "--seeds", "0"],
    ["divergence", "one"],
    ["report"],
    ["report", "nowhere"],
    ["pick"],
]
PROGRAM = """
import json, sys
from paretune.cli import main
for argv in json.loads(sys.argv[1]):
    main(argv)
    heavy = {"torch", "transformers", "datasets", "accelerate"} & set(sys.modules)
    if heavy:
        sys.exit(f"{argv} imports {heavy}")
"""


def test_texts_and_wrong_command_lines_import_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(LIGHT)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr.splitlines()[-1:]
    assert len(done.stderr.splitlines()) == sum("--help" not in argv and argv != ["list"] for argv in LIGHT)
