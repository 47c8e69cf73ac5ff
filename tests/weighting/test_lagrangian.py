"""Thresholds: the multipliers worked by hand, and when they move."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune import Lagrangian
from weighting.batches import evaluation, with_gains


def test_the_lagrangian_by_hand():
    rule = Lagrangian("o0", at_most={"o1": 30.0})
    metrics = torch.tensor([[0.5, 45.0]], dtype=torch.float64).expand(4, 2)
    known = {"metrics": metrics, "bounds": [(0.0, 1.0), (0.0, 60.0)], "maximize": [True, False]}
    result = rule.update(with_gains(0.5, 0.25, **known))
    assert result.signals["shortfall"].tolist() == [0.0, 0.25]
    assert result.signals["lambda"].tolist() == pytest.approx([1.0, 0.015])
    assert result.weights.tolist() == pytest.approx([1 / 1.015, 0.015 / 1.015])


def test_of_several_batches_in_an_update_each_counts_in_the_shortfall():
    """They have the evaluation of the first one: it is the same policy's."""
    rule = Lagrangian("o0", at_least={"o1": 0.9})
    shortfalls = [
        float(rule.update(with_gains(0.5, gain, evaluation=evaluation(0.5, 0.4))).signals["shortfall"][1])
        for gain in (0.4, 0.6)
    ]
    assert shortfalls == pytest.approx([0.5, 0.3])


def test_a_threshold_that_holds_costs_nothing_and_one_that_cannot_be_met_is_said():
    held = Lagrangian("o0", at_least={"o1": 0.3})
    assert held.update(with_gains(0.5, 0.5)).weights.tolist() == [1.0, 0.0]
    rule = Lagrangian("o0", at_least={"o1": 0.9}, gains=(0.0, 1.0, 0.0), limit=2.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(40):
            rule.update(with_gains(0.5, 0.0))
    assert [str(w.message).split(":")[0] for w in caught] == [
        "The multiplier of o1 has stood at its limit, 2, for 20 batches"
    ]


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.floats(0.0, 1.0))
def test_dual_ascent_is_the_controller_without_its_other_terms(path, threshold):
    rule, multiplier = Lagrangian("o0", at_least={"o1": threshold}, gains=(0.0, 0.05, 0.0)), 0.0
    for gain in path:
        multiplier = min(max(multiplier + 0.05 * (threshold - gain), 0.0), 10.0)
        assert float(rule.update(with_gains(0.5, gain)).signals["lambda"][1]) == pytest.approx(multiplier, abs=1e-12)


@pytest.mark.parametrize("gains", [(0.05, 0.01, 0.0), (1.0, 0.0, 0.0)])
def test_a_multiplier_whose_metric_does_not_apply_stays(gains):
    rule = Lagrangian("o0", at_least={"o1": 0.9}, gains=gains)
    before = rule.update(with_gains(0.5, 0.4)).signals["lambda"].tolist()
    state = rule.state_dict()
    assert before[1] > 0
    assert rule.update(with_gains(0.5, math.nan)).signals["lambda"].tolist() == before
    assert rule.state_dict() == state
