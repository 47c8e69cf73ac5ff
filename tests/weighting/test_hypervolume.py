import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune import HypervolumeGuided, Objective
from paretune.weighting import meta_reward
from paretune.weighting.hypervolume import swallowed
from weighting.batches import batch, evaluation

OBJECTIVES = [
    Objective("accuracy", print, bounds=(0, 1)),
    Objective("length", print, maximize=False, bounds=(0, 100)),
]


def rule(**settings: Any) -> HypervolumeGuided:
    made = HypervolumeGuided([0.5, 0.5], **settings)
    made.check(OBJECTIVES)
    return made


def scale_after(made: HypervolumeGuided, *metrics: float) -> float:
    return made.update(batch(2, evaluation=evaluation(*metrics))).scale


def test_golden(golden: dict[str, Any]) -> None:
    for sequence in golden["hypervolume_sequences"]:
        for step in sequence["steps"]:
            assert meta_reward(max(step["contribution"], 0.0)) == pytest.approx(step["meta_reward"], abs=1e-9)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_meta_reward_is_monotone_and_bounded(a: float, b: float, scale: float) -> None:
    low, high = sorted((a, b))
    assert 0.5 <= meta_reward(low, scale) <= meta_reward(high, scale) <= 2.0


@pytest.mark.parametrize(("contribution", "scale"), [(-1e-9, 1.0), (float("nan"), 1.0), (1.0, 0.0)])
def test_meta_reward_refuses(contribution: float, scale: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        meta_reward(contribution, scale)


def test_algorithm_1_by_hand() -> None:
    made = rule(scale=0.1)
    assert scale_after(made, 0.5, 50.0) == 1.0  # the initial policy opens the archive: volume 0.5 · 0.5
    # Normalised points (0.5, 0.5) → (0.6, 0.5): the new strip is 0.1 · 0.5.
    assert scale_after(made, 0.6, 50.0) == pytest.approx(0.5 + 1.5 * math.tanh(0.5))
    assert scale_after(made, 0.4, 60.0) == 0.5  # dominated: no progress
    # (0.5, 0.6) adds 0.5 · 0.1.
    assert scale_after(made, 0.5, 40.0) == pytest.approx(0.5 + 1.5 * math.tanh(0.5))


def test_scale_is_calibrated_on_the_positive_contributions() -> None:
    made = rule()
    scale_after(made, 0.5, 50.0)
    assert scale_after(made, 0.6, 50.0) == pytest.approx(0.5 + 1.5 * math.tanh(1.0))
    assert scale_after(made, 0.6, 50.0) == 0.5
    # The second strip is 0.02 · 0.5 = 0.01; the mean of 0.05 and 0.01 is 0.03.
    assert scale_after(made, 0.62, 50.0) == pytest.approx(0.5 + 1.5 * math.tanh(1 / 3))


def test_the_papers_reference_is_the_initial_policy() -> None:
    made = rule(reference="initial", scale=0.1)
    assert scale_after(made, 0.5, 50.0) == 1.0
    assert scale_after(made, 0.9, 60.0) == 0.5  # longer than at the start: it does not dominate the reference
    assert scale_after(made, 0.6, 40.0) == pytest.approx(0.5 + 1.5 * math.tanh(0.01 / 0.1))


def test_between_two_evaluations_the_factor_stays() -> None:
    made = rule(every=2, scale=0.1)
    assert made.measurements().evaluation == "validation"
    scale_after(made, 0.5, 50.0)
    assert made.measurements().evaluation is None
    assert scale_after(made, 0.9, 10.0) == 1.0  # not looked at
    assert made.measurements().evaluation == "validation"
    assert scale_after(made, 0.6, 50.0) > 1.0


def test_state_survives_json() -> None:
    made, again = rule(), rule()
    for point in [(0.5, 50.0), (0.6, 50.0), (0.6, 40.0)]:
        scale_after(made, *point)
    again.load_state_dict(json.loads(json.dumps(made.state_dict())))
    for point in [(0.7, 45.0), (0.65, 39.0), (0.1, 90.0)]:
        assert scale_after(made, *point) == scale_after(again, *point)


def test_bounds_are_needed() -> None:
    with pytest.raises(ValueError, match="needs bounds of every objective's metric; without are: a"):
        HypervolumeGuided([1.0]).check([Objective("a", print)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"apply_to": "loss"}, "`apply_to` must be one of update, advantage, reward, got 'loss'"),
        ({"reference": "best"}, "'worst', 'initial' or K values, got 'best'"),
        ({"reference": [0.0]}, "1 values for 2 weights"),
        ({"scale": 0.0}, "`scale` must be positive"),
        ({"evaluate_on": "test"}, "'validation' or 'rollouts', got 'test'"),
        ({"every": 0}, "1 or more"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HypervolumeGuided([0.5, 0.5], **settings)


GROUP = {"estimator": "grpo", "scale_rewards": "group", "aggregation": "sum_then_normalize", "max_grad_norm": 0.0}


@pytest.mark.parametrize(
    ("apply_to", "changed", "reason"),
    [
        ("update", {"max_grad_norm": 1.0}, None),
        ("reward", {}, "scale_rewards='group'"),
        ("reward", {"scale_rewards": "batch"}, "scale_rewards='batch'"),
        ("reward", {"scale_rewards": "none"}, None),
        ("reward", {"scale_rewards": "none", "max_grad_norm": 1.0}, "max_grad_norm=1"),
        ("reward", {"scale_rewards": "none", "aggregation": "normalize_then_sum"}, "normalize_then_sum"),
        ("reward", {"estimator": "reinforce++"}, "whitening"),
        ("reward", {"estimator": "rloo"}, None),
        ("reward", {"estimator": "rloo", "max_grad_norm": 1.0}, "max_grad_norm=1"),
        ("advantage", {}, None),
        ("advantage", {"max_grad_norm": 0.5}, "max_grad_norm=0.5"),
    ],
)
def test_the_warning_knows_what_swallows_the_factor(apply_to: str, changed: dict[str, Any], reason: str | None) -> None:
    said = swallowed(apply_to, **{**GROUP, **changed})
    assert said is None if reason is None else reason in said
