"""The exact influence against the float64 gradients of TRL's own compute_loss."""

from pathlib import Path
from typing import Any

import pytest
import torch

from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer
from paretune.influence import Influence
from paretune.weighting import InfluenceRequest
from policies import ARCHITECTURES, brief, digits, letters, policy, prompts, tokenizer

LOSS_TYPES = ["grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"]


class Compared(MultiObjectiveTrainer):
    """Beside every measurement, takes each g_k from TRL's compute_loss with the advantages A_k."""

    def _measure_influence(self, request: InfluenceRequest) -> Influence:
        measured = super()._measure_influence(request)
        parameters = self._selected(request)
        put_aside = [p.grad for p in self.model.parameters()]
        rows = []
        for advantages in self._current().per_objective().unbind(dim=1):
            self.model.zero_grad()
            for micro_batch in self._buffered_inputs:
                inputs = {**micro_batch, "advantages": advantages[micro_batch["sample_index"]]}
                self.compute_loss(self.model, inputs).backward()
            flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            rows.append(torch.cat([g.flatten().double() for g in flat]))
        to_mean = self.current_gradient_accumulation_steps / self.args.steps_per_generation
        gradients = -to_mean * torch.stack(rows)
        for parameter, gradient in zip(self.model.parameters(), put_aside, strict=True):
            parameter.grad = gradient
        self.compared = [*getattr(self, "compared", []), (measured, gradients @ gradients.T)]
        return measured


def run(
    tmp_path: Path, *, rule: dict[str, Any] | None = None, model: Any = None, architecture: str = "qwen3", **kwargs: Any
) -> Compared:
    options = {
        "use_cpu": True, "bf16": False, "learning_rate": 1e-3, "max_steps": 2, "per_device_train_batch_size": 8,
        "num_generations": 4, "max_completion_length": 10, "gradient_checkpointing": False, "report_to": [],
        "save_strategy": "no", "disable_tqdm": True, **kwargs,
    }  # fmt: skip
    trainer = Compared(
        model or policy(architecture).double(),
        [digits, brief, letters],
        MultiObjectiveConfig(str(tmp_path), **options),
        prompts(),
        processing_class=tokenizer(),
        weighting=GradientInfluence(**(rule or {})),
    )
    trainer.train()
    return trainer


def assert_agrees(trainer: Compared, tolerance: float = 1e-9) -> None:
    assert trainer.compared
    for measured, gramian in trainer.compared:
        scale = gramian.abs().max().item()
        assert scale > 0
        torch.testing.assert_close(measured.gramian, gramian, rtol=0, atol=tolerance * scale)
        torch.testing.assert_close(measured.values, gramian.sum(dim=1), rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_every_loss_type(loss_type: str, tmp_path: Path) -> None:
    level = "sequence" if loss_type == "luspo" else "token"
    assert_agrees(run(tmp_path, loss_type=loss_type, importance_sampling_level=level))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture(architecture: str, tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, architecture=architecture))


@pytest.mark.parametrize(
    "options",
    [
        {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
        {"per_device_train_batch_size": 4, "steps_per_generation": 4, "gradient_accumulation_steps": 2},
        {"per_device_train_batch_size": 4, "steps_per_generation": 1, "gradient_accumulation_steps": 2},
        {"num_iterations": 2},
        {"gradient_checkpointing": True},
        {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}},
        {
            "scale_rewards": "none",
            "loss_type": "bnpo",
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 2,
        },
        {"mask_truncated_completions": True},
        {"top_entropy_quantile": 0.5},
    ],
    ids=str,
)
def test_every_way_to_form_the_batch(options: dict[str, Any], tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, **options))


@pytest.mark.parametrize("estimator", ["rloo", "reinforce++"])
def test_other_estimators(estimator: str, tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, advantage_estimator=estimator))


@pytest.mark.parametrize("layers", ["middle", [0, 3]])
def test_some_layers_only(layers: Any, tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, rule={"layers": layers}, model=policy(layers=4).double()))


def test_single_precision(tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, model=policy()), tolerance=1e-4)


def test_the_kl_term_counts_only_if_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    policy().double().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    options = {"beta": 0.5, "model_init_kwargs": {"dtype": "auto"}, "learning_rate": 1e-2, "max_steps": 3}
    with_kl = run(tmp_path / "a", model=str(folder), rule={"include_kl": True}, **options)
    assert_agrees(with_kl)  # compute_loss has the KL term in it
    without = run(tmp_path / "b", model=str(folder), rule={"include_kl": False}, **options)
    # On the first batch policy and reference agree, and so do the two; later the KL gradient is there.
    measured, gramian = without.compared[-1]
    assert (measured.gramian - gramian).abs().max() > 1e-3 * gramian.abs().max()


def test_clipping_to_the_norm_of_the_whole_model(tmp_path: Path) -> None:
    trainer = run(tmp_path, rule={"clip_norm": 0.01})
    for measured, gramian in trainer.compared:
        norms = gramian.diagonal().sqrt()
        factor = (0.01 / norms).clamp(max=1.0)
        assert (factor < 1).any()
        torch.testing.assert_close(measured.gramian, gramian * factor[:, None] * factor[None, :], rtol=1e-3, atol=0)
        assert measured.values.abs().max() <= 3 * 0.01**2  # |I_k| ≤ K·clip²


def test_no_advantage_anywhere_is_influence_zero(tmp_path: Path) -> None:
    trainer = run(tmp_path, temperature=1e-6)  # every completion of a group is the same
    for measured, _ in trainer.compared:
        assert measured.values.tolist() == [0.0, 0.0, 0.0]
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    assert trainer.weights == pytest.approx({"digits": 1 / 3, "brief": 1 / 3, "letters": 1 / 3})
