"""The gradient rule under numbers that misbehave, and under an adversary."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune import GradientInfluence
from paretune.weighting import mirror_descent
from paretune.weighting.gradient import raise_to_floor
from weighting.batches import batch
from weighting.moves import TINY, log_ratio, moved, simplex

sizes = st.sampled_from([0.0, 1.0, 1e-3, 1e30, 1e-30, 1e300, 1e-300, 1.7e308, 5e-324])
extreme = st.tuples(sizes, st.sampled_from([-1.0, 1.0])).map(lambda t: t[0] * t[1])
corners = st.lists(st.sampled_from([0.0, 5e-324, 1e-310, TINY, 1e-200, 1e-16, 0.3, 0.5, 1.0]), min_size=1, max_size=32)


def on_the_simplex(weights: torch.Tensor, floor: float = 0.0) -> bool:
    return abs(float(weights.sum()) - 1) < 1e-6 and bool((weights >= floor).all())


@settings(deadline=None)
@given(corners.filter(lambda row: max(row) > 0.1), st.data(), st.sampled_from([0.0, 1e-320, 1e-30, 1.0, 10.0, 1e308]))
def test_one_step_from_anywhere_with_numbers_of_any_size(start: list[float], data: st.DataObject, step: float) -> None:
    weights = torch.tensor(start, dtype=torch.float64)
    weights /= weights.sum()
    influence = data.draw(st.lists(extreme, min_size=len(start), max_size=len(start)))
    moved = mirror_descent(weights, influence, step)
    assert on_the_simplex(moved)
    assert ((moved > 0) == (weights > 0)).all()
    alive = [i for i, w in zip(influence, weights.tolist(), strict=True) if w > 0]
    if step == 0 or len(set(alive)) == 1:
        assert torch.equal(moved, weights)
    floor = data.draw(st.sampled_from([0.0, 1e-9, 0.01, 0.9])) / len(start)
    raised = raise_to_floor(moved, floor)
    assert on_the_simplex(raised, floor)
    assert torch.equal(raise_to_floor(raised, floor), raised)


@settings(deadline=None)
@given(simplex, st.floats(0, 0.99), st.integers(0, 2**32 - 1))
def test_the_floor_is_the_nearest_point_that_keeps_to_it(start: list[float], share: float, seed: int) -> None:
    weights, floor = np.array(start), share / len(start)
    raised = raise_to_floor(torch.tensor(weights), floor).numpy()
    assert raised.sum() == pytest.approx(1, abs=1e-12)
    for other in np.random.default_rng(seed).dirichlet(np.ones(len(start)), size=50):
        kept = floor + (1 - len(start) * floor) * other
        assert (raised * np.log(raised / weights)).sum() <= (kept * np.log(kept / weights)).sum() + 1e-12


def test_the_floor_by_hand() -> None:
    # 0.03 is raised to 0.1, and 0.9 is left for 0.85 : 0.12.
    weights = raise_to_floor(torch.tensor([0.85, 0.03, 0.12], dtype=torch.float64), 0.1)
    assert weights.tolist() == pytest.approx([0.9 * 0.85 / 0.97, 0.1, 0.9 * 0.12 / 0.97])
    # 0.09 would be left for the third of these: it is raised as well.
    weights = raise_to_floor(torch.tensor([0.88, 0.02, 0.1], dtype=torch.float64), 0.1)
    assert weights.tolist() == pytest.approx([0.8, 0.1, 0.1])


def test_without_influence_the_weights_stay_bit_for_bit_with_a_floor_too() -> None:
    rule = GradientInfluence(mu=1e-3, floor=0.05)
    before = moved(rule, 0.4, 0.1, -2.0)
    assert min(before) == 0.05
    for influence in ([0.0, 0.0, 0.0], [-3.3, -3.3, -3.3]):
        assert moved(rule, *influence) == before
    assert moved(rule, 5.0, 1.0, 2.0, learning_rate=0.0) == before


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300, 1.7e308])
@pytest.mark.parametrize("learning_rate", [0.0, 1e-6, 10.0])
@pytest.mark.parametrize("average_over", [1, 3])
def test_a_calibration_that_begins_with_any_size_is_finite(
    size: float, learning_rate: float, average_over: int
) -> None:
    rule = GradientInfluence(average_over=average_over)
    for influence in ([size, 0.0, -size], [1.0, 0.0, -1.0], [1e-3, size, 0.5], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]):
        for _ in range(average_over):
            weights = moved(rule, *influence, learning_rate=learning_rate)
        assert on_the_simplex(torch.tensor(weights, dtype=torch.float64), TINY)
        state = json.loads(json.dumps(rule.state_dict(), allow_nan=False))
        rule = GradientInfluence(average_over=average_over)
        rule.load_state_dict(state)
    assert (rule.weights.tolist() == pytest.approx([1 / 3] * 3)) == (learning_rate == 0)


def test_the_first_move_of_a_calibration_does_not_depend_on_the_units() -> None:
    for size in (1e-290, 1e-30, 1.0, 1e30, 1e290):
        assert log_ratio(moved(GradientInfluence(), size, 0.0)) == pytest.approx(0.05)


def test_a_calibration_on_the_smallest_number_there_is() -> None:
    rule = GradientInfluence(method="realised")
    for influence in ([5e-324, 0.0], [5e-324, 0.0], [1.0, 0.0]):
        values = torch.tensor(influence, dtype=torch.float64)
        weights = rule.update(batch(2, influence=values, influence_method="realised")).weights
        assert on_the_simplex(weights, TINY)


@pytest.mark.parametrize("mu", [5e-324, 1e-300, 1e300])
def test_any_mu(mu: float) -> None:
    for influence in ([1.0, 0.0], [0.0, 0.0], [1e300, -1e300], [1.7e308, 1.6e308]):
        weights = torch.tensor(moved(GradientInfluence(mu=mu), *influence), dtype=torch.float64)
        assert on_the_simplex(weights, TINY)
        assert weights[0] >= weights[1]


def test_an_objective_that_was_driven_into_a_corner_comes_back() -> None:
    rule = GradientInfluence(mu=1.0)
    for _ in range(1000):
        down = moved(rule, 1e6, 0.0)
    assert down == [1.0, TINY]
    moved(rule, 0.0, 700_000.0)  # η/μ = 1e-3: by 700 of the 708 that it takes
    assert moved(rule, 0.0, 20_000.0)[1] > 0.99


def test_a_constant_objective_falls_behind_as_the_formula_says() -> None:
    rule, expected = GradientInfluence(mu=0.5), [1 / 3] * 3
    for influence in ([0.3, 0.0, -0.1], [0.2, 0.0, 0.6], [-0.5, 0.0, -0.2]):
        expected = mirror_descent(expected, influence, 1e-3 / 0.5).tolist()
        assert moved(rule, *influence) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("spoilt", [math.nan, math.inf, -math.inf])
def test_one_influence_that_is_not_finite_moves_nothing_and_is_not_remembered(spoilt: float) -> None:
    rule = GradientInfluence(average_over=2)
    moved(rule, 0.3, 0.1)
    before = rule.state_dict()
    with pytest.warns(UserWarning, match="not finite"):
        moved(rule, 0.3, spoilt)
    assert rule.state_dict() == {**before, "batches": 2}


@pytest.mark.parametrize(
    ("influence", "step_size", "message"),
    [
        ([math.nan, 1.0], 1.0, "`influence` must be finite"),
        ([math.inf, 1.0], 1.0, "`influence` must be finite"),
        ([0.0, 1.0], math.inf, "`step_size` must be finite"),
        ([0.0, 1.0], -1.0, "`step_size` must be finite and 0 or more"),
    ],
)
def test_what_no_step_can_be_made_of(influence: list[float], step_size: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mirror_descent([0.5, 0.5], influence, step_size)


def adversary(kind: str, count: int, generator: np.random.Generator, step: int, weights: list[float]) -> np.ndarray:
    """An influence that tries to push the weights off the simplex."""
    signs = generator.choice([-1.0, 1.0], count)
    return {
        "signs": 1e3 * signs,
        "drift": np.arange(count) + generator.normal(size=count),
        "alternating": 1e5 * (-1.0) ** (step + np.arange(count)),
        "sizes": signs * 10.0 ** generator.uniform(-300, 300, count),
        "against the largest": np.where(np.array(weights) == max(weights), -1e4, 1e4 * generator.random(count)),
    }[kind]


def attacked(kind: str, count: int, floor: float, updates: int) -> None:
    rule = GradientInfluence(mu=1e-3, floor=floor)
    generator = np.random.default_rng(0)
    weights = [1 / count] * count
    for step in range(updates):
        weights = moved(rule, *adversary(kind, count, generator, step, weights))
        assert abs(sum(weights) - 1) < 1e-6
        assert min(weights) >= (floor or TINY)


KINDS = ["signs", "drift", "alternating", "sizes", "against the largest"]


@pytest.mark.parametrize("floor", [0.0, 0.02])
@pytest.mark.parametrize("kind", KINDS)
def test_an_adversary_does_not_drive_the_weights_off_the_simplex(kind: str, floor: float) -> None:
    for count in (1, 3, 32):
        attacked(kind, count, floor, updates=100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "floor"),
    [
        ("signs", 0.0), ("signs", 0.02), ("drift", 0.0), ("alternating", 0.02), ("sizes", 0.0),
        ("against the largest", 0.02),
    ],
)  # fmt: skip
def test_nor_in_a_hundred_thousand_updates(kind: str, floor: float) -> None:
    attacked(kind, 4, floor, updates=100_000)
