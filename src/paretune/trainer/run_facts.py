"""How a trainer computes, in the plain facts that estimators of influence go by."""

from typing import Literal

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from trl import GRPOTrainer

from paretune.influence import RunFacts


def run_facts(trainer: GRPOTrainer) -> RunFacts:
    """The facts as they are now; accelerate prepares the model, and shards it, when training begins."""
    accelerator, args = trainer.accelerator, trainer.args
    sharding = sharding_of(trainer)
    return RunFacts(
        sharding=sharding,
        mixed_precision=accelerator.mixed_precision,
        autocast=bool(accelerator.native_amp),
        weights=_short_weights(trainer.model),
        computes_in=_computes_in(trainer, sharding),
        begins_inside_a_window=args.steps_per_batch % args.gradient_accumulation_steps != 0,
        several_updates=args.gradient_accumulation_steps % args.steps_per_batch != 0,
        dropout=_drops_out(trainer.model),
    )


def sharding_of(trainer: GRPOTrainer) -> Literal["DeepSpeed", "FSDP1", "FSDP2"] | None:
    """What splits the model over processes, if anything does."""
    if trainer.is_deepspeed_enabled:
        return "DeepSpeed"
    # accelerate shards when training begins; transformers has sharded at load time.
    if trainer.accelerator.is_fsdp2 or isinstance(trainer.model, FSDPModule):
        return "FSDP2"
    return "FSDP1" if trainer.is_fsdp_enabled else None


def _is_short(dtype: torch.dtype | None) -> bool:
    return dtype not in (None, torch.float32, torch.float64)


def _short_weights(model: nn.Module) -> str | None:
    """The type of the first weights that are shorter than float32."""
    short = (p.dtype for p in model.parameters() if p.is_floating_point() and _is_short(p.dtype))
    return next(map(str, short), None)


def _computes_in(trainer: GRPOTrainer, sharding: str | None) -> str | None:
    """The type that sharding computes in whatever autocast does, where it is shorter than float32."""
    accelerator = trainer.accelerator
    if sharding == "DeepSpeed" and accelerator.mixed_precision != "no":
        return str(accelerator.mixed_precision)
    policies = [m._get_fsdp_state()._mp_policy for m in trainer.model.modules() if isinstance(m, FSDPModule)]
    if trainer.is_fsdp_enabled:
        policies.append(accelerator.state.fsdp_plugin.mixed_precision_policy)
    short = (p.param_dtype for p in policies if p is not None and _is_short(p.param_dtype))
    return next(map(str, short), None)


def _drops_out(model: nn.Module) -> bool:
    """Whether the policy's forward pass draws random numbers."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            return True
        # Attention drops out by a function, with a rate that the module holds.
        if any("dropout" in name and isinstance(rate, float) and rate > 0 for name, rate in vars(module).items()):
            return True
    return False
