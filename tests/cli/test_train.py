"""The commands as a user runs them; the embedded policy. tests/test_security.py has `paretune` itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from paretune.cli.main import COMMANDS, main
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from policies import prompts, saved_policy
from records import read_front

GREEDY = ["--eval_samples", "16", "--eval_temperature", "0"]
SHORT = [
    "--max_steps", "2", "--eval_steps", "1", "--save_steps", "1", "--per_device_train_batch_size", "16",
    "--max_completion_length", "32", "--output_dir", "run", *GREEDY,
]  # fmt: skip


def paretune(*argv: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paretune.cli", *map(str, argv)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "COLUMNS": "160"},
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the user is, in a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def test_train_resume_and_evaluate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *SHORT]) == 0
    said = capsys.readouterr().out
    assert "step 2/2" in said
    assert "Pareto front on the validation set" in said
    assert "steps-to-front" in said
    assert "files: run" in said
    run = read_run(here / "run")
    assert (run["task"], run["rule"]["name"], run["algorithm"], run["status"]) == (
        "arithmetic", "nash", "grpo", "finished",
    )  # fmt: skip
    assert read_front(here / "run")["points"]
    assert main(["train", *SHORT, "--max_steps", "3", "--resume"]) == 0
    assert [line["step"] for line in read_steps(here / "run")] == [1, 2, 3]
    assert [e["step"] for e in read_evaluations(here / "run") if e["purpose"] == "grid"] == [0, 1, 2, 3]
    capsys.readouterr()
    length = ["--max_completion_length", "32"]
    assert main(["evaluate", "run/checkpoint-3", *GREEDY, *length, "--split", "validation"]) == 0
    judged = capsys.readouterr().out
    last = read_evaluations(here / "run")[-1]["metrics"]
    for name, value in last.items():
        [row] = [line for line in judged.splitlines() if name in line]
        assert float(row.split("│")[2]) == pytest.approx(value, rel=1e-3)  # the same greedy evaluation of one policy


def test_ones_own_rewards_and_data(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "two_rewards.py").write_text(
        "def digits(completions, **_):\n    return [sum(c.isdigit() for c in t) / 9 for t in completions]\n"
        "def short(completion_ids, **_):\n    return [1 - len(i) / 8 for i in completion_ids]\n"
    )
    monkeypatch.syspath_prepend(here)
    for split in ("train", "test"):
        prompts().to_parquet(here / "data" / f"{split}.parquet")
    (here / "run.yaml").write_text(
        "reward_funcs: [two_rewards.digits, two_rewards.short]\ndataset_name: data\nmax_steps: 2\nnum_generations: 4\n"
        "max_completion_length: 8\nlearning_rate: 1e-3\neval_strategy: steps\neval_steps: 1\nlogging_steps: 1\n"
        'rule: gradient\nrule_settings: {mu: 0.01}\nsave_strategy: "no"\n'
    )
    model = saved_policy(here / "policy")
    assert main(["train", "--config", "run.yaml", "--model_name_or_path", model, "--output_dir", "run"]) == 0
    assert [o["name"] for o in read_run(here / "run")["objectives"]] == ["digits", "short"]
    assert "no front: not every objective has bounds" in capsys.readouterr().out


@pytest.mark.slow
def test_two_processes_by_accelerates_flags(tmp_path: Path) -> None:
    short = [a if a != "16" else "8" for a in SHORT]
    done = paretune("train", "--num_processes", "2", "--cpu", *short, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(read_steps(tmp_path / "run")) == 2
    assert read_run(tmp_path / "run")["processes"] == 2
    assert done.stdout.count("Pareto front") == 1


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for word in ["fixed", "hypervolume", "gradient", "arithmetic", "math500", "rloo", "reinforce++"]:
        assert word in printed


@pytest.mark.parametrize("argv", [*([command, "--help"] for command in COMMANDS if command != "list"), ["--help"], []])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    printed = capsys.readouterr().out
    assert "usage: paretune" in printed
    assert "--learning-rate" not in printed  # one spelling
