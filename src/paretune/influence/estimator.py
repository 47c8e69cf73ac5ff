"""What an estimator of influence is: how it measures, when it gives way to another, and what it costs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from paretune.influence.base import Influence, LogProbs, PolicyLoss


@dataclass(frozen=True)
class RunFacts:
    """How a run computes, as far as it decides which influence can be measured in it, and how well.

    Attributes:
        sharding: what splits the model over processes, if anything does.
        mixed_precision: accelerate's ``"no"``, ``"bf16"``, ``"fp16"`` or ``"fp8"``.
        autocast: whether training's forward passes run under autocast.
        weights: the type of the model's weights, where one is shorter than float32.
        computes_in: the type that sharding computes in, where it is shorter than float32.
        begins_inside_a_window: whether some batches begin while gradients accumulate.
        several_updates: whether a batch makes several updates.
        dropout: whether the policy's forward pass draws random numbers.
    """

    sharding: Literal["DeepSpeed", "FSDP1", "FSDP2"] | None = None
    mixed_precision: str = "no"
    autocast: bool = False
    weights: str | None = None
    computes_in: str | None = None
    begins_inside_a_window: bool = False
    several_updates: bool = False
    dropout: bool = False

    @property
    def rounding(self) -> str | None:
        """Why every forward pass rounds to 16 bits, with autocast or without; None if it does not."""
        if self.weights is not None:
            return f"the model has {self.weights} weights"
        if self.computes_in is not None:
            return f"{'DeepSpeed' if self.sharding == 'DeepSpeed' else 'FSDP'} computes in {self.computes_in}"
        return None

    @property
    def no_backward(self) -> str | None:
        """Why no backward pass beside training's can be taken, in a sentence; None if one can."""
        if self.sharding == "DeepSpeed":
            return "DeepSpeed runs the backward pass itself."
        if self.sharding == "FSDP1":
            return "FSDP version 1 keeps gradients in flat shards (version 2 would do)."
        if self.sharding == "FSDP2" and self.begins_inside_a_window:
            obstacle = "batches that begin inside an accumulation window leave gradients that cannot be put aside."
            return f"under FSDP2 {obstacle}"
        if self.mixed_precision == "fp16":
            return "float16 gradients need the loss scaling that training alone has."
        return None


class BeforeUpdate(NamedTuple):
    """What was kept from before an update for an estimator that measures after it."""

    at: Sequence[LogProbs]
    """The log-probabilities at which c_k is taken, a micro-batch each."""
    values: Sequence[Tensor] | None = None
    """``[B, T]`` log π_θ, a micro-batch each; those of `at` if None."""
    full_precision: bool = False
    """Whether `values` were computed without autocast."""


@dataclass(frozen=True)
class Target:
    """What influence is measured on.

    Attributes:
        loss: the loss on this process's part of the batch.
        parameters: all trainable parameters.
        selected: those that count; None for all.
        clip_norm: clip each g_k to this norm over all parameters first.
        before: what was kept from before the update, for an estimator of what the update did.
    """

    loss: PolicyLoss
    parameters: Sequence[nn.Parameter] = ()
    selected: Sequence[nn.Parameter] | None = None
    clip_norm: float | None = None
    before: BeforeUpdate | None = None


class Passes(NamedTuple):
    """Passes over a generation batch."""

    forward: float
    backward: float


class Estimator(ABC):
    """One way to measure influence: a file of this folder, and a line in ``registry.py``.

    Attributes:
        name: what settings, records and reports call it.
        description: one line for listings.
        of_update: whether it measures ⟨g_k, Δθ⟩, what the update did, after it, so that it steers the next batch and
            has the learning rate in it. The others measure I_k = ⟨g_k, Σ_j g_j⟩ before the update.
        yields_gramian: whether the influence comes with the Gramian.
        halved: whether it takes the batch as two halves of its prompts, with advantages made for each.
        selects_layers: whether it can be measured on some blocks alone.
        clips: whether it knows each objective's own gradient, and can clip it.
        instead: the estimator that takes its place where it cannot be right.
        as_substitute: what changes where this one takes the place of another.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    of_update: ClassVar[bool] = False
    yields_gramian: ClassVar[bool] = False
    halved: ClassVar[bool] = False
    selects_layers: ClassVar[bool] = True
    clips: ClassVar[bool] = False
    instead: ClassVar["Estimator | None"] = None
    as_substitute: ClassVar[str] = ""

    @abstractmethod
    def measure(self, target: Target) -> Influence:
        """The influence ``[K]`` of the objectives on a batch."""

    @abstractmethod
    def passes(self, objectives: int, difference: str | None = None) -> Passes:
        """What it takes.

        Args:
            objectives: K.
            difference: how a derivative was taken, as :attr:`Influence.difference` has it.
        """

    def obstacle(self, facts: RunFacts) -> str | None:
        """Why it cannot be right in such a run, in a sentence; None if it can."""
        del facts
        return None

    def caution(self, facts: RunFacts) -> str | None:
        """Why it is right in name only in such a run, in a sentence; None if there is nothing to say."""
        del facts
        return None

    def usable(self, facts: RunFacts) -> "Estimator":
        """The estimator itself, or the nearest one that can be right in such a run."""
        if self.obstacle(facts) is None or self.instead is None:
            return self
        return self.instead.usable(facts)
