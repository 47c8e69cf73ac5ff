"""A rule of one's own, in a file or a module outside of the package, on the command line."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from paretune.cli import main
from paretune.report.again import run_settings
from paretune.report.run_reading import read_run
from told import parse

RULE = '''
import torch

from paretune.weighting import Scalarization, WeightingRule


class Mine(WeightingRule):
    """All weight on one objective."""

    name = "mine"
    description = "all weight on one objective"

    def __init__(self, first: int = 0):
        self.first = first

    def check(self, objectives):
        if not 0 <= self.first < len(objectives):
            raise ValueError(f"first must be below {len(objectives)}, got {self.first}")

    def update(self, batch):
        weights = torch.zeros(len(batch.names), dtype=torch.float64)
        weights[self.first] = 1.0
        return Scalarization(weights)
'''


FROZEN = """
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import torch

from paretune.weighting import Scalarization, WeightingRule


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


@dataclass(frozen=True)
class Frozen(WeightingRule):
    name = "frozen"
    description = "a dataclass whose settings are no plain values"

    order: tuple[int, ...] = (0, 1)
    table: dict[str, list[float]] = field(default_factory=dict)
    mode: Mode = Mode.FAST

    def update(self, batch):
        return Scalarization(torch.ones(len(batch.names), dtype=torch.float64))
