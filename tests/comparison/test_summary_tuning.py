"""What tuning runs decide: configurations, the target, and what a sweep comes to."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from comparison.runs import TEST, VALIDATION, batch, make_run, tear
from comparison.summaries import FIXED, MOVING, STEPS, make
from paretune.comparison.members import tuning_members
from paretune.comparison.plan import Arm, Plan
from paretune.comparison.summary import configured_arms, summarise, target_of
from paretune.comparison.tuning import tried
from paretune.record.json_files import read_json, write_json

TUNED = Arm("tuned", configurations=[{"weights": "1,0"}, {"weights": "0.5,0.5"}, {"weights": "0,1"}])
SEARCH = Plan("made-up", [TUNED, MOVING], seeds=(0, 1), tuning_seeds=(1000, 1001), primary="gradient")
TRIED = {0: (0.3, 0.9, 0.4), 1: (0.6, 0.2, 0.5), 2: (0.4, 0.5, 0.7)}
"""By configuration: on validation, on test, and the last policy there."""


def tune(root: Path, without: tuple[int, ...] = ()) -> None:
    for member in tuning_members(SEARCH):
        validation, test, last = TRIED[member.configuration or 0]
        if member.configuration not in without:
            measured = {VALIDATION: {20: (validation, 1.0)}, TEST: {10: (test, 1.0), 20: (last, 0.1)}}
            make_run(root / member.directory, steps=STEPS, measured=measured)


def target(root: Path, plan: Plan) -> float | None:
    return target_of(plan, {arm.name: tried(root, plan, arm) for arm in plan.arms if arm.is_tuned})


def test_arms_take_the_configuration_that_was_best_on_the_validation_split(tmp_path: Path) -> None:
    tune(tmp_path)
    arms = configured_arms(tmp_path, SEARCH)
    assert arms == {"tuned": TUNED.configured({"weights": "0.5,0.5"}), "gradient": MOVING}
    make(tmp_path, SEARCH, lambda member: 0.5)
    summary = summarise(tmp_path, SEARCH)
    rule = summary["rules"]["tuned"]
    assert (rule["settings"], rule["tuning"]["chosen"]) == ({"weights": "0.5,0.5"}, 1)
    assert rule["tuning"]["configurations"][2] == {
        "settings": {"weights": "0,1"},
        "hypervolume": pytest.approx(0.4),
        "test": pytest.approx(0.52),  # 0.5, and the last policy's 0.1 · (0.7 − 0.5) beside it
        "tokens": 2007,
        "final": {"accuracy": pytest.approx(0.7), "length": pytest.approx(90.0)},
    }
    lines = rule["tuning"]["expected_best"]
    assert [line["configurations"] for line in lines] == [1, 2, 3]
    assert lines[2]["hypervolume"] == pytest.approx(0.2 + 0.1 * 0.3)  # of all three the one that is chosen
    assert rule["tuning"]["sweep"]["hypervolume"]["n"] == 2
    assert (summary["protocol"]["configurations"], summary["protocol"]["tuning_seeds"]) == (3, [1000, 1001])
    assert summary["rules"]["gradient"]["tuning"] is None
    assert summary["best_fixed"] == {"grpo": "tuned"}


def test_the_target_comes_from_the_best_fixed_weights_tuning_runs(tmp_path: Path) -> None:
    assert target(tmp_path, SEARCH) is None
    tune(tmp_path)
    assert target(tmp_path, SEARCH) == pytest.approx(0.9 * 0.5 * 0.1)  # of its last policy alone
    assert target(tmp_path, replace(SEARCH, target=0.3)) == 0.3
    moving = replace(SEARCH, arms=[replace(TUNED, rule="hypervolume"), MOVING])
    assert target(tmp_path, moving) is None


def test_of_several_tuned_fixed_arms_the_best_on_validation_gives_the_target(tmp_path: Path) -> None:
    arms = [Arm(name, configurations=[{"weights": "1,0"}]) for name in ("a", "b")]
    plan = Plan("made-up", arms, tuning_seeds=(1000,))
    for name, validation, last in (("a", 0.3, 0.9), ("b", 0.4, 0.2)):
        measured = {VALIDATION: {20: (validation, 1.0)}, TEST: {20: (last, 1.0)}}
        make_run(tmp_path / f"tuning/{name}-0-grpo-seed1000", measured=measured)
    assert target(tmp_path, plan) == pytest.approx(0.9 * 0.2)


@pytest.mark.parametrize(("seconds", "runs"), [(0.5, 1.0), (1.75, 1.75), (2.5, 2.5), (9.0, 3.0)])
def test_what_a_sweep_of_fixed_weights_comes_to_for_the_time_of_one_run(
    tmp_path: Path, seconds: float, runs: float
) -> None:
    tune(tmp_path)  # three configurations
    alone = {"primary": None, "tuning_seeds": ()}
    make(tmp_path, replace(SEARCH, arms=[replace(TUNED, configurations=())], **alone), lambda member: 0.5)  # 1 a batch
    slow = [batch(step, seconds={"total": seconds}) for step in (5, 10, 15, 20)]
    make(tmp_path, replace(SEARCH, arms=[MOVING], **alone), lambda member: 0.5, steps=slow)
    rules = summarise(tmp_path, SEARCH)["rules"]
    assert rules["tuned"]["at_equal_cost"] is None
    found = rules["gradient"]["at_equal_cost"]
    assert (found["against"], found["runs"]) == ("tuned", pytest.approx(runs))
    best = [line["hypervolume"] for line in rules["tuned"]["tuning"]["expected_best"]]
    below, part = best[int(runs) - 1], runs - int(runs)
    above = best[min(int(runs), 2)]
    assert found["hypervolume"] == pytest.approx((1 - part) * below + part * above)


def test_many_runs_of_which_the_same_is_to_be_said_share_a_line(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED], seeds=range(5))
    make(tmp_path, replace(plan, seeds=(1,)), lambda member: 0.5)
    assert summarise(tmp_path, plan)["incomplete"] == ["fixed-grpo, seeds 0, 2, 3, 4: not run."]


def test_configurations_that_could_not_be_judged_are_named(tmp_path: Path) -> None:
    tune(tmp_path, without=(1,))
    make(tmp_path, SEARCH, lambda member: 0.5)
    tear(tmp_path / "tuning/tuned-0-grpo-seed1001/evaluations.jsonl")
    summary = summarise(tmp_path, SEARCH)
    lines = summary["incomplete"]
    assert lines[:2] == ["tuning/tuned-1-grpo-seed1000: not run.", "tuning/tuned-1-grpo-seed1001: not run."]
    assert lines[2].startswith("tuning/tuned-0-grpo-seed1001: its files cannot be read: ")
    assert len(lines) == 3
    tuning = summary["rules"]["tuned"]["tuning"]
    assert tuning["configurations"][1] == {"settings": {"weights": "0.5,0.5"}, "hypervolume": None, "test": None}
    assert (tuning["chosen"], len(tuning["expected_best"])) == (2, 2)


def test_an_arm_of_which_no_configuration_could_be_judged(tmp_path: Path) -> None:
    make(tmp_path, replace(SEARCH, arms=[MOVING]), lambda member: 0.5)
    assert configured_arms(tmp_path, SEARCH) == {"tuned": None, "gradient": MOVING}
    summary = summarise(tmp_path, SEARCH)
    assert list(summary["rules"]) == ["gradient"]
    assert summary["incomplete"][-1] == "tuned: none of its configurations under tuning/ could be judged."
    assert len(summary["incomplete"]) == 7


def test_tuned_fixed_weights_are_the_baseline_whatever_others_came_to(tmp_path: Path) -> None:
    tune(tmp_path)
    plan = replace(SEARCH, arms=[TUNED, FIXED, MOVING])
    make(tmp_path, plan, lambda member: 0.6 if member.arm is FIXED else 0.3)
    summary = summarise(tmp_path, plan)
    assert summary["best_fixed"] == {"grpo": "tuned"}
    assert summary["rules"]["fixed"]["versus_best_fixed"]["difference"] == pytest.approx(0.3)


def test_tuning_runs_without_a_value_do_no_harm(tmp_path: Path) -> None:
    make(tmp_path, SEARCH, lambda member: 0.5)
    for member in tuning_members(SEARCH):
        nan = (math.nan, 0.5) if member.configuration == 0 else (0.5, 0.5)
        measured = {VALIDATION: {20: (0.5, 0.5)}, TEST: {20: nan}}
        make_run(tmp_path / member.directory, steps=STEPS, measured=measured)
    write_json(tmp_path / "summary.json", summarise(tmp_path, SEARCH))
    tuning = read_json(tmp_path / "summary.json")["rules"]["tuned"]["tuning"]
    assert tuning["configurations"][0]["final"] == {"accuracy": None, "length": 50.0}
    assert (tuning["configurations"][0]["test"], tuning["sweep"]["apart"]) == (0.0, [1])
