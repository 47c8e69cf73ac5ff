"""What an objective is, and how several stand together."""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor

Reward = Callable[..., Any] | torch.nn.Module | str
Metric = Callable[..., Any]


class RewardError(ValueError):
    """A reward or metric function raised, took too long or gave something else than a number for each completion."""


class Objective:
    """One of the things a policy is trained for: a reward to train on, a metric to judge by.

    Args:
        name: shown in logs and records; unique among the objectives of a run.
        reward: a TRL reward function (it may be async), a reward model or the path of one. Always maximised.
        metric: called with the same keywords as the reward, one number a completion, averaged over completions;
            None: the reward itself.
        maximize: whether more of the *metric* is better; False needs a metric, for a reward is always maximised.
        bounds: (low, high) of the metric, in its own units. Without them there is no hypervolume. One of the two may be
            None: rules that read gains then go by the other one, and by what training has seen at this end.
        gate: (name, threshold): the reward counts only where that other objective's reward reaches the threshold.

    Raises:
        ValueError: for an argument of the wrong kind, ``maximize=False`` without a metric, bounds that are not finite
            with low < high, or a gate on the objective itself.

    Attributes:
        bounds: (low, high) where both are declared, else None.
        declared: (low, high), None for an end that is not declared.
    """

    def __init__(
        self,
        name: str,
        reward: Reward,
        *,
        metric: Metric | None = None,
        maximize: bool = True,
        bounds: tuple[float | None, float | None] | None = None,
        gate: tuple[str, float] | None = None,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"`name` of an objective must be a non-empty string, got {name!r}.")
        if not (callable(reward) or (isinstance(reward, str) and reward)):
            raise ValueError(
                f"`reward` of {name!r} must be a function, a reward model or the path of one, got {reward!r}."
            )
        if metric is not None and not callable(metric):
            raise ValueError(f"`metric` of {name!r} must be a function or None, got {metric!r}.")
        if not isinstance(maximize, bool):
            raise ValueError(f"`maximize` of {name!r} must be True or False, got {maximize!r}.")
        if not maximize and metric is None:
            raise ValueError(
                f"`maximize` of {name!r} is False, but it has no `metric`, and a reward is always maximised: give the "
                "metric that is to fall, or leave `maximize` out."
            )
        self.name = name
        self.reward = reward
        self.metric = metric
        self.maximize = maximize
        self.declared: tuple[float | None, float | None] = (None, None) if bounds is None else _declared(bounds, name)
        low, high = self.declared
        self.bounds: tuple[float, float] | None = None if low is None or high is None else (low, high)
        self.gate = None if gate is None else _gate(gate, name)

    def within(self, low: float, high: float) -> "Objective":
        """The same objective with other bounds of its metric."""
        found = copy(self)
        found.declared = found.bounds = (low, high)
        return found

    def observe(self, lengths: Sequence[int]) -> None:
        """Show the reward a training batch, before it is scored.

        Called once per training batch, on every process with the same numbers; scoring and evaluation never change
        what a reward has seen. Rewards without ``observe`` ignore it.

        Args:
            lengths: ``[N]`` completion lengths in tokens, gathered over all processes.
        """
        observe = getattr(self.reward, "observe", None)
        if callable(observe):
            observe(lengths)

    def state_dict(self) -> dict[str, Any]:
        """What the reward has to keep over a restart, as plain JSON values; a reward model keeps nothing."""
        get = getattr(self.reward, "state_dict", None)
        if callable(get) and not isinstance(self.reward, torch.nn.Module):
            return dict(get())
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Hand the reward the state that :meth:`state_dict` gave."""
        load = getattr(self.reward, "load_state_dict", None)
        if callable(load) and not isinstance(self.reward, torch.nn.Module):
            load(state)

    def __repr__(self) -> str:
        shown = [repr(self.name), _show(self.reward)]
        if self.metric is not None:
            shown.append(f"metric={_show(self.metric)}")
        shown += [f"maximize={self.maximize}", f"bounds={None if self.declared == (None, None) else self.declared}"]
        if self.gate is not None:
            shown.append(f"gate={self.gate}")
        return f"Objective({', '.join(shown)})"


def check_objectives(objectives: Sequence[Objective]) -> None:
    """Check that objectives can be trained together.

    Raises:
        ValueError: if there are none, if two share a name, or if a gate names an objective that is not there.
    """
    names = [objective.name for objective in objectives]
    if not names:
        raise ValueError("`objectives` is empty: give at least one.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Objectives must have different names, got {', '.join(map(repr, twice))} twice.")
    for objective in objectives:
        if objective.gate is not None and objective.gate[0] not in names:
            raise ValueError(
                f"`gate` of {objective.name!r} names {objective.gate[0]!r}: choose one of {', '.join(names)}."
            )


def as_objectives(given: Sequence[Objective | Reward] | Objective | Reward | None) -> list[Objective]:
    """Objectives as they are; plain rewards as objectives whose metric is their reward.

    A plain reward is named as TRL names it: after its function (that of a ``functools.partial`` too), the class of a
    callable object, its model or the end of its path. A second one of that name gets the first number from 2 on with
    which no other has its name: ``format`` and ``format`` become ``format`` and ``format_2``, but ``format_3`` beside a
    function ``format_2``, whose name stays.
    """
    several = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    items = [item for item in several if item is not None]
    own = [item.name if isinstance(item, Objective) else _name(item) for item in items]
    taken = {item.name for item in items if isinstance(item, Objective)}
    objectives: list[Objective] = []
    for item, name in zip(items, own, strict=True):
        if not isinstance(item, Objective):
            numbered = (f"{name}_{number}" for number in count(2))
            free = name if name not in taken else next(n for n in numbered if n not in taken and n not in own)
            taken.add(free)
            item = Objective(free, item)
        objectives.append(item)
    return objectives


def _name(reward: Reward) -> str:
    if isinstance(reward, torch.nn.Module):
        path = getattr(getattr(reward, "config", None), "_name_or_path", "") or type(reward).__name__
    else:
        path = reward if isinstance(reward, str) else _callable_name(reward)
    return str(path).rstrip("/").split("/")[-1]


def _callable_name(function: Callable[..., Any]) -> str:
    """The name that TRL gives it; TRL itself takes seconds to import."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)


