"""FAMO: figures worked by hand, and that it is the one of TorchJD."""

import math

import pytest
import torch

from paretune import FAMO
from weighting.batches import seen


def test_famo_by_hand():
    rule = FAMO(smoothing=0.0)
    first = rule.update(seen(0.501, 0.001, spread=0.2))
    assert first.weights.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert torch.isnan(first.signals["progress"]).all()
    # The first objective's mean advantage rose by 0.5, worth 0.2 · 0.5 of its gain, of a headroom of 0.5.
    realised = {"influence": torch.tensor([0.5, 0.0]), "influence_method": "realised"}
    second = rule.update(seen(0.501, 0.001, spread=0.2, **realised))
    assert second.signals["progress"].tolist() == pytest.approx([0.2, 0.0])
    assert second.signals["logit"].tolist() == pytest.approx([-0.025, 0.025], rel=1e-5)
    shares = [1 / (1 + math.exp(0.05)), 1 / (1 + math.exp(-0.05))]
    total = shares[0] / 0.5 + shares[1]
    assert second.weights.tolist() == pytest.approx([shares[0] / 0.5 / total, shares[1] / total], rel=1e-6)


def test_famo_is_the_one_of_torchjd():
    """Their losses are our headrooms, their two passes our realised influence."""
    torchjd = pytest.importorskip("torchjd.scalarization")
    generator = torch.Generator().manual_seed(0)
    theirs, ours = torchjd.FAMO(3).double(), FAMO(smoothing=0.0)
    gains = torch.full((3,), 0.3, dtype=torch.float64)
    for _ in range(20):
        headroom = 1.001 - gains
        unknown = {"influence": None, "influence_method": None}
        ours.update(seen(*gains.tolist(), spread=0.1, **unknown))
        theirs(headroom)
        moved = 1e-5 * torch.randn(3, generator=generator, dtype=torch.float64)
        theirs.update(headroom - moved)
        realised = {"influence": moved / 0.1, "influence_method": "realised"}
        result = ours.update(seen(*gains.tolist(), spread=0.1, **realised))
        gains = gains + moved
        assert torch.allclose(result.signals["logit"], theirs.state_dict()["_w"], atol=1e-4)


def test_famo_feeds_what_progresses_least():
    rule = FAMO()
    for _ in range(50):
        realised = {"influence": torch.tensor([0.3, 0.1]), "influence_method": "realised"}
        weights = rule.update(seen(0.5, 0.5, spread=0.1, **realised)).weights
    assert weights[1] > 0.75


def test_famo_does_not_listen_to_another_estimator():
    rule = FAMO()
    for _ in range(3):
        known = {"influence": torch.tensor([9.0, 0.0]), "influence_method": "exact"}
        result = rule.update(seen(0.5, 0.5, spread=0.1, **known))
    assert result.weights.tolist() == [0.5, 0.5]


def test_famo_takes_priorities():
    assert FAMO([3, 1]).update(seen(0.5, 0.5)).weights.tolist() == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FAMO(rate=-1), "`rate`"),
        (lambda: FAMO(decay=math.inf), "`decay`"),
        (lambda: FAMO([1, -1]), "`priorities`"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
