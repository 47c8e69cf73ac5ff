"""The directional influence against the float64 gradients of TRL's own compute_loss."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from influence.comparison import LOSS_TYPES, WAYS_TO_FORM_THE_BATCH, Compared, run
from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer
from paretune.influence import directional
from policies import ARCHITECTURES, brief, digits, letters, policy, prompts, tokenizer


def assert_agrees(trainer: Compared, tolerance: float = 0.01) -> None:
    assert trainer.measured
    for measured in trainer.measured:
        expected = measured.gramian.sum(dim=1)
        error = (measured.influence.values - expected).norm() / expected.norm()
        assert error < tolerance, (measured.influence, expected)
        assert measured.influence.method == "directional"
        assert measured.influence.check is not None


def differences(trainer: Compared) -> set[str | None]:
    return {m.influence.difference for m in trainer.measured}


@pytest.fixture
def symmetric(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no one-sided difference as good enough."""
    monkeypatch.setattr(directional, "TOLERANCE", -1.0)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@pytest.mark.turns
def test_every_loss_type(loss_type: str, tmp_path: Path) -> None:
    level = "sequence" if loss_type == "luspo" else "token"
    assert_agrees(run(tmp_path, method="directional", loss_type=loss_type, importance_sampling_level=level))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture(architecture: str, tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, method="directional", architecture=architecture))


@pytest.mark.parametrize("options", WAYS_TO_FORM_THE_BATCH, ids=str)
@pytest.mark.turns
def test_every_way_to_form_the_batch(options: dict[str, Any], tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, method="directional", **options))


@pytest.mark.usefixtures("symmetric")
def test_the_symmetric_difference_is_right_to_the_second_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = []
    for step in (2.0**-8, 2.0**-10):
        monkeypatch.setattr(directional, "PARAMETER_STEP", step)
        monkeypatch.setattr(directional, "FAILURE", 1.0)
        trainer = run(tmp_path / str(step), method="directional", max_steps=1)
        assert differences(trainer) == {"symmetric"}
        expected = trainer.measured[0].gramian.sum(dim=1)
        errors.append(((trainer.measured[0].influence.values - expected).norm() / expected.norm()).item())
    assert errors[1] < errors[0] / 8  # a quarter of the step: a sixteenth of the error


def test_a_bad_check_makes_the_difference_symmetric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directional, "PARAMETER_STEP", 2.0**-9)  # so long that the curvature shows
    trainer = run(tmp_path, method="directional")
    assert differences(trainer) == {"symmetric"}
    assert_agrees(trainer, tolerance=0.05)


def test_where_both_differences_fail_it_says_so_and_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directional, "PARAMETER_STEP", 1.0)
    with pytest.warns(UserWarning, match=r"fails its check here .* so the exact one is used"):
        trainer = run(tmp_path, method="directional", max_steps=1)
    influence = trainer.measured[0].influence
    assert influence.method == "exact"
    torch.testing.assert_close(influence.values, trainer.measured[0].gramian.sum(dim=1), rtol=1e-6, atol=0)


def test_a_gradient_that_is_not_the_derivative_is_found_out(tmp_path: Path) -> None:
    # A policy that samples its padding token: autograd leaves that embedding out, a difference does not.
    with pytest.warns(UserWarning, match="fails its check here"):
        trainer = run(tmp_path, method="directional", model=policy(padding=0), max_steps=4)
    for measured in trainer.measured:
        expected = measured.gramian.sum(dim=1)
        assert (measured.influence.values - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize("checkpointing", [None, False, True])
@pytest.mark.parametrize("layers", ["middle", [0, 3]])
@pytest.mark.turns
def test_some_layers_only(layers: Any, checkpointing: bool | None, tmp_path: Path) -> None:
    options = {} if checkpointing is None else {"gradient_checkpointing_kwargs": {"use_reentrant": checkpointing}}
    trainer = run(
        tmp_path,
        method="directional",
        rule={"layers": layers},
        model=policy(layers=4).double(),
        gradient_checkpointing=checkpointing is not None,
        **options,
    )
    assert_agrees(trainer)


def test_dropout_draws_the_same_in_every_pass(tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, method="directional", model=policy(dropout=0.3).double()))


@pytest.mark.parametrize("reentrant", [False, True])
def test_adapters_only(reentrant: bool, tmp_path: Path) -> None:
    trainer = run(
        tmp_path,
        method="directional",
        peft_config=LoraConfig(r=4, lora_dropout=0.2, target_modules=["q_proj", "v_proj", "down_proj"]),
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": reentrant},
        learning_rate=1e-2,
        max_steps=3,
    )
    assert all("lora" in name for name, p in trainer.model.named_parameters() if p.requires_grad)
    assert_agrees(trainer)


def test_single_precision(tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, method="directional", model=policy()))


def test_under_bfloat16_autocast_the_difference_is_taken_without_it(tmp_path: Path) -> None:
    trainer = run(tmp_path, method="directional", model=policy(), bf16=True)
    assert differences(trainer) == {"symmetric"}
    for measured in trainer.measured:  # the oracle's own backward pass is bfloat16 here
        expected = measured.gramian.sum(dim=1)
        assert (measured.influence.values - expected).norm() / expected.norm() < 0.05


