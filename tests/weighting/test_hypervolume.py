import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune import HypervolumeGuided, Objective
from paretune.weighting import meta_reward
from paretune.weighting.hypervolume import swallowed
from weighting.batches import batch, evaluation

OBJECTIVES = [
    Objective("accuracy", print, bounds=(0, 1)),
    Objective("length", print, metric=len, maximize=False, bounds=(0, 100)),
]


def rule(**settings: Any) -> HypervolumeGuided:
    made = HypervolumeGuided([0.5, 0.5], **settings)
    made.check(OBJECTIVES)
    return made


def scale_after(made: HypervolumeGuided, *metrics: float) -> float:
    """The factor after one more update, which made a policy with these metrics."""
    step = made.state_dict()["batches"]
    return made.update(batch(2, step=step, evaluation=evaluation(*metrics, step=step))).scale


def test_golden(golden: dict[str, Any]) -> None:
    for sequence in golden["hypervolume_sequences"]:
        for step in sequence["steps"]:
            assert meta_reward(max(step["contribution"], 0.0)) == pytest.approx(step["meta_reward"], abs=1e-9)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_meta_reward_is_monotone_and_bounded(a: float, b: float, scale: float) -> None:
    low, high = sorted((a, b))
    assert 0.5 <= meta_reward(low, scale) <= meta_reward(high, scale) <= 2.0


@pytest.mark.parametrize(
    ("contribution", "scale"),
    [(-1e-9, 1.0), (float("nan"), 1.0), (1.0, 0.0), (1.0, float("inf")), (1.0, float("nan"))],
)
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


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("batches", [2, 4])
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 100)), min_size=1, max_size=5), st.randoms())
@pytest.mark.turns
def test_a_policy_is_judged_once_however_many_batches_make_an_update(
    every: int, batches: int, points: list[tuple[float, float]], random: Any
) -> None:
    made, once = rule(every=every, scale=0.1), rule(scale=0.1)
    looked: dict[int, float] = {}
    for b in range(batches * len(points)):
        step = b // batches
        accuracy, length = points[step]
        # Rollouts of the same policy differ from batch to batch; what was seen first counts.
        seen = points[step] if step not in looked else (accuracy * random.random(), length)
        if b % every == 0 and step not in looked:
            looked[step] = once.update(batch(2, step=step, evaluation=evaluation(*seen, step=step))).scale
        scale = made.update(batch(2, step=step, evaluation=evaluation(*seen, step=step))).scale
        assert scale == list(looked.values())[-1]
        made_again = rule(every=every, scale=0.1)
        made_again.load_state_dict(json.loads(json.dumps(made.state_dict())))
        made = made_again


# --- numbers that misbehave -------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [None, 0.1, 1e-300, 1e300])
@pytest.mark.parametrize("reference", ["worst", "initial"])
def test_a_metric_that_stays_at_its_worst_is_no_progress(reference: str, scale: float | None) -> None:
    made = rule(reference=reference, scale=scale)
    assert scale_after(made, 0.0, 60.0) == 1.0
    assert [scale_after(made, 0.0, length) for length in (50.0, 10.0, 0.0)] == [0.5, 0.5, 0.5]
    assert made.archive is not None
    assert made.archive.hypervolume == 0.0


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("reference", ["worst", "initial", (0.0, 90.0)])
def test_an_evaluation_that_is_not_finite_is_not_judged(reference: Any, spoilt: float) -> None:
    made, untroubled = (rule(reference=reference, scale=0.1) for _ in range(2))
    with pytest.warns(UserWarning, match=r"step 0 are not finite .* the factor stays 1\."):
        assert scale_after(made, spoilt, 50.0) == 1.0
    for point in [(0.5, 50.0), (0.6, 40.0)]:
        assert scale_after(made, *point) == scale_after(untroubled, *point)
    with pytest.warns(UserWarning, match="are not finite"):
        assert scale_after(made, 0.9, spoilt) == untroubled.meta_reward > 0.6
    assert made.archive.points.tolist() == untroubled.archive.points.tolist()


numbers = st.one_of(st.floats(-200, 200), st.sampled_from([0.0, 1.0, 100.0, 1e30, -1e30, 1e-30, 1e308]))


@settings(deadline=None)
@given(
    st.sampled_from([1, 2, 32]),
    st.lists(st.tuples(numbers, numbers), max_size=8),
    st.sampled_from([None, 1e-320, 1e-30, 1e30]),
)
def test_the_factor_is_always_between_its_limits(
    count: int, points: list[tuple[float, float]], scale: float | None
) -> None:
    made = HypervolumeGuided([1 / count] * count, scale=scale)
    made.check([Objective(f"o{k}", print, metric=len, maximize=k % 2 == 0, bounds=(-100, 100)) for k in range(count)])
    for step, (even, odd) in enumerate(points):
        metrics = [(odd if k % 2 else even) / (1 + k // 2) for k in range(count)]
        factor = made.update(batch(count, evaluation=evaluation(*metrics, step=step))).scale
        assert 0.5 <= factor <= 2.0
        json.dumps(made.state_dict(), allow_nan=False)


def test_thirty_two_objectives_make_progress_and_survive_a_restart() -> None:
    made, again = (HypervolumeGuided([1 / 32] * 32) for _ in range(2))
    for one in (made, again):
        one.check([Objective(f"o{k}", print, bounds=(0, 1)) for k in range(32)])
    generator = np.random.default_rng(0)
    factors = []
    for step, start in enumerate(np.linspace(0.1, 0.7, 20)):
        metrics = (start + 0.1 * generator.random(32)).tolist()
        seen = batch(32, evaluation=evaluation(*metrics, step=step))
        factors.append(made.update(seen).scale)
        assert again.update(seen).scale == factors[-1]
        state = json.loads(json.dumps(again.state_dict()))
        again = HypervolumeGuided([1 / 32] * 32)
        again.check([Objective(f"o{k}", print, bounds=(0, 1)) for k in range(32)])
        again.load_state_dict(state)
    assert all(factor > 1 for factor in factors[1:])  # each is better than all before


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
        ({"reference": [0.0, float("nan")]}, "`reference` must be finite"),
        ({"scale": 0.0}, "`scale` must be finite and above 0"),
        ({"evaluate_on": "test"}, "'validation' or 'rollouts', got 'test'"),
        ({"every": 0}, "1 or more"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HypervolumeGuided([0.5, 0.5], **settings)


@pytest.mark.parametrize("reference", [[1.0, 100.0], [1.5, 50.0], [0.0, 0.0], [0.5, -1.0]])
def test_a_reference_above_which_there_is_no_room(reference: list[float]) -> None:
    with pytest.raises(ValueError, match=r"whose best bound is [10]: nothing can be better"):
        rule(reference=reference)
    rule(reference=[0.99, 99.0])


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
