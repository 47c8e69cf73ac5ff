import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune import GradientInfluence, Objective
from paretune.weighting import mirror_descent
from paretune.weighting.gradient import raise_to_floor
from weighting.batches import batch

TINY = float(np.finfo(np.float64).tiny)
simplex = st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=6).map(lambda row: [w / sum(row) for w in row])


def moved(rule: GradientInfluence, *influence: float, learning_rate: float = 1e-3) -> list[float]:
    values = torch.tensor(influence, dtype=torch.float64)
    return rule.update(batch(len(influence), influence=values, learning_rate=learning_rate)).weights.tolist()


def test_golden(golden: dict[str, Any]) -> None:
    for sequence in golden["mirror_descent"]:
        weights = sequence["initial"]
        for step in sequence["steps"]:
            gradients = np.array(step["gradients"])
            influence = gradients @ gradients.sum(axis=0)
            assert influence == pytest.approx(step["influence"], rel=1e-4, abs=1e-5)
            weights = mirror_descent(weights, influence, sequence["learning_rate"] / sequence["mu"])
            assert weights.tolist() == pytest.approx(step["weights"], abs=1e-5)


def test_by_hand() -> None:
    # 0.5·e^ln3 : 0.5·e^0 = 3 : 1
    assert mirror_descent([0.5, 0.5], [math.log(3), 0.0], 1.0).tolist() == pytest.approx([0.75, 0.25])


@given(simplex, st.integers(0, 2**32 - 1), st.floats(0.01, 3))
def test_lemma_5_1_the_closed_form_solves_its_problem(weights: list[float], seed: int, step_size: float) -> None:
    """w⁺ maximises ⟨w, I⟩ − (1/step_size)·KL(w ‖ w_t) over the simplex: no other point does better."""
    generator = np.random.default_rng(seed)
    influence = generator.normal(size=len(weights))

    def objective(w: np.ndarray) -> float:
        return float(w @ influence - (w * np.log(w / np.array(weights))).sum() / step_size)

    best = objective(mirror_descent(weights, influence, step_size).numpy())
    for other in generator.dirichlet(np.ones(len(weights)), size=50):
        assert objective(np.maximum(other, 1e-300)) <= best + 1e-9


@given(st.integers(2, 5), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_theorem_5_2_bounds_the_ratio_of_weights(count: int, steps: int, seed: int) -> None:
    """With gradients of norm at most g, |I_i − I_j| ≤ 2Kg², so w_i/w_j ≤ exp(2Kg²·Σ η_t / μ) from uniform weights."""
    generator = np.random.default_rng(seed)
    bound_of_norm, mu = 0.7, 0.5
    weights = torch.full((count,), 1 / count, dtype=torch.float64)
    total = 0.0
    for t in range(1, steps + 1):
        gradients = generator.normal(size=(count, 8))
        gradients *= bound_of_norm * generator.random((count, 1)) / np.linalg.norm(gradients, axis=1, keepdims=True)
        learning_rate = 0.1 / t**2  # summable, as the theorem asks
        total += learning_rate
        weights = mirror_descent(weights, gradients @ gradients.sum(axis=0), learning_rate / mu)
    bound = math.exp(2 * count * bound_of_norm**2 * total / mu)
    assert (weights.max() / weights.min()).item() <= bound * (1 + 1e-9)


@given(simplex, st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=6), st.floats(1e-12, 1e6))
def test_stays_on_the_simplex(weights: list[float], influence: list[float], step_size: float) -> None:
    count = min(len(weights), len(influence))
    start = [w / sum(weights[:count]) for w in weights[:count]]
    result = mirror_descent(start, influence[:count], step_size)
    assert result.sum().item() == pytest.approx(1, abs=1e-9)
    assert (result >= 0).all()


@given(simplex, st.floats(-5, 5), st.floats(0.01, 10))
def test_equal_influence_moves_nothing(weights: list[float], value: float, step_size: float) -> None:
    assert mirror_descent(weights, [value] * len(weights), step_size).tolist() == pytest.approx(weights)


