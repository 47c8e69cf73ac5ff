"""No update from a gradient that is not finite."""

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

MOST = 10
"""So many updates left out one after the other end the run."""


class FiniteUpdates(TrainerCallback):
    """Leaves out an update whose gradient has no finite norm: parameters and optimiser state stay as they are.

    One such update would make every parameter NaN for good. It is counted, the learning rate's schedule moves on, and
    ten in a row end the run: then it is no accident. Not in float16, whose loss scaling does the same, and not under
    DeepSpeed, which keeps gradients to itself.

    Args:
        accelerator: tells how many processes there are.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.left_out = 0
        """Updates left out so far."""
        self._in_a_row = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Count anew how many are left out one after the other."""
        self._in_a_row = 0

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take the gradients away if one is not finite.

        Raises:
            FloatingPointError: if it is the tenth time in a row.
        """
        if self._accelerator.scaler is not None:
            return
        groups = kwargs["optimizer"].param_groups
        parameters = [p for group in groups for p in group["params"] if p.grad is not None]
        if self._are_finite(p.grad for p in parameters):
            self._in_a_row = 0
            return
        self.left_out += 1
        self._in_a_row += 1
        if self._in_a_row >= MOST:
            raise FloatingPointError(
                f"The gradient was not finite in {MOST} steps in a row, up to step {state.global_step + 1}: resume "
                "from an earlier checkpoint with a lower `learning_rate`, or in another precision."
            )
        warnings.warn(
            f"The gradient of step {state.global_step + 1} is not finite: no update is made from it.", stacklevel=2
        )
        for parameter in parameters:
            parameter.grad = None  # not zero: momentum and weight decay would still move the parameter

    def _are_finite(self, gradients: Iterable[Tensor]) -> bool:
        norm = get_total_norm(gradients)
        if isinstance(norm, DTensor):
            norm = norm.full_tensor()
        finite = torch.isfinite(norm)
        processes: int = self._accelerator.num_processes
        if processes == 1:
            return bool(finite)
        count = self._accelerator.reduce(finite.to(self._accelerator.device, torch.int64).reshape(1))  # shards differ
        return int(count.item()) == processes
