"""TRL's own loss, seen as a function of the token log-probabilities."""

import copy
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from accelerate.utils import broadcast
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from trl import GRPOTrainer
from trl.models.utils import disable_gradient_checkpointing

from paretune.influence import LogProbs
from paretune.trainer.random_state import RandomState
from paretune.trainer.unpadded import Outputs, UnpaddedForward

MicroBatch = dict[str, Any]


class GRPOPolicyLoss:
    """A :class:`paretune.influence.PolicyLoss` made of a ``GRPOTrainer``.

    The trainer's loss runs on a shallow copy of the trainer, so that nothing it notes down (metrics, the adaptive
    entropy coefficient) reaches the trainer itself, and nothing is exchanged between processes for such notes. The loss
    itself needs one exchange, which stays: ``top_entropy_quantile`` is a quantile over the tokens of all processes. KL,
    entropy and router terms are off: influence is about the rewards. The log-probabilities come from the trainer's own
    forward pass, with all the arguments that it gives, less padding (:mod:`paretune.trainer.unpadded`); the
    coefficients from its loss with those log-probabilities as a leaf, in the shape that it has in training. So they
    hold for every ``loss_type``, mask, importance ratio and accumulation.

    Args:
        trainer: in training mode.
        micro_batches: this process's buffered inputs, each with the ``sample_index`` of its rows.
        advantages: ``[N, K]`` of this process's samples, each objective alone.
        include_kl: leave the KL term on.
        random_states: those from which training drew in its forward passes over the micro-batches, if it has made them.
        halves: ``[N]`` of this process's samples, 0 or 1: to which half of the batch's prompts each belongs.
    """

    def __init__(
        self,
        trainer: GRPOTrainer,
        micro_batches: Sequence[MicroBatch],
        advantages: Tensor,
        *,
        include_kl: bool = False,
        random_states: Sequence[RandomState] | None = None,
        halves: Tensor | None = None,
    ) -> None:
        self.micro_batches = micro_batches
        self._trainer = trainer
        self._advantages = advantages
        self._halves = halves
        self._include_kl = include_kl and trainer.beta != 0.0
        self._random_states = {id(m): s for m, s in zip(micro_batches, random_states or [], strict=False)}
        self._copy = copy.copy(trainer)
        self._copy._metrics = {"train": defaultdict(list), "eval": defaultdict(list)}
        self._copy._entropy_bonus_enabled = False
        self._copy.aux_loss_enabled = False
        if not include_kl:
            self._copy.beta = 0.0
        self._copy.accelerator = copy.copy(trainer.accelerator)
        self._copy.accelerator.gather = self._copy.accelerator.reduce = lambda figures, *_, **__: figures
        self._copy.get_high_entropy_mask = trainer.get_high_entropy_mask
        self._pass = UnpaddedForward(trainer)
        # TRL divides a micro-batch's loss by the accumulation steps; the sum over a whole generation batch is then
        # (steps_per_generation / accumulation steps) times its mean.
        self._to_mean = trainer.current_gradient_accumulation_steps / trainer.args.steps_per_generation

    @property
    def num_processes(self) -> int:
        """Processes over which the batch is spread."""
        return int(self._trainer.accelerator.num_processes)

    @property
    def low_precision(self) -> bool:
        """Whether the forward pass runs under autocast."""
        return bool(self._trainer.accelerator.native_amp)

    @property
    def whole_backward(self) -> bool:
        """Whether a backward pass must reach all parameters: under FSDP2, and with reentrant checkpointing."""
        kwargs = self._trainer.args.gradient_checkpointing_kwargs or {}
        reentrant = self._trainer.args.gradient_checkpointing and kwargs.get("use_reentrant", True)
        return bool(reentrant or isinstance(self._trainer.model, FSDPModule))

    def halves(self, micro_batch: MicroBatch) -> Tensor:
        """``[B]``, 0 or 1: to which half of the batch's prompts each row belongs."""
        index: Tensor = micro_batch["sample_index"]
        if self._halves is None:
            raise ValueError("This loss knows no halves of its batch: give `halves`.")
        return self._halves.to(index.device)[index]

    def forward(self, micro_batch: MicroBatch, *, full_precision: bool = False, rows: Tensor | None = None) -> LogProbs:
        """The trainer's forward pass over a micro-batch; see :class:`paretune.influence.PolicyLoss`."""
        state = self._random_states.get(id(micro_batch))
        if state is None:
            self._random_states[id(micro_batch)] = RandomState(self._trainer.accelerator.device)
        else:
            state.restore()
        outputs: list[Outputs] = []

        def forward(*args: Any, **kwargs: Any) -> Outputs:
            outputs.append(self._pass(rows, self._copy, *args, **kwargs))
            if rows is None:
                return outputs[-1]
            log_probs, entropies, auxiliary = outputs[-1]
            # What TRL then makes of it is thrown away; it must have the micro-batch's shape.
            count = len(micro_batch["sample_index"])
            entropies = None if entropies is None else entropies.new_zeros(count, *entropies.shape[1:])
            return log_probs.new_zeros(count, *log_probs.shape[1:]), entropies, auxiliary

        self._copy._get_per_token_logps_and_entropies = forward
        trainer = self._trainer
        precision = self._without_autocast() if full_precision else trainer.compute_loss_context_manager()
        # Without gradients there is nothing to recompute, and reentrant checkpointing would warn of it.
        recomputed = trainer.args.gradient_checkpointing and not torch.is_grad_enabled()
        kwargs = trainer.args.gradient_checkpointing_kwargs
        checkpointing = disable_gradient_checkpointing(trainer.model, kwargs) if recomputed else nullcontext()
        with precision, checkpointing:
            self._copy._compute_loss(trainer.model, micro_batch)
        log_probs, entropies, _ = outputs[0]
        return LogProbs(log_probs, None if entropies is None else entropies.detach())

    @contextmanager
    def _without_autocast(self) -> Iterator[None]:
        # accelerate has wrapped the model's forward in autocast, and TRL asks for it once more.
        model, accelerator = self._trainer.model, self._copy.accelerator
        wrapped, original = model.__dict__.get("forward"), model.__dict__.get("_original_forward")
        if original is not None:
            model.forward = original
        accelerator.autocast = lambda *_, **__: nullcontext()
        try:
            yield
        finally:
            del accelerator.autocast
            if original is not None:
                model.forward = wrapped

    def coefficients(self, micro_batch: MicroBatch, at: LogProbs) -> Tensor:
        """``[K, B, T]``: c_k = −∂L/∂log π at those log-probabilities, scaled to the mean loss of the batch.

        Sample by sample, every loss of TRL is linear in a positive advantage and linear in a negative one (clipping,
        SAPO's temperatures and VESPO's weights go by its sign). So its derivatives at advantages of 1 and of −1 give
        those for all K objectives.
        """
        advantages = self._advantages[micro_batch["sample_index"]].T[:, :, None].to(at.values.dtype)
        up, down = self._derivative(micro_batch, at, 1.0), self._derivative(micro_batch, at, -1.0)
        if not self._include_kl:
            return advantages.clamp(min=0) * up + (-advantages).clamp(min=0) * down
        kl = self._derivative(micro_batch, at, 0.0)
        return advantages.clamp(min=0) * (up - kl) + (-advantages).clamp(min=0) * (down - kl) + kl

    def _derivative(self, micro_batch: MicroBatch, at: LogProbs, advantage: float) -> Tensor:
        """−∂L/∂log π ``[B, T]`` with the same advantage for every sample."""
        leaf = at.values.detach().clone().requires_grad_()
        self._copy._get_per_token_logps_and_entropies = lambda *_, **__: (leaf, at.entropies, None)
        inputs = {**micro_batch, "advantages": leaf.new_full((len(leaf),), advantage)}
        with torch.enable_grad():
            loss = self._copy._compute_loss(self._trainer.model, inputs)
            derivative: Tensor = -self._to_mean * torch.autograd.grad(loss, leaf)[0]
        return derivative

    def mean(self, figures: Tensor) -> Tensor:
        """Figures averaged over processes, the same bits on each."""
        accelerator = self._trainer.accelerator
        if accelerator.num_processes == 1:
            return figures.cpu()
        # Summed in another order on another process, they would let the weights drift apart.
        averaged: Tensor = broadcast(accelerator.reduce(figures.to(accelerator.device), reduction="mean"))
        return averaged.cpu()

    def mean_gradient(self, gradient: Tensor) -> Tensor:
        """The gradient averaged over data-parallel processes, as DDP does; FSDP2 has done so already."""
        if isinstance(gradient, DTensor):
            return gradient
        averaged: Tensor = self._trainer.accelerator.reduce(gradient, reduction="mean")
        return averaged

    def parameters_changed(self) -> None:
        """Let FSDP2 gather the parameters anew: after a forward pass it keeps some of them."""
        for module in self._trainer.model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
