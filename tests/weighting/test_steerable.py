"""The steerable rule: figures worked by hand, and what each prompt's priorities do."""

import pytest
import torch

from paretune import Steerable
from paretune.testing import check_rule
from weighting.batches import seen

PRIORITIES = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.8, 0.2], [0.8, 0.2]], dtype=torch.float64)


def test_weights_are_priorities_over_gains_for_each_prompt() -> None:
    rewards = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    result = Steerable().update(seen(0.48, 0.18, rewards=rewards, priorities=PRIORITIES))
    assert result.rewards.tolist() == pytest.approx([2 / 7, 5 / 7, 8 / 13, 5 / 13])
    assert result.weights.tolist() == pytest.approx([(2 / 7 + 8 / 13) / 2, (5 / 7 + 5 / 13) / 2])
    assert result.signals["gain"].tolist() == pytest.approx([0.48, 0.18])


def test_without_feedback_weights_are_the_priorities() -> None:
    rule, rewards = Steerable(feedback=False), torch.eye(2).repeat(2, 1)
    assert rule.measurements().evaluation is None
    result = rule.update(seen(0.48, 0.18, rewards=rewards, priorities=PRIORITIES))
    assert result.rewards.tolist() == pytest.approx([0.5, 0.5, 0.8, 0.2])
    assert torch.equal(result.weights, PRIORITIES.mean(dim=0))


def test_what_is_not_scored_has_no_say() -> None:
    nan = float("nan")
    rewards = torch.tensor([[1.0, nan], [nan, nan], [nan, 1.0], [0.0, 1.0]])
    result = Steerable(feedback=False).update(seen(0.5, 0.5, rewards=rewards, priorities=PRIORITIES))
    assert result.rewards.nan_to_num(-1).tolist() == pytest.approx([0.5, -1, 0.2, 0.2])


def test_a_corner_rewards_its_objective_alone_even_where_that_does_not_vary() -> None:
    corner = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(4, 2)
    rewards = torch.tensor([[0.3, 1.0], [0.3, 0.0], [0.3, 1.0], [0.3, 0.0]])
    still = torch.tensor([[0.0, 1.0], [0.0, -1.0], [0.0, 1.0], [0.0, -1.0]])
    result = Steerable().update(seen(0.3, 0.5, rewards=rewards, advantages=still, priorities=corner))
    assert result.rewards.tolist() == pytest.approx([0.3] * 4)


def test_data_without_priorities_mean_equal_ones() -> None:
    rewards = torch.eye(2).repeat(2, 1)
    assert Steerable(feedback=False).update(seen(0.5, 0.5, rewards=rewards)).rewards.tolist() == [0.5] * 4


def test_it_keeps_to_what_is_expected_of_a_rule() -> None:
    check_rule(Steerable, updates=10)
    check_rule(Steerable(feedback=False, concentration=0.3, template="user", plain_share=0.0), updates=10)


@pytest.mark.parametrize("wrong", [{"concentration": 0.0}, {"concentration": float("inf")}, {"plain_share": 1.1}])
def test_wrong_settings_are_one_line(wrong: dict[str, float]) -> None:
    [(name, _)] = wrong.items()
    with pytest.raises(ValueError, match=f"`{name}`"):
        Steerable(**wrong)
