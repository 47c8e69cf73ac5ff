"""Leaving out updates whose gradient is not finite."""

import math
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

MOST = 10
"""So many updates left out one after the other end the run."""


class FiniteUpdates(TrainerCallback):
    """Leaves out an update whose gradient has no finite norm: parameters and optimiser state stay as they are.

    One such update would make every parameter NaN for good. A norm that overflows though every entry is finite counts,
    too: clipping divides by it, and momentum alone would then move the parameters. It is counted, the learning rate's
    schedule moves on, and ten in a row end the run: then it is no accident. Not in float16, whose loss scaling does
    the same, and not under DeepSpeed, which keeps gradients to itself.

    Args:
        accelerator: tells how many processes there are.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.norm: Tensor | float | None = None
        """The gradient's norm before clipping, which the trainer notes before each update."""
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
        """Take the gradients away if their norm is not finite, before clipping or after it.

        Raises:
            FloatingPointError: if it is the tenth time in a row.
        """
        if self._accelerator.scaler is not None or self._accelerator.distributed_type == DistributedType.DEEPSPEED:
            return
        groups = kwargs["optimizer"].param_groups
        parameters = [p for group in groups for p in group["params"] if p.grad is not None]
        norms = [get_total_norm(p.grad for p in parameters), *([] if self.norm is None else [self.norm])]
        if self._are_finite(norms):
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

    def _are_finite(self, norms: Iterable[Tensor | float]) -> bool:
        whole = [norm.full_tensor() if isinstance(norm, DTensor) else norm for norm in norms]
        finite = all(math.isfinite(norm) for norm in whole)
        processes: int = self._accelerator.num_processes
        if processes == 1:
            return finite
        count = self._accelerator.reduce(torch.tensor([int(finite)], device=self._accelerator.device))  # shards differ
        return int(count.item()) == processes
