"""What one run came to, worked out by hand."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from comparison.runs import (
    GREEDY,
    OBJECTIVES,
    TEST,
    VALIDATION,
    as_objectives,
    batch,
    estimator,
    make_run,
    measure,
    metrics,
    tear,
)
from paretune.bounded_run import archive_of
from paretune.comparison.outcome import Cost, Outcome, Reached, cost_of, judged, outcome_of
from paretune.record.entries import Batch, Header
from paretune.record.fields import Fields
from paretune.record.json_lines import append_line
from paretune.record.run_directory import FINAL


def outcome(directory: Path, **asked: Any) -> Outcome:
    found = outcome_of(directory, **asked)
    assert found is not None
    return found


# --- hypervolume --------------------------------------------------------------------------------------------


def test_the_chosen_policies_together_and_the_last_one_alone(tmp_path: Path) -> None:
    # 0.5 · 0.6, and beside it (0.9 − 0.5) · 0.2; the second policy is the last.
    make_run(tmp_path, measured={TEST: {10: (0.5, 0.6), 20: (0.9, 0.2)}, GREEDY: {10: (0.6, 0.5), 20: (0.2, 0.2)}})
    found = outcome(tmp_path)
    assert found.status == "finished"
    assert found.hypervolume == pytest.approx({"sampled": 0.38, "greedy": 0.30})
    assert found.final_hypervolume == pytest.approx({"sampled": 0.18, "greedy": 0.04})
    assert found.final == {"sampled": metrics((0.9, 0.2)), "greedy": metrics((0.2, 0.2))}


def test_a_steerable_policy_counts_at_each_setting_of_its_dial(tmp_path: Path) -> None:
    make_run(tmp_path, measured={TEST: {20: (0.5, 0.5)}, GREEDY: {20: (0.5, 0.5)}})
    line = {"split": "test", "prompts": 64, "final": True, "standard_error": {}, "samples": 64, "decoding": "sampled"}
    for step, prompts, gains in (
        (20, 64, (0.9, 0.1)),
        (20, 64, (0.1, 0.9)),
        (20, 16, (1.0, 1.0)),
        (10, 64, (1.0, 1.0)),
    ):
        told = {"step": step, "prompts": prompts, "metrics": metrics(gains)}
        append_line(tmp_path / FINAL, {**line, **told, "priorities": {"accuracy": gains[0], "length": gains[1]}})
    found = outcome(tmp_path)
    # 0.5 · 0.5, and beside it 0.4 · 0.1 twice; the last policy alone is the plain one.
    assert found.hypervolume == pytest.approx({"sampled": 0.33, "greedy": 0.25})
    assert found.final_hypervolume == pytest.approx({"sampled": 0.25, "greedy": 0.25})


def test_the_order_in_which_policies_were_measured_does_not_matter(tmp_path: Path) -> None:
    make_run(tmp_path, measured={TEST: {20: (0.9, 0.2), 10: (0.5, 0.6)}})
    assert outcome(tmp_path).final["sampled"] == metrics((0.9, 0.2))


def test_each_split_has_its_own(tmp_path: Path) -> None:
    make_run(tmp_path, measured={TEST: {20: (0.5, 0.5)}, VALIDATION: {20: (0.8, 0.5)}})
    assert outcome(tmp_path).hypervolume == pytest.approx({"sampled": 0.25})
    assert outcome(tmp_path, split="validation").hypervolume == pytest.approx({"sampled": 0.4})
    assert outcome_of(tmp_path, split="train") is None


def test_of_two_measurements_the_one_on_more_prompts_counts(tmp_path: Path) -> None:
    make_run(tmp_path, measured={TEST: {10: (0.5, 0.5), 20: (0.6, 0.6)}}, prompts=64)
    measure(tmp_path, *TEST, {10: (0.9, 0.9), 20: (0.8, 0.9)}, prompts=16)
    assert outcome(tmp_path).hypervolume["sampled"] == pytest.approx(0.36)
    measure(tmp_path, *TEST, {10: (0.1, 0.5), 20: (0.2, 0.5)}, prompts=128)
    assert outcome(tmp_path).hypervolume["sampled"] == pytest.approx(0.10)


def test_a_measurement_that_broke_off_before_the_last_policy_does_not_count(tmp_path: Path) -> None:
    make_run(tmp_path)
    line = {"split": "test", "decoding": "sampled", "prompts": 64, "front": True, "standard_error": {}}
    append_line(tmp_path / FINAL, {**line, "step": 10, "final": False, "metrics": metrics((0.9, 0.9))})
    assert outcome_of(tmp_path) is None
    append_line(tmp_path / FINAL, {**line, "step": 20, "final": True, "metrics": metrics((0.5, 0.5))})
    assert outcome(tmp_path).hypervolume["sampled"] == pytest.approx(0.81)
    append_line(tmp_path / FINAL, {**line, "step": 10, "final": False, "prompts": 128, "metrics": metrics((0.1, 0.1))})
    assert outcome(tmp_path).hypervolume["sampled"] == pytest.approx(0.81)


def test_a_metric_without_a_value_dominates_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, measured={TEST: {10: (0.5, 0.5), 20: (math.nan, 0.9)}})
    found = outcome(tmp_path)
    assert found.hypervolume["sampled"] == pytest.approx(0.25)
    assert found.final_hypervolume["sampled"] == 0.0
    assert found.final["sampled"] == pytest.approx({"accuracy": math.nan, "length": 10.0}, nan_ok=True)


def test_without_bounds_nothing_can_be_compared(tmp_path: Path) -> None:
    objectives = [OBJECTIVES[0], {**OBJECTIVES[1], "bounds": None}]
    make_run(tmp_path, objectives=objectives, measured={TEST: {20: (0.5, 0.5)}})
    with pytest.raises(ValueError, match=r"length has no bounds: a comparison needs them all \(--bounds\)\.$"):
        outcome_of(tmp_path)
    with pytest.raises(ValueError, match=r"accuracy, length has no bounds"):
        archive_of(as_objectives([{**objective, "bounds": None} for objective in OBJECTIVES]))


# --- runs that came to no good end --------------------------------------------------------------------------


def test_a_failed_run_counts_with_what_was_measured_of_it(tmp_path: Path) -> None:
    make_run(tmp_path, status="failed", measured={TEST: {10: (0.5, 0.6)}, GREEDY: {10: (0.1, 0.1)}})
    found = outcome(tmp_path)
    assert found.status == "failed"
    assert found.hypervolume == pytest.approx({"sampled": 0.3, "greedy": 0.01})


def test_a_failed_run_that_was_not_measured_counts_with_its_last_point(tmp_path: Path) -> None:
    make_run(tmp_path, status="failed", grid={0: (0.9, 0.9), 10: (0.4, 0.5)})
    found = outcome(tmp_path)
    assert found.hypervolume == found.final_hypervolume == pytest.approx({"sampled": 0.2})
    assert found.final == {"sampled": metrics((0.4, 0.5))}


def test_a_failed_run_of_which_only_a_part_was_measured(tmp_path: Path) -> None:
    directory = make_run(tmp_path, status="failed", measured={GREEDY: {10: (0.5, 0.5)}})
    found = outcome(directory)
    assert found.hypervolume == pytest.approx({"sampled": 0.25, "greedy": 0.25})  # by its point after 20 steps


@pytest.mark.parametrize(
    ("status", "grid", "reason"),
    [
        ("failed", {}, "failed before its first evaluation."),
        ("finished", None, "finished, but not measured."),
        ("interrupted", None, "interrupted."),
        (None, None, "running, or killed."),
    ],
)
def test_runs_that_cannot_be_judged(tmp_path: Path, status: str | None, grid: Any, reason: str) -> None:
    make_run(tmp_path, status=status, grid=grid)
    assert outcome_of(tmp_path) is None
    assert judged(tmp_path) == reason


def test_a_run_at_work_is_not_judged_by_what_was_measured(tmp_path: Path) -> None:
    make_run(tmp_path, status=None, measured={TEST: {20: (0.5, 0.5)}})
    assert judged(tmp_path) == "running, or killed."


def test_why_there_is_nothing_to_judge(tmp_path: Path) -> None:
    assert judged(tmp_path / "nowhere") == "not run."
    with pytest.raises(FileNotFoundError):
        outcome_of(tmp_path / "nowhere")
    make_run(tmp_path, measured={TEST: {20: (0.5, 0.5)}})
    assert isinstance(judged(tmp_path), Outcome)
    tear(tmp_path / "evaluations.jsonl")
    assert str(judged(tmp_path)).startswith("its files cannot be read: Line 1 of ")
    (tmp_path / "evaluations.jsonl").write_text('{"step": 0, "metrics": [1]}\n')
    assert str(judged(tmp_path)).endswith("metrics must be an object of finite numbers, got a list of 1.")


# --- the paper's statistics ---------------------------------------------------------------------------------


def test_the_front_s_mean_and_steps(tmp_path: Path) -> None:
    make_run(
        tmp_path,
        grid={0: (0.2, 0.5), 10: (0.4, 0.6), 20: (0.6, 0.4), 30: (0.3, 0.3)},  # the front: those after 10 and 20
        measured={TEST: {30: (0.5, 0.5)}},
        errors=0.02,
    )
    found = outcome(tmp_path)
    assert found.front_mean == pytest.approx({"accuracy": 0.5, "length": 50.0})
    assert (found.steps_to_front, found.grid) == (15.0, [0, 10, 20, 30])
    assert found.errors == {"accuracy": 0.02, "length": 2.0}


def test_no_front_no_statistics(tmp_path: Path) -> None:
    directory = make_run(tmp_path, grid={0: (0.0, 0.5)}, measured={TEST: {20: (0.5, 0.5)}})
    assert outcome(directory).steps_to_front == 0.0  # a policy with an objective at its worst is a front, too
    (directory / "pareto.json").write_text('{"points": []}')
    for _ in range(2):  # an empty front, and none
        found = outcome(directory)
        assert (found.front_mean, found.steps_to_front) == (None, None)
        (directory / "pareto.json").unlink(missing_ok=True)


def test_what_a_rule_evaluated_for_itself_is_none_of_the_grid(tmp_path: Path) -> None:
    make_run(tmp_path, measured={TEST: {20: (0.5, 0.5)}})
    line = {"step": 25, "purpose": "rule", "metrics": metrics((0.9, 0.9)), "standard_error": {"accuracy": 9.0}}
    with (tmp_path / "evaluations.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    found = outcome(tmp_path, target=0.5)
    assert (found.grid, found.errors["accuracy"], found.reached) == ([0, 10, 20], 0.01, None)


# --- time to the target -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volumes", "step"),
    [
        ([0.1, 0.2, 0.3, 0.4], 20),
        ([0.1, 0.2, 0.3, 0.2], None),  # once, and not held
        ([0.3, 0.2, 0.1, 0.1], None),
        ([0.3, 0.3, 0.1, 0.1], 0),  # held at the next evaluation, lost later
        ([0.1, 0.3, 0.1, 0.3], 30),  # at the last alone, after which there is none
        ([0.3, 0.1, 0.3, 0.3], 20),
        ([0.1, 0.1, 0.1, 0.1], None),
        ([0.25, 0.25, 0.1, 0.1], 0),  # at the target is enough
    ],
)
def test_the_target_is_reached_where_the_next_evaluation_confirms_it(
    tmp_path: Path, volumes: Sequence[float], step: int | None
) -> None:
    steps = [batch(s, seconds={"total": 0.5 * s}) for s in range(1, 31)]
    grid = {10 * i: (v, 1.0) for i, v in enumerate(volumes)}
    make_run(tmp_path, grid=grid, steps=steps, measured={TEST: {30: (0.5, 0.5)}})
    found = outcome(tmp_path, target=0.25).reached
    if step is None:
        assert found is None
    else:  # the batches up to then took 0.5 + 1 + 1.5 + … seconds
        assert found == Reached(step, 100 * step + 7, 0.25 * step * (step + 1))
    assert outcome(tmp_path).reached is None  # nobody asked


def test_the_archive_does_not_reach_the_target_for_its_policies(tmp_path: Path) -> None:
    # Together the two points dominate 0.19, each of them 0.1.
    make_run(tmp_path, grid={0: (0.1, 1.0), 10: (1.0, 0.1), 20: (1.0, 0.1)}, measured={TEST: {20: (0.5, 0.5)}})
    assert outcome(tmp_path, target=0.15).reached is None


# --- cost ---------------------------------------------------------------------------------------------------


def cost(settings: dict[str, Any], lines: list[dict[str, Any]]) -> Cost:
    objectives = [{"name": name, "maximize": True, "bounds": None} for name in "abc"]
    header = Header.of(Fields({"objectives": objectives, "settings": settings}, "run.json"))
    return cost_of(header, [Batch.of(Fields(line, "a line")) for line in lines])


@pytest.mark.parametrize(
    ("estimate", "settings", "forward", "backward"),
    [
        (None, {}, 1, 1),
        (estimator("directional", "one-sided"), {}, 1 + 2, 1 + 1),
        (estimator("directional", "symmetric"), {}, 1 + 3, 1 + 1),
        (estimator("realised"), {}, 1 + 1, 1),
        (estimator("exact"), {}, 1 + 1, 1 + 3),
        (None, {"num_iterations": 2}, 1 + 2, 2),  # the policy's passes before the first update
        (None, {"beta": 0.04}, 1 + 1, 1),  # the reference model's
        (None, {"beta": 0.0}, 1, 1),
        (None, {"num_iterations": 2, "beta": 0.04}, 1 + 1 + 2, 2),
        (estimator("exact"), {"num_iterations": 3, "beta": 0.04}, 1 + 1 + 3 + 1, 3 + 3),
        (None, {"gradient_accumulation_steps": 2, "steps_per_generation": 2}, 1, 1),
        (None, {"gradient_accumulation_steps": 4, "steps_per_generation": 2}, 1, 1),  # two batches make an update
        (None, {"gradient_accumulation_steps": 1, "steps_per_generation": 2}, 1 + 1, 1),  # a batch makes two
        (None, {"gradient_accumulation_steps": 4, "steps_per_generation": 2, "num_iterations": 2}, 2, 2),
    ],
)
def test_passes_over_a_generation_batch(
    estimate: dict[str, Any] | None, settings: dict[str, Any], forward: int, backward: int
) -> None:
    lines = [batch(step, estimator=estimate, seconds={"total": 2.5}) for step in (1, 2, 3, 4)]
    expected = Cost(tokens=400, forward=4 * forward, backward=4 * backward, seconds=10.0)
    assert cost(settings, lines) == expected


def test_a_realised_influence_begins_with_the_second_batch() -> None:
    lines = [batch(1), batch(2, estimator=estimator("realised")), batch(3, estimator=estimator("realised"))]
    assert cost({}, lines) == Cost(tokens=300, forward=5, backward=3, seconds=3.0)


def test_the_last_evaluation_s_tokens_count(tmp_path: Path) -> None:
    directory = make_run(tmp_path, steps=[batch(10), batch(20)], measured={TEST: {20: (0.5, 0.5)}})
    file = directory / "evaluations.jsonl"
    evaluations = [{**json.loads(line), "tokens": 10_000 + i} for i, line in enumerate(file.read_text().splitlines())]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in evaluations))
    assert outcome(tmp_path).cost.tokens == 10_002


def test_an_influence_that_is_not_known_has_no_known_cost() -> None:
    lines = [batch(1, estimator=estimator("exact")), batch(2, estimator=estimator("guessed"))]
    found = cost({}, lines)
    assert (math.isnan(found.forward), math.isnan(found.backward), found.tokens) == (True, True, 200)


def test_a_run_without_batches_cost_its_evaluations(tmp_path: Path) -> None:
    make_run(tmp_path, steps=[], grid={0: (0.5, 0.5)}, status="failed")
    assert outcome(tmp_path).cost == Cost(tokens=7, forward=0, backward=0, seconds=0)
