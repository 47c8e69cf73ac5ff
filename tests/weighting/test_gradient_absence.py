"""The gradient rule where objectives do not apply everywhere."""

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paretune import GradientInfluence
from paretune.weighting import mirror_descent
from weighting.batches import batch
from weighting.moves import simplex

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
