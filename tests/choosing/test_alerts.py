"""Remarks on runs that are made up so that one knows what is to be said, and on noise, of which nothing is."""

import json
import math
from typing import Any

import numpy as np
import pytest

from paretune.choosing.alerts import Alerts
from paretune.record.entries import Batch, Evaluation, Objective
from paretune.record.fields import Fields

NAMES = ["accuracy", "conciseness", "clarity"]


def alerts() -> Alerts:
    bounds = {"accuracy": (0.0, 1.0), "conciseness": (0.0, 60.0), "clarity": (0.0, 1.0)}
    return Alerts([Objective(name, name != "conciseness", bounds[name]) for name in NAMES])


def weights(step: int, **values: float) -> dict[str, Any]:
    rest = dict.fromkeys(NAMES, 0.3)
    return {"batch": step, "step": step, "weights": rest | values}


def evaluation(step: int, error: float = 0.01, **metrics: float | None) -> dict[str, Any]:
    values: dict[str, float | None] = {"accuracy": 0.5, "conciseness": 30.0, "clarity": 0.5}
    return {
        "batch": step,
        "step": step,
        "metrics": values | metrics,
        "standard_error": {"accuracy": error, "conciseness": 60 * error, "clarity": error},
        "purpose": "grid",
    }


def said(watch: Alerts, lines: list[dict[str, Any]]) -> list[list[str]]:
    read = [Fields(line, "a line") for line in lines]
    return [
        watch.evaluation(Evaluation.of(one)) if "metrics" in one.content else watch.batch(Batch.of(one)) for one in read
    ]


# --- weights ----------------------------------------------------------------------------------------------


def test_a_weight_in_the_corner_is_named_once() -> None:
    found = said(alerts(), [weights(1)] + [weights(step, clarity=0.019) for step in range(2, 12)])
    assert [len(remarks) for remarks in found] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert found[5] == ["the weight of clarity is cornered: below 0.02 since step 2, now 0.019"]


def test_both_corners() -> None:
    lines = [weights(0)] + [weights(s, accuracy=0.96, clarity=0.01, conciseness=0.03) for s in range(1, 6)]
    [*before, last] = said(alerts(), lines)
    assert not any(before)
    assert [line.split(":")[1].split(" since")[0] for line in last] == [" above 0.95", " below 0.02"]


@pytest.mark.parametrize("value", [0.02, 0.95, 0.021, 0.949])
def test_between_the_corners_there_is_nothing_to_say(value: float) -> None:
    assert not any(said(alerts(), [weights(s, clarity=value) for s in range(20)]))


def test_a_weight_that_comes_and_goes_is_not_cornered() -> None:
    assert not any(said(alerts(), [weights(s, clarity=0.3 if s % 5 == 0 else 0.001) for s in range(60)]))


def test_a_weight_that_jumps_from_corner_to_corner_stays_in_none() -> None:
    lines = [weights(0)] + [weights(s, clarity=1.0 if s % 2 else 0.0) for s in range(1, 40)]
    assert not any(said(alerts(), lines))


def test_weights_that_were_put_into_the_corner_are_no_news() -> None:
    assert not any(said(alerts(), [weights(s, accuracy=1.0, conciseness=0.0, clarity=0.0) for s in range(40)]))


# --- saturation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"accuracy": 0.98}, "accuracy is saturated: 0.98, 0.98, 0.98 in the last 3 evaluations, 1 is its best"),
        ({"accuracy": 1.2}, "accuracy is saturated"),
        ({"conciseness": 0.5}, "conciseness is saturated: 0.5, 0.5, 0.5 in the last 3 evaluations, 0 is its best"),
        ({"conciseness": 60.0}, "conciseness is stuck at its worst: 60, 60, 60"),
        ({"clarity": 0.0}, "clarity is stuck at its worst: 0, 0, 0"),
        ({"clarity": 0.009}, "clarity is stuck at its worst"),
        ({"clarity": 0.03}, ""),
        ({"accuracy": 0.94}, ""),
        ({"conciseness": 3.5}, ""),
    ],
)
def test_saturation(metrics: dict[str, float], expected: str) -> None:
    *before, last = said(alerts(), [evaluation(10 * s, **metrics) for s in range(3)])
    assert not any(before)
    assert len(last) == bool(expected)
    assert not expected or last[0].startswith(expected)


