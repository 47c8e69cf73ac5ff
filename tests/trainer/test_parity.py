"""With fixed weights our trainer is TRL's, bit for bit, whichever way the advantages come about."""

from pathlib import Path
from typing import Any

import pytest
import torch
from trl import GRPOConfig, GRPOTrainer

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer
from paretune.influence import ESTIMATORS, Method
from paretune.weighting import Batch, InfluenceRequest, Measurements, Scalarization
from policies import brief, digits, digits_where_even, letters, prompts, saved_policy

WEIGHTS = [0.5, 0.3, 0.2]
REWARDS = [digits, brief, letters]


class FixedThroughInfluence(FixedWeights):
    """Constant weights that ask for influence: measured before the update, they go the way of recomputed advantages."""

    method: Method

    def measurements(self) -> Measurements:
        return Measurements(influence=InfluenceRequest(method=self.method))

    def update(self, batch: Batch) -> Scalarization:
        if batch.influence is None:
            assert self.method == "realised"  # of an update that there was not yet
        else:
            assert batch.influence_method == self.method
            assert torch.equal(torch.isfinite(batch.influence), has_influence(batch, self.method))
        return super().update(batch)


def has_influence(batch: Batch, method: Method) -> torch.Tensor:
    """``[K]``: every objective has, and across halves of the prompts those that apply to completions of both."""
    applies = ~batch.rewards.isnan().unflatten(0, (-1, batch.num_generations))
    halves = [applies[::2], applies[1::2]] if method.startswith("crossed") else [applies]
    return torch.stack([half.any(dim=1).any(dim=0) for half in halves]).all(dim=0)


def rules() -> list[FixedWeights]:
    through = [FixedThroughInfluence(WEIGHTS) for _ in ESTIMATORS]
    for rule, method in zip(through, ESTIMATORS, strict=True):
        rule.method = method
    return [FixedWeights(WEIGHTS), *through]


class Recording:
    """Mixed into a trainer: keeps the advantages of every micro-batch that it trained on."""

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        loss = super().training_step(model, inputs, num_items_in_batch)
        current = (self._step - 1) % self.args.steps_per_generation
        self.seen = [*getattr(self, "seen", []), self._buffered_inputs[current]["advantages"].clone()]
        return loss


class Stock(Recording, GRPOTrainer):
    pass


class Ours(Recording, MultiObjectiveTrainer):
    pass


def settings(directory: Path, **kwargs: Any) -> dict[str, Any]:
    return {
        "output_dir": str(directory),
        "use_cpu": True,
        "bf16": False,
        "learning_rate": 1e-2,
        "max_steps": 3,
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 12,
        "gradient_checkpointing": False,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "log_completions": False,
        **kwargs,
    }


CASES: dict[str, dict[str, Any]] = {
    "group": {},
    "batch": {"scale_rewards": "batch"},
    "none": {"scale_rewards": "none"},
    "normalize_then_sum": {"multi_objective_aggregation": "normalize_then_sum"},
    "accumulation": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    "generation larger": {
        "per_device_train_batch_size": 4,
        "steps_per_generation": 4,
        "gradient_accumulation_steps": 2,
    },
    "generation smaller": {
        "num_generations": 2,  # two prompts, which make two halves
        "per_device_train_batch_size": 4,
        "steps_per_generation": 1,
        "gradient_accumulation_steps": 2,
    },
    "iterations": {"num_iterations": 2, "max_steps": 4},
    "kl": {"beta": 0.001},
    "weights above one loss": {"loss_type": "bnpo", "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def model_with_dropout(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("dropout"), dropout=0.3)


def assert_equal(ours: MultiObjectiveTrainer, stock: GRPOTrainer) -> None:
    assert len(ours.seen) == len(stock.seen) > 0
    for a, b in zip(ours.seen, stock.seen, strict=True):
        assert torch.equal(a, b)
        assert a.abs().sum() > 0
    for (name, a), b in zip(ours.model.named_parameters(), stock.model.parameters(), strict=True):
        assert torch.equal(a, b), name
    moved = ours.optimizer.state[next(ours.model.parameters())]["exp_avg"]
    assert torch.equal(moved, stock.optimizer.state[next(stock.model.parameters())]["exp_avg"])
    for key in ("reward", "reward_std", "frac_reward_zero_std"):
        ours_log = [entry[key] for entry in ours.state.log_history if key in entry]
        stock_log = [entry[key] for entry in stock.state.log_history if key in entry]
        assert ours_log == pytest.approx(stock_log, abs=1e-6)


@pytest.mark.parametrize("each", ["two", pytest.param("all", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.turns
def test_training_is_trls(case: str, each: str, model: str, tmp_path: Path) -> None:
    """In each case on rewards, and through two estimators, which take turns, or through all of them."""
    on_rewards, *through = rules()
    if each == "two":
        turn = 2 * list(CASES).index(case) % len(through)
        through = (through * 2)[turn : turn + 2]
    options = settings(tmp_path / "stock", **CASES[case])
    stock = Stock(model, REWARDS, GRPOConfig(**options, reward_weights=WEIGHTS), prompts())
    stock.train()
    for i, rule in enumerate([on_rewards, *through]):
        config = MultiObjectiveConfig(**settings(tmp_path / str(i), **CASES[case]))
        ours = Ours(model, REWARDS, config, prompts(), weighting=rule)
        ours.train()
        assert_equal(ours, stock)


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [2.0, -0.5, 0.0]])
@pytest.mark.turns
def test_weights_of_any_sum_and_sign_are_trls(weights: list[float], model: str, tmp_path: Path) -> None:
    stock = Stock(model, REWARDS, GRPOConfig(**settings(tmp_path / "stock"), reward_weights=weights), prompts())
    stock.train()
    config = MultiObjectiveConfig(**settings(tmp_path / "ours"))
    ours = Ours(model, REWARDS, config, prompts(), weighting=FixedWeights(weights))
    ours.train()
    assert_equal(ours, stock)


@pytest.mark.parametrize("several_updates", [False, True])
@pytest.mark.turns
def test_measuring_draws_none_of_trainings_random_numbers(
    several_updates: bool, model_with_dropout: str, tmp_path: Path
) -> None:
    several = {"per_device_train_batch_size": 4, "steps_per_generation": 2} if several_updates else {}
    options = settings(tmp_path / "stock", **several)
    stock = Stock(model_with_dropout, REWARDS, GRPOConfig(**options, reward_weights=WEIGHTS), prompts())
    stock.train()
    state = torch.get_rng_state()
    for i, rule in enumerate(rules()):
        config = MultiObjectiveConfig(**settings(tmp_path / str(i), **several))
        ours = Ours(model_with_dropout, REWARDS, config, prompts(), weighting=rule)
        ours.train()
        assert_equal(ours, stock)
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("aggregation", ["sum_then_normalize", "normalize_then_sum"])
@pytest.mark.turns
def test_training_is_trls_where_a_reward_does_not_apply(aggregation: str, model: str, tmp_path: Path) -> None:
    rewards = [digits_where_even, brief, letters]
    options = {"multi_objective_aggregation": aggregation}
    stock_options = settings(tmp_path / "stock", **options)
    stock = Stock(model, rewards, GRPOConfig(**stock_options, reward_weights=WEIGHTS), prompts())
    stock.train()
    for i, rule in enumerate(rules()):
        ours = Ours(model, rewards, GRPOConfig(**settings(tmp_path / str(i), **options)), prompts(), weighting=rule)
        ours.train()
        assert_equal(ours, stock)
