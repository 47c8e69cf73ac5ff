"""A weight schedule for those who keep their own GRPOTrainer."""

from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOTrainer

from paretune.trainer.trainer import MultiObjectiveTrainer
from paretune.weighting import ScheduledWeights


class ScheduledWeightsCallback(TrainerCallback):
    """Moves the ``reward_weights`` of an unmodified ``trl.GRPOTrainer`` along a schedule.

    The weights stand in TRL's log as ``weights/{name}``, beside its ``rewards/{name}/mean``.

    Args:
        schedule: the weights over optimiser steps.
        trainer: the trainer whose weights move; add the callback to it.

    Raises:
        ValueError: if the schedule has another number of weights than the trainer has reward functions, or the trainer
            has a rule of its own.

    Example:
        ``trainer.add_callback(ScheduledWeightsCallback(ScheduledWeights({0: (1, 1), 100: (1, 0)}), trainer))``
    """

    def __init__(self, schedule: ScheduledWeights, trainer: GRPOTrainer) -> None:
        if isinstance(trainer, MultiObjectiveTrainer):
            raise ValueError(
                f"This trainer's weights are those of its rule, {trainer.weighting!r}: give it "
                "weighting=ScheduledWeights(...) in the place of this callback."
            )
        weights = schedule.weights_at(0)
        if len(weights) != len(trainer.reward_funcs):
            raise ValueError(
                f"The schedule has {len(weights)} weights for {len(trainer.reward_funcs)} reward functions: "
                "give one for each."
            )
        self._schedule = schedule
        self._trainer = trainer

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Set the weights of the step that begins, and log them."""
        weights = self._schedule.weights_at(state.global_step)
        self._trainer.reward_weights = weights.to(torch.float32)
        for name, weight in zip(self._trainer.reward_func_names, weights.tolist(), strict=True):
            self._trainer._metrics["train"][f"weights/{name}"].append(weight)
