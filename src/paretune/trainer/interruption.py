"""Ending a training run early, when the user or a scheduler asks for it, without losing it."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME = 1.0
"""Seconds within which a second signal is taken for the first: a terminal and a launcher both pass a Ctrl-C on."""


class Interruption(TrainerCallback):
    """Ends training after the current step, with a checkpoint, when SIGINT or SIGTERM comes; a second one at once.

    Over several processes the run ends when a signal has reached any of them, on all after the same step.

    Args:
        accelerator: tells how many processes there are.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._asked_at: float | None = None
        self.is_ending = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, the signals are heeded; Python lets only the main thread do so, elsewhere nothing changes."""
        self._asked_at, self.is_ending = None, False
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._heard) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                # None stands for a handler that was not installed from Python.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        del frame
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            if self._accelerator.is_main_process:
                # print() may be what was interrupted.
                os.write(2, b"\nparetune: ending after this step, with a checkpoint; once more: at once\n")
        elif now - self._asked_at > SAME:
            raise KeyboardInterrupt

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Save and end if a process was asked to."""
        if state.global_step < state.max_steps and self._anyone_was_asked():
            self.is_ending = control.should_training_stop = control.should_save = True
        return control

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """The same after an evaluation, which may have taken long."""
        return self.on_step_end(args, state, control)

    def _anyone_was_asked(self) -> bool:
        asked = self._asked_at is not None
        if self._accelerator.num_processes == 1:
            return asked
        count = torch.tensor([int(asked)], device=self._accelerator.device)
        return bool(self._accelerator.reduce(count).item())
