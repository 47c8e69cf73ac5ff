"""PCD: figures worked by hand, and that it keeps what it promises."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune import PCD, Objective
from weighting.batches import gradient_rows, on


def test_pcd_by_hand():
    rule = PCD("o0", smoothing=0.0)
    opposed = [[1.0, 0.0], [-0.5, math.sqrt(0.75)]]
    assert rule.update(on(opposed)).weights.tolist() == pytest.approx([1 / 1.52, 0.52 / 1.52])
    # Without a conflict the first objective is followed alone.
    assert PCD("o0", smoothing=0.0).update(on([[1.0, 0.0], [0.5, 0.5]])).weights.tolist() == [1.0, 0.0]
    # A unit of its own changes nothing: the solution counts its gradient in that unit.
    scaled = PCD("o0", smoothing=0.0).update(on([[1.0, 0.0], [-5.0, 10 * math.sqrt(0.75)]])).weights
    assert scaled.tolist() == pytest.approx([1 / 1.052, 0.052 / 1.052])


@settings(deadline=None)
@given(gradient_rows, st.floats(0, 0.3))
def test_pcd_keeps_its_promise_at_the_least_distance(rows, tau):
    """Its constraints hold, and no other direction that keeps them is nearer: checked over all active sets."""
    gradients = torch.tensor([row for row in rows if any(abs(x) > 0.01 for x in row)], dtype=torch.float64)
    if len(gradients) < 2:
        return
    count = len(gradients)
    rule = PCD("o0", tau=tau, smoothing=0.0)
    solution = rule.update(on(gradients.tolist())).signals["solution"]
    units = gradients / gradients.norm(dim=1, keepdim=True)
    direction = (solution / solution[0] / units.new_tensor(1.0)) @ gradients / gradients[0].norm()
    kept = units[1:] @ direction >= tau - 1e-5
    if kept.all():
        best = math.inf
        for size in range(count):
            for active in itertools.combinations(range(1, count), size):
                among = units[list(active)]
                step = torch.linalg.pinv(among @ among.T) @ (tau - among @ units[0]) @ among if active else 0.0
                other = units[0] + step
                if (units[1:] @ other >= tau - 1e-6).all():
                    best = min(best, float((other - units[0]).norm()))
        assert float((direction - units[0]).norm()) == pytest.approx(best, rel=1e-3, abs=1e-3)
    else:  # the constraints contradict each other, and the first objective is followed alone
        assert torch.allclose(direction, units[0])


@settings(deadline=None)
@given(st.lists(gradient_rows, min_size=1, max_size=3))
def test_pcd_is_the_one_of_torchjd(batches):
    torchjd = pytest.importorskip("torchjd.aggregation")
    count = min(len(rows) for rows in batches)
    theirs, ours = torchjd.PCDWeighting(tau=0.1, eps=0.0), PCD("o0", tau=0.1, smoothing=0.0)
    for rows in batches:
        gradients = torch.tensor(rows[:count], dtype=torch.float64) + torch.eye(count, 8, dtype=torch.float64) * 10
        expected = theirs(gradients @ gradients.T)
        found = ours.update(on(gradients.tolist())).signals["solution"]
        assert (found / found.sum()).tolist() == pytest.approx((expected / expected.sum()).tolist(), abs=1e-6)


def test_pcd_drops_constraints_that_contradict_each_other():
    rule = PCD("o0", smoothing=0.0)
    assert rule.update(on([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).weights.tolist() == [1.0, 0.0, 0.0]


def test_pcd_without_the_objective_to_maximise_leaves_the_weights():
    rule = PCD("o0")
    before = rule.update(on([[1.0, 0.0], [-0.5, 1.0]])).weights
    assert torch.equal(rule.update(on([[0.0, 0.0], [-0.5, 1.0]])).weights, before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PCD("o0", tau=1.5), r"`tau` must be in \[0, 1\], got 1.5"),
        (lambda: PCD("o0", tau={"o1": -1}), r"`tau` must be in \[0, 1\], got -1"),
        (lambda: PCD("o0", tau={"o0": 0.1}), "got 'o0' twice"),
        (lambda: PCD("o0", decay=1.0), "`decay`"),
        (lambda: PCD("o9").check([Objective("o0", print)]), "names 'o9': the objectives are o0"),
        (lambda: PCD("o0", {"o9": 0.1}).check([Objective("o0", print)]), "names 'o9'"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
