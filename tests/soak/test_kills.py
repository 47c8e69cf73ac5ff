"""Killed with SIGKILL at random moments, a run loses nothing: it ends as the run that was never killed.

KILLS=200 python -m pytest tests/soak/test_kills.py -m slow
"""

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from paretune.cli.main import main
from paretune.record.checkpoints import checkpoint_folders, checkpoints
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from records import read_completions, read_front

KILLS = int(os.environ.get("KILLS", "60"))
LONGEST = 6.0
"""Seconds of a life at most, some more than a whole run takes."""
LIVES = 12
"""Of a run at most; the last one is not cut short."""
RULES = {"gradient": [], "hypervolume": ["--preset", "balanced"]}
STEPS = 8
SETTINGS = [
    *("--max_steps", str(STEPS), "--save_steps", "1", "--eval_steps", "2", "--eval_samples", "8"),
    *("--per_device_train_batch_size", "8", "--num_generations", "4", "--gradient_accumulation_steps", "1"),
    *("--max_completion_length", "8", "--save_total_limit", "2", "--front_checkpoints", "1"),
]


def live(directory: str, rule: str, resume: bool) -> None:
    """What a child process does: `paretune train`."""
    torch.set_num_threads(1)
    with open(f"{directory}.log", "a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.exit(
        main(
            [
                "train",
                *SETTINGS,
                "--rule",
                rule,
                *RULES[rule],
                "--output_dir",
                directory,
                *(["--resume"] if resume else []),
            ]
        )
    )


@pytest.fixture(scope="module")
def processes() -> Any:
    """Real processes that begin with everything imported, so that a life is short."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["paretune.cli.train", "paretune.tasks.arithmetic", "trl.trainer.grpo_trainer"])
    return context


def start(processes: Any, directory: Path, rule: str) -> BaseProcess:
    resume = (directory / "run.json").exists()
    process: BaseProcess = processes.Process(target=live, args=(str(directory), rule, resume))
    process.start()
    return process


def to_the_end(process: BaseProcess, directory: Path) -> None:
    process.join()
    assert process.exitcode == 0, Path(f"{directory}.log").read_text()[-3000:]


def timeless(directory: Path) -> list[dict[str, Any]]:
    return [{**line, "seconds": None} for line in read_steps(directory)]


def assert_readable(directory: Path) -> None:
    """Whatever the moment: no line stands twice or is missing, and whole checkpoints are whole."""
    if not (directory / "run.json").exists():
        assert not (directory / "steps.jsonl").exists()
        return
    read_run(directory)
    assert [line["step"] for line in read_steps(directory)] == list(range(1, len(read_steps(directory)) + 1))
    grid = [line["step"] for line in read_evaluations(directory) if line["purpose"] == "grid"]
    assert grid == list(range(0, 2 * len(grid), 2))
    read_completions(directory)
    if (directory / "pareto.json").exists():
        read_front(directory)
    for step, checkpoint in checkpoints(directory).items():
        load_file(checkpoint / "model.safetensors")
        assert json.loads((checkpoint / "trainer_state.json").read_text())["global_step"] == step
        assert json.loads((checkpoint / "paretune.json").read_text())["batch"] == step
        for file in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            torch.load(checkpoint / file, weights_only=False)


def assert_same_run(whole: Path, other: Path) -> None:
    assert timeless(whole) == timeless(other)
    for read in (read_evaluations, read_completions):
        assert read(whole) == read(other)
    assert [p["step"] for p in read_front(whole)["points"]] == [p["step"] for p in read_front(other)["points"]]
    a, b = (load_file(d / f"checkpoint-{STEPS}" / "model.safetensors") for d in (whole, other))
    assert all(torch.equal(a[name], b[name]) for name in a)
    states = [json.loads((d / f"checkpoint-{STEPS}" / "paretune.json").read_text()) for d in (whole, other)]
    assert states[0] == states[1]


def kill(process: BaseProcess, directory: Path, *, while_saving: bool) -> bool:
    """Kill it at a random moment, or in the middle of writing a checkpoint; False if it ended before."""
    until = time.monotonic() + random.uniform(0.0, LONGEST)
    while process.is_alive() and time.monotonic() < until:
        if while_saving and checkpoint_folders(directory).keys() - checkpoints(directory).keys():
            time.sleep(random.uniform(0.0, 0.05))
            break
        time.sleep(0.001)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def kept_lines(directory: Path) -> list[dict[str, Any]]:
    """What a run that goes on must keep: the lines up to its newest whole checkpoint."""
    newest = max(checkpoints(directory), default=0)
    return [line for line in read_steps(directory) if line["step"] <= newest] if newest else []


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_killed_at_any_moment_nothing_is_lost(
    rule: str, processes: Any, tmp_path: Path, note: Callable[..., None]
) -> None:
    random.seed(f"{rule}{KILLS}")
    whole, seen = tmp_path / "whole", Counter[str]()
    to_the_end(start(processes, whole, rule), whole)
    while seen["kills"] < KILLS / len(RULES):
        seen["runs"] += 1
        directory = tmp_path / f"run-{seen['runs']}"
        for life in range(LIVES):
            process, kept = start(processes, directory, rule), kept_lines(directory)
            if life + 1 == LIVES or not kill(process, directory, while_saving=bool(seen["kills"] % 2)):
                break
            seen["kills"] += 1
            unfinished = checkpoint_folders(directory).keys() - checkpoints(directory).keys()
            seen["while a checkpoint was written"] += bool(unfinished)
            seen["before the first checkpoint"] += not checkpoints(directory)
            assert_readable(directory)
            assert kept_lines(directory)[: len(kept)] == kept
        to_the_end(process, directory)
        if read_run(directory)["status"] != "finished":  # killed when all was done but that
            to_the_end(start(processes, directory, rule), directory)
        assert_same_run(whole, directory)
    note(rule=rule, **seen)
