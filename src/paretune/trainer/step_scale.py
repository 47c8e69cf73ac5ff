"""Scaling the size of one optimiser step, after gradient clipping."""

from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from paretune.influence.gradients import high_precision


class StepScale(TrainerCallback):
    """Makes a step r times as long, and measures how long steps are.

    The learning rate of that one step is multiplied by r. So the factor acts where a factor on the rewards (the
    paper's) does not: it cannot cancel in a normalised advantage, in gradient clipping or in Adam's division by the
    second moment. Decoupled weight decay, which is part of the step, scales with it.

    Args:
        measure: keep a copy of the trainable parameters during each step and note ‖Δθ‖ (costs one copy).
    """

    def __init__(self, *, measure: bool) -> None:
        self.measure = measure
        self.update_norm: float | None = None
        self._factors: list[float] = []
        self._learning_rates: list[float] | None = None
        self._before: list[torch.Tensor] | None = None

    def add(self, factor: float) -> None:
        """One more micro-batch, of a batch with this factor, goes into the next step; their mean counts."""
        self._factors.append(factor)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Forget the micro-batches of a training that ended before their step."""
        self._factors.clear()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Scale the learning rates."""
        factor = sum(self._factors) / len(self._factors) if self._factors else 1.0
        self._factors.clear()
        groups = kwargs["optimizer"].param_groups
        if factor != 1.0:
            self._learning_rates = [group["lr"] for group in groups]
            for group in groups:
                group["lr"] = group["lr"] * factor
        if self.measure:
            self._before = [p.detach().clone() for group in groups for p in group["params"]]

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Give the learning rates back before the scheduler reads them."""
        groups = kwargs["optimizer"].param_groups
        if self._learning_rates is not None:
            for group, learning_rate in zip(groups, self._learning_rates, strict=True):
                group["lr"] = learning_rate
            self._learning_rates = None
        if self._before is not None:
            after = [p.detach() for group in groups for p in group["params"]]
            squares = [high_precision(a - b).square().sum() for a, b in zip(after, self._before, strict=True)]
            self.update_norm = float(torch.stack(squares).sum().sqrt())
            self._before = None
