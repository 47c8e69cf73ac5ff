import doctest
import math
import time

import numpy as np
import pytest

import paretune.comparison.null_spread
from paretune.comparison.null_spread import _front, front_statistics, null_spread
from paretune.pareto import ParetoArchive

UNIT = [(0.0, 1.0)]
ROOT_PI = math.sqrt(math.pi)


def test_examples():
    assert doctest.testmod(paretune.comparison.null_spread).failed == 0


def test_the_statistics_of_a_front_by_hand():
    assert front_statistics([[1.0, 10.0], [3.0, 20.0], [5.0, 60.0]], [0, 10, 50]) == ([3.0, 30.0], 20.0)
    assert front_statistics([[0.25]], [7]) == ([0.25], 7.0)


@pytest.mark.parametrize(("points", "steps"), [([], []), ([[1.0]], [1, 2]), ([1.0, 2.0], [1, 2])])
def test_a_front_has_points_and_their_steps(points, steps):
    with pytest.raises(ValueError, match=r"`points` must be \[n, K\]"):
        front_statistics(points, steps)


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize(("evaluations", "expected"), [(1, 0.0), (2, 1 / ROOT_PI), (3, 1.5 / ROOT_PI)])
def test_one_objective_gains_the_expected_best_of_its_evaluations(maximize, evaluations, expected):
    # Of one objective the front is the best evaluation, at a step that any of them is equally likely to be.
    steps = [0, 10, 40][:evaluations]
    null = null_spread([0.5], [0.01], steps, [maximize], UNIT, repeats=1000)
    assert null["selection_gain"] == pytest.approx([0.01 * expected], abs=0.001)
    sign = 1 if maximize else -1
    assert null["front_mean"]["mean"] == pytest.approx([0.5 + sign * null["selection_gain"][0]])
    assert null["steps_to_front"]["mean"] == pytest.approx(np.mean(steps), abs=2)
    assert null["steps_to_front"]["sd"] == pytest.approx(np.std(steps), abs=1)
    if evaluations == 2:  # Var max(X, Y) = 1 − 1/π
        assert null["front_mean"]["sd"] == pytest.approx([0.01 * math.sqrt(1 - 1 / math.pi)], rel=0.1)
    assert null["n"] == 1000


def test_without_noise_nothing_is_gained_and_the_first_evaluation_is_the_front():
    null = null_spread([0.4, 30.0], [0.0, 0.0], [5, 10, 15], [True, False], [(0, 1), (0, 100)])
    assert null == {
        "front_mean": {"mean": [pytest.approx(0.4), pytest.approx(30.0)], "sd": [pytest.approx(0)] * 2},
        "selection_gain": [pytest.approx(0)] * 2,
        "steps_to_front": {"mean": 5.0, "sd": 0.0},
        "n": 200,
    }


@pytest.mark.parametrize("up", [True, False])
def test_two_evaluations_of_two_objectives(up):
    # One beats the other in both with probability 1/2: then the front's mean is the better value, else the mean of
    # both. So half of 1/√π is gained in each, and half of the fronts are at a mean step of 5.
    null = null_spread([0.5, 0.5], [0.01, 0.02], [0, 10], [True, up], UNIT * 2, repeats=1000)
    assert null["selection_gain"] == pytest.approx([0.005 / ROOT_PI, 0.01 / ROOT_PI], rel=0.3)
    assert null["steps_to_front"]["mean"] == pytest.approx(5, abs=0.5)
    assert null["steps_to_front"]["sd"] == pytest.approx(5 / math.sqrt(2), rel=0.1)


def test_it_is_the_same_for_the_same_seed_and_no_other():
    first, again, other = (null_spread([0.5], [0.1], [0, 1], [True], UNIT, repeats=10, seed=seed) for seed in (3, 3, 4))
    assert first == again != other


def test_values_stay_within_the_bounds_and_equal_ones_count_once():
    # All but sure to be clipped to 1 at least once; the first such evaluation stays on the front.
    null = null_spread([1.0], [0.1], range(20), [True], UNIT)
    assert null["front_mean"]["mean"] == pytest.approx([1.0])
    assert null["steps_to_front"]["mean"] == pytest.approx(1.0, abs=0.4)  # 0 · 1/2 + 1 · 1/4 + 2 · 1/8 + …