def apply_gates(rewards: Tensor, objectives: Sequence[Objective]) -> Tensor:
    """Take away the rewards whose gate is shut.

    A gate looks at rewards as they were scored, so gates do not add up along a chain.

    Args:
        rewards: ``[N, K]``, NaN where an objective does not apply.
        objectives: the K objectives, which pass :func:`check_objectives`.

    Returns:
        ``[N, K]``: 0 where the gate's reward is below its threshold, NaN where it is NaN; elsewhere, and where the
        own reward is NaN, as before. The input is left as it was.

    Raises:
        ValueError: if ``rewards`` has another number of columns.
    """
    if rewards.dim() != 2 or rewards.shape[1] != len(objectives):
        raise ValueError(
            f"`rewards` must have shape [N, {len(objectives)}], a column an objective, got {tuple(rewards.shape)}."
        )
    names = [objective.name for objective in objectives]
    gated = rewards.clone()
    for k, objective in enumerate(objectives):
        if objective.gate is None:
            continue
        name, threshold = objective.gate
        key = rewards[:, names.index(name)]
        own = rewards[:, k]
        shut = torch.where(own.isnan() | key.isnan(), torch.nan, 0.0)
        gated[:, k] = torch.where(key >= threshold, own, shut)
    return gated


def _declared(bounds: Any, name: str) -> tuple[float | None, float | None]:
    try:
        low, high = (None if value is None else float(value) for value in bounds)
    except (TypeError, ValueError):
        low = high = math.nan
    ends = [end for end in (low, high) if end is not None]
    if not all(map(math.isfinite, ends)) or (low is not None and high is not None and low >= high):
        raise ValueError(f"`bounds` of {name!r} must be two finite numbers (low, high), low < high, got {bounds!r}.")
    return low, high


def _gate(gate: Any, name: str) -> tuple[str, float]:
    try:
        other, threshold = gate[0], float(gate[1])
    except (TypeError, ValueError, IndexError, KeyError):
        other, threshold = None, math.nan
    if not (isinstance(other, str) and other and math.isfinite(threshold) and len(gate) == 2):
        raise ValueError(f"`gate` of {name!r} must be (name of an objective, finite threshold), got {gate!r}.")
    if other == name:
        raise ValueError(f"`gate` of {name!r} names the objective itself: name another one.")
    return other, threshold


def _show(reward: Reward | Metric) -> str:
    if isinstance(reward, str):
        return repr(reward)
    return _callable_name(reward)
