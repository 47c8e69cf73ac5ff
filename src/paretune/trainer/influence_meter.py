"""Measuring influence in the middle of training, without a trace in it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from trl import GRPOTrainer

from paretune.influence import (
    Influence,
    LogProbs,
    Method,
    directional_influence,
    exact_influence,
    realised_influence,
    select_parameters,
)
from paretune.trainer.policy_loss import GRPOPolicyLoss, MicroBatch
from paretune.trainer.random_state import RandomState, own_random_state
from paretune.weighting import InfluenceRequest


class InfluenceMeter:
    """Measures one kind of influence for a trainer.

    Where the estimator asked for cannot be right, a warning says why and another takes its place: the exact influence,
    which has the same scale, or where that cannot be right either the realised one, which needs nothing but forward
    passes. Where rounding leaves nothing of the realised one, a warning says that.

    Args:
        trainer: whose policy, loss and batches are measured.
        request: the influence wanted.

    Raises:
        ValueError: if the layers asked for do not exist or hold nothing that is trained.
    """

    def __init__(self, trainer: GRPOTrainer, request: InfluenceRequest) -> None:
        self.request = request
        self._trainer = trainer
        self._selected()
        self.method, reason = _usable(trainer, request.method)
        if reason is not None:
            instead = {
                "exact": "'exact' is used instead, with a backward pass for each objective.",
                "realised": "'realised' is used instead, over all parameters and with its own μ.",
            }[self.method]
            warnings.warn(f"influence method={request.method!r} cannot be used here: {reason} {instead}", stacklevel=4)
        rounding = _rounding(trainer)
        if self.method == "realised" and rounding is not None:
            warnings.warn(
                f"the realised influence is mostly rounding here: {rounding.reason}, and against float64 it was then "
                f"off by {rounding.measured}. Load the model in float32 (autocast to bfloat16 does no harm), or use "
                "method='exact' where that is possible.",
                stacklevel=4,
            )
        # The passes of the latest batch: those of training, and those made beforehand for the realised influence alone.
        self._passes: list[_Pass] = []
        self._own_passes: list[_Pass] = []
        self._begun_at = 0

    @property
    def after_the_update(self) -> bool:
        """Whether it is measured after the update, so that it steers the next batch."""
        return self.method == "realised"

    # --- before the update --------------------------------------------------------------------------------

    def before_update(self, micro_batches: list[MicroBatch], advantages: Tensor) -> Influence:
        """The influence on the batch that is about to be trained on.

        Args:
            micro_batches: this process's part of it.
            advantages: ``[N, K]`` of all processes' samples, each objective alone.
        """
        if self._nothing_to_measure(advantages):
            return self._zero(advantages)
        loss = self._loss(micro_batches, advantages)
        loss.parameters_changed()  # so that a sharded model shows its sharded parameters
        parameters = [p for p in self._trainer.model.parameters() if p.requires_grad]
        selected = None if self.request.layers == "all" else self._selected()
        with own_random_state(self._trainer.accelerator.device), self._syncing_gradients():
            if self.method == "exact":
                return exact_influence(loss, parameters, selected=selected, clip_norm=self.request.clip_norm)
            return directional_influence(loss, parameters, selected=selected)

    @contextmanager
    def _syncing_gradients(self) -> Iterator[None]:
        """Under FSDP2, gradients that are reduced even where training accumulates."""
        model, state = self._trainer.model, self._trainer.accelerator.gradient_state
        deferred = not state.sync_gradients and not state.plugin_kwargs.get("sync_each_batch", False)
        if isinstance(model, FSDPModule) and deferred:
            model.set_requires_gradient_sync(True)
            try:
                yield
            finally:
                model.set_requires_gradient_sync(False)
        else:
            yield

    # --- after the update ---------------------------------------------------------------------------------

    def begin_batch(self, micro_batches: list[MicroBatch]) -> None:
        """A new batch is about to be trained on; called for every batch, measured or not."""
        self._passes, self._own_passes = [], []
        self._begun_at = self._trainer.state.global_step
        if self.after_the_update and (self._without_autocast or self._redraws_dropout):
            loss = self._loss(micro_batches, torch.empty(0, 0))
            with own_random_state(self._trainer.accelerator.device), torch.no_grad():
                for micro_batch in micro_batches:
                    state = RandomState(self._trainer.accelerator.device)
                    at = loss.forward(micro_batch, full_precision=self._without_autocast)
                    self._own_passes.append(_Pass(at, state))

    def note_pass(self, log_probs: Tensor, entropies: Tensor | None, state: RandomState) -> None:
        """Take note of training's first forward pass over the next micro-batch."""
        at = LogProbs(log_probs.detach(), None if entropies is None else entropies.detach())
        self._passes.append(_Pass(at, state))

    def after_update(self, micro_batches: list[MicroBatch], advantages: Tensor) -> Influence | None:
        """What the update did for each objective, on the batch that was just trained on.

        Args:
            micro_batches: this process's part of it.
            advantages: ``[N, K]`` of all processes' samples, each objective alone.

        Returns:
            The influence, or None where the batch was not trained on from its beginning to its end, or there was no
            update yet because gradients still accumulate.
        """
        if len(self._passes) != len(micro_batches) or self._trainer.state.global_step == self._begun_at:
            return None
        training, own = self._passes, self._own_passes
        self._passes, self._own_passes = [], []
        if self._nothing_to_measure(advantages):
            return self._zero(advantages)
        if self._one_update:
            at = [p.at for p in training]
        elif self._redraws_dropout:
            at = [p.at for p in own]
        else:
            pairs = zip(micro_batches, training, strict=True)
            at = [LogProbs(m["old_per_token_logps"], p.at.entropies) for m, p in pairs]
        loss = self._loss(micro_batches, advantages, [p.state for p in own or training])
        before = [p.at.values for p in own] or None
        with own_random_state(self._trainer.accelerator.device):
            return realised_influence(loss, at, before, full_precision=self._without_autocast)

    @property
    def _one_update(self) -> bool:
        """Whether a batch makes (part of) one update, so that training's own passes are all made under θ."""
        args = self._trainer.args
        return bool(args.gradient_accumulation_steps % (args.steps_per_generation * self._trainer.num_iterations) == 0)

    @property
    def _redraws_dropout(self) -> bool:
        """Whether log π_θ needs a pass of our own because of dropout.

        In a batch that makes several updates, later passes of training are not made under θ. For that case TRL computes
        the log-probabilities beforehand, but with another dropout.
        """
        return not self._one_update and _drops_out(self._trainer.model)

    @property
    def _without_autocast(self) -> bool:
        """Whether the realised influence takes float32 passes of its own, training's being under autocast."""
        return bool(self._trainer.accelerator.native_amp) and _rounding(self._trainer) is None

    # --- both ---------------------------------------------------------------------------------------------

    def _loss(
        self, micro_batches: list[MicroBatch], advantages: Tensor, states: list[RandomState] | None = None
    ) -> GRPOPolicyLoss:
        count = len(advantages) // self._trainer.accelerator.num_processes
        own = advantages[self._trainer.accelerator.process_index * count :][:count]
        include_kl = self.request.include_kl
        return GRPOPolicyLoss(self._trainer, micro_batches, own, include_kl=include_kl, random_states=states)

    def _selected(self) -> list[nn.Parameter]:
        return select_parameters(self._trainer.accelerator.unwrap_model(self._trainer.model), self.request.layers)

    def _nothing_to_measure(self, advantages: Tensor) -> bool:
        return not advantages.any() and not (self.request.include_kl and self._trainer.beta)

    def _zero(self, advantages: Tensor) -> Influence:
        count = advantages.shape[1]
        return Influence(
            values=torch.zeros(count, dtype=torch.float64),
            method=self.method,
            gramian=torch.zeros(count, count, dtype=torch.float64) if self.method == "exact" else None,
        )


