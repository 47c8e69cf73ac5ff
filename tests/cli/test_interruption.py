"""`paretune train` is told to stop, as a terminal, a scheduler or a launcher does it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paretune.record.checkpoints import checkpoints
from paretune.record.run_directory import read_run, read_steps

COMMAND = [
    *(sys.executable, "-m", "paretune.cli", "train", "--max_completion_length", "16", "--num_generations", "4"),
    *("--per_device_train_batch_size", "8", "--gradient_accumulation_steps", "1", "--eval_strategy", "no"),
    *("--save_strategy", "no", "--output_dir", "run"),
]
PATIENCE = 300


def wait_for_steps(directory: Path, count: int, process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + PATIENCE
    while not (directory / "steps.jsonl").exists() or len(read_steps(directory)) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.slow  # tests/trainer/test_interruption.py is quick
@pytest.mark.parametrize(("processes", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM)], ids=["one", "two"])
def test_a_signal_and_on_from_there(processes: int, number: signal.Signals, tmp_path: Path) -> None:
    several = ["--num_processes", str(processes), "--cpu"] if processes > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*COMMAND, *several, "--max_steps", "500"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for_steps(tmp_path / "run", 2, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert read_run(tmp_path / "run")["status"] == "interrupted"
    assert read_run(tmp_path / "run")["processes"] == processes
    (step,) = checkpoints(tmp_path / "run")
    lines = read_steps(tmp_path / "run")
    assert [line["step"] for line in lines] == list(range(1, step + 1))
    assert f"interrupted after checkpoint-{step}; the same command with --resume goes on" in errors
    assert "Traceback" not in errors
    again = [*COMMAND, *several, "--resume", "--max_steps", str(step + 2)]
    done = subprocess.run(
        again, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert read_run(tmp_path / "run")["status"] == "finished"
    assert read_steps(tmp_path / "run")[:step] == lines
    assert [line["step"] for line in read_steps(tmp_path / "run")] == list(range(1, step + 3))
