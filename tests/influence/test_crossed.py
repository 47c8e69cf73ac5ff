"""Influence across halves of the prompts against the float64 gradients of TRL's own compute_loss on each half."""

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from influence.comparison import LOSS_TYPES, Compared, ComparedMeter, Measured, in_float64, oracle, run
from paretune import MultiObjectiveTrainer
from paretune.influence import Influence, directional, in_both_halves, prompt_halves
from paretune.trainer.influence_meter import InfluenceMeter
from policies import brief, digits, letters, policy


class HalvedMeter(ComparedMeter):
    """Beside every measurement, takes each objective's gradient on each half alone."""

    def before_update(self, micro_batches: list[Any], advantages: Tensor) -> Influence:
        trainer = self._trainer
        influence = super().before_update(micro_batches, advantages)
        measured: Measured = trainer.measured[-1]
        halves = prompt_halves(len(advantages), trainer.num_generations)
        with in_float64(trainer.model):
            measured.halves = [
                oracle(trainer, micro_batches, advantages * (halves == half)[:, None], self.request.layers)
                for half in (0, 1)
            ]
        return influence


class Halved(Compared):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._meter = HalvedMeter(self, self._meter.request)


def crossed(tmp_path: Path, method: str, **options: Any) -> list[Measured]:
    told = {"per_device_train_batch_size": 16, "trainer_class": Halved, **options}
    found: list[Measured] = run(tmp_path, method=method, **told).measured
    assert len(found) == 2
    return found


def expected(measured: Measured) -> Tensor:
    first, second = measured.halves
    products = first @ second.T
    return (products + products.T) / 2


def assert_agrees(found: list[Measured], method: str, tolerance: float = 0.01) -> None:
    """To a share of the ordinary influence's length, for this one can be 0."""
    for measured in found:
        across = expected(measured)
        length = (measured.gramian / 4).sum(dim=1).norm()  # g is the mean of the halves' gradients
        error = (measured.influence.values - across.sum(dim=1)).norm() / length
        assert error < tolerance, (measured.influence, across.sum(dim=1))
        assert measured.influence.method == method
        if measured.influence.gramian is not None:
            torch.testing.assert_close(measured.influence.gramian, across, rtol=1e-6, atol=1e-6 * float(length))
            ordinary = measured.influence.gramian + measured.influence.noise
            torch.testing.assert_close(ordinary, measured.gramian / 4, rtol=1e-6, atol=1e-6 * float(length))


METHODS = pytest.mark.parametrize("method", ["crossed", "crossed-exact"])
WAYS: list[dict[str, Any]] = [
    {},
    {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4},
    {"per_device_train_batch_size": 1, "num_generations": 2, "gradient_accumulation_steps": 8},
    {"per_device_train_batch_size": 24},  # six prompts
    {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}},
    {"top_entropy_quantile": 0.5},
    {"rule": {"layers": [0]}},
    {"advantage_estimator": "reinforce++"},
]


@METHODS
@pytest.mark.parametrize(
    "options",
    [pytest.param(way, marks=[] if i in (0, 2) else pytest.mark.slow, id=str(way)) for i, way in enumerate(WAYS)],
)
@pytest.mark.turns
def test_it_is_the_product_of_the_halves(method: str, options: dict[str, Any], tmp_path: Path) -> None:
    assert_agrees(crossed(tmp_path, method, **options), method)


@pytest.mark.slow
@METHODS
@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_every_loss_type(method: str, loss_type: str, tmp_path: Path) -> None:
    level = "sequence" if loss_type == "luspo" else "token"
    found = crossed(tmp_path, method, loss_type=loss_type, importance_sampling_level=level)
    assert_agrees(found, method)


def test_dropout_is_one_function_in_both_passes_over_a_half(tmp_path: Path) -> None:
    for measured in crossed(tmp_path, "crossed", model=policy(dropout=0.3).double()):
        assert measured.influence.check < 0.01


def test_a_difference_that_fails_gives_way_to_the_exact_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directional, "PARAMETER_STEP", 1.0)
    with pytest.warns(UserWarning, match="fails its check here .* so the exact one across halves is used"):
        found = crossed(tmp_path, "crossed")
    assert_agrees(found, "crossed-exact")


