"""The random numbers that a forward pass draws."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


class RandomState:
    """The random state as it is now, to be gone back to.

    Args:
        device: where the model computes.
    """

    def __init__(self, device: torch.device) -> None:
        self._cpu = torch.get_rng_state()
        # On an Apple GPU, of which there is but one, these take no device.
        self._device: list[Any] = [] if device.type == "mps" else [device]
        self._module = None if device.type == "cpu" else torch.get_device_module(device)
        self._accelerator = None if self._module is None else self._module.get_rng_state(*self._device)

    def restore(self) -> None:
        """Draw again what was drawn from here on."""
        torch.set_rng_state(self._cpu)
        if self._module is not None:
            self._module.set_rng_state(self._accelerator, *self._device)


@contextmanager
def own_random_state(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Inside, draw from `seed` (or go on); afterwards, go on as if nothing had been drawn."""
    outside = RandomState(device)
    if seed is not None:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        outside.restore()


@contextmanager
def own_random_states(device: torch.device) -> Iterator[None]:
    """The same for all random numbers: Python's and numpy's, too."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with own_random_state(device):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
