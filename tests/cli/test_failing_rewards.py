"""Reward functions that fail under ``paretune train``: one line, status 2, and a record that says so."""

from pathlib import Path

import pytest

from paretune.cli import main
from paretune.record.run_directory import read_run, read_steps
from policies import prompts, saved_policy

REWARDS = """
import atexit
import os
import signal
import sys
import time
from pathlib import Path

def note_threads():
    names = "".join(name.read_text() for name in Path("/proc/self/task").glob("*/comm"))
    Path(f"threads-{os.environ['RANK']}").write_text(names)

if "RANK" in os.environ:
    atexit.register(note_threads)

def fine(completions, **_):
    return [len(completion) for completion in completions]

def raising(completions, **_):
    raise OSError("the judge\\nis down")

def hanging(completions, **_):
    time.sleep(600)

def killed(completions, **_):
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return [0.5] * len(completions)

def leaving(completions, **_):
    sys.exit(0)

async def leaving_later(completions, **_):
    sys.exit(0)

def broken(completions, **_):
    return [float("inf"), *([0.5] * (len(completions) - 1))]
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    module = f"rewards_{tmp_path.name}"  # a module of this name is imported once in a process
    (tmp_path / f"{module}.py").write_text(REWARDS)
    for split in ("train", "test"):
        prompts().to_parquet(tmp_path / "data" / f"{split}.parquet")
    model = saved_policy(tmp_path / "policy")
    size = ["--max_steps", "1", "--num_generations", "4", "--max_completion_length", "4", "--output_dir", "run"]
    model_and_data = ["--model_name_or_path", model, "--dataset_name", "data", "--rule", "fixed", "--weights", "1"]
    return ["train", *size, *model_and_data, "--reward_funcs", module]


@pytest.mark.parametrize(
    ("reward", "flags", "line"),
    [
        ("raising", [], "raised OSError: the judge is down (rewards_"),
        ("leaving", [], "called sys.exit(0): let it return its values, or raise an error."),
        ("leaving_later", [], "called sys.exit(0): let it return its values, or raise an error."),
        ("hanging", ["--reward_timeout", "0.5"], "took longer than 0.5 s: mend it, or allow it more by"),
    ],
)
def test_it_ends_with_one_line(
    reward: str, flags: list[str], line: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command[-1] += f".{reward}"
    assert main([*command, *flags]) == 2
    [said] = capsys.readouterr().err.strip().splitlines()
    assert said.startswith(f"paretune: The reward function '{reward}' of objective '{reward}' {line}")
    assert read_run(Path("run"))["status"] == "failed"
    assert not list(read_steps(Path("run")))


def test_code_that_ends_the_command_is_no_good_end(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model's own code, for one, is run where nobody guards it."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "code.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "own" / "config.json").write_text('{"model_type": "own", "auto_map": {"AutoConfig": "code.Own"}}')
    command[-1] += ".fine"
    assert main([*command, "--model_name_or_path", "own", "--trust_remote_code", "true"]) == 1
    [said] = capsys.readouterr().err.strip().splitlines()
    assert "called sys.exit(0); let it raise an error instead." in said
    assert not Path("run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reward", "status", "line"),
    [
        (
            "raising",
            2,
            "The reward function 'raising' of objective 'raising' raised OSError: the judge is down (rewards_",
        ),
        ("killed", 1, "was killed by SIGKILL: --resume goes on from the newest checkpoint."),
    ],
)
def test_on_two_processes_no_launcher_talks_over_it(
    reward: str, status: int, line: str, command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    command[-1] += f".{reward}"
    assert main([*command, "--num_processes", "2", "--cpu"]) == status
    errors = capfd.readouterr().err
    assert line in errors
    # The process that is left may say in its own way that it lost its peer.
    own = [said for said in errors.strip().splitlines() if not said.startswith("[rank0]:")]
    assert all(said.startswith("paretune: ") for said in own), errors


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the names of threads from /proc")
@pytest.mark.parametrize(("reward", "status"), [("fine", 0), ("raising", 2)])
def test_no_process_ends_with_threads_of_the_group(reward: str, status: int, command: list[str]) -> None:
    command[-1] += f".{reward}"
    assert main([*command, "--num_processes", "2", "--cpu"]) == status
    for rank in (0, 1):
        threads = Path(f"threads-{rank}").read_text()
        assert "python" in threads
        assert "gloo" not in threads


def test_what_does_not_count_is_said_once(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command[-1] += ".broken"
    assert main([*command, "--max_steps", "2"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "do not count" in line]
    assert len(said) == 1
    assert "The reward of objective 'broken' is infinite or beyond ±1e+16 for 1 of 8 completions" in said[0]
    assert read_run(Path("run"))["status"] == "finished"


def test_a_limit_is_a_time(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command[-1] += ".raising"
    assert main([*command, "--reward_timeout", "-1"]) == 2
    [said] = capsys.readouterr().err.strip().splitlines()
    assert "--reward_timeout must be more than 0 seconds, or nothing for no limit, got -1.0" in said
    assert not Path("run").exists()