def test_starts_uniform_and_moves_toward_influence() -> None:
    rule = GradientInfluence(mu=1e-3)
    assert moved(rule, 0.0, 0.0, 0.0) == pytest.approx([1 / 3] * 3)
    first = moved(rule, 1.0, 0.0, -1.0)
    assert first[0] > first[1] > first[2]
    assert first == pytest.approx(mirror_descent([1 / 3] * 3, [1.0, 0.0, -1.0], 1.0).tolist())


def log_ratio(weights: list[float]) -> float:
    return math.log(weights[0] / weights[1])


def test_mu_left_out_makes_a_typical_batch_move_the_log_weights_by_a_twentieth() -> None:
    rule = GradientInfluence()
    assert moved(rule, 0.0, 0.0) == [0.5, 0.5]
    assert log_ratio(moved(rule, 4.0, 2.0)) == pytest.approx(0.05 / 2)
    # The largest influences so far are 4 and 12, their median 8: this one moves by 12/8 of the typical.
    before = log_ratio(rule.weights.tolist())
    assert log_ratio(moved(rule, 12.0, 0.0)) - before == pytest.approx(0.05 * 12 / 8)


@pytest.mark.parametrize("at", [0, 1, 9])
@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e3, 1e30])
def test_one_batch_out_of_proportion_spoils_neither_the_weights_nor_the_calibration(at: int, size: float) -> None:
    rule, before = GradientInfluence(), 0.0
    for i in range(12):
        weights = moved(rule, size if i == at else 1.0, 0.0)
        move, before = log_ratio(weights) - before, log_ratio(weights)
        assert -1e-9 <= move <= 1 + 1e-9
        if i >= max(at + 2, 2):  # two that are in proportion, and the median is one of them
            assert move == pytest.approx(0.05)


def test_the_calibration_goes_by_the_move_so_that_a_learning_rate_that_decays_stops_the_weights() -> None:
    rule = GradientInfluence()
    moved(rule, 4.0, 2.0, learning_rate=1e-3)
    before = log_ratio(rule.weights.tolist())
    assert abs(log_ratio(moved(rule, 4.0, 2.0, learning_rate=1e-7)) - before) < 1e-5


def test_the_realised_influence_has_the_learning_rate_in_it() -> None:
    rule = GradientInfluence(mu=2.0, method="realised")
    influence = torch.tensor([1.0, 0.5], dtype=torch.float64)
    weights = rule.update(batch(2, influence=influence, influence_method="realised", learning_rate=1e-9)).weights
    assert weights.tolist() == pytest.approx(mirror_descent([0.5, 0.5], [0.5, 0.25], 1.0).tolist())


def test_mu_of_one_scale_is_not_used_on_another() -> None:
    rule = GradientInfluence(mu=1e-9)  # for the directional influence; the trainer had to use another
    influence = torch.tensor([4.0, 2.0], dtype=torch.float64)
    weights = rule.update(batch(2, influence=influence, influence_method="realised")).weights
    assert log_ratio(weights.tolist()) == pytest.approx(0.05 / 2)


def test_average_over_several_batches() -> None:
    rule = GradientInfluence(mu=1.0, average_over=2)
    assert moved(rule, 3.0, 0.0, learning_rate=1.0) == [0.5, 0.5]
    assert moved(rule, 1.0, 0.0, learning_rate=1.0) == pytest.approx(mirror_descent([0.5] * 2, [2.0, 0.0], 1).tolist())


@given(st.lists(simplex, min_size=1, max_size=4))
def test_a_mean_over_m_batches_moves_an_mth_as_far_as_they_would(influences: list[list[float]]) -> None:
    count = len(influences)
    averaged, often = GradientInfluence(mu=5e-3 / count, average_over=count), GradientInfluence(mu=5e-3)
    for influence in influences:
        known = (influence * 2)[:3]
        found, expected = moved(averaged, *known), moved(often, *known)
    assert found == pytest.approx(expected, rel=1e-6)


