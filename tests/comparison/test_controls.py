"""Controls: weights read off other runs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparison.runs import batch, make_run, tear
from paretune import ScheduledWeights
from paretune.comparison.controls import control_arm, random_walk
from paretune.comparison.plan import Arm, PlanError, arm_of

MOVING = [(0.5, 0.5), (0.6, 0.4), (0.9, 0.1)]


def run_of(directory: Path, weights: list[tuple[float, float]], steps: list[int] | None = None) -> Path:
    """A run whose batches had these weights and went into these optimiser steps."""
    steps = steps or list(range(1, len(weights) + 1))
    return make_run(directory, steps=[batch(s, w) for s, w in zip(steps, weights, strict=True)])


def schedule_of(arm: Arm) -> dict[int, list[float]]:
    """The weights at each breakpoint, by the rule that the arm names."""
    assert arm.rule == "scheduled"
    told = arm.settings["rule_settings"]["schedule"]
    rule = ScheduledWeights(told)
    return {int(step): rule.weights_at(int(step)).tolist() for step in told}


def test_average_is_the_mean_of_the_run_with_the_same_seed(tmp_path: Path) -> None:
    runs = {0: run_of(tmp_path / "0", MOVING), 1: run_of(tmp_path / "1", [(1.0, 0.0)])}
    arm = control_arm(arm_of("average", {}), 0, runs)
    assert (arm.name, arm.rule, arm.control) == ("average", "fixed", None)
    mean = [float(w) for w in arm.settings["weights"].split(",")]
    assert mean == pytest.approx([2 / 3, 1 / 3], abs=1e-15)
    assert control_arm(arm_of("average", {}), 1, runs).weights == "1.0,0.0"


@settings(max_examples=20, deadline=None)
@given(raw=st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=1, max_size=30))
def test_an_average_is_taken_to_the_last_digit(tmp_path_factory: pytest.TempPathFactory, raw: list) -> None:
    weights = [(a / (a + b), b / (a + b)) for a, b in raw]
    runs = {0: run_of(tmp_path_factory.mktemp("run"), weights)}
    mean = [float(w) for w in str(control_arm(arm_of("average", {}), 0, runs).weights).split(",")]
    assert mean == pytest.approx(np.mean(weights, axis=0), abs=1e-15)
    assert sum(mean) == pytest.approx(1.0, abs=1e-15)


def test_a_run_replays_the_next_seed_s_weights_and_the_last_the_first_s(tmp_path: Path) -> None:
    own = {2: [(0.2, 0.8)], 5: [(0.5, 0.5)], 11: [(0.9, 0.1)]}
    runs = {seed: run_of(tmp_path / str(seed), own[seed]) for seed in (11, 2, 5)}
    replayed = {seed: schedule_of(control_arm(arm_of("replay", {}), seed, runs)) for seed in own}
    assert replayed == {2: {0: [0.5, 0.5]}, 5: {0: [0.9, 0.1]}, 11: {0: [0.2, 0.8]}}


@pytest.mark.parametrize(
    ("steps", "weights", "schedule"),
    [
        ([1, 2, 3], MOVING, {0: (0.5, 0.5), 1: (0.6, 0.4), 2: (0.9, 0.1)}),
        ([4, 8, 12], MOVING, {0: (0.5, 0.5), 4: (0.6, 0.4), 8: (0.9, 0.1)}),  # a batch makes four steps
        ([2, 4, 5], MOVING, {0: (0.5, 0.5), 2: (0.6, 0.4), 4: (0.9, 0.1)}),
        (
            [1, 1, 2, 2],
            [(0.5, 0.5), (0.7, 0.3), (0.8, 0.2), (1.0, 0.0)],
            {0: (0.6, 0.4), 1: (0.9, 0.1)},
        ),  # or half of one
    ],
)
def test_weights_hold_from_the_step_at_which_their_batch_began(
    tmp_path: Path, steps: list[int], weights: list[tuple[float, float]], schedule: dict[int, tuple[float, float]]
) -> None:
    runs = {0: run_of(tmp_path / "0", [(1.0, 0.0)]), 1: run_of(tmp_path / "1", weights, steps)}
    found = schedule_of(control_arm(arm_of("replay", {}), 0, runs))
    assert list(found) == list(schedule)
    for step, expected in schedule.items():
        assert found[step] == pytest.approx(expected, abs=1e-15)


def test_the_random_walk_of_a_run_is_scheduled_where_its_weights_were(tmp_path: Path) -> None:
    runs = {seed: run_of(tmp_path / str(seed), MOVING, [2, 4, 6]) for seed in (0, 1)}
    first, second = (schedule_of(control_arm(arm_of("random-walk", {}), seed, runs)) for seed in (0, 1))
    assert list(first) == list(second) == [0, 2, 4]
    assert np.array(list(first.values())) == pytest.approx(random_walk(np.array(MOVING), 0), abs=1e-15)
    assert first[0] == pytest.approx([0.5, 0.5])


def test_a_schedule_keeps_every_digit(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).dirichlet([1.0, 1.0], size=20)
    runs = {seed: run_of(tmp_path / str(seed), [tuple(row) for row in weights.tolist()]) for seed in (0, 1)}
    assert list(schedule_of(control_arm(arm_of("replay", {}), 0, runs)).values()) == weights.tolist()


def test_a_run_without_weights_to_take(tmp_path: Path) -> None:
    nothing, torn = make_run(tmp_path / "nothing", steps=[]), tmp_path / "torn"
    tear(run_of(torn, MOVING) / "steps.jsonl")
    for directory, complaint in (
        (nothing, "no batch whose weights"),
        (torn, "cannot be read: Line 1 of"),
        (tmp_path / "nowhere", "cannot be read: .* is not the directory of a run"),
    ):
        with pytest.raises(PlanError, match=complaint) as raised:
            control_arm(arm_of("average", {}), 0, {0: directory})
        assert "\n" not in str(raised.value)
        assert str(directory) in str(raised.value)


# --- the walk -----------------------------------------------------------------------------------------------


def log_moves(weights: np.ndarray) -> np.ndarray:
    """How far each move of the centred log-weights goes."""
    logs = np.log(weights)
    return np.linalg.norm(np.diff(logs - logs.mean(axis=1, keepdims=True), axis=0), axis=1)


rows = st.integers(2, 5).flatmap(
    lambda count: st.lists(st.lists(st.floats(0.05, 1), min_size=count, max_size=count), min_size=1, max_size=12)
)


@given(raw=rows, scale=st.floats(0.1, 10), seed=st.integers(0, 9))
def test_weights_of_another_sum_walk_in_proportion(raw: list[list[float]], scale: float, seed: int) -> None:
    weights = scale * np.array(raw)
    walk, sums = random_walk(weights, seed), weights.sum(axis=1, keepdims=True)
    assert walk == pytest.approx(sums * random_walk(weights / sums, seed))


def test_what_a_walk_cannot_be_made_of() -> None:
    for weights in ([[1.0, -0.5]], [[0.0, 0.0]]):
        with pytest.raises(PlanError, match="needs weights of 0 or more"):
            random_walk(np.array(weights), 0)
    assert random_walk(np.array([[1.0], [1.0]]), 0).tolist() == [[1.0], [1.0]]  # there is nowhere to go


def test_an_average_of_weights_of_any_sum_and_sign(tmp_path: Path) -> None:
    runs = {0: run_of(tmp_path / "0", [(1.0, 1.0), (1.0, -1.0)]), 1: run_of(tmp_path / "1", [(1.0, 0.5)])}
    assert control_arm(arm_of("average", {}), 0, runs).weights == "1.0,0.0"
    assert schedule_of(control_arm(arm_of("replay", {}), 1, runs)) == {0: [1.0, 1.0], 1: [1.0, -1.0]}


@given(raw=rows, seed=st.integers(0, 2**32 - 1))
def test_a_walk_begins_where_the_weights_do_and_moves_as_far(raw: list[list[float]], seed: int) -> None:
    weights = np.array(raw)
    weights /= weights.sum(axis=1, keepdims=True)
    walk = random_walk(weights, seed)
    assert walk.shape == weights.shape
    assert walk[0] == pytest.approx(weights[0])
    assert (walk > 0).all()
    assert walk.sum(axis=1) == pytest.approx(1.0)
    assert log_moves(walk) == pytest.approx(log_moves(weights), abs=1e-9)
    assert (random_walk(weights, seed) == walk).all()


def test_another_seed_walks_elsewhere() -> None:
    weights = np.random.default_rng(0).dirichlet([2.0] * 3, size=10)
    walks = [random_walk(weights, seed) for seed in range(5)]
    for i, walk in enumerate(walks):
        for other in walks[:i]:
            assert np.abs(walk[1:] - other[1:]).max(axis=1).min() > 1e-4


def test_weights_that_stay_are_a_walk_that_stays() -> None:
    weights = np.tile([0.2, 0.3, 0.5], (4, 1))
    assert random_walk(weights, 0) == pytest.approx(weights)


def test_all_directions_are_alike() -> None:
    # Of moves of length 1 in the plane of centred vectors of three: each coordinate's mean is 0, its square's 1/3.
    weights = np.exp(
        np.cumsum(np.tile([[0.5**0.5, -(0.5**0.5), 0.0], [-(0.5**0.5), 0.5**0.5, 0.0]], (2000, 1)), axis=0)
    )
    weights /= weights.sum(axis=1, keepdims=True)
    logs = np.log(random_walk(weights, 0))
    moves = np.diff(logs - logs.mean(axis=1, keepdims=True), axis=0)
    assert np.abs(moves.mean(axis=0)).max() < 4 * (1 / 3 / len(moves)) ** 0.5
    assert (moves**2).mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.03)
    assert moves.T @ moves / len(moves) == pytest.approx(np.eye(3) / 2 - 1 / 6, abs=0.03)


def test_a_weight_of_zero_is_walked_from() -> None:
    walk = random_walk(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), 0)
    assert walk[0] == pytest.approx([1.0, 0.0], abs=1e-11)
    assert np.isfinite(walk).all()