def test_what_still_rises_is_not_saturated() -> None:
    assert not any(said(alerts(), [evaluation(s, error=0.001, accuracy=0.955 + 0.01 * s) for s in range(4)]))


def test_one_evaluation_in_between_breaks_the_row() -> None:
    values = [1.0, 1.0, 0.8, 1.0, 1.0, 0.8, 1.0, 1.0]
    assert not any(said(alerts(), [evaluation(s, error=0.2, accuracy=v) for s, v in enumerate(values)]))


def test_without_bounds_nothing_saturates() -> None:
    watch = Alerts([Objective("accuracy")])
    assert not any(said(watch, [evaluation(s, accuracy=1.0) for s in range(9)]))


# --- one at another's cost --------------------------------------------------------------------------------


def test_an_objective_that_pays_for_others() -> None:
    lines = [
        evaluation(0),
        evaluation(10, accuracy=0.54, conciseness=32.0),  # 2.8 and 2.4 joint standard errors
        evaluation(20, accuracy=0.6, conciseness=36.0),
        evaluation(30, accuracy=0.6, conciseness=40.0, clarity=0.7),
    ]
    assert said(alerts(), lines) == [
        [],
        [],
        [
            "conciseness (30 → 36) has got worse since step 0, while accuracy (0.5 → 0.6) improved "
            "(each by over 3 standard errors)"
        ],
        [],
    ]


@pytest.mark.parametrize("metrics", [{"accuracy": 0.9, "conciseness": 20.0}, {"accuracy": 0.2, "clarity": 0.1}])
def test_all_up_or_all_down_is_no_trade(metrics: dict[str, float]) -> None:
    assert not any(said(alerts(), [evaluation(0), evaluation(10, **metrics)]))


def test_a_rules_own_evaluations_do_not_count() -> None:
    lines = [evaluation(0)] + [evaluation(s, accuracy=1.0, clarity=0.0) | {"purpose": "rule"} for s in range(1, 9)]
    assert not any(said(alerts(), lines))


def test_null_in_a_record_is_passed_over() -> None:
    watch = alerts()
    assert not any(said(watch, [evaluation(s, accuracy=None) for s in range(5)]))
    single = evaluation(6, accuracy=1.0, clarity=0.0)  # of one prompt: no standard error
    single["standard_error"] = dict.fromkeys(NAMES)
    assert not any(said(watch, [single]))
    assert not any(said(watch, [{"step": 7, "metrics": None, "purpose": "grid"}, {"step": 7, "weights": None}]))


# --- noise ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [8, 64, 256])
def test_a_policy_that_does_not_change_is_left_alone(samples: int) -> None:
    """Answers right with probability p, lengths and partial marks: 20 evaluations each of 200 such policies."""
    random = np.random.default_rng(samples)
    runs, alarms = 200, 0
    for _ in range(runs):
        right, mark, length = random.uniform(0.1, 0.9), random.uniform(0.1, 0.9), random.uniform(10, 50)
        watch = alerts()
        lines = []
        for step in range(20):
            draws = {
                "accuracy": random.binomial(1, right, samples).astype(float),
                "conciseness": random.normal(length, 8, samples).clip(0, 60),
                "clarity": random.choice([0, 0.5, 1], samples, p=[(1 - mark) / 2, 0.5, mark / 2]),
            }
            errors = {name: float(d.std(ddof=1) / math.sqrt(samples)) for name, d in draws.items()}
            means = {name: float(d.mean()) for name, d in draws.items()}
            lines.append({"step": step, "metrics": means, "standard_error": errors, "purpose": "grid"})
        alarms += any(said(watch, lines))
    assert alarms / runs <= (0.05 if samples > 8 else 0.15)


def test_lines_as_the_record_holds_them() -> None:
    line = json.loads(json.dumps(evaluation(0)))
    line["metrics"]["another"] = 3
    assert said(alerts(), [line]) == [[]]
