"""Samples whose rewards are missing, infinite or too large do not count, and all else goes on."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from paretune import PAMA, MultiObjectiveTrainer, Objective
from paretune.objectives.reward_values import LARGEST
from paretune.record.run_directory import read_steps
from paretune.weighting import WeightingRule
from policies import digits, letters, saved_policy
from trainer.one_batch import trainer_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


INF, NAN = math.inf, math.nan


def with_values(values: dict[int, Any]) -> Callable[..., list[Any]]:
    """Shares of digits, but for some completions of the batch."""

    def spoilt(completions: list[str], **_: Any) -> list[Any]:
        return [values.get(i, share + i / 100) for i, share in enumerate(digits(completions))]

    return spoilt


class Keeping(MultiObjectiveTrainer):
    """Keeps the advantages of every sample that it trained on."""

    advantages: Tensor

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.advantages = torch.zeros(8)
        for micro_batch in self._buffered_inputs:
            self.advantages[micro_batch["sample_index"]] = micro_batch["advantages"]
        return loss


def advantages_with(
    values: dict[int, Any], model: str, directory: Path, rule: WeightingRule | None = None, **options: Any
) -> tuple[Keeping, Tensor]:
    """Train one step of two groups of four; the trainer and the advantages of the eight."""
    objectives = [Objective("spoilt", with_values(values)), Objective("letters", letters)]
    trainer = trainer_of(model, directory, objectives, rule, **options)
    trainer.__class__ = Keeping
    trainer.train()
    return trainer, trainer.advantages


@pytest.mark.parametrize("value", [INF, -INF, 1e300, 2 * LARGEST, -(10**400), np.float64(INF), torch.tensor(INF)])
@pytest.mark.turns
def test_a_sample_with_a_reward_that_overflows_does_not_count(value: Any, model: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="reward of objective 'spoilt' is infinite or beyond ±1e\\+16 for 2 of 8"):
        trainer, advantages = advantages_with({1: value, 6: value}, model, tmp_path)
    assert trainer._current().uncounted == 2
    rewards = trainer._current().rewards
    assert rewards[[1, 6]].isnan().all()
    others = [0, 2, 3, 4, 5, 7]
    assert rewards[others].isfinite().all()
    assert advantages[[1, 6]].tolist() == [0.0, 0.0]
    combined = rewards.mean(dim=1)
    for group in ([0, 2, 3], [4, 5, 7]):  # the baseline is that of the others
        expected = (combined[group] - combined[group].mean()) / (combined[group].std() + 1e-4)
        torch.testing.assert_close(advantages[group], expected)
    assert all(p.isfinite().all() for p in trainer.model.parameters())
    assert all(math.isfinite(value) for value in read_steps(tmp_path)[0]["rewards"].values())


@pytest.mark.parametrize("value", [LARGEST, -LARGEST])
def test_up_to_there_everything_stays_finite(value: float, model: str, tmp_path: Path) -> None:
    trainer, advantages = advantages_with({1: value}, model, tmp_path, scale_rewards="batch")
    assert trainer._current().uncounted == 0
    assert advantages.isfinite().all()
    assert advantages.abs().max() > 1


WAYS: dict[str, dict[str, Any]] = {
    "batch": {"scale_rewards": "batch"},
    "none": {"scale_rewards": "none"},
    "normalize_then_sum": {"multi_objective_aggregation": "normalize_then_sum"},
    "rloo": {"advantage_estimator": "rloo"},
    "reinforce++": {"advantage_estimator": "reinforce++"},
    "advantages": {"combine": "advantages"},
    "pama": {"rule": PAMA()},
    "pama for batches": {"rule": PAMA(credit="batch")},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("out", [[2, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6, 7]], ids=len)
@pytest.mark.filterwarnings("ignore:.*do not count", "ignore:PAMA")
@pytest.mark.turns
def test_whatever_makes_the_advantages(way: str, out: list[int], model: str, tmp_path: Path) -> None:
    """With one of a group out and all but one of the other; with all there is."""
    trainer, advantages = advantages_with(dict.fromkeys(out, INF), model, tmp_path, **WAYS[way])
    assert trainer._current().uncounted == len(out)
    assert advantages[out].tolist() == [0.0] * len(out)
    assert advantages.isfinite().all()
    assert all(p.isfinite().all() for p in trainer.model.parameters())
    assert all(math.isfinite(weight) for weight in trainer.weights.values())
    assert bool(advantages[[0, 1, 3]].any()) == (len(out) < 8)


@pytest.mark.parametrize("estimator", ["grpo", "rloo", "reinforce++"])
@pytest.mark.filterwarnings("ignore:.*do not count")
@pytest.mark.turns
def test_out_is_as_if_no_objective_applied(estimator: str, model: str, tmp_path: Path) -> None:
    """The same as TRL's treatment of a completion that nothing scores."""

    def unscored(completions: list[str], **_: Any) -> list[float | None]:
        return [None if i == 5 else value for i, value in enumerate(letters(completions))]

    _, left_out = advantages_with({5: INF}, model, tmp_path / "out", advantage_estimator=estimator)
    objectives = [Objective("spoilt", with_values({5: None})), Objective("letters", unscored)]
    trainer = trainer_of(model, tmp_path / "none", objectives, advantage_estimator=estimator)
    trainer.__class__ = Keeping
    trainer.train()
    assert trainer._current().uncounted == 0
    assert torch.equal(trainer.advantages, left_out)


def test_the_warning_comes_once_and_the_count_is_of_the_latest_batch(model: str, tmp_path: Path) -> None:
    calls = []

    def sometimes(completions: list[str], **_: Any) -> list[float]:
        calls.append(1)
        return [INF if i < 4 - len(calls) else 1.0 for i in range(len(completions))]

    trainer = trainer_of(model, tmp_path, [Objective("sometimes", sometimes)], max_steps=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.train()
    said = [str(w.message) for w in caught if "do not count" in str(w.message)]
    assert len(said) == 1
    assert "for 3 of 8 completions" in said[0]
    assert trainer._current().uncounted == 2


def test_none_and_nan_mean_that_the_objective_does_not_apply(model: str, tmp_path: Path) -> None:
    trainer, advantages = advantages_with({1: None, 6: NAN}, model, tmp_path)
    assert trainer._current().uncounted == 0
    rewards = trainer._current().rewards
    assert rewards[:, 0].isnan().tolist() == [i in (1, 6) for i in range(8)]
    assert rewards[:, 1].isfinite().all()
    assert advantages.isfinite().all()


def test_an_infinite_metric_does_not_count_in_the_mean(model: str, tmp_path: Path) -> None:
    def metric(completions: list[str], **_: Any) -> list[Any]:
        return [INF, 1.0, 1e300, 3.0, None, 5.0][: len(completions)]

    objectives = [Objective("digits", digits, metric=metric), Objective("spoilt", with_values({0: INF}))]
    trainer = trainer_of(model, tmp_path, objectives)
    with (
        pytest.warns(UserWarning, match="'spoilt' is infinite"),
        pytest.warns(UserWarning, match="'metric' of objective 'digits' is infinite for 2 of 4 completions"),
    ):
        found = trainer.evaluate()
    assert found["eval_metrics/digits"] == 2.0
    assert found["eval_standard_error/digits"] == pytest.approx(1.0)
    assert math.isfinite(found["eval_metrics/spoilt"])  # its reward is its metric
