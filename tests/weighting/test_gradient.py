import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paretune import GradientInfluence, Objective
from paretune.weighting import mirror_descent
from weighting.batches import batch
from weighting.moves import log_ratio, moved, simplex


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
        ({"mu": 0}, "`mu` must be finite and above 0"),
        ({"mu": float("inf")}, "`mu` must be finite and above 0"),
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
