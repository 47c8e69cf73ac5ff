"""Measuring influence in the middle of training, without a trace in it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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

    Where the estimator asked for cannot be right, a warning says why and the realised influence, which needs nothing
    but forward passes, takes its place.

    Args:
        trainer: whose policy, loss and batches are measured.
        request: the influence wanted.

    Raises:
        ValueError: if the layers asked for do not exist or hold nothing that is trained.
    """

    def __init__(self, trainer: GRPOTrainer, request: InfluenceRequest) -> None:
        self.request = request
        self._trainer = trainer
        selected = self._selected()
        obstacle = _obstacle(trainer, request.method, selected)
        if obstacle is not None:
            warnings.warn(
                f"influence method={request.method!r} cannot be used here: {obstacle} 'realised' is used instead, "
                "over all parameters and with its own μ.",
                stacklevel=4,
            )
        self.method: Method = request.method if obstacle is None else "realised"
        self._passes: list[tuple[LogProbs, RandomState]] = []
        self._makes_own_passes = False
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
        self._passes = []
        self._begun_at = self._trainer.state.global_step
        # In a batch that makes several updates, later passes of training are not made under θ. For that case TRL
        # computes the log-probabilities beforehand, but with another dropout.
        self._makes_own_passes = self.after_the_update and not self._one_update and _drops_out(self._trainer.model)
        if self._makes_own_passes:
            self._passes = self._own_passes(micro_batches)

    def note_pass(self, log_probs: Tensor, entropies: Tensor | None, state: RandomState) -> None:
        """Take note of training's first forward pass over the next micro-batch."""
        if not self._makes_own_passes:
            at = LogProbs(log_probs.detach(), None if entropies is None else entropies.detach())
            self._passes.append((at, state))

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
        passes, self._passes = self._passes, []
        if self._nothing_to_measure(advantages):
            return self._zero(advantages)
        loss = self._loss(micro_batches, advantages, [state for _, state in passes])
        before = [at for at, _ in passes]
        if not self._one_update and not self._makes_own_passes:
            before = [
                LogProbs(m["old_per_token_logps"], at.entropies) for m, at in zip(micro_batches, before, strict=True)
            ]
        with own_random_state(self._trainer.accelerator.device):
            return realised_influence(loss, before)

    @property
    def _one_update(self) -> bool:
        """Whether a batch makes (part of) one update, so that training's own passes are all made under θ."""
        args = self._trainer.args
        return bool(args.gradient_accumulation_steps % (args.steps_per_generation * self._trainer.num_iterations) == 0)

    def _own_passes(self, micro_batches: list[MicroBatch]) -> list[tuple[LogProbs, RandomState]]:
        loss = self._loss(micro_batches, torch.empty(0, 0))
        passes = []
        with own_random_state(self._trainer.accelerator.device), torch.no_grad():
            for micro_batch in micro_batches:
                state = RandomState(self._trainer.accelerator.device)
                passes.append((loss.forward(micro_batch), state))
        return passes

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


def _obstacle(trainer: GRPOTrainer, method: Method, selected: list[nn.Parameter]) -> str | None:
    """Why an estimator would give wrong numbers in this set-up, in a sentence; None if it would not."""
    if method == "realised":
        return None
    accelerator, args = trainer.accelerator, trainer.args
    if trainer.is_deepspeed_enabled:
        return "DeepSpeed runs the backward pass itself."
    if trainer.is_fsdp_enabled and not accelerator.is_fsdp2:
        return "FSDP version 1 keeps gradients in flat shards (version 2 would do)."
    sharded = accelerator.is_fsdp2 or isinstance(trainer.model, FSDPModule)
    if sharded and (args.steps_per_generation * trainer.num_iterations) % args.gradient_accumulation_steps:
        return "under FSDP2 batches that begin inside an accumulation window leave gradients that cannot be put aside."
    if accelerator.mixed_precision == "fp16":
        return "float16 gradients need the loss scaling that training alone has."
    if method == "directional":
        if any(p.dtype not in (torch.float32, torch.float64) for p in selected):
            return f"{selected[0].dtype} weights cannot hold a step as small as it needs ('exact' would do)."
        if sharded and accelerator.mixed_precision != "no":
            return f"FSDP2 computes in {accelerator.mixed_precision}, where small differences drown ('exact' would do)."
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
