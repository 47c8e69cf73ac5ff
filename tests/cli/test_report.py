"""``paretune report``: the page, the figures beside it, and what it says of what is missing."""

import json
import shutil
from pathlib import Path

import pytest

from paretune import tasks
from paretune.cli import main
from paretune.cli.settings import make_rule
from paretune.report.again import run_settings
from paretune.report.runs import Run
from records import header_of
from report.records import write_comparison, write_run
from told import parse


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "run")


def test_a_run(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(copy)]) == 0
    said = capsys.readouterr()
    assert said.out == f"report: {copy}/report.html\n"
    assert said.err == ""
    assert (copy / "report.html").is_file()


def test_a_comparison_with_parts_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write_comparison(tmp_path / "comparison", seeds=2, steps=20)
    (directory / "gradient-grpo-seed1" / "steps.jsonl").unlink()
    assert main(["report", str(directory)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "paretune: gradient, seed 9: the run failed",
        "paretune: gradient-grpo-seed1/steps.jsonl is missing: no weights, influence or cost.",
    ]


def test_figures(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures"
    (copy / "evaluations.jsonl").unlink()  # only the weights are left to draw
    assert main(["report", str(copy), "--figures", str(out), "--format", "svg", "png"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f"figure: {out}/weights.svg", f"figure: {out}/weights.png"]
    assert sorted(path.name for path in out.iterdir()) == ["weights.png", "weights.svg"]


@pytest.mark.parametrize("rule", ["fixed", "hypervolume", "gradient"])
def test_its_settings_train_the_same_again(rule: str, tmp_path: Path) -> None:
    model = tasks.load("arithmetic").model
    told = ["--task", "arithmetic", "--rule", rule, "--algorithm", "rloo", "--seed", "7", "--max_steps", "9"]
    told += ["--learning_rate", "2e-6", "--beta", "0.05", *(["--preset", "balanced"] if rule != "gradient" else [])]
    first = parse([*told, "--output_dir", str(tmp_path / "run")], prog="paretune train", defaults={})
    weighting = make_rule(first.run, first.task)
    header = {
        "task": "arithmetic", "model": model, "rule": {"name": rule, "settings": weighting.settings}, "seed": 7,
        "algorithm": "rloo", "max_steps": 9, "settings": first.config.changed(),
    }  # fmt: skip
    (tmp_path / "again.yaml").write_text(run_settings(Run(tmp_path, header_of(json.loads(json.dumps(header))), [])))
    again = parse(
        ["--config", str(tmp_path / "again.yaml"), "--output_dir", str(tmp_path / "run")],
        prog="paretune train",
        defaults={},
    )
    assert make_rule(again.run, again.task).settings == weighting.settings
    assert again.config.changed() == first.config.changed()
    assert (again.config.seed, again.config.max_steps, again.config.advantage_estimator) == (7, 9, "rloo")
    assert again.model.model_name_or_path == model


def test_in_the_folder_itself(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copy)
    (copy / "pareto.json").unlink()
    assert main(["report", "."]) == 0
    assert "run/pareto.json is missing" in (copy / "report.html").read_text()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "which folder? `paretune report DIR"),
        (["--figures", "out"], "which folder?"),
        (["no-such-folder"], "no-such-folder is no folder"),
        (["."], ". holds nothing to report: a run has run.json"),
        ([".", "--figure", "out"], "unknown flag --figure: did you mean figures?"),
        ([".", "--format", "gif"], "--format must be one or more of pdf, png, svg, got 'gif'"),
        ([".", "--figures"], "expected one argument"),
        ([".", "elsewhere"], "unknown argument 'elsewhere'"),
    ],
)
def test_bad_input(
    argv: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", *argv]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert expected in line
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "figures").write_text("")
    assert main(["report", str(copy), "--figures", str(copy / "figures")]) == 2
    assert "figures" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--figures" in said
    assert "pdf, png, svg" in said