class _Pass(NamedTuple):
    at: LogProbs
    state: RandomState
    """From which the pass drew."""


def _usable(trainer: GRPOTrainer, method: Method) -> tuple[Method, str | None]:
    """The estimator to use, and why not the one asked for, in a sentence; None if it is that one."""
    if method == "realised":
        return method, None
    accelerator, args = trainer.accelerator, trainer.args
    if trainer.is_deepspeed_enabled:
        return "realised", "DeepSpeed runs the backward pass itself."
    if trainer.is_fsdp_enabled and not accelerator.is_fsdp2:
        return "realised", "FSDP version 1 keeps gradients in flat shards (version 2 would do)."
    sharded = accelerator.is_fsdp2 or isinstance(trainer.model, FSDPModule)
    if sharded and (args.steps_per_generation * trainer.num_iterations) % args.gradient_accumulation_steps:
        obstacle = "batches that begin inside an accumulation window leave gradients that cannot be put aside."
        return "realised", f"under FSDP2 {obstacle}"
    if accelerator.mixed_precision == "fp16":
        return "realised", "float16 gradients need the loss scaling that training alone has."
    rounding = _rounding(trainer)
    if method == "directional" and rounding is not None:
        return "exact", f"{rounding.reason}, and differences as small as it takes drown in their rounding."
    return method, None


class _Rounding(NamedTuple):
    reason: str
    measured: str
    """By how much the realised influence was off on a tiny policy, in its own lengths (docs/performance.md)."""


def _rounding(trainer: GRPOTrainer) -> _Rounding | None:
    """Why every forward pass rounds to 16 bits, with autocast or without; None if it does not."""
    accelerator = trainer.accelerator
    for parameter in trainer.model.parameters():
        if parameter.is_floating_point() and parameter.dtype not in (torch.float32, torch.float64):
            measured = "about its own length at a learning rate of 1e-4, 9 to 27 times that at 1e-5"
            return _Rounding(f"the model has {parameter.dtype} weights", measured)
    measured = "0.1 of its length at a learning rate of 1e-4, 0.3 to 1 at 1e-5, 3 to 20 times that at 1e-6"
    if trainer.is_deepspeed_enabled and accelerator.mixed_precision != "no":
        return _Rounding(f"DeepSpeed computes in {accelerator.mixed_precision}", measured)
    # accelerate shards when training begins; transformers has sharded at load time, and leaves the rest to autocast.
    policies = [m._get_fsdp_state()._mp_policy for m in trainer.model.modules() if isinstance(m, FSDPModule)]
    if trainer.is_fsdp_enabled:
        policies.append(accelerator.state.fsdp_plugin.mixed_precision_policy)
    for dtype in (policy.param_dtype for policy in policies if policy is not None):
        if dtype not in (None, torch.float32, torch.float64):
            return _Rounding(f"FSDP computes in {dtype}", measured)
    return None


def _drops_out(model: nn.Module) -> bool:
    """Whether the policy's forward pass draws random numbers."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            return True
        # Attention drops out by a function, with a rate that the module holds.
        if any("dropout" in name and isinstance(rate, float) and rate > 0 for name, rate in vars(module).items()):
            return True
    return False
