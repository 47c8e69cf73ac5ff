"""`paretune compare`, with real runs in real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.in_this_process import in_this_process, with_runs_in_this_process
from fronts import run as made_run
from paretune.cli import compare_worker, main
from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import read
from paretune.cli.compare import LAUNCHERS, check, plan_of, resolve, run
from paretune.cli.parser import make_parser
from paretune.record.run_directory import read_evaluations, read_steps
from warm import started

pytestmark = pytest.mark.usefixtures("tasks_are_loaded_once")
SMALL = [
    "--max_steps", "1", "--eval_samples", "8", "--test_samples", "8", "--per_device_train_batch_size", "16",
    "--max_completion_length", "16", "--threads", "1",
]  # fmt: skip


def command(directory: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "paretune.cli", "compare", *flags, "--output_dir", str(directory)]


def workers_of(directory: Path) -> list[psutil.Process]:
    """The processes that work on runs of a comparison, known by their logs."""
    found = []
    for process in psutil.process_iter():
        try:
            if "paretune.cli.compare_worker" in process.cmdline() and any(
                str(directory) in file.path for file in process.open_files()
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


def until(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def figures(directory: Path) -> Any:
    """What a run measured, without what depends on the clock."""
    steps = [{k: v for k, v in line.items() if k != "seconds"} for line in read_steps(directory)]
    final = (directory / "final_evaluations.jsonl").read_text()
    return steps, read_evaluations(directory), final


@pytest.mark.parametrize(
    "start", [with_runs_in_this_process, pytest.param(main, marks=pytest.mark.slow)], ids=["one process", "workers"]
)
def test_killed_in_the_middle_it_goes_on_and_keeps_what_is_finished(
    start: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    directory = tmp_path / "comparison"
    flags = ["--rules", "balanced,gradient", "--seeds", "1", "--jobs", "1", *SMALL]
    again = ["compare", *flags, "--output_dir", str(directory)]
    first, last = directory / "balanced-grpo-seed0", directory / "gradient-grpo-seed0"
    killed = started(tmp_path, *again, run=start)
    until(lambda: (last / "run.json").exists() or not killed.is_alive(), 240)  # the second run has begun
    workers = workers_of(directory)
    killed.kill()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert (workers == []) == (start is not main)
    psutil.wait_procs(workers, timeout=30)
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    assert not (directory / "summary.json").exists()
    finished = {
        path: path.stat().st_mtime_ns
        for path in directory.glob("*/steps.jsonl")
        if json.loads((path.parent / "run.json").read_text())["status"] == "finished"
    }
    assert first / "steps.jsonl" in finished

    if start is not main:
        monkeypatch.setitem(LAUNCHERS, "local", in_this_process)
    assert main(again) == 0
    printed = capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in finished} == finished  # not made again
    assert (last / "final_evaluations.jsonl").exists()
    # Each run's own page is made of everything that was measured.
    assert "chosen policies, test" in (last / "report.html").read_text(encoding="utf-8")
    written = [(last / name).stat().st_mtime_ns for name in ("final_evaluations.jsonl", "report.html")]
    assert written[0] <= written[1]
    summary = json.loads((directory / "summary.json").read_text())
    assert set(summary["rules"]) == {"balanced", "gradient"}
    for rule in summary["rules"].values():
        assert rule["seeds"] == [0]
        assert rule["algorithm"] == "grpo"
        assert set(rule["objectives"]) == {"accuracy", "conciseness", "clarity"}
        assert rule["hypervolume"]["low"] is None
        assert rule["hypervolume"]["reason"] == "1 seed: an interval needs 3"
    assert (summary["primary"]["rule"], summary["primary"]["against"]) == ("gradient", "balanced")
    assert summary["incomplete"] == []
    assert (directory / "report.html").stat().st_size > 0
    assert "no interval: 1 seed" in printed
    header = json.loads((last / "run.json").read_text())
    assert header["threads"] == 1

    for checkpoint in directory.glob("*/checkpoint-*"):  # to save space: all is measured
        shutil.rmtree(checkpoint)
    (directory / "summary.json").unlink()
    (directory / "summary.json").mkdir()  # cannot be written
    assert main(again) == 1
    failed = capsys.readouterr()
    assert "2 runs, 2 of them done already" in failed.out
    said = failed.err.strip().splitlines()[-1]
    assert said.startswith(f"paretune: '{directory}/summary.json' cannot be written (Is a directory)")
    assert said.endswith("Finished runs are kept: run the same command again.")
    assert "Traceback" not in failed.err


def test_arms_that_chose_the_same_share_their_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LAUNCHERS, "local", in_this_process)
    directory, plan = tmp_path / "comparison", tmp_path / "plan.yaml"
    plan.write_text(
        """
        rules: best,front
        arms:
          best: {rule: fixed, chosen_by: geometric_mean, configurations: [{weights: [0.5, 0.3, 0.2]}]}
          front: {rule: fixed, configurations_of: best}
        """
    )
    again = ["compare", "--config", str(plan), "--seeds", "1", "--tuning_seeds", "1", *SMALL]
    again += ["--output_dir", str(directory)]
    one, other = directory / "best-grpo-seed0", directory / "front-grpo-seed0"

    assert main(again) == 0
    assert "runs 2/2: front-grpo-seed0 done" in capsys.readouterr().out
    assert figures(one) == figures(other)
    assert (one / "run.json").read_text() == (other / "run.json").read_text()  # with its start and its end: a copy
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["rules"]["best"]["objectives"] == summary["rules"]["front"]["objectives"]

    shutil.rmtree(other)
    made = (one / "steps.jsonl").stat().st_mtime_ns
    assert main(again) == 0
    assert "2 runs, 1 of them done already" in capsys.readouterr().out
    assert figures(one) == figures(other)
    assert (one / "steps.jsonl").stat().st_mtime_ns == made


def test_a_runs_own_page_shows_what_was_measured_after_training(tmp_path: Path) -> None:
    trained = made_run(tmp_path / "run", tested={10: (0.45, 25.0)})
    page = trained / "report.html"
    assert compare_worker.work(trained, {"task": "arithmetic"}, []) == 0
    assert not page.exists()  # `write_report` was false in training
    page.write_text("as it was before")
    assert compare_worker.work(trained, {"task": "arithmetic"}, []) == 0
    assert "step 10, test" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_ray_gives_the_same_figures(tmp_path: Path) -> None:
    flags = ["--rules", "balanced,gradient", "--seeds", "1", *SMALL]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    for launcher in ("local", "ray"):
        done = subprocess.run(
            command(tmp_path / launcher, *flags, "--launcher", launcher, "--jobs", "2"),
            capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for name in ("balanced-grpo-seed0", "gradient-grpo-seed0"):
        assert figures(tmp_path / "local" / name) == figures(tmp_path / "ray" / name)


@pytest.mark.slow
def test_a_failed_run_does_not_stop_the_others(tmp_path: Path) -> None:
    directory = tmp_path / "comparison"
    flags = ["--rules", "balanced,gradient,average", "--seeds", "1", "--jobs", "2", *SMALL]
    with subprocess.Popen(command(directory, *flags), stdout=subprocess.PIPE, text=True) as process:
        until(lambda: (directory / "comparison.json").exists() or process.poll() is not None, 60)
        (directory / "gradient-grpo-seed0").write_text("a file in the run's way")
        assert process.stdout is not None
        printed = process.stdout.read()
    assert process.returncode == 1
    # The run itself, and the control that would have taken its weights.
    assert "failed: gradient-grpo-seed0 (paretune: --output_dir" in printed
    assert "is a file: choose a folder." in printed
    assert "failed: average-grpo-seed0" in printed
    summary = json.loads((directory / "summary.json").read_text())
    assert set(summary["rules"]) == {"balanced"}
    assert "gradient-grpo-seed0: not run." in summary["incomplete"]
    assert (directory / "report.html").exists()

    (directory / "gradient-grpo-seed0").unlink()
    again = subprocess.run(command(directory, *flags), capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "2 runs, 1 of them done already" in again.stdout
    assert set(json.loads((directory / "summary.json").read_text())["rules"]) == {"balanced", "gradient", "average"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rules", "nonsense"], "Unknown rule 'nonsense' to compare"),
        (["--rules", ""], "needs rules"),
        (["--rules", "balanced,balanced"], "each named once"),
        (["--rules", "fixed:0.6:0.4"], "2 values for 3 objectives"),
        (["--rules", "average"], "compare that, too"),
        (["--rules", "gradient,replay", "--seeds", "1"], "two seeds or more"),
        (["--algorithms", "ppo"], "Unknown algorithm 'ppo'"),
        (["--seeds", "0"], "--seeds must be 1 or more"),
        (["--jobs", "0"], "--jobs must be 1 or more"),
        (["--threads", "0"], "--threads must be 1 or more"),
        (["--launcher", "slurm"], "slurm"),
        (["--launcher", "ray", "--threads", "4096"], "--threads 4096: Ray runs on this machine"),
        (["--primary", "pama"], "'pama', which is not compared"),
        (["--eval_strategy", "no"], "evaluates its runs"),
        (["--seed", "3"], "here it is spelled seeds"),
        (["--rule", "gradient"], "here it is spelled rules"),
        (["--task", "nonsense"], "nonsense"),
        (["--model_name_or_path", "no/such/model/here"], "no/such/model/here"),
        (["--arms", "x"], "--arms is not valid JSON"),
        (["--arms", '{"x": 1}'], "in YAML"),
        (["--max_steps", "many"], "many"),
    ],
)
def test_bad_input_is_one_line_before_anything_runs(flags: list[str], message: str, tmp_path: Path) -> None:
    directory = tmp_path / "comparison"
    with pytest.raises(BadInputError, match=message.replace("(", r"\(")) as raised:
        run(read("compare", [*flags, "--output_dir", str(directory)]))
    assert "\n" not in str(raised.value)
    assert not directory.exists()


def test_it_wants_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(BadInputError, match="holds other files than a comparison's"):
        run(read("compare", ["--output_dir", str(tmp_path)]))
    with pytest.raises(BadInputError, match="where to"):
        run(read("compare", []))


@pytest.mark.parametrize("recipe", sorted((Path(__file__).parents[2] / "recipes/comparisons").glob("*.yaml")), ids=str)
def test_the_recipes_are_plans_that_could_be_run(recipe: Path, tmp_path: Path) -> None:
    parser = make_parser("paretune compare")
    given = parser.read(["--config", str(recipe), "--output_dir", str(tmp_path)])
    own, settings = resolve(parser, given)
    plan = plan_of(own, settings, given, None)
    check(plan, settings.task)
    assert plan.task == "arithmetic"
    assert plan.threads == 1
    assert {len(arm.configurations) for arm in plan.arms} <= {0, 10}
