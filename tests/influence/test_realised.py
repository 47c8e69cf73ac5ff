"""The realised influence against ⟨g_k, Δθ⟩, with the float64 gradients of TRL's own compute_loss."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor

from influence.comparison import LOSS_TYPES, WAYS_TO_FORM_THE_BATCH, in_float64, oracle, run
from paretune import MultiObjectiveTrainer
from paretune.influence import Influence
from paretune.trainer.influence_meter import InfluenceMeter
from policies import policy


class Watched(InfluenceMeter):
    """Keeps θ and g_k from before each update, and holds ⟨g_k, θ' − θ⟩ against what was measured after it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gradients: list[Tensor] = []

    def begin_batch(self, micro_batches: list[Any]) -> None:
        super().begin_batch(micro_batches)
        self._theta = self._flat()
        with in_float64(self._trainer.model):
            self.gradients.append(oracle(self._trainer, micro_batches, self._trainer._current().per_objective()))

    def after_update(self, micro_batches: list[Any], advantages: Tensor) -> Influence | None:
        before = torch.get_rng_state()
        influence = super().after_update(micro_batches, advantages)
        assert torch.equal(torch.get_rng_state(), before)
        self._trainer.measured.append((influence, self.gradients[-1] @ (self._flat() - self._theta)))
        return influence

    def _flat(self) -> Tensor:
        parameters = [p.detach() for p in self._trainer.model.parameters() if p.requires_grad]
        return torch.cat([p.double().flatten() for p in parameters])


class WatchedTrainer(MultiObjectiveTrainer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.measured: list[tuple[Influence | None, Tensor]] = []
        assert self._meter is not None
        self._meter = Watched(self, self._meter.request)


def watched(tmp_path: Path, **kwargs: Any) -> WatchedTrainer:
    # Steps so short that a change is its differential, and long enough for float32 log-probabilities.
    options = {"learning_rate": 3e-5, "max_steps": 4, **kwargs}
    return run(tmp_path, method="realised", trainer_class=WatchedTrainer, **options)


def assert_agrees(trainer: WatchedTrainer, tolerance: float = 0.02) -> None:
    assert trainer.measured
    for influence, expected in trainer.measured:
        if influence is None:
            assert not expected.any()  # gradients accumulate, and the policy has not moved
        else:
            assert influence.method == "realised"
            assert (influence.values - expected).norm() < tolerance * expected.norm(), (influence, expected)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@pytest.mark.turns
def test_every_loss_type(loss_type: str, tmp_path: Path) -> None:
    level = "sequence" if loss_type == "luspo" else "token"
    assert_agrees(watched(tmp_path, loss_type=loss_type, importance_sampling_level=level))


@pytest.mark.parametrize("options", WAYS_TO_FORM_THE_BATCH, ids=str)
@pytest.mark.turns
def test_every_way_to_form_the_batch(options: dict[str, Any], tmp_path: Path) -> None:
    assert_agrees(watched(tmp_path, **options))


@pytest.mark.parametrize(
    "options",
    [{}, {"per_device_train_batch_size": 4, "steps_per_generation": 4, "gradient_accumulation_steps": 2}],
    ids=["one update a batch", "two updates a batch"],
)
def test_dropout_draws_the_same_before_and_after(options: dict[str, Any], tmp_path: Path) -> None:
    assert_agrees(watched(tmp_path, model=policy(dropout=0.3).double(), **options))


@pytest.mark.parametrize("reentrant", [False, True])
def test_adapters_only(reentrant: bool, tmp_path: Path) -> None:
    trainer = watched(
        tmp_path,
        peft_config=LoraConfig(r=4, lora_dropout=0.2, target_modules=["q_proj", "v_proj", "down_proj"]),
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": reentrant},
        learning_rate=1e-3,
    )
    assert_agrees(trainer, tolerance=0.1)  # a step this long is not quite linear


def test_single_precision(tmp_path: Path) -> None:
    assert_agrees(watched(tmp_path, model=policy()))


@pytest.mark.parametrize("learning_rate", [1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "autocast"])
@pytest.mark.turns
def test_at_real_learning_rates(bf16: bool, learning_rate: float, tmp_path: Path) -> None:
    options = {"per_device_train_batch_size": 32, "bf16": bf16, "lr_scheduler_type": "constant"}
    assert_agrees(watched(tmp_path, model=policy(), learning_rate=learning_rate, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"per_device_train_batch_size": 4, "steps_per_generation": 4, "gradient_accumulation_steps": 2},
        {"gradient_checkpointing": True},
        {"top_entropy_quantile": 0.5},
    ],
    ids=str,
)
@pytest.mark.turns
def test_under_autocast_in_every_way(options: dict[str, Any], tmp_path: Path) -> None:
    assert_agrees(watched(tmp_path, model=policy(), bf16=True, learning_rate=1e-6, **options), tolerance=0.1)


