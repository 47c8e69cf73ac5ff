"""Trainers that hold a generated batch, and the estimators of influence applied to it."""

import argparse
import random
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from reference import paper_influence
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, Objective, tasks
from paretune.influence import Influence, directional
from paretune.trainer.influence_meter import InfluenceMeter
from paretune.weighting import InfluenceRequest

AS_USED = directional.TOLERANCE
LAYERS = {"60M": (640, 12), "0.5B": (1024, 36)}
"""Width and depth of the random models."""


def random_policy(size: str) -> Qwen3ForCausalLM:
    """A random model over the arithmetic task's characters."""
    width, depth = LAYERS[size]
    tokenizer = AutoTokenizer.from_pretrained(tasks.load("arithmetic").model)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=3 * width, num_hidden_layers=depth,
        num_attention_heads=width // 64, num_key_value_heads=width // 64, head_dim=64, tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    return Qwen3ForCausalLM(config)


def objectives(count: int, kind: str) -> list[Objective]:
    """The task's own rewards, K rewards of which each is independent, or K mixtures of the task's with some noise."""
    task = tasks.load("arithmetic")
    if kind == "task":
        return task.objectives
    originals = [objective.reward for objective in task.objectives]

    def reward(k: int) -> Callable[..., list[float]]:
        generator = random.Random(k)
        shares = [generator.random() for _ in originals]

        def independent(completions: list[Any], **_: Any) -> list[float]:
            return [generator.random() for _ in completions]

        def correlated(**keywords: Any) -> list[float]:
            rows = zip(*(original(**keywords) for original in originals), strict=True)
            return [
                sum(s * r for s, r in zip(shares, row, strict=True)) + 0.2 * generator.random() for row in rows
            ]  # fmt: skip

        return independent if kind == "independent" else correlated

    return [Objective(f"o{k}", reward(k)) for k in range(count)]


def settings(options: argparse.Namespace, *, scratch: str = "", **kw: Any) -> dict[str, Any]:
    """Those of a run whose completions are all of one length; TRL's trainer takes them, too."""
    return {
        "output_dir": scratch or tempfile.mkdtemp(),
        "per_device_train_batch_size": options.completions // options.accumulation,
        "gradient_accumulation_steps": options.accumulation,
        "num_generations": 8,
        "max_completion_length": options.length,
        "generation_kwargs": {"min_new_tokens": options.length},
        "learning_rate": 1.5e-4,
        "gradient_checkpointing": False,
        "bf16": False,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 1000,
        **kw,
    }


def build(
    options: argparse.Namespace,
    count: int,
    kind: str,
    *,
    policy: Any = None,
    rule: Any = None,
    scratch: str = "",
    natural: bool = False,
    **kw: Any,
) -> MultiObjectiveTrainer:
    """A trainer whose completions are all of one length, or as long as the policy makes them on the task."""
    task = tasks.load("arithmetic")
    config = settings(options, scratch=scratch, **kw)
    if natural:
        config |= {"max_completion_length": task.settings["max_completion_length"], "generation_kwargs": None}
    return MultiObjectiveTrainer(
        policy if policy is not None else task.model,
        objectives(count, kind),
        MultiObjectiveConfig(**config),
        task.train,
        processing_class=AutoTokenizer.from_pretrained(task.model),
        weighting=rule or FixedWeights([1 / count] * count),
    )


def with_batch(trainer: MultiObjectiveTrainer) -> MultiObjectiveTrainer:
    """The trainer with a generated batch, ready for its first training step."""
    trainer.create_optimizer_and_scheduler(1000)
    trainer.model.to(trainer.accelerator.device).train()
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    return trainer


def training_step(trainer: MultiObjectiveTrainer) -> None:
    """One forward and backward pass over the batch."""
    for micro_batch in trainer._buffered_inputs:
        trainer.compute_loss(trainer.model, micro_batch).backward()
        trainer._step += 1
    trainer._step = 0


def measure(trainer: MultiObjectiveTrainer, method: str) -> Influence:
    """One measurement of a kind."""
    alone = trainer._current().per_objective()
    if method == "paper":
        return paper_influence(trainer, trainer._buffered_inputs, alone)
    kind, _, difference = method.partition(", ")
    meter = InfluenceMeter(trainer, InfluenceRequest(method=kind))
    if method == "realised":
        assert trainer._meter is not None
        meter = trainer._meter
        result = meter.after_update(trainer._buffered_inputs, alone)
        assert result is not None
        return result
    directional.TOLERANCE = {"one-sided": float("inf"), "symmetric": -1.0, "": AS_USED}[difference]
    return meter.before_update(trainer._buffered_inputs, alone)


def update(trainer: MultiObjectiveTrainer) -> None:
    """Train on the batch, so that there is an update for the realised influence to read."""
    trainer._meter = trainer._meter or InfluenceMeter(trainer, InfluenceRequest(method="realised"))
    trainer._meter.begin_batch(trainer._buffered_inputs)
    training_step(trainer)
    trainer.optimizer.step()
    trainer.state.global_step += 1
