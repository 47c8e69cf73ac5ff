"""What a weighting rule sees of a batch, what it returns, and how it is written.

A rule is one class in one file of this folder. It says before each batch what has to be measured
(:meth:`WeightingRule.measurements`) and turns what was measured into weights (:meth:`WeightingRule.update`).
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from torch import Tensor

from paretune.influence import Method
from paretune.objectives import Objective
from paretune.weighting.declaration import parameters_of, plain
from paretune.weighting.gains import gains_of
from paretune.weighting.simplex import is_row

Placement = Literal["update", "advantage", "reward"]


@dataclass(frozen=True)
class InfluenceRequest:
    """Which influence a rule wants, and how it is to be measured.

    Args:
        method: the estimator, by its name in :data:`paretune.influence.ESTIMATORS`.
        layers: ``"all"`` trainable parameters, those of the ``"middle"`` blocks ⌊10L/36⌋ … ⌊25L/36⌋ of L, or
            those of the blocks with these indices.
        clip_norm: each objective's gradient over the whole model is first clipped to this norm (the released
            code uses 1), or None. Only with an estimator that clips.
        include_kl: whether the gradient of the KL term of the loss counts (the released code lets it).
    """

    method: Method = "directional"
    layers: Literal["all", "middle"] | tuple[int, ...] = "all"
    clip_norm: float | None = None
    include_kl: bool = False


@dataclass(frozen=True)
class Measurements:
    """What the trainer must measure for the next batch, beyond its rewards.

    Args:
        influence: the influence wanted, or None.
        evaluation: a fresh evaluation of the current policy: on the ``"validation"`` set, or estimated without
            cost from the batch's own ``"rollouts"``; None where the latest one will do.
    """

    influence: InfluenceRequest | None = None
    evaluation: Literal["validation", "rollouts"] | None = None


@dataclass(frozen=True)
class Steering:
    """How the prompts of a policy that is steered by priorities say them; :mod:`paretune.steering` prepares them.

    Args:
        concentration: of the Dirichlet distribution that priorities are drawn from, above 0: 1 draws all points of the
            simplex alike, a smaller value more of its corners.
        template: how a prompt says them, as :class:`paretune.steering.Template` takes it.
        plain_share: the share of prompts that say nothing and mean equal priorities, in [0, 1].

    Raises:
        ValueError: for a value outside its range.
    """

    concentration: float
    template: str | Callable[..., Any] | None
    plain_share: float

    def __post_init__(self) -> None:
        check_positive(concentration=self.concentration)
        if not 0 <= self.plain_share <= 1:
            raise ValueError(f"`plain_share` must be in [0, 1], got {self.plain_share}.")


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one policy.

    Args:
        step: optimiser steps done when it was evaluated.
        metrics: ``[K]`` each objective's metric in its own units, the mean over completions.
        standard_error: ``[K]`` of those means, NaN where a single prompt gives none.
        samples: completions it rests on.
    """

    step: int
    metrics: list[float]
    standard_error: list[float]
    samples: int


