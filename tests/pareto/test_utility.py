"""Expected utility, regret and the best geometric mean of sets that can be checked by hand or by brute force."""

import doctest
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.pareto import utility
from paretune.pareto.utility import (
    LATTICE_SIZE,
    best_geometric_mean,
    expected_utility,
    geometric_mean,
    regret,
    weight_lattice,
)


def support_of(vertices: Any) -> Callable[[Any], Any]:
    """The best vertex for each weighting: a set that is given by its corners."""
    corners = np.asarray(vertices, dtype=float)
    return lambda weights: corners[(np.asarray(weights) @ corners.T).argmax(axis=1)]


def sets(least: float) -> st.SearchStrategy[Any]:
    """Corners ``[N, K]`` with gains of at least `least`."""
    return (
        st.integers(2, 5)
        .flatmap(lambda k: st.lists(st.lists(st.floats(least, 1.0), min_size=k, max_size=k), min_size=1, max_size=6))
        .map(np.array)
    )


@pytest.mark.parametrize(("objectives", "divisions", "size"), [(2, 127, 128), (3, 14, 120), (5, 5, 126), (8, 3, 120)])
def test_the_lattice_is_as_fine_as_it_may_be(objectives: int, divisions: int, size: int) -> None:
    found = weight_lattice(objectives)
    assert found.tolist() == weight_lattice(objectives, divisions).tolist()
    assert len(found) == size <= LATTICE_SIZE < math.comb(divisions + objectives, objectives - 1)


@given(st.integers(1, 6), st.integers(1, 5))
def test_a_lattice_holds_every_multiple_once(objectives: int, divisions: int) -> None:
    found = weight_lattice(objectives, divisions)
    assert found.shape == (math.comb(divisions + objectives - 1, objectives - 1), objectives)
    assert len(np.unique(found, axis=0)) == len(found)
    assert found.sum(axis=1) == pytest.approx(1.0)
    multiples = found * divisions
    assert multiples == pytest.approx(multiples.round())
    assert (found >= 0).all()


def test_many_objectives_still_have_a_lattice_of_the_corners() -> None:
    assert sorted(weight_lattice(200).argmax(axis=1)) == list(range(200))


@pytest.mark.parametrize(("objectives", "divisions"), [(0, 1), (2, 0)])
def test_no_lattice_without_objectives_or_divisions(objectives: int, divisions: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        weight_lattice(objectives, divisions)


def test_expected_utility_and_regret_by_hand() -> None:
    """On the weightings (1, 0), (½, ½), (0, 1): two ends of a front and a compromise."""
    weights = weight_lattice(2, 2)
    ends, compromise = [[1.0, 0.0], [0.0, 1.0]], [0.6, 0.6]
    assert expected_utility(ends, weights) == pytest.approx((1 + 0.5 + 1) / 3)
    assert expected_utility(compromise, weights) == pytest.approx(0.6)
    assert expected_utility([*ends, compromise], weights) == pytest.approx((1 + 0.6 + 1) / 3)
    support = [1.0, 0.6, 1.0]
    assert regret(ends, weights, support) == pytest.approx(0.1 / 3)
    assert regret(compromise, weights, support) == pytest.approx((0.4 + 0 + 0.4) / 3)
    assert regret([*ends, compromise], weights, support) == pytest.approx(0.0)


@given(sets(0.0))
def test_the_whole_front_has_no_regret_and_less_of_it_has_some(vertices: Any) -> None:
    weights = weight_lattice(vertices.shape[1], 4)
    best = support_of(vertices)(weights)
    support = (weights * best).sum(axis=1)
    assert regret(best, weights, support) == pytest.approx(0.0, abs=1e-12)
    assert regret(best, weights, support) <= regret(vertices[0], weights, support) + 1e-12
    worth = expected_utility(vertices[0], weights) + regret(vertices[0], weights, support)
    assert worth == pytest.approx(support.mean())


@pytest.mark.parametrize(
    ("gains", "weights"), [([[1.0, 0.0]], [[1.0, 0.0, 0.0]]), ([1.0], [0.5, 0.5]), (np.empty((0, 2)), [[0.5, 0.5]])]
)
def test_shapes_that_do_not_fit_are_refused(gains: Any, weights: Any) -> None:
    with pytest.raises(ValueError, match=r"\[N, K\]"):
        expected_utility(gains, weights)
    with pytest.raises(ValueError, match="one value for each weighting"):
        regret([1.0, 0.0], [[1.0, 0.0]], [1.0, 2.0])


def test_geometric_means_by_hand() -> None:
    assert geometric_mean([0.5, 0.5, 0.5]) == pytest.approx(0.5)
    assert geometric_mean([0.125, 1.0, 1.0]) == pytest.approx(0.5)
    assert geometric_mean([0.0, 1.0]) == geometric_mean([-0.1, 1.0]) == 0.0


def test_the_best_mean_of_a_concave_front_is_a_mixture() -> None:
    """Between (1, 0.1) and (0.1, 1) lies (0.4, 0.4), under the line through the two: their middle is better."""
    best = best_geometric_mean(support_of([[1.0, 0.1], [0.1, 1.0], [0.4, 0.4]]), 2)
    assert best.value == pytest.approx(0.55)
    assert best.gains == pytest.approx([0.55, 0.55], abs=1e-3)


def test_the_best_mean_of_the_simplex_is_its_middle() -> None:
    for objectives in (1, 3, 8):
        assert best_geometric_mean(support_of(np.eye(objectives)), objectives).value == pytest.approx(1 / objectives)


def test_an_objective_that_no_policy_serves_leaves_no_mean() -> None:
    assert best_geometric_mean(support_of([[1.0, 0.0], [0.5, 0.0]]), 2).value == 0.0


@settings(deadline=None, max_examples=50)
@given(sets(0.01), st.integers(0, 2**32 - 1))
def test_no_mixture_beats_the_best_mean_and_the_gap_says_so(vertices: Any, seed: int) -> None:
    best = best_geometric_mean(support_of(vertices), vertices.shape[1])
    assert best.gap <= 1e-6
    assert best.value == pytest.approx(geometric_mean(best.gains))
    mixtures = np.random.default_rng(seed).dirichlet(np.ones(len(vertices)), size=200) @ vertices
    assert max(map(geometric_mean, [*vertices, *mixtures])) <= best.value * math.exp(best.gap) + 1e-12
    # No weighting sees the gains outside of the set.
    weights = weight_lattice(vertices.shape[1], 4)
    assert (weights @ best.gains <= (weights @ vertices.T).max(axis=1) + 1e-9).all()


def test_two_points_by_grid() -> None:
    """The best mixture of two points, against a search of all of them."""
    a, b = np.array([0.9, 0.2, 0.4]), np.array([0.1, 0.8, 0.7])
    grid = max(geometric_mean(p * a + (1 - p) * b) for p in np.linspace(0, 1, 10_001))
    assert best_geometric_mean(support_of([a, b]), 3).value == pytest.approx(grid, rel=1e-6)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(utility).failed == 0
