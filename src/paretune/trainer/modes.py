"""The two modes, training and evaluation, of a policy and of its optimiser.

A policy uses dropout only in training, and TRL's loss divides by the accumulation steps only in training. A
schedule-free optimiser (arXiv 2405.15682) keeps other parameters in the policy in each mode, and refuses to step in
evaluation. transformers switches both to training before each micro-batch and both to evaluation before an evaluation.
It never switches them back.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from transformers import Trainer


@contextmanager
def in_mode(trainer: Trainer, *, training: bool) -> Iterator[None]:
    """Inside, policy and optimiser are in that mode; afterwards in the one they were in, whatever happened inside.

    Where an optimiser moves the parameters to and fro by its mode, rounding would change them: their bits are put back.

    Args:
        trainer: whose policy and optimiser.
        training: the mode inside.
    """
    before, kept = trainer.model.training, None
    if before != training:
        kept = _parameters(trainer)
        _switch(trainer, training)
    try:
        yield
    finally:
        if trainer.model.training != before:
            _switch(trainer, before)
        if kept is not None:
            with torch.no_grad():
                for parameter, value in kept:
                    parameter.copy_(value)


def _switch(trainer: Trainer, training: bool) -> None:
    trainer.model.train(training)
    switch = getattr(trainer.optimizer, "train" if training else "eval", None)
    if callable(switch):
        switch()


def _parameters(trainer: Trainer) -> list[tuple[Tensor, Tensor]] | None:
    """What the optimiser trains, with a copy, if its mode moves it."""
    optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)  # accelerate wraps it
    if not callable(getattr(optimizer, "eval", None)):
        return None
    return [(p, p.detach().clone()) for group in optimizer.param_groups for p in group["params"]]