def test_every_nth_batch_only() -> None:
    rule = GradientInfluence(mu=1.0, every=3)
    wanted = []
    for _ in range(6):
        wanted.append(rule.measurements().influence is not None)
        rule.update(batch(2))
    assert wanted == [True, False, False, True, False, False]


@given(st.lists(simplex, min_size=1, max_size=3), st.integers(1, 6))
def test_what_is_measured_in_every_nth_batch_counts_for_all(influences: list[list[float]], every: int) -> None:
    rare, often = GradientInfluence(mu=5e-3, every=every), GradientInfluence(mu=5e-3)
    for influence in influences:
        known = (influence * 2)[:3]
        found = moved(rare, *known)
        for _ in range(every - 1):
            assert rare.update(batch(3)).weights.tolist() == found
        for _ in range(every):
            expected = moved(often, *known)
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("every", [1, 4])
def test_a_calibrated_move_counts_for_all_batches_too(every: int) -> None:
    rule = GradientInfluence(every=every, floor=0.01)
    assert log_ratio(moved(rule, 2.0, 0.0)) == pytest.approx(0.05 * every)
    moved(rule, 1e9, 0.0)
    assert rule.weights is not None
    assert min(rule.weights.tolist()) >= 0.01


def test_floor_keeps_every_objective_alive() -> None:
    rule = GradientInfluence(mu=1e-6, floor=0.1)
    weights = moved(rule, 1.0, 0.0, 0.0)
    assert min(weights) >= 0.1 - 1e-12
    assert sum(weights) == pytest.approx(1)
    assert weights[0] == pytest.approx(0.8)


def test_an_influence_that_is_not_finite_moves_nothing() -> None:
    rule = GradientInfluence(mu=1.0)
    before = moved(rule, 0.3, 0.1)
    with pytest.warns(UserWarning, match="not finite"):
        assert moved(rule, float("nan"), 1.0) == before


# --- objectives that do not apply everywhere ----------------------------------------------------------------

NONE = float("nan")


def moved_where(rule: GradientInfluence, *influence: float, realised: bool = False) -> list[float]:
    """The weights after a batch to which the objectives with an influence of NaN do not apply."""
    values = torch.tensor(influence, dtype=torch.float64)
    rewards = torch.zeros(4, len(influence)).masked_fill(values.isnan() & (not realised), torch.nan)
    known = {"rewards": rewards, "influence": values if realised else values.nan_to_num(nan=0.0)}
    method = "realised" if realised else None
    return rule.update(batch(len(influence), learning_rate=1.0, influence_method=method, **known)).weights.tolist()


@pytest.mark.parametrize("realised", [False, True])
@pytest.mark.parametrize("settings", [{"mu": 10.0}, {}, {"mu": 10.0, "floor": 0.05}, {"average_over": 8}])
def test_seven_batches_of_mathematics_to_one_of_code(settings: dict[str, Any], realised: bool) -> None:
    """Code has the larger influence where it applies, so its weight rises, however rare it is."""
    rule = GradientInfluence(method="realised" if realised else "directional", **settings)
    before = 0.5
    for _ in range(5):
        for _ in range(7):
            weights = moved_where(rule, 1.0, NONE, realised=realised)
            if "average_over" not in settings:
                assert weights[1] == before
        weights = moved_where(rule, 1.0, 1.5, realised=realised)
        assert weights[1] > before
        before = weights[1]


def test_the_others_share_what_an_absent_objective_leaves() -> None:
    rule = GradientInfluence(mu=1.0)
    rule.weights = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    weights = moved_where(rule, math.log(3), NONE, 0.0)
    assert weights == pytest.approx([0.7 * 0.6 / 1.1, 0.3, 0.7 * 0.5 / 1.1])
    assert weights[1] == 0.3


