"""A reward at weight 0 changes nothing, whatever it returns; at any other weight a completion that it spoils is out."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, Objective, ScheduledWeights
from paretune.objectives.reward_values import LARGEST, countable
from paretune.record.run_directory import read_steps
from paretune.weighting import Batch, InfluenceRequest, Measurements, Scalarization, WeightingRule
from policies import brief, digits, digits_where_even, letters, prompts, saved_policy

pytestmark = pytest.mark.filterwarnings("ignore:.*do not count")

INF, NAN = math.inf, math.nan


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def spoilt(*values: float | None) -> Callable[..., list[float | None]]:
    """Returns those values in turn, and the number of letters in between."""

    def reward(completions: list[str], **_: Any) -> list[float | None]:
        scored: list[float | None] = list(letters(completions))
        return [values[i // 2 % len(values)] if i % 2 else own for i, own in enumerate(scored)]

    return reward


def settings(directory: Path, **kwargs: Any) -> dict[str, Any]:
    return {
        "output_dir": str(directory), "use_cpu": True, "bf16": False, "learning_rate": 1e-2, "max_steps": 2,
        "per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 8,
        "gradient_checkpointing": False, "report_to": [], "save_strategy": "no", "disable_tqdm": True, **kwargs,
    }  # fmt: skip


def trained(
    model: str, directory: Path, rewards: list[Any], rule: WeightingRule, **kwargs: Any
) -> MultiObjectiveTrainer:
    config = MultiObjectiveConfig(**settings(directory, **kwargs))
    trainer = MultiObjectiveTrainer(model, rewards, config, prompts(), prompts(6), weighting=rule)
    trainer.train()
    return trainer


def assert_same_policy(a: Any, b: Any) -> None:
    for (name, p), q in zip(a.model.named_parameters(), b.model.parameters(), strict=True):
        assert torch.equal(p, q), name


class ThroughInfluence(FixedWeights):
    """Fixed weights whose advantages are computed anew, after an influence is measured."""

    def measurements(self) -> Measurements:
        return Measurements(influence=InfluenceRequest(method="directional"))


@pytest.mark.parametrize("rule", [FixedWeights, ThroughInfluence])
@pytest.mark.parametrize(
    "options",
    [{}, {"scale_rewards": "batch"}, {"scale_rewards": "none"}, {"multi_objective_aggregation": "normalize_then_sum"}],
    ids=str,
)
@pytest.mark.turns
def test_it_is_trls_training(options: dict[str, Any], rule: type, model: str, tmp_path: Path) -> None:
    rewards, weights = [digits, brief, spoilt(INF, -INF, 3e38, None, NAN)], [0.6, 0.4, 0.0]
    config = GRPOConfig(**settings(tmp_path / "stock", reward_weights=weights, **options))
    stock = GRPOTrainer(model, list(rewards), config, prompts())
    stock.train()
    ours = trained(model, tmp_path / "ours", rewards, rule(weights), **options)
    assert_same_policy(ours, stock)
    assert [line["uncounted"] for line in read_steps(tmp_path / "ours")] == [0, 0]


WAYS: dict[str, dict[str, Any]] = {
    "rloo": {"advantage_estimator": "rloo"},
    "reinforce++": {"advantage_estimator": "reinforce++"},
    "advantages": {"combine": "advantages"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.turns
def test_it_is_the_training_without_that_reward(way: str, model: str, tmp_path: Path) -> None:
    without = trained(model, tmp_path / "without", [digits, brief], FixedWeights([0.6, 0.4]), **WAYS[way])
    rewards = [digits, brief, spoilt(INF, -INF, 1e300)]
    assert_same_policy(trained(model, tmp_path / "with", rewards, FixedWeights([0.6, 0.4, 0.0]), **WAYS[way]), without)


def test_a_weight_is_zero_only_for_a_while(model: str, tmp_path: Path) -> None:
    trainer = trained(
        model, tmp_path, [digits, spoilt(INF)], ScheduledWeights({0: (1.0, 0.0), 1: (1.0, 0.0), 2: (0.5, 0.5)}),
        max_steps=3,
    )  # fmt: skip
    assert [line["uncounted"] for line in read_steps(tmp_path)] == [0, 0, 4]
    assert all(p.isfinite().all() for p in trainer.model.parameters())


class Chosen(WeightingRule):
    """Leaves out every objective that did not score all completions, in this batch alone."""

    name = "chosen"

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}

    def update(self, batch: Batch) -> Scalarization:
        weights = torch.tensor([1.0, 0.0 if batch.step == 0 else 1.0], dtype=torch.float64)
        return Scalarization(weights)


def test_under_a_rule_of_ones_own(model: str, tmp_path: Path) -> None:
    trained(model, tmp_path, [digits, spoilt(INF)], Chosen())
    assert [line["uncounted"] for line in read_steps(tmp_path)] == [0, 4]


def test_metrics_are_each_objectives_own(model: str, tmp_path: Path) -> None:
    """In an evaluation nothing is weighted: what one reward returns takes nothing from the others' means."""
    found = []
    for reward in (letters, spoilt(INF, 1e300)):
        objectives = [Objective("digits", digits), Objective("other", reward)]
        config = MultiObjectiveConfig(**settings(tmp_path / str(len(found))))
        trainer = MultiObjectiveTrainer(
            model, objectives, config, prompts(), prompts(6), weighting=FixedWeights([0.5, 0.5])
        )
        found.append(trainer.evaluate())
    assert found[0]["eval_metrics/digits"] == found[1]["eval_metrics/digits"]
    assert math.isfinite(found[1]["eval_metrics/other"])


def test_a_shut_gate_holds_an_infinite_reward_back(model: str, tmp_path: Path) -> None:
    objectives = [Objective("digits", digits), Objective("other", spoilt(INF), gate=("digits", 2.0))]
    trained(model, tmp_path, objectives, FixedWeights([0.5, 0.5]))
    assert [line["uncounted"] for line in read_steps(tmp_path)] == [0, 0]


def test_where_no_other_reward_applies_a_finite_one_counts_as_in_trl(model: str, tmp_path: Path) -> None:
    """TRL scores such a completion with 0: that is kept, for it is what `reward_weights` do."""
    rewards, weights = [digits_where_even, brief], [1.0, 0.0]
    stock = GRPOTrainer(
        model, list(rewards), GRPOConfig(**settings(tmp_path / "stock", reward_weights=weights)), prompts()
    )
    stock.train()
    assert_same_policy(trained(model, tmp_path / "ours", rewards, FixedWeights(weights)), stock)


VALUES = st.one_of(st.floats(-2 * LARGEST, 2 * LARGEST), st.sampled_from([INF, -INF, NAN, 0.0, LARGEST]))


@given(
    st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=6), st.lists(st.booleans(), min_size=3, max_size=3)
)
def test_what_counts(rows: list[tuple[float, ...]], acting: list[bool]) -> None:
    rewards, weights = torch.tensor(rows, dtype=torch.float64), torch.tensor(acting, dtype=torch.float32)
    before = rewards.clone()
    counted: Tensor = countable(rewards, weights)
    assert torch.equal(rewards.nan_to_num(7), before.nan_to_num(7))
    for n, row in enumerate(rows):
        out = any(abs(r) > LARGEST and acts for r, acts in zip(row, acting, strict=True))
        for k, own in enumerate(row):
            kept = not out and not math.isnan(own) and abs(own) <= LARGEST
            assert (counted[n, k] == own) if kept else counted[n, k].isnan()
    strict = countable(rewards)
    assert torch.equal(strict.nan_to_num(7), countable(rewards, torch.ones(3)).nan_to_num(7))
