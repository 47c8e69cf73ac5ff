from pathlib import Path
from typing import Any

import pytest
import torch
from trl.trainer.utils import nanstd

from elsewhere import Elsewhere, is_elsewhere, put_elsewhere
from paretune import MultiObjectiveConfig, Objective
from paretune.advantages import ESTIMATORS
from paretune.steering import COLUMN
from paretune.trainer.batch_record import batch_line, batch_metrics
from paretune.trainer.evaluation import metrics_of
from paretune.trainer.rollouts import Rollouts
from paretune.trainer.steered_data import gathered_priorities
from paretune.weighting import Scalarization

REWARDS = torch.tensor([[1.0, 0.0], [0.0, 0.5], [1.0, float("nan")], [0.0, 1.0]])


def rollouts(tmp_path: Path, rewards: torch.Tensor = REWARDS, **options: Any) -> Rollouts:
    config = MultiObjectiveConfig(str(tmp_path), num_generations=2, **options)
    lengths = torch.tensor([3, 4, 5, 6])
    return Rollouts(config, rewards, lengths, loss_lengths=lengths)


def weighted(*weights: float, **kwargs: Any) -> Scalarization:
    return Scalarization(torch.tensor(weights, dtype=torch.float64), **kwargs)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("combine", ["rewards", "advantages"])
def test_a_batch_may_stand_on_an_accelerator(estimator: str, combine: str, tmp_path: Path) -> None:
    config = MultiObjectiveConfig(str(tmp_path), num_generations=2, advantage_estimator=estimator, combine=combine)
    rewards, lengths = put_elsewhere(REWARDS), put_elsewhere(torch.tensor([3, 4, 5, 6]))
    on_the_cpu = Rollouts(config, REWARDS, lengths.clone(), loss_lengths=lengths.clone())
    with Elsewhere():
        made = Rollouts(config, rewards, lengths, loss_lengths=lengths)
        for kind in (None, "advantages", "rewards"):
            own = {} if kind is None else {kind: torch.tensor([1.0, 0.0, 0.5, 0.0], dtype=torch.float64)}
            decided = weighted(0.25, 0.75, **own)
            made.decided(decided)
            advantages = made.advantages(decided)
            assert is_elsewhere(advantages)
            assert advantages.cpu().tolist() == on_the_cpu.advantages(decided).tolist()
            assert is_elsewhere(made.of_means(halved=True))
            batch_line(["a", "b"], made, decided, None)
            batch_metrics(["a", "b"], made, decided, None)
            made.reward_metrics(decided)
        objectives = [Objective(name, print) for name in "ab"]
        assert not is_elsewhere(metrics_of(objectives, rewards, {}, None))


def test_priorities_stand_where_the_weights_of_a_rule_do() -> None:
    with Elsewhere():
        told = gathered_priorities([{COLUMN: [0.2, 0.8]}] * 2, 2)
        weighed = told * torch.tensor([0.5, 0.5], dtype=torch.float64)
    assert weighed.tolist() == [[0.1, 0.4]] * 2


def test_rewards_combined_by_hand(tmp_path: Path) -> None:
    assert rollouts(tmp_path).combined(weighted(0.5, 0.5)).tolist() == [0.5, 0.25, 0.5, 0.5]


def test_unscaled_grpo_by_hand(tmp_path: Path) -> None:
    made = rollouts(tmp_path, scale_rewards="none")
    assert made.advantages(weighted(0.5, 0.5)).tolist() == [0.125, -0.125, 0.0, 0.0]


def test_combine_advantages_by_hand(tmp_path: Path) -> None:
    made = rollouts(tmp_path, scale_rewards="none", combine="advantages")
    # Alone: first objective ±0.5 in both groups, second ∓0.25 in the first; in the second it has one score only.
    assert made.advantages(weighted(0.5, 0.5)).tolist() == [0.125, -0.125, 0.25, -0.25]


@pytest.mark.parametrize("combine", ["rewards", "advantages"])
def test_a_factor_acts_where_it_is_put(combine: str, tmp_path: Path) -> None:
    made = rollouts(tmp_path, scale_rewards="none", combine=combine)
    plain = made.advantages(weighted(0.5, 0.5))
    for place in ("reward", "advantage"):
        torch.testing.assert_close(made.advantages(weighted(0.5, 0.5, scale=1.5, apply_to=place)), 1.5 * plain)
    assert torch.equal(made.advantages(weighted(0.5, 0.5, scale=1.5, apply_to="update")), plain)


def test_a_factor_on_rewards_cancels_where_the_warning_says_so(tmp_path: Path) -> None:
    for options in ({}, {"scale_rewards": "batch"}, {"advantage_estimator": "reinforce++"}):
        made = rollouts(tmp_path, **options)
        scaled = made.advantages(weighted(0.5, 0.5, scale=2.0, apply_to="reward"))
        torch.testing.assert_close(scaled, made.advantages(weighted(0.5, 0.5)), rtol=1e-2, atol=1e-3)


def test_reward_weights_are_those_given_in_single_precision() -> None:
    assert torch.equal(weighted(0.1, 0.9).reward_weights, torch.tensor([0.1, 0.9]))
    scaled = weighted(0.1, 0.9, scale=2.0, apply_to="reward").reward_weights
    assert torch.equal(scaled, torch.tensor([0.2, 1.8]))


def test_the_cosine_is_one_where_combining_makes_no_difference(tmp_path: Path) -> None:
    rewards = torch.tensor([[1.0, 0.2], [0.0, 0.9], [0.3, 0.1], [0.8, 1.0]])
    assert rollouts(tmp_path, rewards, scale_rewards="none").combine_cosine(weighted(0.3, 0.7)) == pytest.approx(1.0)
    assert rollouts(tmp_path, rewards, advantage_estimator="rloo").combine_cosine(weighted(0.3, 0.7)) == pytest.approx(
        1
    )
    assert rollouts(tmp_path, rewards).combine_cosine(weighted(0.3, 0.7)) < 0.999


def test_a_completion_that_nothing_scores_has_no_advantage_whatever_a_rule_hands_over(tmp_path: Path) -> None:
    rewards = REWARDS.clone()
    rewards[2] = torch.nan
    made = rollouts(tmp_path, rewards)
    handed_over = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert made.advantages(weighted(0.5, 0.5, advantages=handed_over)).tolist() == [1.0, 2.0, 0.0, 4.0]
    assert handed_over.tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    "rewards",
    [
        [1.0, 0.5, 0.5, 0.5, 1.0, None, None, None],
        [1.0, None, None, None, None, None, None, None],
        [None, None, None, None, None, None, None, None],
    ],
    ids=["some", "one", "none"],
)
def test_the_figures_are_trls_where_completions_are_not_scored(rewards: list[float | None], tmp_path: Path) -> None:
    scored = torch.tensor([torch.nan if r is None else r for r in rewards])
    lengths = torch.ones(8)
    config = MultiObjectiveConfig(str(tmp_path), num_generations=2)
    figures = Rollouts(config, scored.unsqueeze(1), lengths, loss_lengths=lengths).reward_metrics(weighted(1.0))
    deviations = nanstd(scored.view(-1, 2), dim=1)
    expected = {
        "reward": torch.nanmean(scored).item(),
        "reward_std": nanstd(scored).item(),
        "frac_reward_zero_std": torch.isclose(deviations, torch.zeros(4)).float().mean().item(),
    }
    assert figures == pytest.approx(expected, nan_ok=True)
