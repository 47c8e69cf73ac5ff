"""What reward and metric functions return, as numbers."""

import inspect
import math
import reprlib
from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

LARGEST = 1e16
"""Rewards of a larger magnitude do not count: a sum of the squares of a million may overflow in single precision."""


class NoNumbersError(Exception):
    """A function returned something else than a number for each completion; the message is a sentence's predicate."""


def as_numbers(returned: Any, count: int) -> list[float]:
    """What a function returned as plain numbers, NaN for None.

    Lists, tuples, generators, arrays and tensors (on any device) are taken; so are, in them, numbers of all kinds and
    arrays and tensors of one element.

    Args:
        returned: what the function returned.
        count: the number of completions.

    Returns:
        `count` numbers; an integer beyond float64 is ±inf.

    Raises:
        NoNumbersError: if they are not numbers, or not that many.
    """
    if inspect.isawaitable(returned):
        if inspect.iscoroutine(returned):
            returned.close()  # Python would say that nobody awaited it
        raise NoNumbersError(
            f"returned an awaitable ({type(returned).__name__}): a reward function that awaits is written with "
            "`async def`; a metric cannot be."
        )
    values = list(_iterator(returned, count))
    if len(values) != count:
        raise NoNumbersError(f"returned {len(values)} values for {count} completions: return one for each.")
    return [_number(value, i) for i, value in enumerate(values)]


def _iterator(returned: Any, count: int) -> Any:
    if isinstance(returned, Tensor):
        returned = returned.detach().cpu()
    try:
        if not isinstance(returned, str | bytes | bytearray | Mapping | Set):
            return iter(returned)
    except TypeError:
        pass
    raise NoNumbersError(
        f"returned {_shown(returned)}, which is no list: return a number, or None, for each of the {count} completions."
    )


def _number(value: Any, index: int) -> float:
    if value is None:
        return math.nan
    if isinstance(value, Tensor | np.ndarray) and math.prod(value.shape) == 1:
        value = value.item()
    try:
        if not isinstance(value, str | bytes | bytearray | Tensor):
            return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        pass
    raise NoNumbersError(
        f"returned {_shown(value)} for completion {index}, which is no number: return a number, or None where nothing "
        "applies."
    )


def _shown(value: Any) -> str:
    return f"{' '.join(reprlib.repr(value).split())} ({type(value).__name__})"


def overflows(rewards: Tensor) -> Tensor:
    """Which rewards ``[N, K]`` are infinite or beyond ±:data:`LARGEST`, as ``[N, K]`` truth values."""
    return rewards.abs() > LARGEST


def each_alone(rewards: Tensor) -> Tensor:
    """The rewards ``[N, K]`` with NaN in place of those that overflow; the input is left as it was."""
    return rewards.masked_fill(overflows(rewards), torch.nan)


def do_not_count(rewards: Tensor, weights: Tensor | None = None) -> Tensor:
    """Which completions do not count, as ``[N]`` truth values: those with a reward that overflows and has a weight.

    Args:
        rewards: ``[N, K]``, NaN where an objective does not apply.
        weights: ``[K]``; None where any of them may be other than 0.
    """
    too_large = overflows(rewards)
    if weights is not None:
        too_large = too_large & (weights.to(rewards.device) != 0)
    return too_large.any(dim=1)


def countable(rewards: Tensor, weights: Tensor | None = None) -> Tensor:
    """The rewards ``[N, K]`` that count; the input is left as it was.

    NaN stands for all rewards of a completion that does not count (:func:`do_not_count`). A reward at weight 0 that
    overflows is NaN alone: it takes no completion away from the other objectives.
    """
    return each_alone(rewards).masked_fill(do_not_count(rewards, weights).unsqueeze(1), torch.nan)
