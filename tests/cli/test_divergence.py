"""``paretune divergence`` on real runs of the embedded policy, interrupted and taken up again, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretune.cli import divergence, main
from paretune.record.json_lines import read_lines

TRAIN = [
    "--max_steps", "2", "--save_steps", "1", "--eval_strategy", "no", "--per_device_train_batch_size", "16",
    "--max_completion_length", "16",
]  # fmt: skip
SMALL = ["--samples", "6", "--max_completion_length", "20"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two real runs of two steps, with a checkpoint after each."""
    parent = tmp_path_factory.mktemp("runs")
    for name, weights in (("accuracy", "1,0,0"), ("clarity", "0,0,1")):
        own = ["--rule", "fixed", "--weights", weights, "--learning_rate", "1e-3", "--output_dir", str(parent / name)]
        assert main(["train", *TRAIN, *own]) == 0
    return [str(parent / name) for name in ("accuracy", "clarity")]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused; returns the line it says."""

    def run(*argv: Any) -> str:
        capsys.readouterr()
        assert main(["divergence", *map(str, argv)]) == 2
        [line] = capsys.readouterr().err.strip().splitlines()
        return line

    return run


def test_two_runs(runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "divergence.jsonl"
    assert main(["divergence", *runs, *SMALL, "--output", str(output)]) == 0
    said = capsys.readouterr().out
    for text in ("step 1: accuracy and clarity", "per token on 6 validation prompts", "step 2", f"records: {output}"):
        assert text in said
    first, second = read_lines(output)
    assert (first["step"], second["step"]) == (1, 2)
    assert first["runs"] == second["runs"] == runs
    assert 0 < first["kl"]["mean"] < second["kl"]["mean"]
    assert second["settings"] == {
        "task": "arithmetic", "data": None, "split": "validation", "samples": 6, "max_completion_length": 20,
        "temperature": 1.0, "chat_template_kwargs": None, "batch_size": 32, "seed": 0,
    }  # fmt: skip
    assert main(["divergence", *reversed(runs), *SMALL, "--output", str(output)]) == 0
    assert "2 of 2 stand in" in capsys.readouterr().out
    assert len(read_lines(output)) == 2


def test_interrupted_and_run_again(
    runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, output = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    assert main(["divergence", *runs, *SMALL, "--output", str(whole)]) == 0
    append = divergence.append_line

    def append_and_stop(path: Path, line: Any) -> None:
        append(path, line)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(divergence, "append_line", append_and_stop)
        assert main(["divergence", *runs, *SMALL, "--output", str(output)]) == 130
    with output.open("a") as file:
        file.write('{"step": 2, "ru')
    capsys.readouterr()
    assert main(["divergence", *runs, *SMALL, "--output", str(output)]) == 0
    assert "1 of 2 stand in" in capsys.readouterr().out
    assert output.read_text() == whole.read_text()


def test_the_length_of_training_is_the_default(runs: list[str], tmp_path: Path, refused: Callable[..., str]) -> None:
    assert json.loads((Path(runs[0]) / "run.json").read_text())["generation"] == {
        "max_completion_length": 16, "temperature": 1.0, "chat_template_kwargs": None,
    }  # fmt: skip
    one, other = (shutil.copytree(run, tmp_path / name) for run, name in zip(runs, "ab", strict=True))

    header = json.loads((other / "run.json").read_text())
    header["generation"]["max_completion_length"] = 12
    (other / "run.json").write_text(json.dumps(header))
    said = refused(one, other)
    assert "has max_completion_length 16" in said
    assert "say which by --max_completion_length" in said
    for run in (one, other):  # runs of an earlier version: the task's
        header = json.loads((run / "run.json").read_text())
        del header["generation"]
        (run / "run.json").write_text(json.dumps(header))
    assert main(["divergence", str(one), str(other), "--samples", "2", "--output", str(tmp_path / "out.jsonl")]) == 0
    assert read_lines(tmp_path / "out.jsonl")[0]["settings"]["max_completion_length"] == 60


def test_bad_input(
    runs: list[str], refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    a, b = runs
    assert "which runs?" in refused()
    assert "which runs?" in refused(a)
    assert "no-such-run" in refused(a, "no-such-run")
    assert "is given twice" in refused(a, a)
    assert "unknown flag --sample: did you mean samples?" in refused(a, b, "--sample", "3")
    assert "unknown argument" in refused(a, b, "--seed", "3", a)
    assert "--samples must be 1 or more, got 0" in refused(a, b, "--samples", "0")
    assert "--temperature must be above 0, got 0.0" in refused(a, b, "--temperature", "0")
    assert "--seed must be 0 or more and below 4294967296, got -1" in refused(a, b, "--seed", "-1")
    assert "'exam' (choose from" in refused(a, b, "--split", "exam")
    assert "unknown task 'poetry'" in refused(a, b, "--task", "poetry")
    assert "leave it out" in refused(a, b, "--data", "somewhere")
    assert list(tmp_path.iterdir()) == []  # nothing written


def test_an_output_of_something_else(runs: list[str], refused: Callable[..., str], tmp_path: Path) -> None:
    for text in ("my notes", '{"step": 1}\nmy notes', "my\nnotes\n"):
        (tmp_path / "notes").write_text(text)
        assert str(tmp_path / "notes") in refused(*runs, "--output", tmp_path / "notes")
        assert (tmp_path / "notes").read_text() == text
    assert str(tmp_path) in refused(*runs, "--output", tmp_path)


def test_runs_that_do_not_fit(runs: list[str], refused: Callable[..., str], tmp_path: Path) -> None:
    for task in ("my data", None):
        own = shutil.copytree(runs[1], tmp_path / f"own {task}")
        header = json.loads((own / "run.json").read_text())
        (own / "run.json").write_text(json.dumps({**header, "task": task}))
        said = refused(runs[0], own)
        assert "has task 'arithmetic'" in said
        assert "say which by --task" in said
    broken = shutil.copytree(runs[1], tmp_path / "broken")
    (broken / "checkpoint-1" / "model.safetensors").write_bytes(b"")
    output = tmp_path / "out.jsonl"
    assert f"{broken}/checkpoint-1 cannot be used" in refused(runs[0], broken, *SMALL, "--output", output)
    shutil.rmtree(broken / "checkpoint-1")
    (broken / "checkpoint-2").rename(broken / "checkpoint-3")
    assert f"{runs[0]} at 1, 2 and {broken} at 3" in refused(runs[0], broken)


def test_shown_steps() -> None:
    assert divergence._spread([5, 10, 15], 8) == [5, 10, 15]
    shown = divergence._spread(list(range(5, 365, 5)), 8)
    assert (len(shown), shown[0], shown[-1]) == (8, 5, 360)
