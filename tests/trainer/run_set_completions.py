"""Run by test_sharding.py on one process and on two, under DDP, FSDP2 or DeepSpeed.

The policy generates as always, but is trained on completions that follow from prompt and place alone: so the
same batch is there however many processes share it.
"""

import json
import random
import zlib
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor
from transformers.distributed import DistributedConfig

from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer
from policies import brief, digits, letters, prompts


class SetCompletions(MultiObjectiveTrainer):
    kept: list[dict[str, Any]]

    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        _, log_probs = super()._generate_single_turn(prompt_ids, *args, **kwargs)
        completions = []
        for i, ids in enumerate(prompt_ids):
            place = random.Random(zlib.crc32(f"{list(ids)} {i % self.num_generations}".encode()))
            completions.append([place.randrange(3, 26) for _ in range(place.randrange(3, 10))])
        return completions, log_probs

    def _note_batch(self, *args: Any) -> None:
        super()._note_batch(*args)
        influence = self._influence
        self.kept.append(
            {
                "weights": list(self.weights.values()),
                "influence": None if influence is None else influence.values.tolist(),
                "method": None if influence is None else influence.method,
                "difference": None if influence is None else influence.difference,
            }
        )


def let_accelerate_shard_on_cpus() -> None:
    """accelerate takes up FSDP with accelerators only, and on CPUs trains under DDP without a word."""
    initialise = AcceleratorState.__init__

    def with_fsdp(self: AcceleratorState, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        initialise(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP
            self.fsdp_plugin = fsdp_plugin

    AcceleratorState.__init__ = with_fsdp


def let_deepspeed_start_on_cpus() -> None:
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # else it compiles one
    deepspeed.init_distributed(dist_backend="gloo")


def zero(stage: int) -> dict[str, Any]:
    return {
        # Buckets and thresholds so small that a tiny policy is really sharded.
        "zero_optimization": {
            "stage": stage,
            "reduce_bucket_size": 10_000,
            "stage3_param_persistence_threshold": 0,
            "stage3_prefetch_bucket_size": 0,
            "stage3_max_live_parameters": 1000,
            "stage3_max_reuse_distance": 1000,
        },
        "bf16": {"enabled": False},
        "fp16": {"enabled": False},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        **dict.fromkeys(
            ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "train_batch_size", "gradient_clipping"),
            "auto",
        ),
    }


def train(model: str, out: Path, launched: str) -> None:
    """A run with the settings in its folder, which takes what came out."""
    settings = json.loads((out / "settings.json").read_text())
    options = settings["options"]
    if launched in ("fsdp by transformers", "fsdp in bfloat16"):
        sharding = DistributedConfig(fsdp_size=2, fsdp_mixed_precision=launched == "fsdp in bfloat16")
        options = {**options, "model_init_kwargs": {"distributed_config": sharding}}
    if launched.startswith("zero"):
        options = {**options, "deepspeed": zero(int(launched[-1]))}
    config = MultiObjectiveConfig(
        output_dir=str(out / "run"), use_cpu=True, bf16=False, learning_rate=1e-3, num_generations=4, max_steps=2,
        max_completion_length=10, gradient_checkpointing=False, report_to=[], save_strategy="no", disable_tqdm=True,
        **options,
    )  # fmt: skip
    if launched.startswith("zero"):
        let_deepspeed_start_on_cpus()
    rewards = [digits, brief, letters]
    trainer = SetCompletions(model, rewards, config, prompts(), weighting=GradientInfluence(**settings["rule"]))
    trainer.kept = []
    trainer.train()
    assert any(isinstance(p, DTensor) for p in trainer.model.parameters()) == launched.startswith("fsdp")
    assert trainer.is_deepspeed_enabled == launched.startswith("zero")
    rank = trainer.accelerator.process_index
    (out / f"kept-{rank}.json").write_text(json.dumps(trainer.kept))
    if launched != "zero3":
        parameters = [p.full_tensor() if isinstance(p, DTensor) else p for p in trainer.model.parameters()]
        torch.save([p.detach() for p in parameters], out / f"parameters-{rank}.pt")


def train_each(model: str, launched: str, *folders: Path) -> None:
    """Train once for each folder, which holds the settings of its run."""
    if launched == "fsdp by accelerate":
        let_accelerate_shard_on_cpus()
    for out in folders:
        train(model, out, launched)