@dataclass(frozen=True)
class Batch:
    """One generation batch: rollouts made and scored once, gathered over processes.

    Args:
        names: the K objectives' names.
        rewards: ``[N, K]``, NaN where an objective does not apply.
        advantages: ``[N, K]``, each objective's advantages estimated alone.
        lengths: ``[N]`` completion lengths in tokens.
        num_generations: completions per prompt; groups stand together along N.
        learning_rate: the policy's current one, η_t.
        step: optimiser steps done so far.
        evaluation: the latest evaluation that the rule asked for, or None.
        influence: ``[K]`` if asked for and measured, else None; of objective k's mean over the completions to which it
            applies, NaN if it applies to none of those that were measured.
        influence_method: the estimator that measured it. It may be another than the one asked for. The realised
            influence contains the learning rate; the others do not.
        gramian: ``[K, K]`` ⟨g_i, g_j⟩ where the estimator yields it, else None.
        noise: ``[K, K]`` by how much the ordinary Gramian exceeds one that was taken across halves of the prompts.
        metrics: ``[N, K]`` each completion's metrics if an evaluation on the rollouts was asked for, else None.
        bounds: (low, high) of each metric, declared or seen so far; None where there are none yet.
        maximize: whether a larger metric is better, for each objective.
        progress: share of training that is done, from 0 to 1.
        priorities: ``[N, K]`` on the simplex and the CPU, those of each completion's prompt; None if there are none.
    """

    names: Sequence[str]
    rewards: Tensor
    advantages: Tensor
    lengths: Tensor
    num_generations: int
    learning_rate: float
    step: int
    evaluation: Evaluation | None = None
    influence: Tensor | None = None
    influence_method: Method | None = None
    gramian: Tensor | None = None
    noise: Tensor | None = None
    metrics: Tensor | None = None
    bounds: Sequence[tuple[float, float] | None] = ()
    maximize: Sequence[bool] = ()
    progress: float = 0.0
    priorities: Tensor | None = None

    @property
    def gains(self) -> Tensor:
        """``[K]`` in [0, 1], each objective's place between its bounds; NaN if unknown.

        By the batch's own rollouts where they were measured, else by the latest evaluation.
        """
        if self.metrics is not None:
            return gains_of(self.metrics.double().nanmean(dim=0), self.bounds, self.maximize)
        if self.evaluation is None:
            return torch.full((len(self.names),), float("nan"), dtype=torch.float64)
        return gains_of(torch.tensor(self.evaluation.metrics, dtype=torch.float64), self.bounds, self.maximize)

    @property
    def completion_gains(self) -> Tensor:
        """``[N, K]`` in [0, 1], the same for each completion alone."""
        if self.metrics is None:
            return torch.full(self.rewards.shape, float("nan"), dtype=torch.float64)
        return gains_of(self.metrics, self.bounds, self.maximize)

    @property
    def varies(self) -> Tensor:
        """``[K]`` bools: whether the objective tells any two completions of a prompt apart in this batch."""
        return self.advantages.nan_to_num().bool().any(dim=0)


@dataclass(frozen=True)
class Scalarization:
    """How a batch's objectives are made one.

    Args:
        weights: ``[K]``, float64.
        scale: a positive factor on the whole batch (the hypervolume rule's meta-reward).
        advantages: ``[N]``, for a rule that is no weighted sum; they replace the weighted ones.
        rewards: ``[N]``, for a rule that makes one reward in another way than by a weighted sum (NaN: not scored); the
            estimator makes the advantages of it.
        signals: what the rule went by, by name, ``[K]`` each; recorded and logged.
        apply_to: where the factor acts: on the size of the batch's ``"update"``, on its ``"advantage"`` or on its
            ``"reward"``.
    """

    weights: Tensor
    scale: float = 1.0
    advantages: Tensor | None = field(default=None, repr=False)
    apply_to: Placement = "update"
    rewards: Tensor | None = field(default=None, repr=False)
    signals: Mapping[str, Tensor] = field(default_factory=dict)

    def fault(self, count: int, samples: int) -> str | None:
        """What stands in the way of training with it, for so many objectives and completions; None if nothing does."""
        if not is_row(self.weights, count) or not self.weights.isfinite().all():
            shown = self.weights.tolist()
            return f"the weights {shown} for {count} objectives: a rule must return one finite weight for each"
        if not isinstance(self.scale, Real) or not 0 < self.scale < inf:
            return f"the scale {self.scale!r}: it must be a positive, finite number"
        if self.apply_to not in get_args(Placement):
            return f"apply_to={self.apply_to!r}: it must be one of {', '.join(get_args(Placement))}"
        if self.advantages is not None and not (is_row(self.advantages, samples) and self.advantages.isfinite().all()):
            return f"other advantages than a tensor of one finite number for each of {samples} completions"
        if self.rewards is not None and (not is_row(self.rewards, samples) or self.rewards.isinf().any()):
            return f"other rewards than a tensor of one number for each of {samples} completions, finite or NaN"
        wrong = [name for name, signal in self.signals.items() if not is_row(signal, count)]
        return f"signals ({', '.join(wrong)}) that are no tensors of {count} values" if wrong else None

    def factor(self, placement: Placement) -> float:
        """The factor that acts at a place, 1 where none does."""
        return self.scale if self.apply_to == placement else 1.0

    @property
    def reward_weights(self) -> Tensor:
        """What TRL's ``reward_weights`` are: ``[K]`` float32, with the factor that acts on rewards."""
        return (self.factor("reward") * self.weights).to(torch.float32)

    def figures(self, names: Sequence[str]) -> dict[str, float]:
        """What a log says of it: ``weights/{name}``, and ``signals/{signal}/{name}``."""
        shown = {"weights": self.weights, **{f"signals/{signal}": values for signal, values in self.signals.items()}}
        return {
            f"{kind}/{name}": value
            for kind, values in shown.items()
            for name, value in zip(names, values.tolist(), strict=True)
        }


