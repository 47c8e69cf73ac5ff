"""Two real processes under DDP: the same as TRL on two, and the same state on both."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune.advantages import ESTIMATORS
from paretune.record.checkpoints import checkpoints
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from policies import saved_policy
from trainer.run_on_two import RULES

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def launch(job: str, model: str, out: Path) -> None:
    out.mkdir(exist_ok=True)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            "2",
            str(TESTS / "trainer" / "run_on_two.py"),
            job,
            model,
            str(out),
        ],
        check=True,
        timeout=900,
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )


def parameters(out: Path, rank: int) -> list[torch.Tensor]:
    return torch.load(out / f"parameters-{rank}.pt")


def states(out: Path) -> list[dict[str, Any]]:
    return [json.loads((out / f"state-{rank}.json").read_text()) for rank in (0, 1)]


def test_fixed_weights_are_trls_on_either_way(model: str, tmp_path: Path) -> None:
    for job in ("stock", "fixed", "influence"):
        launch(job, model, tmp_path / job)
    for rank in (0, 1):
        stock = parameters(tmp_path / "stock", rank)
        for job in ("fixed", "influence"):
            ours = parameters(tmp_path / job, rank)
            assert all(torch.equal(a, b) for a, b in zip(ours, stock, strict=True)), (job, rank)


@pytest.mark.parametrize("job", ["gradient", "hypervolume", pytest.param("pama", marks=pytest.mark.slow)])
def test_both_processes_hold_identical_state(job: str, model: str, tmp_path: Path) -> None:
    launch(job, model, tmp_path)
    first, second = states(tmp_path)
    assert first == second
    assert first["batch"] == 3
    assert first["objectives"]["conciseness"]
    for a, b in zip(parameters(tmp_path, 0), parameters(tmp_path, 1), strict=True):
        assert torch.equal(a, b)
    assert [line["batch"] for line in read_steps(tmp_path / "run")] == [1, 2, 3]
    for line in read_evaluations(tmp_path / "run"):
        assert line["samples"] == 7  # of 8 rows; what fills the last batch of two processes does not count


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_resumed_run_goes_on_as_if_never_stopped(estimator: str, model: str, tmp_path: Path) -> None:
    launch(estimator, model, tmp_path)
    for rule in [f"{name}-{estimator}" for name in RULES]:
        for rank in (0, 1):
            whole, halves = (torch.load(tmp_path / f"{rule}-{which}-{rank}.pt") for which in ("whole", "halves"))
            assert all(torch.equal(a, b) for a, b in zip(whole[0], halves[0], strict=True)), (rule, rank)
            for i, entries in whole[1]["state"].items():
                assert all(torch.equal(v, halves[1]["state"][i][k]) for k, v in entries.items()), (rule, rank, i)
            states = [(tmp_path / f"{rule}-{which}-{rank}.json").read_text() for which in ("whole", "halves")]
            assert states[0] == states[1], (rule, rank)
        runs = [tmp_path / f"{rule}-{which}" / "run" for which in ("whole", "halves")]
        lines = [[{**line, "seconds": None} for line in read_steps(run)] for run in runs]
        assert len(lines[0]) == 4
        assert lines[0] == lines[1], rule
        assert read_evaluations(runs[0]) == read_evaluations(runs[1]), rule


@pytest.mark.slow
def test_a_signal_to_one_ends_both_after_the_same_step(model: str, tmp_path: Path) -> None:
    launch("signalled", model, tmp_path)
    assert [json.loads((tmp_path / f"ended-{rank}.json").read_text()) for rank in (0, 1)] == [2, 2]
    assert read_run(tmp_path / "run")["status"] == "interrupted"
    assert list(checkpoints(tmp_path / "run")) == [2]
    assert [line["step"] for line in read_steps(tmp_path / "run")] == [1, 2]
