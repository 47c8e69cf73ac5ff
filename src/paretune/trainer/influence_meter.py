"""Measuring influence in the middle of training, which goes on as if nothing had been measured."""

import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from trl import GRPOTrainer

from paretune.influence import (
    ESTIMATORS,
    BeforeUpdate,
    Influence,
    LogProbs,
    Target,
    prompt_halves,
    select_parameters,
)
from paretune.trainer.policy_loss import GRPOPolicyLoss, MicroBatch
from paretune.trainer.random_state import RandomState, own_random_state
from paretune.trainer.run_facts import run_facts
from paretune.weighting import InfluenceRequest


class InfluenceMeter:
    """Measures one kind of influence for a trainer.

    Where the estimator asked for cannot be right, a warning says why, and the one that it names takes its place. A
    warning also says where rounding leaves nothing of the estimate.

    Args:
        trainer: whose policy, loss and batches are measured.
        request: the influence wanted.

    Raises:
        ValueError: if the layers asked for do not exist or hold nothing that is trained, or if two halves of one prompt
            are asked for.
    """

    def __init__(self, trainer: GRPOTrainer, request: InfluenceRequest) -> None:
        self.request = request
        self._of = weakref.ref(trainer)  # it holds this meter: what holds each other waits for a garbage collection
        self._selected()
        asked, self._facts = ESTIMATORS[request.method], run_facts(trainer)
        self.estimator = asked.usable(self._facts)
        if self.estimator is not asked:
            warnings.warn(
                f"influence method={asked.name!r} cannot be used here: {asked.obstacle(self._facts)} "
                f"{self.estimator.name!r} is used instead, {self.estimator.as_substitute}.",
                stacklevel=4,
            )
        prompts = trainer.args.generation_batch_size // trainer.num_generations
        if self.estimator.halved and prompts < 2:
            raise ValueError(
                f"influence method={self.estimator.name!r} takes two halves of a batch's prompts, and a batch has "
                f"{prompts}: raise generation_batch_size, or lower num_generations."
            )
        caution = self.estimator.caution(self._facts)
        if caution is not None:
            warnings.warn(caution, stacklevel=4)
        # The passes of the latest batch: those of training, and those made beforehand by the meter.
        self._passes: list[_Pass] = []
        self._own_passes: list[_Pass] = []
        self._begun_at = 0

    @property
    def _trainer(self) -> GRPOTrainer:
        trainer = self._of()
        assert trainer is not None, "a meter is used by its trainer"
        return trainer

    @property
    def after_the_update(self) -> bool:
        """Whether it is measured after the update, so that it steers the next batch."""
        return self.estimator.of_update

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
            return self.estimator.measure(Target(loss, parameters, selected, self.request.clip_norm))

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
        self._facts = run_facts(self._trainer)
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
        if not self._facts.several_updates:
            at = [p.at for p in training]
        elif self._redraws_dropout:
            at = [p.at for p in own]
        else:
            pairs = zip(micro_batches, training, strict=True)
            at = [LogProbs(m["old_per_token_logps"], p.at.entropies) for m, p in pairs]
        loss = self._loss(micro_batches, advantages, [p.state for p in own or training])
        before = BeforeUpdate(at, [p.at.values for p in own] or None, self._without_autocast)
        with own_random_state(self._trainer.accelerator.device):
            return self.estimator.measure(Target(loss, before=before))

    @property
    def _redraws_dropout(self) -> bool:
        """Whether log π_θ needs a pass of our own because of dropout.

        In a batch that makes several updates, later passes of training are not made under θ. For that case TRL computes
        the log-probabilities beforehand, but with another dropout.
        """
        return self._facts.several_updates and self._facts.dropout

    @property
    def _without_autocast(self) -> bool:
        """Whether passes of our own in float32 take the place of training's, which are under autocast."""
        return self._facts.autocast and self._facts.rounding is None

    # --- both ---------------------------------------------------------------------------------------------

    def _loss(
        self, micro_batches: list[MicroBatch], advantages: Tensor, states: list[RandomState] | None = None
    ) -> GRPOPolicyLoss:
        count = len(advantages) // self._trainer.accelerator.num_processes
        begin = self._trainer.accelerator.process_index * count
        halves = prompt_halves(len(advantages), self._trainer.num_generations)
        return GRPOPolicyLoss(
            self._trainer,
            micro_batches,
            advantages[begin:][:count],
            include_kl=self.request.include_kl,
            random_states=states,
            halves=halves[begin:][:count],
        )

    def _selected(self) -> list[nn.Parameter]:
        return select_parameters(self._trainer.accelerator.unwrap_model(self._trainer.model), self.request.layers)

    def _nothing_to_measure(self, advantages: Tensor) -> bool:
        return not advantages.any() and not (self.request.include_kl and self._trainer.beta)

    def _zero(self, advantages: Tensor) -> Influence:
        count = advantages.shape[1]
        return Influence(
            values=torch.zeros(count, dtype=torch.float64),
            method=self.estimator.name,
            gramian=torch.zeros(count, count, dtype=torch.float64) if self.estimator.yields_gramian else None,
        )


class _Pass(NamedTuple):
    at: LogProbs
    state: RandomState
    """From which the pass drew."""
