import math
import time

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.pareto.volumes import EXACT_UP_TO, SAMPLES, exclusive_share, part_volume, union_volume


def front(generator, count, dimension):
    """Corners of which none is covered by another."""
    corners = np.abs(generator.normal(size=(count, dimension))) + 0.05
    return corners / np.linalg.norm(corners, axis=1, keepdims=True)


def test_a_union_by_hand():
    assert union_volume(np.empty((0, 3))) == 0.0
    assert union_volume(np.array([[2.0, 1.0], [1.0, 3.0]])) == 4.0
    assert union_volume(np.zeros((2, 3))) == 0.0


@settings(deadline=None)
@given(st.integers(1, EXACT_UP_TO), st.integers(1, 6), st.integers(0, 2**32 - 1), st.data())
def test_units_that_are_powers_of_2_change_no_digit(dimension, count, seed, data):
    """Factors up to 1e±60 a side neither overflow nor underflow on the way, and cancel exactly."""
    corners = np.random.default_rng(seed).random((count, dimension))
    exponents = data.draw(st.lists(st.integers(-200, 200), min_size=dimension, max_size=dimension))
    assert union_volume(np.ldexp(corners, exponents)) == math.ldexp(union_volume(corners), sum(exponents))


def test_what_float64_cannot_hold():
    assert union_volume(np.full((2, 3), 1e200)) == math.inf
    assert union_volume(np.full((2, 3), 1e-200)) == 0.0
    assert union_volume(np.array([[1e200, 1e200, 1e-200]])) == pytest.approx(1e200)
    assert part_volume(np.full(32, 1e-30), 0.5) == math.ulp(0.0)  # not nothing
    assert part_volume(np.full(32, 1e-30), 0.0) == 0.0
    assert part_volume(np.full(32, 1e30), 0.5) == math.inf
    assert part_volume(np.array([1e200, 1e200, 1e-200]), 0.25) == pytest.approx(2.5e199)


@pytest.mark.parametrize("dimension", [6, 8, 12, 31])
@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0])
def test_estimates_are_as_good_as_they_say(dimension, spread):
    generator = np.random.default_rng(dimension)
    for _ in range(5):
        shortfalls = spread * generator.random((7, dimension))
        share = 1 - moocore.hypervolume(1 - shortfalls, ref=0.0, maximise=True)
        error = math.sqrt(share * (1 - share) / SAMPLES)
        assert exclusive_share(shortfalls) == pytest.approx(share, abs=4 * error + 1e-9)


def test_policies_that_differ_by_noise_alone_are_estimated_too():
    """What most contributions are like: the box is covered but for parts that the points would miss."""
    generator = np.random.default_rng(0)
    points = 0.5 + 0.03 * generator.normal(size=(106, 6))
    shares = []
    for point in points[100:]:
        shortfalls = (point - points[:100].clip(max=point)) / point
        share = 1 - moocore.hypervolume(1 - moocore.filter_dominated(shortfalls), ref=0.0, maximise=True)
        assert exclusive_share(shortfalls) == pytest.approx(share, rel=0.25, abs=1e-12)
        shares.append(share)
    assert min(share for share in shares if share > 1e-12) < 1e-3


def test_what_is_too_small_for_the_estimates_points_is_not_zero():
    # All but a billionth of each side is covered: the corner alone is left, and two objectives tell who covers what.
    shortfalls = np.zeros((2, 6))
    shortfalls[0, 0] = shortfalls[1, 1] = 1e-9
    assert exclusive_share(shortfalls) == pytest.approx(1e-18)
    assert exclusive_share(np.full((1, 32), 1e-16)) > 0


steps = st.sampled_from([0.0, 0.0, 2.0**-52, 1e-9, 0.25, 0.5, 1.0])


@settings(max_examples=50, deadline=None)
@given(st.data(), st.sampled_from([1, 2, 3, 5, 6, 9, 32]))
def test_nothing_is_left_exactly_where_another_covers_all(data, dimension):
    rows = st.lists(st.tuples(steps, steps, st.integers(0, 2**16)), max_size=8)
    # Each row has two shortfalls at places of its own, so that 32 objectives are not 32 draws.
    shortfalls = np.zeros((0, dimension))
    for first, second, place in data.draw(rows):
        row = np.zeros(dimension)
        row[place % dimension], row[(place // 7) % dimension] = first, second
        shortfalls = np.vstack([shortfalls, row])
    share = exclusive_share(shortfalls)
    assert (share == 0) == bool((shortfalls == 0).all(axis=1).any())
    assert 0 <= share <= 1
    assert share == exclusive_share(shortfalls)


def test_a_thousand_boxes_of_many_sides_are_soon_estimated():
    generator, started = np.random.default_rng(0), time.process_time()
    for dimension in (6, 8, 32):
        corners = front(generator, 1000, dimension)
        corner = np.full(dimension, 0.5 / math.sqrt(dimension))
        assert 0 <= exclusive_share((corner - corners.clip(max=corner)) / corner) <= 1
    assert time.process_time() - started < 20  # moocore alone takes longer than a day


def test_boxes_lost_beside_the_largest_sides_count_all_the_same():
    assert union_volume(np.array([[1.0, 1e308, 1.0, 1e308], [1e308, 1.0, 1e308, 1.0]])) == math.inf
    assert union_volume(np.array([[1e-300, 1e300], [1e300, 1e-300]])) == pytest.approx(1.0)