@pytest.mark.parametrize("options", [{}, {"steps_per_generation": 2, "per_device_train_batch_size": 4}], ids=str)
def test_under_autocast_with_dropout(options: dict[str, Any], tmp_path: Path) -> None:
    """Each pass of ours draws the same; the gradients of the oracle, which begins at the same state, do too."""
    trainer = watched(tmp_path, model=policy(dropout=0.3), bf16=True, learning_rate=1e-6, **options)
    assert_agrees(trainer, tolerance=0.1)


@pytest.mark.parametrize("bf16", [False, True], ids=["alone", "under autocast"])
def test_with_bfloat16_weights_it_says_that_it_is_rounding(bf16: bool, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"mostly rounding here: the model has torch.bfloat16 weights, .* 1e-5. Load"):
        watched(tmp_path, model=policy().bfloat16(), bf16=bf16)


def test_under_plain_gradient_descent_it_is_the_influence_times_the_learning_rate(tmp_path: Path) -> None:
    trainer = watched(tmp_path, optim="sgd", learning_rate=1e-4, max_grad_norm=0.0, combine="advantages", max_steps=2)
    influence, _ = trainer.measured[0]
    gradients = trainer._meter.gradients[0]
    expected = 1e-4 * gradients @ gradients.mean(dim=0)  # weights of 1/3
    assert (influence.values - expected).norm() < 0.02 * expected.norm()


def test_it_steers_the_next_batch(tmp_path: Path) -> None:
    trainer = watched(tmp_path, max_steps=3)
    assert len(trainer.measured) == 2  # what the third update did would steer a fourth batch
    assert torch.equal(trainer._influence.values, trainer.measured[-1][0].values)


def test_every_nth_batch_only(tmp_path: Path) -> None:
    trainer = watched(tmp_path, max_steps=7, rule={"every": 3})
    assert len(trainer.measured) == 2  # of the batches before the fourth and the seventh


def test_no_advantage_anywhere_is_influence_zero(tmp_path: Path) -> None:
    trainer = watched(tmp_path, temperature=1e-6)
    for influence, _ in trainer.measured:
        assert influence.values.tolist() == [0.0, 0.0, 0.0]


def test_a_checkpoint_holds_what_the_last_update_did(tmp_path: Path) -> None:
    options = {"method": "realised", "model": str(tmp_path / "policy"), "max_steps": 4, "learning_rate": 1e-3}
    policy().save_pretrained(tmp_path / "policy")
    straight = run(tmp_path / "a", trainer_class=MultiObjectiveTrainer, **options)
    broken = {**options, "save_strategy": "steps", "save_steps": 2}
    run(tmp_path / "b", trainer_class=MultiObjectiveTrainer, **broken)
    shutil.rmtree(tmp_path / "b" / "checkpoint-4")
    resumed = run(
        tmp_path / "b", trainer_class=MultiObjectiveTrainer, resume=str(tmp_path / "b" / "checkpoint-2"), **broken
    )
    assert resumed.weights == straight.weights
    for a, b in zip(resumed.model.parameters(), straight.model.parameters(), strict=True):
        assert torch.equal(a, b)
