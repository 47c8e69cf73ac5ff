"""Two real processes under DDP: the same as TRL on two, and the same state on both."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune.advantages import ESTIMATORS
from paretune.record.checkpoints import checkpoints
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from paretune.steering import lattice
from policies import saved_policy
from trainer.on_two import on_two
from trainer.run_on_two import RULES, do


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def launch(model: str, out: Path, *jobs: str) -> None:
    """Do some jobs, one after the other, in one pair of processes."""
    on_two(do, model, out, *jobs)


QUICK = ["gradient", "hypervolume", "nash"]
SLOW = [name for name in RULES if name not in QUICK]


@pytest.fixture(scope="module")
def quick(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("two")
    launch(model, out, "stock", "on rewards", "through influence", "dial", *QUICK)
    return out


@pytest.fixture(scope="module")
def slow(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("two")
    launch(model, out, *SLOW)
    return out


def parameters(out: Path, rank: int) -> list[torch.Tensor]:
    return torch.load(out / f"parameters-{rank}.pt")


def states(out: Path) -> list[dict[str, Any]]:
    return [json.loads((out / f"state-{rank}.json").read_text()) for rank in (0, 1)]


def test_fixed_weights_are_trls_on_either_way(quick: Path) -> None:
    for rank in (0, 1):
        stock = parameters(quick / "stock", rank)
        for job in ("on rewards", "through influence"):
            ours = parameters(quick / job, rank)
            assert all(torch.equal(a, b) for a, b in zip(ours, stock, strict=True)), (job, rank)


@pytest.mark.parametrize(
    ("rule", "launched"),
    [(name, "quick") for name in QUICK] + [pytest.param(name, "slow", marks=pytest.mark.slow) for name in SLOW],
)
def test_both_processes_hold_identical_state(rule: str, launched: str, request: pytest.FixtureRequest) -> None:
    out = request.getfixturevalue(launched) / rule
    first, second = states(out)
    assert first == second
    assert first["batch"] == 3
    assert first["objectives"]["conciseness"]
    for a, b in zip(parameters(out, 0), parameters(out, 1), strict=True):
        assert torch.equal(a, b)
    assert [line["batch"] for line in read_steps(out / "run")] == [1, 2, 3]
    for line in read_evaluations(out / "run"):
        # The rows are 7; what fills the last batch of two processes does not count. A training batch has 8 completions.
        assert line["samples"] == (7 if line["purpose"] == "grid" or rule == "hypervolume" else 8)


def test_the_dial_is_that_of_one_process(quick: Path, model: str, tmp_path: Path) -> None:
    do(model, tmp_path, "dial")
    two, one = (
        [{**line, "tokens": None} for line in read_evaluations(out / "dial" / "run") if "priorities" in line]
        for out in (quick, tmp_path)
    )  # tokens: two processes also answer the prompts that fill their last batch
    assert [line["priorities"] for line in one] == [
        dict(zip(("digits", "conciseness"), setting, strict=True)) for setting in lattice(2)
    ]
    assert len({line["example"]["completion"] for line in one}) > 1  # the policy is no constant
    assert two == one
    assert {line["samples"] for line in two} == {7}


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_resumed_run_goes_on_as_if_never_stopped(estimator: str, model: str, tmp_path: Path) -> None:
    launch(model, tmp_path, estimator)
    out = tmp_path / estimator
    for rule in [f"{name}-{estimator}" for name in RULES]:
        for rank in (0, 1):
            whole, halves = (torch.load(out / f"{rule}-{which}-{rank}.pt") for which in ("whole", "halves"))
            assert all(torch.equal(a, b) for a, b in zip(whole[0], halves[0], strict=True)), (rule, rank)
            for i, entries in whole[1]["state"].items():
                assert all(torch.equal(v, halves[1]["state"][i][k]) for k, v in entries.items()), (rule, rank, i)
            states = [(out / f"{rule}-{which}-{rank}.json").read_text() for which in ("whole", "halves")]
            assert states[0] == states[1], (rule, rank)
        runs = [out / f"{rule}-{which}" / "run" for which in ("whole", "halves")]
        lines = [[{**line, "seconds": None} for line in read_steps(run)] for run in runs]
        assert len(lines[0]) == 4
        assert lines[0] == lines[1], rule
        assert read_evaluations(runs[0]) == read_evaluations(runs[1]), rule


@pytest.mark.slow
def test_a_signal_to_one_ends_both_after_the_same_step(model: str, tmp_path: Path) -> None:
    launch(model, tmp_path, "signalled")
    out = tmp_path / "signalled"
    assert [json.loads((out / f"ended-{rank}.json").read_text()) for rank in (0, 1)] == [2, 2]
    assert read_run(out / "run")["status"] == "interrupted"
    assert list(checkpoints(out / "run")) == [2]
    assert [line["step"] for line in read_steps(out / "run")] == [1, 2]