class RuleError(ValueError):
    """A rule returned something else than it must; the message says what."""


class WeightingRule(ABC):
    """Base of all rules.

    A subclass sets :attr:`name` and :attr:`description` and implements :meth:`update`. Its settings are the arguments
    of its constructor: the command line takes them from the signature, ``repr`` shows them, and run.json holds them.
    :func:`paretune.testing.check_rule` tests whether a rule keeps to what is expected of it.
    """

    name: ClassVar[str]
    """What the command line, records and reports call it."""
    description: ClassVar[str]
    """One line for listings."""
    paper: ClassVar[str] = ""
    """The paper that the rule is from, for records and model cards; empty where there is none."""
    takes_weights: ClassVar[bool] = False
    """Whether the constructor's first argument is ``weights``, one for each objective."""
    scales_updates: ClassVar[bool] = False
    """Whether the rule may scale the size of updates; the trainer then records how large they are."""
    knows_order: ClassVar[bool] = False
    """Whether the order of the objectives matters to the rule; the weights of all others follow a permutation."""
    steering: Steering | None = None
    """How prompts are to say priorities, for a rule whose policy is steered by them; the trainer prepares its data."""
    settings: dict[str, Any]
    """The constructor's arguments, as plain JSON values."""
    has_decided: bool = False
    """Whether it has seen a batch, so that its state may be another than a new rule's."""

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        """Keep the arguments, so that no rule has to."""
        rule = super().__new__(cls)
        with suppress(TypeError):  # the constructor is about to raise it; and a copy is made without arguments
            given = inspect.Signature(list(cls.parameters().values())).bind(*args, **keywords)
            given.apply_defaults()
            settings = {name: plain(value) for name, value in given.arguments.items()}
            object.__setattr__(rule, "settings", settings)  # a rule may be a frozen dataclass
        return rule

    @classmethod
    def parameters(cls) -> dict[str, inspect.Parameter]:
        """The rule's settings by name: the arguments of its constructor, if it has one."""
        return parameters_of(cls)

    @classmethod
    def task_settings(cls, settings: Mapping[str, Any], *, mu: float | None) -> dict[str, Any]:
        """Settings for which a task has a value of its own, used where nobody gave one.

        Args:
            settings: those that were given.
            mu: the task's μ, of the gradient rule.
        """
        del settings, mu
        return {}

    def check(self, objectives: Sequence[Objective]) -> None:
        """Raise ``ValueError`` if the rule cannot work with these objectives; called before training."""
        del objectives

    def caution(self, *, estimator: str, scale_rewards: str, aggregation: str, max_grad_norm: float) -> str | None:
        """Why the rule would have no effect under these training settings, in one line; None if it has."""
        del estimator, scale_rewards, aggregation, max_grad_norm
        return None

    def initial_weights(self, count: int) -> Tensor:
        """The weights ``[K]`` before the first batch: equal ones, unless the rule knows others."""
        return torch.full((count,), 1 / count, dtype=torch.float64)

    def measurements(self) -> Measurements:
        """What the next batch has to bring; asked once a batch, before it is generated."""
        return Measurements()

    @abstractmethod
    def update(self, batch: Batch) -> Scalarization:
        """See one batch and say how its objectives are combined; called once a batch, on every process."""

    def decide(self, batch: Batch) -> Scalarization:
        """:meth:`update`, and a look at what it gives.

        Raises:
            RuleError: unless that is one finite weight for each objective, and all else can be trained with, too.
        """
        found = self.update(batch)
        if not isinstance(found, Scalarization) or not isinstance(found.weights, Tensor):
            wanted = "a Scalarization whose weights are a tensor"
            raise RuleError(f"`update` of {self!r} must return {wanted}, got {found!r:.80}.")
        if (fault := found.fault(len(batch.names), len(batch.rewards))) is not None:
            raise RuleError(f"{self!r} returned {fault}.")
        object.__setattr__(self, "has_decided", True)
        return found

    def state_dict(self) -> dict[str, Any]:
        """All that has to survive a restart, as plain JSON values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        del state

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.settings.items())})"


LARGEST_WEIGHT = float(torch.finfo(torch.float32).max)
"""TRL's reward weights are float32 numbers."""


