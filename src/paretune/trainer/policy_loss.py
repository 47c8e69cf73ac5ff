"""TRL's own loss, seen as a function of the token log-probabilities."""

import copy
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from trl import GRPOTrainer

MicroBatch = dict[str, Any]


class GRPOPolicyLoss:
    """A :class:`paretune.influence.PolicyLoss` made of a ``GRPOTrainer``.

    The trainer's loss runs on a shallow copy of the trainer, so that nothing it notes down (metrics, the adaptive
    entropy coefficient) reaches the trainer itself. KL, entropy and router terms are off: influence is about the
    rewards. The log-probabilities come from the trainer's own forward pass, with all the arguments that it gives; the
    coefficients from its loss with those log-probabilities as a leaf. So they hold for every ``loss_type``, mask,
    importance ratio and accumulation.

    Args:
        trainer: in training mode, about to train on the micro-batches.
        micro_batches: this process's buffered inputs, each with the ``sample_index`` of its rows.
        advantages: ``[N, K]`` of this process's samples, each objective alone.
        include_kl: leave the KL term on.
    """

    def __init__(
        self,
        trainer: GRPOTrainer,
        micro_batches: Sequence[MicroBatch],
        advantages: Tensor,
        *,
        include_kl: bool = False,
    ) -> None:
        self.micro_batches = micro_batches
        self._trainer = trainer
        self._advantages = advantages
        self._copy = copy.copy(trainer)
        self._copy._metrics = {"train": defaultdict(list), "eval": defaultdict(list)}
        self._copy._entropy_bonus_enabled = False
        self._copy.aux_loss_enabled = False
        if not include_kl:
            self._copy.beta = 0.0
        # TRL divides a micro-batch's loss by the accumulation steps; the sum over a whole generation batch is then
        # (steps_per_generation / accumulation steps) times its mean.
        self._to_mean = trainer.current_gradient_accumulation_steps / trainer.args.steps_per_generation
        self._seen: tuple[Tensor, Tensor | None] | None = None

    def log_probs(self, micro_batch: MicroBatch) -> Tensor:
        """Log-probabilities ``[B, T]`` of the completion tokens, with their graph."""
        outputs: list[tuple[Tensor, Tensor | None, Tensor | None]] = []

        def forward(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
            outputs.append(self._trainer._get_per_token_logps_and_entropies(*args, **kwargs))
            return outputs[-1]

        self._copy._get_per_token_logps_and_entropies = forward
        with self._trainer.compute_loss_context_manager():
            self._copy._compute_loss(self._trainer.model, micro_batch)
        log_probs, entropies, _ = outputs[0]
        self._seen = log_probs.detach(), None if entropies is None else entropies.detach()
        return log_probs

    def coefficients(self, micro_batch: MicroBatch) -> Tensor:
        """``[K, B, T]``: c_k = −∂L/∂log π at the last :meth:`log_probs`, scaled to the mean loss of the batch."""
        if self._seen is None:
            raise RuntimeError("coefficients() was called before log_probs().")
        log_probs, entropies = self._seen
        coefficients = []
        for advantages in self._advantages[micro_batch["sample_index"]].unbind(dim=1):
            leaf = log_probs.clone().requires_grad_()
            seen = (leaf, entropies, None)
            self._copy._get_per_token_logps_and_entropies = lambda *_, seen=seen, **__: seen
            loss = self._copy._compute_loss(self._trainer.model, {**micro_batch, "advantages": advantages})
            coefficients.append(-self._to_mean * torch.autograd.grad(loss, leaf)[0])
        return torch.stack(coefficients)

    def mean_over_processes(self, gradient: Tensor) -> Tensor:
        """The gradient averaged over data-parallel processes, as DDP does."""
        reduced: Tensor = self._trainer.accelerator.reduce(gradient, reduction="mean")
        return reduced