@given(simplex, st.data())
def test_with_a_weight_held_fixed_no_other_point_does_better(start: list[float], data: st.DataObject) -> None:
    """The move solves max ⟨w, I⟩ − KL(w ‖ w_t) over the simplex with the absent weights as they were."""
    count = len(start)
    applies = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    influence = data.draw(st.lists(st.floats(-3, 3), min_size=count, max_size=count))
    floor = data.draw(st.sampled_from([0.0, 0.5 * min(start)]))
    rule = GradientInfluence(mu=1.0, floor=floor)
    rule.weights = torch.tensor(start, dtype=torch.float64)
    moved = np.array(moved_where(rule, *[i if a else NONE for i, a in zip(influence, applies, strict=True)]))
    before, known = np.array(start), np.array(applies)
    assert moved[~known].tolist() == before[~known].tolist()
    assert moved.sum() == pytest.approx(1)
    assert (moved >= floor).all()

    def objective(w: np.ndarray) -> float:
        return float((w * influence)[known].sum() - (w * np.log(w / before))[known].sum())

    share = before[known].sum()
    for other in np.random.default_rng(0).dirichlet(np.ones(known.sum()), size=30) if known.any() else []:
        point = before.copy()
        point[known] = floor + (share - known.sum() * floor) * other
        assert objective(np.maximum(point, 1e-300)) <= objective(moved) + 1e-9


def test_an_average_is_over_the_batches_to_which_an_objective_applied() -> None:
    rule = GradientInfluence(mu=1.0, average_over=3)
    for influence in ([1.0, NONE, NONE], [2.0, 4.0, NONE]):
        assert moved_where(rule, *influence) == [1 / 3] * 3
    again = GradientInfluence(mu=1.0, average_over=3)
    again.load_state_dict(json.loads(json.dumps(rule.state_dict(), allow_nan=False)))
    expected = mirror_descent([0.5, 0.5], [2.0, 4.0], 1.0) * 2 / 3
    for one in (rule, again):
        assert moved_where(one, 3.0, NONE, NONE) == pytest.approx([*expected.tolist(), 1 / 3])


def test_a_batch_to_which_nothing_applies_is_none() -> None:
    rule = GradientInfluence(average_over=2)
    moved_where(rule, 1.0, 2.0)
    before = rule.state_dict()
    moved_where(rule, NONE, NONE)
    assert rule.state_dict() == {**before, "batches": 2}


# --- numbers that misbehave -------------------------------------------------------------------------------

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


def test_state_survives_json() -> None:
    rule, again = GradientInfluence(average_over=3), GradientInfluence(average_over=3)
    for _ in range(4):
        moved(rule, 1.0, 0.5)
    again.load_state_dict(json.loads(json.dumps(rule.state_dict())))
    for _ in range(3):
        assert moved(rule, 0.2, 0.9) == moved(again, 0.2, 0.9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mu": 0}, "`mu` must be positive"),
        ({"mu": float("inf")}, "`mu` must be positive"),
        ({"method": "magic"}, "`method` must be one of directional, realised, exact, .*, got 'magic'"),
        ({"layers": "last"}, "'all', 'middle' or a list"),
        ({"layers": []}, "block indices"),
        ({"layers": [-1]}, "block indices"),
        ({"average_over": 0}, "1 or more"),
        ({"every": 0}, "1 or more"),
        ({"floor": 1.0}, "`floor` must be in"),
        ({"clip_norm": 0.0}, "`clip_norm` must be positive"),
        ({"clip_norm": 1.0}, "use method='exact', not 'directional'"),
        ({"method": "realised", "layers": "middle"}, "leave out `layers`='middle'"),
    ],
)
def test_wrong_settings(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GradientInfluence(**arguments)


def test_a_floor_without_room() -> None:
    with pytest.raises(ValueError, match=r"below 1/K = 0\.5 for 2 objectives, got 0\.5"):
        GradientInfluence(floor=0.5).check([Objective("a", print), Objective("b", print)])