def check_weights(weights: Sequence[float]) -> Tensor:
    """Weights as a float64 tensor ``[K]``, of any sum and sign as TRL's ``reward_weights``.

    Raises:
        ValueError: if there are none, or one is no finite number of float32.
    """
    try:
        values = [float(w) for w in weights]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"`weights` must be a number for each objective, got {weights!r}.") from None
    if not values:
        raise ValueError("`weights` is empty: give one weight for each objective.")
    if not all(abs(w) <= LARGEST_WEIGHT for w in values):
        raise ValueError(f"`weights` must be finite float32 numbers, got {_shown(values)}.")
    return torch.tensor(values, dtype=torch.float64)


def check_simplex(weights: Sequence[float]) -> Tensor:
    """Weights ``[K]`` as a point of the simplex, in float64.

    Raises:
        ValueError: as :func:`check_weights` does, and if one is negative or they do not sum to 1 within 1e-6.
    """
    checked = check_weights(weights)
    shown, total = _shown(checked.tolist()), float(checked.sum())
    if (checked < 0).any():
        raise ValueError(f"`weights` must not be negative, got {shown}: give each objective a weight of 0 or more.")
    if abs(total - 1.0) > 1e-6:
        raise ValueError(f"`weights` must sum to 1, got {shown} (sum {total:g}): divide them by their sum.")
    return checked


def _shown(values: Sequence[float]) -> str:
    return ", ".join(f"{w:g}" for w in values)


def check_whole(**values: int) -> None:
    """Raise ``ValueError`` unless each of the values, given by its name, is a whole number of 1 or more."""
    for name, value in values.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"`{name}` must be a whole number of 1 or more, got {value!r}.")


def check_positive(**values: float | None) -> None:
    """Raise ``ValueError`` unless each of the values, given by its name, is finite and above 0; None may be any."""
    for name, value in values.items():
        if value is not None and not 0 < value < inf:
            raise ValueError(f"`{name}` must be finite and above 0, got {value}.")


def check_not_negative(**values: float) -> None:
    """Raise ``ValueError`` unless each of the values, given by its name, is finite and 0 or more."""
    for name, value in values.items():
        if not 0 <= value < inf:
            raise ValueError(f"`{name}` must be finite and 0 or more, got {value}.")


def check_count(weights: Sequence[float] | Tensor, objectives: Sequence[Objective]) -> None:
    """Raise ``ValueError`` unless there is one weight for each objective."""
    if len(weights) != len(objectives):
        names = ", ".join(o.name for o in objectives)
        raise ValueError(
            f"`weights` has {len(weights)} values for {len(objectives)} objectives ({names}): give one for each."
        )