def test_the_kl_term_counts_if_asked_for(tmp_path: Path) -> None:
    folder = str(tmp_path / "policy")
    policy().double().save_pretrained(folder)
    options = {"beta": 0.5, "model_init_kwargs": {"dtype": "auto"}, "learning_rate": 1e-2, "max_steps": 3}
    assert_agrees(run(tmp_path / "run", method="directional", model=folder, rule={"include_kl": True}, **options))


def test_no_advantage_anywhere_is_influence_zero(tmp_path: Path) -> None:
    trainer = run(tmp_path, method="directional", temperature=1e-6)  # every completion of a group is the same
    for measured in trainer.measured:
        assert measured.influence.values.tolist() == [0.0, 0.0, 0.0]
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())


@pytest.mark.parametrize("bf16", [False, True], ids=["alone", "under autocast"])
def test_bfloat16_weights_cannot_hold_the_step(bf16: bool, tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"'directional' cannot be used here: .* torch.bfloat16 weights, .* 'exact' is"
    ):
        trainer = run(
            tmp_path, method="directional", model=policy().bfloat16(), bf16=bf16, per_device_train_batch_size=32
        )
    for measured in trainer.measured:  # the oracle's own backward pass is bfloat16 here
        expected = measured.gramian.sum(dim=1)
        assert measured.influence.method == "exact"
        assert (measured.influence.values - expected).norm() < 0.05 * expected.norm()


def test_frozen_bfloat16_weights_round_as_well(tmp_path: Path) -> None:
    model = policy().bfloat16()
    adapters = LoraConfig(r=4, target_modules=["q_proj", "v_proj"])
    with pytest.warns(
        UserWarning, match=r"'directional' cannot be used here: .* torch.bfloat16 weights, .* 'exact' is"
    ):
        run(tmp_path, method="directional", model=model, peft_config=adapters, max_steps=1)


@pytest.mark.parametrize("scale", [1.0, 4.0, 16.0])
@pytest.mark.parametrize("share", [0.3, 0.01, 0.001])
@pytest.mark.turns
def test_objectives_that_oppose_each_other(share: float, scale: float, tmp_path: Path) -> None:
    """Errors that cancel in the sum are seen: the vector is right, and `check` is no smaller than its error."""

    def opposed(completions: list[str], **_: Any) -> list[float]:
        pairs = zip(digits(completions), letters(completions), strict=True)
        return [share * other - own for own, other in pairs]

    model = policy()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale if parameter.dim() > 1 else 1.0)
    trainer = run(
        tmp_path, method="directional", model=model, objectives=[digits, opposed], per_device_train_batch_size=32
    )
    for measured in trainer.measured:
        with_float64 = measured.gramian.sum(dim=1)
        error = (measured.influence.values - with_float64).norm() / with_float64.norm()
        assert error < 0.02
        assert measured.influence.check is not None
        assert error < 2 * measured.influence.check + 0.005


def test_the_check_sees_a_long_step_that_the_sum_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directional, "TOLERANCE", float("inf"))

    def opposed(**keywords: Any) -> list[float]:
        return [-value for value in digits(**keywords)]

    for power in (-14, -12, -10):
        monkeypatch.setattr(directional, "PARAMETER_STEP", 2.0**power)
        trainer = run(tmp_path / str(power), method="directional", objectives=[digits, opposed, letters])
        assert differences(trainer) == {"one-sided"}
        for measured in trainer.measured:
            expected = measured.gramian.sum(dim=1)
            error = (measured.influence.values - expected).norm() / expected.norm()
            assert measured.influence.check is not None
            assert error < 2 * measured.influence.check < 100 * error


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_number_of_passes_does_not_depend_on_the_number_of_objectives(objectives: int, tmp_path: Path) -> None:

    model = policy()
    passes = {"forward": 0, "backward": 0}

    class Counting(MultiObjectiveTrainer):
        def _prepare_inputs(self, generation_batch: Any) -> Any:
            meter = self._meter.before_update

            def counted(*args: Any) -> Any:
                def forward(*_: Any) -> None:
                    passes["forward"] += 1

                def backward(*_: Any) -> None:
                    passes["backward"] += 1

                handles = [
                    model.model.layers[0].register_forward_hook(forward),
                    model.model.layers[0].register_full_backward_hook(backward),
                ]
                result = meter(*args)
                for handle in handles:
                    handle.remove()
                return result

            self._meter.before_update = counted
            return super()._prepare_inputs(generation_batch)

    config = MultiObjectiveConfig(
        str(tmp_path), per_device_train_batch_size=4, gradient_accumulation_steps=2, num_generations=4,
        max_completion_length=10, gradient_checkpointing=False, report_to=[], save_strategy="no", max_steps=1,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer = Counting(
            model,
            [digits, brief, letters][:objectives],
            config,
            prompts(),
            processing_class=tokenizer(),
            weighting=GradientInfluence(),
        )
    trainer.train()
    symmetric = trainer._influence.difference == "symmetric"
    assert passes == {"forward": 6 if symmetric else 4, "backward": 2}  # of two micro-batches
