"""What the last policies of a sweep span."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparison.runs import OBJECTIVES, TEST, VALIDATION, as_objectives, make_run
from paretune.comparison.plan import Arm, Plan
from paretune.comparison.sweep import standing_apart, sweep_of
from paretune.comparison.tuning import Tried, tried

UP = [True, True]


def test_points_on_a_line_apart_by_hand() -> None:
    # Apart are those that differ by more than 2 · √2 · 0.1 = 0.283 in an objective.
    points = [[0.0, 1.0], [0.2, 0.8], [0.4, 0.6], [0.6, 0.4], [0.9, 0.1]]
    assert standing_apart(points, [[0.1, 0.1]] * 5, UP) == [0, 2, 4]
    assert standing_apart(points, [[0.0, 0.0]] * 5, UP) == [0, 1, 2, 3, 4]
    assert standing_apart(points, [[9.0, 9.0]] * 5, UP) == [0]
    assert standing_apart(points, [[9.0, 0.1]] * 5, UP) == [0, 2, 4]  # one objective is enough


def test_two_standard_errors_of_the_difference_are_not_yet_apart() -> None:
    # √(3² + 4²) = 5, so the limit is 10.
    for gap, apart in ((10.0, [0]), (10.1, [0, 1])):
        assert standing_apart([[0.0, gap], [1.0, 0.0]], [[9.0, 3.0], [9.0, 4.0]], UP) == apart


def test_dominated_points_stand_nowhere() -> None:
    points = [[0.5, 0.5], [0.4, 0.4], [0.9, 0.1]]
    assert standing_apart(points, [[0.01, 0.01]] * 3, UP) == [0, 2]
    assert standing_apart(points, [[0.01, 0.01]] * 3, [True, False]) == [2]
    assert standing_apart(points, [[0.01, 0.01]] * 3, [False, False]) == [1, 2]


def test_points_without_a_value_stand_nowhere() -> None:
    assert standing_apart([[np.nan, 0.5], [0.4, 0.4]], [[0.01, 0.01]] * 2, UP) == [1]


def test_no_points() -> None:
    assert standing_apart([], [], UP) == []


def apart(a: list[float], b: list[float], noise_a: list[float], noise_b: list[float]) -> bool:
    return any(abs(x - y) > 2 * (s * s + t * t) ** 0.5 for x, y, s, t in zip(a, b, noise_a, noise_b, strict=True))


coordinates = st.lists(st.integers(0, 9).map(lambda i: i / 10), min_size=2, max_size=2)
noises = st.lists(st.integers(0, 20).map(lambda i: i / 100), min_size=2, max_size=2)


@given(
    cases=st.lists(st.tuples(coordinates, noises), max_size=7), maximize=st.lists(st.booleans(), min_size=2, max_size=2)
)
def test_it_is_a_largest_set_of_non_dominated_points_that_are_all_apart(
    cases: list[tuple[list[float], list[float]]], maximize: list[bool]
) -> None:
    points, errors = [point for point, _ in cases], [noise for _, noise in cases]
    signed = [[x if up else -x for x, up in zip(point, maximize, strict=True)] for point in points]

    def valid(indices: tuple[int, ...]) -> bool:
        best = all(
            not all(o >= p for o, p in zip(other, signed[i], strict=True)) or other == signed[i]
            for i in indices
            for other in signed
        )
        return best and all(apart(points[i], points[j], errors[i], errors[j]) for i, j in combinations(indices, 2))

    found = standing_apart(points, errors, maximize)
    assert found == sorted(set(found))
    assert valid(tuple(found))
    larger = range(len(found) + 1, len(points) + 1)
    assert not any(valid(subset) for size in larger for subset in combinations(range(len(points)), size))


# --- of runs ------------------------------------------------------------------------------------------------


def sweep(root: Path, finals: list[dict[int, tuple[float, float]]], errors: float = 0.01) -> list[Tried]:
    """Configurations by the gains of their last policies, for each seed."""
    arm = Arm("tuned", configurations=[{"weights": str(i)} for i in range(len(finals))])
    plan = Plan("arithmetic", [arm], seeds=(0,), tuning_seeds=(1000, 1001, 1002))
    for i, by_seed in enumerate(finals):
        for seed, gains in by_seed.items():
            measured = {VALIDATION: {20: (0.5, 0.5)}, TEST: {10: (1.0, 1.0), 20: gains}}  # only the last one counts
            make_run(root / f"tuning/tuned-{i}-grpo-seed{seed}", measured=measured, errors=errors)
    return [one for one in tried(root, plan, arm) if one is not None]


def test_the_last_policies_together_for_each_seed(tmp_path: Path) -> None:
    # Seed 1000: 0.5 · 0.6 and (0.9 − 0.5) · 0.2. Seed 1001: 0.5 · 0.5. The third has only one of the configurations.
    found = sweep(
        tmp_path,
        [{1000: (0.5, 0.6), 1001: (0.5, 0.5), 1002: (0.9, 0.9)}, {1000: (0.9, 0.2), 1001: (0.4, 0.4)}],
    )
    volume = sweep_of(found, as_objectives(OBJECTIVES))["hypervolume"]
    assert (volume["mean"], volume["n"]) == (pytest.approx((0.38 + 0.25) / 2), 2)
    assert volume["reason"] == "2 seeds: an interval needs 3"


def test_configurations_that_stand_apart(tmp_path: Path) -> None:
    # The error of a mean of two runs is that of their evaluations, 0.01 / √2, unless they differ by more: then half of
    # the difference. So apart are gaps above 0.02. Lengths count a hundred times, as their errors do.
    def both(accuracy: float, shortness: float) -> dict[int, tuple[float, float]]:
        return dict.fromkeys((1000, 1001), (accuracy, shortness))

    close, near, mid, far, worse = both(0.5, 0.5), both(0.515, 0.485), both(0.53, 0.47), both(0.6, 0.4), both(0.3, 0.3)
    assert sweep_of(sweep(tmp_path / "a", [close, near, mid, far, worse]), as_objectives(OBJECTIVES))["apart"] == [
        0,
        2,
        3,
    ]
    noisy = {1000: (0.70, 0.30), 1001: (0.50, 0.50)}  # an error of 0.1
    assert sweep_of(sweep(tmp_path / "b", [close, noisy, worse]), as_objectives(OBJECTIVES))["apart"] == [0]
    assert sweep_of(sweep(tmp_path / "c", [close, far], errors=0.1), as_objectives(OBJECTIVES))["apart"] == [0]


def test_a_sweep_of_nothing() -> None:
    found = sweep_of([], as_objectives(OBJECTIVES))
    assert (found["apart"], found["hypervolume"]["mean"], found["hypervolume"]["n"]) == ([], None, 0)