"""
HEAD = RULE.partition("    def __init__")[0]
UNUSABLE = {
    "no-name": (RULE.replace('name = "mine"', ""), "its class has no `name`: set it to a text"),
    "no-description": (RULE.replace("description =", "about ="), "its class has no `description`"),
    "no-update": (HEAD, "its class has no method 'update': write it"),
    "open-ended": (RULE.replace("first: int = 0", "first: int = 0, **more"), "takes **more: name each setting there"),
    "unknown-type": (RULE.replace("first: int", 'first: "Index"'), "name 'Index' is not defined): import what they"),
    "no-rule": ("Mine = int\n", "is no rule: name a class derived from"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_rule_file.py").write_text(RULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_rule_without_settings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    constructor, update = RULE.split("    def __init__")[0], RULE.rpartition("    def update")[2]
    (folder / "my_plain_rule.py").write_text(f"{constructor}    def update{update.replace('self.first', '0')}")
    named = "my_plain_rule.py:Mine"
    assert main(["train", "--rule", named, "--rule_settings", '{"args": 1}', "--output_dir", "run"]) == 2
    assert "has no setting 'args': it takes no settings" in capsys.readouterr().err
    assert parse(["--rule", named, "--output_dir", "run"], prog="paretune train", defaults={}).rule.settings == {}
    assert main(["train", "--help", "rule", named]) == 0
    assert "args" not in capsys.readouterr().out


def test_a_rule_that_is_a_dataclass(folder: Path) -> None:
    (folder / "my_frozen_rule.py").write_text(FROZEN)
    argv = ["--rule", "my_frozen_rule.py:Frozen", "--output_dir", "run"]
    rule = parse(argv, prog="paretune train", defaults={}).rule
    assert rule.settings == {"order": [0, 1], "table": {}, "mode": "fast"}
    for settings in (rule.settings, {"order": [2], "table": {"a": [1, 0.5]}, "mode": "slow"}):
        made: Any = parse([*argv, "--rule_settings", json.dumps(settings)], prog="paretune train", defaults={}).rule
        assert made.settings == settings
        assert (made.order, made.mode.value) == (tuple(settings["order"]), settings["mode"])


def test_settings_need_no_types(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my_untyped_rule.py").write_text(RULE.replace("first: int = 0", "first=0"))
    argv = ["--rule", "my_untyped_rule.py:Mine", "--rule_settings", '{"first": 2}', "--output_dir", "run"]
    assert parse(argv, prog="paretune train", defaults={}).rule.settings == {"first": 2}
    assert main(["train", "--help", "rule", "my_untyped_rule.py:Mine"]) == 0
    assert "first: any value; default 0" in capsys.readouterr().out


@pytest.mark.parametrize("fault", UNUSABLE)
def test_a_class_that_is_no_whole_rule(fault: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, expected = UNUSABLE[fault]
    named = f"my_{fault}_rule.py:Mine"
    (folder / named.partition(":")[0]).write_text(code)
    for argv in (["--rule", named, "--output_dir", "run"], ["--help", "rule", named]):
        assert main(["train", *argv]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert f"rule: {named!r}" in line
        assert expected in line


def test_a_constructor_that_raises(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = RULE.replace("self.first = first", "self.first = {}[first]")
    (folder / "my_raising_rule.py").write_text(code)
    [line] = [number for number, text in enumerate(code.splitlines(), 1) if "{}[first]" in text]
    named = "my_raising_rule.py:Mine"
    assert main(["train", "--rule", named, "--output_dir", "run"]) == 2
    place = f"my_raising_rule.py, line {line}, in __init__"
    assert capsys.readouterr().err == f"paretune: --rule {named} raised KeyError: 0 ({place})\n"
    assert main(["train", "--help", "rule", named]) == 0
    assert "first: a whole number; default 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("def update(self, batch): return [1.0]", "must return a Scalarization whose weights are a tensor, got [1.0]"),
        ("def update(self, batch): return Scalarization([1.0])", "whose weights are a tensor, got Scalarization(wei"),
        ("def update(self, batch): return Scalarization(torch.ones(2))", "returned the weights [1.0, 1.0] for 3 objec"),
        (
            "def update(self, batch): return Scalarization(torch.ones(3), float('nan'))",
            "returned the scale nan: it must",
        ),
        (
            "def update(self, batch): return Scalarization(torch.ones(3), advantages=torch.ones(3))",
            "returned other advantages than a tensor of one finite number for each of 8 completions",
        ),
        (
            "def update(self, batch): return Scalarization(torch.ones(3), rewards=torch.full((8,), torch.inf))",
            "returned other rewards than a tensor of one number for each of 8 completions",
        ),
        (
            "def update(self, batch): return Scalarization(torch.ones(3), signals={'a': torch.ones(1)})",
            "returned signals (a) that are no tensors of 3 values",
        ),
        ("def update(self, batch): return {}[batch.step]", "code of yours raised KeyError: 0 (my_wrong_rule_"),
        ("def initial_weights(self, count): 1 / 0", "raised ZeroDivisionError: division by zero (my_wrong_rule_"),
        ("def state_dict(self): return {'a': torch.ones(1)}", "The `state_dict` of the mine rule must hold plain JSON"),
    ],
)
def test_what_a_rule_must_return(
    method: str, expected: str, folder: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    file = f"my_wrong_rule_{request.node.callspec.indices['method']}.py"
    (folder / file).write_text(f"{RULE}\n    {method}\n")
    short = ["--max_steps", "1", "--eval_strategy", "no", "--max_completion_length", "4"]
    short += ["--per_device_train_batch_size", "8", "--output_dir", "run"]
    assert main(["train", "--rule", f"{file}:Mine", *short]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert expected in line


@pytest.mark.parametrize("given", ["my_rule_file:Mine", "my_rule_file.py:Mine"])
@pytest.mark.turns
def test_it_trains(given: str, folder: Path) -> None:
    short = ["--max_steps", "1", "--eval_strategy", "no", "--max_completion_length", "4"]
    short += ["--per_device_train_batch_size", "8"]
    argv = ["train", "--rule", given, "--rule_settings", '{"first": 2}', "--output_dir", "run", *short]
    assert main(argv) == 0
    run = json.loads((folder / "run" / "run.json").read_text())
    assert run["rule"]["settings"] == {"first": 2}
    assert run["rule"]["source"]["name"] == f"{folder / 'my_rule_file.py'}:Mine"
    assert run["rule"]["source"]["sha256"] == hashlib.sha256(RULE.encode()).hexdigest()
    again = yaml.safe_load(run_settings(read_run(folder / "run")))
    assert (again["rule"], again["rule_settings"]) == (run["rule"]["source"]["name"], {"first": 2})
    step = json.loads((folder / "run" / "steps.jsonl").read_text().splitlines()[0])
    assert step["weights"] == {"accuracy": 0.0, "conciseness": 0.0, "clarity": 1.0}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--rule_settings", '{"firts": 2}'], "--rule mine has no setting 'firts': did you mean first?"),
        (["--rule_settings", '{"first": 3}'], "first must be below 3, got 3"),
        (["--rule_settings", '{"first": "two"}'], "first expects"),
        (["--weights", "1,0,0"], "finds its own weights"),
    ],
)
def test_bad_settings_are_one_line(
    more: list[str], expected: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--rule", "my_rule_file.py:Mine", "--output_dir", "run", *more]) == 2
    assert expected in capsys.readouterr().err
    assert not (folder / "run").exists()


@pytest.mark.slow
def test_it_is_compared_with_rules_by_their_names(folder: Path) -> None:
    argv = ["compare", "--rules", "balanced,my_rule_file.py:Mine,nash", "--seeds", "2", "--jobs", "2"]
    argv += ["--max_steps", "2", "--eval_steps", "1", "--eval_samples", "8", "--test_samples", "8"]
    argv += ["--per_device_train_batch_size", "8", "--output_dir", "question"]
    assert main(argv) == 0
    summary = json.loads((folder / "question" / "summary.json").read_text())
    assert list(summary["rules"]) == ["balanced", "Mine", "nash"]
    assert (folder / "question" / "report.html").is_file()
