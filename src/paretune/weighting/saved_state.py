"""Reading the numbers that a rule left in a checkpoint, which anybody may have edited."""

from typing import Any

import torch
from torch import Tensor


def saved_numbers(name: str, values: Any, count: int | None = None, *, missing: bool = False) -> Tensor:
    """Finite numbers as a float64 tensor ``[n]``.

    Args:
        name: for the message.
        values: a list of them.
        count: how many there should be; None: any number.
        missing: whether null may stand for a number that there is none of; it becomes NaN.

    Raises:
        ValueError: if it is something else.
    """
    absent = [missing and value is None for value in values] if isinstance(values, list) else []
    try:
        known = [0.0 if gone else value for value, gone in zip(values, absent, strict=True)] if absent else values
        found = torch.tensor(known, dtype=torch.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        found = torch.full((1,), torch.nan)
    if found.ndim != 1 or not torch.isfinite(found).all() or (count is not None and len(found) != count):
        many = "finite numbers" if count is None else f"{count} finite numbers"
        raise ValueError(f"`{name}` must be {many}, got {values!r:.60}")
    return found.masked_fill(torch.tensor(absent), torch.nan) if any(absent) else found


def saved_count(name: str, value: Any) -> int:
    """A whole number of 0 or more, below 2⁶³; ``ValueError`` if it is something else."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"`{name}` must be a whole number of 0 or more, got {value!r:.60}")
    return value
