"""What a rule makes of a batch does not depend on the library that has generated it."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer, RLOOConfig
from trl.experimental.online_dpo import OnlineDPOConfig

from integrations.doors import COMMON, made, weights
from paretune import (
    PAMA,
    Lagrangian,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
    ScheduledWeights,
    ScheduledWeightsCallback,
)
from paretune.integrations.core import Weigher
from paretune.integrations.trl import OnlineDPOTrainer, RLOOTrainer
from paretune.weighting import RULES, WeightingRule
from policies import prompts, saved_policy

STEPS, PROMPTS, GENERATIONS = 3, 4, 2
NAMES = ["first", "second"]
BOUNDS = {"first": (0.0, 1.0), "second": (0.0, None)}
TABLE = torch.rand(STEPS, PROMPTS, GENERATIONS, 2, generator=torch.Generator().manual_seed(0)).round(decimals=3)
TABLE[1, 2, :, 0] = math.nan  # a reward that does not apply to a prompt
TABLE[2, 0, 1, 1] = math.inf  # a reward that misbehaves


def rewards(*, pairs_apart: bool = False) -> list[Callable[..., list[float]]]:
    """Two rewards that give what the table says of the batch, of the prompt in it and of its completion."""

    def column(k: int, batches: Iterator[Tensor]) -> Callable[..., list[float]]:
        def reward(completions: Any, **_: Any) -> list[float]:
            batch = next(batches)[..., k]
            return (batch.T if pairs_apart else batch).flatten().tolist()

        reward.__name__ = NAMES[k]
        return reward

    return [column(k, iter(TABLE)) for k in range(2)]


def options(**further: Any) -> dict[str, Any]:
    return {"max_steps": STEPS, "save_strategy": "no", "bounds": BOUNDS, **further}


def shown(rule: WeightingRule, estimator: str = "grpo") -> Iterator[Weigher]:
    """A rule at work, after each batch of the table."""
    weigher = Weigher(rule, NAMES, BOUNDS, estimator=estimator)
    for step, batch in enumerate(TABLE):
        weigher.weigh(
            batch.flatten(0, 1), num_generations=GENERATIONS, lengths=torch.full((PROMPTS * GENERATIONS,), 8),
            step=step, max_steps=STEPS, learning_rate=1e-2,
        )  # fmt: skip
        yield weigher


def through_core(rule: WeightingRule, estimator: str = "grpo") -> list[list[float]]:
    return [[weigher.figures()[f"weights/{name}"] for name in NAMES] for weigher in shown(rule, estimator)]


def through_rloo(rule: WeightingRule, model: str, directory: Path) -> list[list[float]]:
    trainer = made(
        RLOOTrainer, RLOOConfig, model, directory, weighting=rule, reward_funcs=rewards(), num_generations=GENERATIONS,
        **options(),
    )  # fmt: skip
    trainer.train()
    return weights(trainer)


def through_online_dpo(rule: WeightingRule, model: str, directory: Path) -> list[list[float]]:
    trainer = made(
        OnlineDPOTrainer, OnlineDPOConfig, model, directory, weighting=rule, reward_funcs=rewards(pairs_apart=True),
        **options(per_device_train_batch_size=PROMPTS),
    )  # fmt: skip
    trainer.train()
    return weights(trainer)


def through_our_trainer(rule: WeightingRule, model: str, directory: Path) -> list[list[float]]:
    config = MultiObjectiveConfig(
        str(directory), **{**COMMON, "max_steps": STEPS, "save_strategy": "no", "num_generations": GENERATIONS},
        max_completion_length=8,
    )  # fmt: skip
    objectives = [Objective(name, reward, bounds=BOUNDS[name]) for name, reward in zip(NAMES, rewards(), strict=True)]
    trainer = MultiObjectiveTrainer(model, objectives, config, prompts(), weighting=rule)
    trainer.train()
    entries = [entry for entry in trainer.state.log_history if "loss" in entry]
    return [[entry[f"weights/{name}"] for name in NAMES] for entry in entries]


def through_the_callback(rule: ScheduledWeights, model: str, directory: Path) -> list[list[float]]:
    config = GRPOConfig(
        str(directory), **{**COMMON, "max_steps": STEPS, "save_strategy": "no", "num_generations": GENERATIONS},
        max_completion_length=8,
    )  # fmt: skip
    trainer = GRPOTrainer(model, rewards(), config, prompts())
    trainer.add_callback(ScheduledWeightsCallback(rule, trainer))
    trainer.train()
    entries = [entry for entry in trainer.state.log_history if "loss" in entry]
    return [[entry[f"weights/{name}"] for name in NAMES] for entry in entries]


DOORS = {"our trainer": through_our_trainer, "rloo": through_rloo, "online-dpo": through_online_dpo}
"""By the core itself go the tests of ms-swift, in an environment of its own (test_swift.py)."""


def weighs_by_rewards(make: Callable[[], WeightingRule]) -> bool:
    try:
        Weigher(make(), NAMES, BOUNDS)
    except (TypeError, ValueError):
        return False
    return make is not PAMA  # by the lengths of completions, too


MADE: dict[str, Callable[[], WeightingRule]] = {
    **RULES,
    "lagrangian": lambda: Lagrangian("first", at_least={"second": 0.6}),
    "scheduled": lambda: ScheduledWeights({0: (1.0, 0.0), 2: (0.25, 0.75)}),
}
MOVING = [name for name, make in MADE.items() if weighs_by_rewards(make)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "rule", [pytest.param(name, marks=() if name in ("nash", "tour", "gdpo") else pytest.mark.slow) for name in MOVING]
)
@pytest.mark.turns
def test_the_same_rewards_give_the_same_weights_through_every_door(
    rule: str, door: str, model: str, tmp_path: Path
) -> None:
    estimator = "rloo" if door == "rloo" else "grpo"  # some rules go by what each reward's own advantages are
    assert DOORS[door](MADE[rule](), model, tmp_path) == through_core(MADE[rule](), estimator)


def test_a_schedule_is_the_same_as_a_rule_and_as_a_callback(model: str, tmp_path: Path) -> None:
    schedule = {0: (1.0, 0.0), STEPS - 1: (0.25, 0.75)}
    found = through_the_callback(ScheduledWeights(schedule), model, tmp_path)
    assert found == through_core(ScheduledWeights(schedule))
    assert all(a != b for a, b in pairwise(found))


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1, width=32), min_size=16, max_size=16), st.sampled_from(MOVING), st.integers(1, 2))
def test_a_rule_goes_on_from_what_a_checkpoint_holds(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], rule: str, stop: int
) -> None:
    directory = tmp_path_factory.mktemp("checkpoint")
    batches = [*TABLE[:2].flatten(1, 2), torch.tensor(values).view(8, 2)]

    def show(weigher: Weigher, first: int, last: int) -> None:
        for step in range(first, last):
            weigher.weigh(
                batches[step], num_generations=GENERATIONS, lengths=torch.full((8,), 8), step=step, max_steps=3,
                learning_rate=1e-2,
            )  # fmt: skip

    whole, stopped, resumed = (Weigher(MADE[rule](), NAMES, BOUNDS) for _ in range(3))
    show(whole, 0, 3)
    show(stopped, 0, stop)
    stopped.save(directory)
    resumed.load(directory)
    show(resumed, stop, 3)
    assert str(resumed.figures()) == str(whole.figures())  # as text NaN equals itself
    own = [weigher.advantages() for weigher in (resumed, whole)]
    assert own[0] is own[1] is None or torch.equal(*own)
