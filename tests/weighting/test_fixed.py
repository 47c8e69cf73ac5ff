import pytest
import torch

from paretune import FixedWeights, Objective
from paretune.weighting import PRESETS


def objectives(count: int) -> list[Objective]:
    return [Objective(f"o{i}", lambda **_: []) for i in range(count)]


@pytest.mark.parametrize("name", PRESETS)
def test_the_papers_presets(name: str) -> None:
    rule = FixedWeights(name)
    rule.check(objectives(3))
    assert rule.weights.sum() == pytest.approx(1)
    assert rule.update(None).weights.tolist() == list(PRESETS[name])
    assert rule.update(None).scale == 1.0


def test_a_preset_needs_three_objectives() -> None:
    with pytest.raises(ValueError, match="'balanced' needs three objectives, got 2"):
        FixedWeights("balanced").check(objectives(2))


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match="Unknown preset 'fair': choose one of accuracy, balanced, efficiency"):
        FixedWeights("fair")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "empty"),
        ([float("nan"), 1.0], "must be finite float32 numbers, got nan, 1"),
        ([1.0, float("-inf")], "must be finite float32 numbers, got 1, -inf"),
        ([1e39, 1.0], "must be finite float32 numbers, got 1e\\+39, 1"),
        ([10**400, 1.0], "must be a number for each objective"),
    ],
)
def test_wrong_weights(weights: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FixedWeights(weights)


def test_one_weight_for_each_objective() -> None:
    with pytest.raises(ValueError, match=r"has 2 values for 3 objectives \(o0, o1, o2\)"):
        FixedWeights([0.5, 0.5]).check(objectives(3))


def test_repr_shows_the_settings() -> None:
    assert repr(FixedWeights([0.25, 0.75])) == "FixedWeights(weights=[0.25, 0.75])"
    assert repr(FixedWeights("balanced")) == "FixedWeights(weights='balanced')"


@pytest.mark.parametrize("weights", [[1.0, 1.0], [0.0, 0.0], [2.0, -0.5], [1e30, 1e-30], [-1.0], [3]])
def test_any_sum_and_sign_as_in_trl(weights: list[float]) -> None:
    assert FixedWeights(weights).update(None).weights.tolist() == weights


def test_weights_are_exactly_those_given() -> None:
    assert torch.equal(FixedWeights([0.1, 0.2, 0.7]).weights, torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64))
