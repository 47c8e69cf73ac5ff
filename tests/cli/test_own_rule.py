"""A rule of one's own, in a file or a module outside of the package, on the command line."""

import hashlib
import json
from pathlib import Path

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
