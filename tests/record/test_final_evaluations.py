"""The policies by which a run is judged, and what is still to be measured of them."""

from pathlib import Path

import pytest

from comparison.runs import checkpoint, make_run, measure, tear
from paretune.record.final_evaluations import (
    ChosenPolicy,
    chosen_policies,
    missing,
)
from paretune.record.json_lines import append_line
from paretune.record.reader import RunReader
from paretune.record.run_directory import FINAL

GRID = {0: (0.2, 0.9), 10: (0.4, 0.6), 20: (0.6, 0.4), 30: (0.3, 0.3)}
"""The front: all but the last."""


def trained(directory: Path, *steps: int, **fields: object) -> Path:
    """A run with checkpoints after these steps."""
    make_run(directory, grid=GRID, **fields)  # type: ignore[arg-type]
    for step in steps:
        checkpoint(directory, step)
    return directory


def lacking(directory: Path, decodings: tuple[str, ...] = ("sampled", "greedy"), prompts: int = 64) -> dict:
    policies = chosen_policies(directory)
    return {policy.step: names for policy, names in missing(directory, policies, "test", decodings, prompts)}


# --- which ones ---------------------------------------------------------------------------------------------


def test_the_front_s_checkpoints_and_the_last_one(tmp_path: Path) -> None:
    trained(tmp_path, 30, 10, 20, 25)
    assert chosen_policies(tmp_path) == [  # neither the initial policy, on the front, nor the one after 25 steps
        ChosenPolicy(10, tmp_path / "checkpoint-10", front=True, final=False),
        ChosenPolicy(20, tmp_path / "checkpoint-20", front=True, final=False),
        ChosenPolicy(30, tmp_path / "checkpoint-30", front=False, final=True),
    ]


def test_the_last_one_may_be_on_the_front(tmp_path: Path) -> None:
    trained(tmp_path, 10, 20)
    assert [(p.step, p.front, p.final) for p in chosen_policies(tmp_path)] == [(10, True, False), (20, True, True)]


def test_a_point_whose_checkpoint_was_not_kept_or_is_torn_is_none(tmp_path: Path) -> None:
    trained(tmp_path, 10, 20, 30)
    (tmp_path / "checkpoint-30" / "paretune.json").unlink()  # it is written last
    (tmp_path / "checkpoint-10" / "paretune.json").unlink()
    assert [(p.step, p.final) for p in chosen_policies(tmp_path)] == [(20, True)]


def test_without_a_front_the_last_one_alone(tmp_path: Path) -> None:
    trained(tmp_path, 10, 20, 30)
    (tmp_path / "pareto.json").unlink()
    assert [(p.step, p.front, p.final) for p in chosen_policies(tmp_path)] == [(30, False, True)]


def test_runs_without_policies(tmp_path: Path) -> None:
    assert chosen_policies(trained(tmp_path / "run")) == []
    with pytest.raises(FileNotFoundError, match="is not the directory of a run"):
        chosen_policies(tmp_path / "nowhere")
    (tmp_path / "run" / "pareto.json").write_text("{")
    with pytest.raises(ValueError, match=r"pareto\.json' is no JSON"):
        chosen_policies(tmp_path / "run")


# --- what is missing ----------------------------------------------------------------------------------------


def test_what_is_measured_is_not_missing(tmp_path: Path) -> None:
    trained(tmp_path, 10, 20)
    assert lacking(tmp_path) == {10: ["sampled", "greedy"], 20: ["sampled", "greedy"]}
    measure(tmp_path, "test", "sampled", {10: (0.5, 0.5), 20: (0.5, 0.5)})
    assert lacking(tmp_path) == {10: ["greedy"], 20: ["greedy"]}
    assert lacking(tmp_path, ("sampled",)) == {}
    measure(tmp_path, "test", "greedy", {20: (0.5, 0.5)})
    assert lacking(tmp_path, ("greedy", "sampled")) == {10: ["greedy"]}
    measure(tmp_path, "test", "greedy", {10: (0.5, 0.5)})
    assert lacking(tmp_path) == {}


def test_another_split_or_another_number_of_prompts_is_measured_anew(tmp_path: Path) -> None:
    trained(tmp_path, 20)
    measure(tmp_path, "validation", "sampled", {20: (0.5, 0.5)}, prompts=64)
    measure(tmp_path, "test", "sampled", {20: (0.5, 0.5)}, prompts=32)
    assert lacking(tmp_path, ("sampled",), prompts=64) == {20: ["sampled"]}
    assert lacking(tmp_path, ("sampled",), prompts=32) == {}
    measure(tmp_path, "test", "sampled", {20: (0.5, 0.5)}, prompts=64)
    assert lacking(tmp_path, ("sampled",), prompts=64) == lacking(tmp_path, ("sampled",), prompts=32) == {}


def test_a_line_that_was_torn_is_cut_off_and_measured_again(tmp_path: Path) -> None:
    trained(tmp_path, 10, 20)
    measure(tmp_path, "test", "sampled", {10: (0.5, 0.5), 20: (0.6, 0.6)})
    file = tmp_path / "final_evaluations.jsonl"
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in (first + 1, len(whole) - 2, len(whole) - 1):  # the last without its line break only
        file.write_bytes(whole[:cut])
        assert lacking(tmp_path, ("sampled",)) == {20: ["sampled"]}
        assert file.read_bytes() == whole[:first]
        append_line(tmp_path / FINAL, {"step": 20, "split": "test", "decoding": "sampled", "prompts": 64})
        assert [line.step for line in RunReader(tmp_path).measured_again] == [10, 20]
        assert lacking(tmp_path, ("sampled",)) == {}


def test_nothing_measured(tmp_path: Path) -> None:
    trained(tmp_path, 20)
    assert RunReader(tmp_path).measured_again == []
    assert lacking(tmp_path) == {20: ["sampled", "greedy"]}
    assert not (tmp_path / "final_evaluations.jsonl").exists()


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    measure(trained(tmp_path, 20), "test", "sampled", {20: (0.5, 0.5)})
    tear(tmp_path / "final_evaluations.jsonl")
    for attempt in (lambda: RunReader(tmp_path).measured_again, lambda: lacking(tmp_path)):
        with pytest.raises(ValueError, match="Line 1 of") as raised:
            attempt()
        assert "final_evaluations.jsonl" in str(raised.value)
        assert "\n" not in str(raised.value)