@pytest.mark.parametrize("method", ["directional", "crossed", "exact", "crossed-exact"])
def test_it_takes_as_many_rows_as_the_ordinary_one(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"forward": 0, "backward": 0}
    backward = torch.autograd.backward

    def counting(tensors: Tensor, *args: Any, **kwargs: Any) -> None:
        if isinstance(tensors, Tensor) and tensors.ndim == 2:
            rows["backward"] += len(tensors)
        backward(tensors, *args, **kwargs)

    monkeypatch.setattr(torch.autograd, "backward", counting)
    model = policy().double()

    def passed(_: Any, __: Any, kwargs: Any) -> None:
        rows["forward"] += len(kwargs["input_ids"])

    class CountedMeter(InfluenceMeter):
        def before_update(self, *given: Any) -> Influence:
            hook = model.register_forward_pre_hook(passed, with_kwargs=True)
            found = super().before_update(*given)
            hook.remove()
            return found

    class Counted(MultiObjectiveTrainer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._meter = CountedMeter(self, self._meter.request)

    run(tmp_path, method=method, model=model, per_device_train_batch_size=16, max_steps=1, trainer_class=Counted)
    exactly = method.endswith("exact")
    assert rows == {"forward": 16 * (1 if exactly else 2), "backward": 16 * (3 if exactly else 1)}


def of_some(applies: Any) -> Any:
    calls = itertools.count()

    def rare(completions: list[str], **_: Any) -> list[float | None]:
        next(calls)
        return [d if applies(n // 4) else None for n, d in enumerate(digits(completions))]

    return rare


def test_an_objective_that_applies_in_one_half_alone_has_no_influence_across(tmp_path: Path) -> None:
    for method in ("crossed", "crossed-exact"):
        found = crossed(tmp_path / method, method, objectives=(of_some(lambda prompt: prompt == 0), brief, letters))
        assert_agrees(found, method)
        for measured in found:
            assert measured.influence.values[0] == 0  # the trainer makes it NaN
            assert not measured.halves[0][0].any()


def test_a_rare_objective_counts_for_its_mean_on_each_half(tmp_path: Path) -> None:
    rare = of_some(lambda prompt: prompt in (0, 1))
    found = crossed(tmp_path, "crossed-exact", objectives=(rare, brief, letters), max_steps=2)
    assert_agrees(found, "crossed-exact")
    assert found[0].influence.gramian[0, 0] != 0


def test_halves_by_hand() -> None:
    assert prompt_halves(8, 2).tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    rewards = torch.tensor([[1.0, 1.0, math.nan], [1.0, math.nan, math.nan], [1.0, math.nan, 1.0], [1.0, 1.0, 1.0]])
    assert in_both_halves(rewards, 2).tolist() == [True, True, False]
    assert in_both_halves(rewards[:2], 2).tolist() == [False, False, False]


@METHODS
def test_a_batch_of_one_prompt_is_refused(method: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"'{method}' takes two halves of a batch's prompts, and a batch has 1"):
        run(tmp_path, method=method, num_generations=8)


@pytest.mark.slow
def test_the_noise_averages_out(tmp_path: Path) -> None:
    """Over many batches of one policy the mean across halves is nearer to the true one than the ordinary mean."""
    options = {"learning_rate": 0.0, "max_steps": 40, "per_device_train_batch_size": 8}
    trainer = run(tmp_path, method="crossed-exact", trainer_class=Compared, model=policy(), **options)
    gradients = torch.stack([m.gradients / 2 for m in trainer.measured])
    mean = gradients.mean(dim=0)
    count = len(gradients)
    # ‖mean‖² of n batches is the true one and 1/n of the noise's square, which the batches' own spread tells.
    spread = torch.stack([(g - mean) @ (g - mean).T for g in gradients]).sum(dim=0) / (count - 1)
    true = mean @ mean.T - spread / count
    across = torch.stack([m.influence.gramian for m in trainer.measured]).mean(dim=0)
    noise = torch.stack([m.influence.noise for m in trainer.measured]).mean(dim=0)
    for k in range(3):
        assert noise[k, k] > 0
        assert abs(across[k, k] - true[k, k]) < 0.5 * noise[k, k]
