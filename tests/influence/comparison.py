"""Runs in which every measurement stands beside the float64 gradients of TRL's own compute_loss."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from trl import GRPOTrainer

from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer
from paretune.influence import Influence, select_parameters
from paretune.trainer.influence_meter import InfluenceMeter
from policies import brief, digits, letters, policy, prompts, tokenizer


@dataclass
class Measured:
    influence: Influence
    gradients: Tensor
    """[K, P] float64: g_k from compute_loss with the advantages A_k, over the selected parameters."""
    step: int

    @property
    def gramian(self) -> Tensor:
        return self.gradients @ self.gradients.T


class ComparedMeter(InfluenceMeter):
    """Beside every measurement, takes each g_k from TRL's compute_loss with the advantages A_k."""

    def before_update(self, micro_batches: list[Any], advantages: Tensor) -> Influence:
        trainer = self._trainer
        everything = [*trainer.model.parameters(), *trainer.model.buffers()]
        kept = [p.clone() for p in everything], [p.grad for p in everything], torch.get_rng_state()
        influence = super().before_update(micro_batches, advantages)
        for tensor, value, gradient in zip(everything, *kept[:2], strict=True):
            assert torch.equal(tensor, value)
            assert tensor.grad is gradient
        assert torch.equal(torch.get_rng_state(), kept[2])
        with in_float64(trainer.model):
            gradients = oracle(trainer, micro_batches, advantages, self.request.layers)
        trainer.measured.append(Measured(influence, gradients, trainer.state.global_step))
        return influence


@contextmanager
def in_float64(model: nn.Module) -> Iterator[None]:
    """Inside, the model computes in float64; no autocast touches that."""
    tensors = [*model.parameters(), *model.buffers()]
    kept = [(t.data, t.grad) for t in tensors]
    for tensor in tensors:
        tensor.grad = None
    model.double()
    try:
        yield
    finally:
        for tensor, (data, gradient) in zip([*model.parameters(), *model.buffers()], kept, strict=True):
            tensor.data, tensor.grad = data, gradient


def oracle(trainer: Any, micro_batches: list[Any], advantages: Tensor, layers: Any = "all") -> Tensor:
    model = trainer.model
    parameters = select_parameters(trainer.accelerator.unwrap_model(model), layers)
    put_aside = [p.grad for p in model.parameters()]
    rows, state = [], torch.get_rng_state()
    for column in advantages.unbind(dim=1):
        torch.set_rng_state(state)
        model.zero_grad()
        for micro_batch in micro_batches:
            inputs = {**micro_batch, "advantages": column[micro_batch["sample_index"]]}
            GRPOTrainer.compute_loss(trainer, model, inputs).backward()
        flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        rows.append(torch.cat([g.flatten().double() for g in flat]))
    torch.set_rng_state(state)
    for parameter, gradient in zip(model.parameters(), put_aside, strict=True):
        parameter.grad = gradient
    to_mean = trainer.current_gradient_accumulation_steps / trainer.args.steps_per_generation
    return -to_mean * torch.stack(rows)


class Compared(MultiObjectiveTrainer):
    """Keeps what was measured in ``measured``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.measured: list[Measured] = []
        assert self._meter is not None
        self._meter = ComparedMeter(self, self._meter.request)


def run(
    tmp_path: Path,
    *,
    method: str,
    rule: dict[str, Any] | None = None,
    model: Any = None,
    architecture: str = "qwen3",
    trainer_class: type[MultiObjectiveTrainer] = Compared,
    peft_config: Any = None,
    resume: str | None = None,
    objectives: Any = (digits, brief, letters),
    **kwargs: Any,
) -> Any:
    """Train two steps on real completions, by default a float64 policy."""
    options = {
        "use_cpu": True, "bf16": False, "learning_rate": 1e-3, "max_steps": 2, "per_device_train_batch_size": 8,
        "num_generations": 4, "max_completion_length": 10, "gradient_checkpointing": False, "report_to": [],
        "save_strategy": "no", "disable_tqdm": True, "write_report": False, **kwargs,
    }  # fmt: skip
    trainer = trainer_class(
        model or policy(architecture).double(),
        list(objectives),
        MultiObjectiveConfig(str(tmp_path), **options),
        prompts(),
        processing_class=tokenizer(),
        peft_config=peft_config,
        weighting=GradientInfluence(method=method, **(rule or {})),
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


LOSS_TYPES = ["grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"]

WAYS_TO_FORM_THE_BATCH: list[dict[str, Any]] = [
    {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    {"per_device_train_batch_size": 4, "steps_per_generation": 4, "gradient_accumulation_steps": 2},
    {"per_device_train_batch_size": 4, "steps_per_generation": 1, "gradient_accumulation_steps": 2},
    {"num_iterations": 2},
    {"gradient_checkpointing": True},
    {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}},
    {"scale_rewards": "none", "loss_type": "bnpo", "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    {"mask_truncated_completions": True},
    {"top_entropy_quantile": 0.5},
]
"""Accumulation, several steps per generation, a batch that begins inside an accumulation window, and so on."""
