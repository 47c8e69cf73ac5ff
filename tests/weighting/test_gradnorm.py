"""GradNorm, and what it shares with the other rules on the Gramian."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune import GradNorm
from weighting.batches import ADVANTAGES, gradient_rows, on, seen

# ----- what rules on the Gramian share


def test_the_weights_are_the_mean_of_the_solutions():
    rule = GradNorm(smoothing=0.75)
    first = rule.update(on([[2.0, 0.0], [0.0, 1.0]]))
    assert first.signals["solution"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert first.signals["norm"].tolist() == pytest.approx([2, 1])
    assert first.weights.tolist() == pytest.approx([0.75 * 0.5 + 0.25 / 3, 0.75 * 0.5 + 0.25 * 2 / 3])
    second = rule.update(on([[1.0, 0.0], [0.0, 1.0]]))
    assert second.weights.tolist() == pytest.approx((0.75 * first.weights + 0.25 * 0.5).tolist())


def test_the_advantages_are_those_of_the_weighted_gradient():
    rewards = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, math.nan], [1.0, math.nan]])
    advantages = torch.tensor([[-1.0, 1.0], [1.0, -1.0], [-1.0, 0.0], [1.0, 0.0]])
    result = GradNorm(smoothing=0.0).update(on([[2.0, 0.0], [0.0, 1.0]], rewards=rewards, advantages=advantages))
    # The second objective applies to half of the completions: its mean's gradient counts them twice.
    expected = torch.tensor([-1 / 3 + 2 * 2 / 3, 1 / 3 - 2 * 2 / 3, -1 / 3, 1 / 3], dtype=torch.float64)
    assert torch.allclose(result.advantages, expected)


def test_what_has_no_gradient_keeps_its_mean_and_has_no_weight_in_the_batch():
    rule = GradNorm(smoothing=0.5)
    advantages = torch.stack([ADVANTAGES, ADVANTAGES, torch.zeros(4)], dim=1)
    result = rule.update(on([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]], advantages=advantages))
    assert result.weights[2] == 0
    assert rule.state_dict()["weights"] == pytest.approx([0.5 / 3 + 2 / 18, 0.5 / 3 + 4 / 18, 1 / 3])


@pytest.mark.parametrize("gramian", [torch.full((2, 2), math.nan), torch.tensor([[1.0, math.inf], [math.inf, 1.0]])])
def test_a_gramian_that_is_not_finite_leaves_the_weights(gramian):
    rule = GradNorm([2, 1])
    with pytest.warns(UserWarning, match="not finite: weights unchanged"):
        result = rule.update(on([[2.0, 0.0], [0.0, 1.0]], gramian=gramian.double()))
    assert result.weights.tolist() == pytest.approx([2 / 3, 1 / 3])


def test_a_run_that_can_measure_no_gramian_is_refused():
    known = {"gramian": None, "influence": torch.zeros(2), "influence_method": "realised"}
    with pytest.raises(ValueError, match="gradnorm needs the Gramian, and this run can measure the realised influence"):
        GradNorm().update(seen(0.5, 0.5, **known))


# ----- GradNorm


@settings(deadline=None)
@given(gradient_rows, st.lists(st.floats(0.1, 10), min_size=5, max_size=5))
def test_gradnorm_makes_all_gradients_equally_long(rows, scales):
    rows = [row for row in rows if any(row)] or [[1.0] * 8]
    rule = GradNorm(alpha=2.0, smoothing=0.0)
    gradients = torch.tensor(rows, dtype=torch.float64) * torch.tensor(scales)[: len(rows), None]
    lengths = rule.update(on(gradients.tolist())).weights * gradients.norm(dim=1)
    assert lengths.tolist() == pytest.approx([lengths[0].item()] * len(rows), rel=1e-6)


def test_gradnorm_follows_what_is_left():
    rule = GradNorm(alpha=2.0, smoothing=0.0)
    rule.update(seen(0.001, 0.001, gradients=[[1.0, 0.0], [0.0, 1.0]]))
    result = rule.update(seen(0.501, 0.001, gradients=[[1.0, 0.0], [0.0, 1.0]]))
    left = 1 - 0.4 * 0.5  # gains are smoothed
    assert result.signals["left"].tolist() == pytest.approx([left, 1.0])
    assert result.weights.tolist() == pytest.approx([left**2 / (1 + left**2), 1 / (1 + left**2)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GradNorm(alpha=-1), "`alpha`"),
        (lambda: GradNorm(smoothing=1.0), "`smoothing`"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
