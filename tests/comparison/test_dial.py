"""Whether a dial works: figures worked by hand."""

import math
from pathlib import Path
from typing import Any

import pytest

from comparison.runs import TEST, make_run, measure
from paretune.comparison.dial import dial_of
from paretune.comparison.members import comparison_members
from paretune.comparison.plan import Arm, Plan
from paretune.comparison.summary import summarise
from paretune.record.entries import Evaluation, Objective

OBJECTIVES = [Objective("right", True, (0.0, 1.0)), Objective("tokens", False, (0.0, 10.0))]


def at(priority: float, **metrics: float) -> Evaluation:
    return Evaluation(step=1, metrics=metrics, errors={}, priorities={"right": priority, "tokens": 1 - priority})


def test_a_dial_that_turns() -> None:
    dial = dial_of(
        OBJECTIVES, [at(0, right=0.2, tokens=2), at(0.5, right=0.5, tokens=5), at(1, right=0.8, tokens=8)], None
    )
    assert dial.settings == 3
    for response in dial.responses.values():
        assert (response.correlation, response.monotone) == (pytest.approx(1), 1)
    assert (dial.responses["tokens"].worst, dial.responses["tokens"].best) == (8, 2)
    # Gains (0.2, 0.8), (0.5, 0.5), (0.8, 0.2): 0.2·0.8 + 0.3·0.5 + 0.3·0.2
    assert dial.hypervolume == pytest.approx(0.37)
    assert math.isnan(dial.regret)


def test_an_arms_dial_is_held_against_runs_on_one_objective(tmp_path: Path) -> None:
    alone = [Arm("first", weights="1,0"), Arm("second", weights="0,2")]
    ends = {"first": (0.9, 0.1), "second": (0.1, 0.6), "steerable": (0.5, 0.5)}

    def entry(arms: list[Arm], root: Path) -> Any:
        plan = Plan("made-up", [*arms, Arm("steerable", "steerable")], seeds=(0, 1))
        for member in comparison_members(plan):
            directory = make_run(root / member.directory, measured={TEST: {20: ends[member.arm.name]}})
            if member.arm.name != "steerable":
                continue
            for told, gains in ((0.0, (0.3, 0.6)), (0.5, (0.4, 0.5)), (1.0, (0.7, 0.2))):
                measure(directory, *TEST, {20: gains}, priorities={"accuracy": told, "length": 1 - told})
        return summarise(root, plan)["rules"]

    rules = entry(alone, tmp_path / "both")
    assert rules["first"]["dial"] is None
    accuracy, length = rules["steerable"]["dial"]["accuracy"], rules["steerable"]["dial"]["length"]
    assert (accuracy["correlation"]["mean"], accuracy["monotone"]["mean"]) == (pytest.approx(1), 1)
    # 0.7 − 0.3 of 0.9 − 0.1, and 80 − 40 tokens of 90 − 40
    assert (accuracy["range"]["mean"], accuracy["covered"]["mean"]) == (pytest.approx(0.4), pytest.approx(0.5))
    assert (length["range"]["mean"], length["covered"]["mean"]) == (pytest.approx(40), pytest.approx(0.8))
    lacking = entry(alone[:1], tmp_path / "one")["steerable"]["dial"]["accuracy"]
    assert (lacking["range"]["mean"], lacking["covered"]["mean"]) == (pytest.approx(0.4), None)


def test_a_dial_that_is_stuck_and_one_that_turns_back() -> None:
    stuck = dial_of(OBJECTIVES, [at(v, right=0.5, tokens=5) for v in (0, 0.5, 1)], None).responses["right"]
    assert math.isnan(stuck.correlation)
    assert stuck.monotone == 1
    back = dial_of(
        OBJECTIVES, [at(0, right=0.8, tokens=5), at(0.5, right=0.9, tokens=5), at(1, right=0.1, tokens=5)], None
    )
    assert back.responses["right"].correlation == pytest.approx(-0.5)
    assert back.responses["right"].monotone == 0.5


def test_without_bounds_or_measurements_what_is_not_known_is_nan() -> None:
    dial = dial_of([Objective("right"), Objective("other")], [at(0, right=0.2), at(1, right=0.4)], None)
    assert math.isnan(dial.hypervolume)
    assert dial.responses["right"].correlation == pytest.approx(1)
    assert math.isnan(dial.responses["other"].best)