def test_a_policy_at_its_worst_bound_has_a_front_of_its_other_objective():
    # The length is the bound or beyond it in half of the evaluations, and the bound then.
    null = null_spread([0.2, 100.0], [0.0, 0.0], [3, 8], [True, False], [(0, 1), (0, 100)])
    assert null["front_mean"] == {"mean": [pytest.approx(0.2), 100.0], "sd": [pytest.approx(0), 0.0]}
    assert null["steps_to_front"] == {"mean": 3.0, "sd": 0.0}
    alone = null_spread([0.5], [0.1], range(8), [True], UNIT)
    beside = null_spread([0.5, 100.0], [0.1, 0.0], range(8), [True, False], [(0, 1), (0, 100)])
    assert beside["steps_to_front"]["sd"] == pytest.approx(alone["steps_to_front"]["sd"], rel=0.2)


def test_many_evaluations_on_few_problems_look_like_progress():
    # 72 evaluations on 100 problems, accuracy 0.83 and clarity 0.96: standard errors of √(p (1 − p) / 100).
    # Accuracy looks 0.03 better than it is, and steps-to-front has an sd of 5.6 evaluations.
    null = null_spread(
        [0.83, 700.0, 0.96], [0.0376, 50.0, 0.0196], range(72), [True, False, True],
        [(0, 1), (0, 2048), (0, 1)], repeats=50,
    )  # fmt: skip
    assert 0.02 < null["selection_gain"][0] < 0.04
    assert null["selection_gain"][1] > 20
    assert 4.5 < null["steps_to_front"]["sd"] < 7


@pytest.mark.parametrize("dimension", [1, 2, 3, 7, 32])
@pytest.mark.parametrize("offset", [0.0, 0.4])
def test_a_front_is_what_an_archive_would_hold(dimension, offset):
    generator = np.random.default_rng(dimension)
    maximize = [k % 2 == 0 for k in range(dimension)]
    sign = np.where(maximize, 1.0, -1.0)
    reference = [offset if up else 1 - offset for up in maximize]
    for _ in range(5):
        # Few values, some at the bounds: many are equal.
        points = generator.integers(0, 6, (30, dimension)) / 5
        archive = ParetoArchive(maximize, reference, UNIT * dimension)
        for step, point in enumerate(points):
            archive.add(point, step)
        assert _front(sign * points) == archive.steps


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_bounds_of_any_size(size):
    steps, maximize = range(8), [True, False]
    plain = null_spread([0.5, 0.9], [0.1, 0.3], steps, maximize, UNIT * 2, repeats=20)
    bounds = [(0.0, size)] * 2
    sized = null_spread([0.5 * size, 0.9 * size], [0.1 * size, 0.3 * size], steps, maximize, bounds, 20)
    assert np.array(sized["front_mean"]["mean"]) / size == pytest.approx(plain["front_mean"]["mean"])
    assert sized["steps_to_front"] == pytest.approx(plain["steps_to_front"])


def test_many_objectives_take_no_longer_than_few():
    started = time.process_time()
    null = null_spread([0.5] * 32, [0.1] * 32, range(72), [True] * 32, UNIT * 32)
    assert null["steps_to_front"]["mean"] == pytest.approx(35.5)  # none of them dominates another
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": [0.5, 0.5]}, "must have 1 values"),
        ({"standard_errors": []}, "must have 1 values"),
        ({"standard_errors": [-0.1]}, "0 or more"),
        ({"metrics": [math.nan]}, "must be finite"),
        ({"metrics": [math.inf]}, "must be finite"),
        ({"standard_errors": [math.nan]}, "must be finite"),
        ({"steps": []}, "one step or more"),
        ({"repeats": 1}, "2 repeats or more"),
        ({"bounds": [(1.0, 0.0)]}, "low < high"),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    arguments = {
        "metrics": [0.5], "standard_errors": [0.1], "steps": [0], "maximize": [True], "bounds": UNIT
    }  # fmt: skip
    with pytest.raises(ValueError, match=message) as raised:
        null_spread(**(arguments | changes))
    assert "\n" not in str(raised.value)
