"""One run as plain data."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from paretune.report.values import count, mapping, text

HYPERVOLUME_RULE = "hypervolume"


@dataclass(frozen=True)
class Objective:
    """What is measured, and which way is better."""

    name: str
    maximize: bool = True
    bounds: tuple[float, float] | None = None

    def gain(self, value: float | None) -> float | None:
        """The value on the bounds, 0 the worst and 1 the best; None without bounds or value."""
        if value is None or self.bounds is None:
            return None
        low, high = self.bounds
        share = (min(max(value, low), high) - low) / (high - low)
        return share if self.maximize else 1 - share


@dataclass(frozen=True)
class Batch:
    """One line of steps.jsonl; tokens and seconds are those since the start."""

    step: int
    weights: Mapping[str, float]
    influence: Mapping[str, float]
    scale: float | None
    tokens: float | None
    seconds: float | None


@dataclass(frozen=True)
class Evaluation:
    """A policy as it was measured.

    Attributes:
        step: optimiser steps it was trained for.
        metrics: what was measured; `errors` their standard errors.
        samples: completions it was measured on.
        tokens: generated until then; the records of older versions lack it.
        archive: hypervolume of all evaluations so far.
        front: whether it is on the run's front.
        final: whether it is the run's last policy.
        checkpoint: its folder, if it was kept.
    """

    step: int
    metrics: Mapping[str, float]
    errors: Mapping[str, float]
    samples: int | None = None
    tokens: float | None = None
    archive: float | None = None
    front: bool = False
    final: bool = False
    checkpoint: str | None = None


@dataclass(frozen=True)
class Completion:
    """A sampled answer."""

    step: int
    row: int
    prompt: str
    completion: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """Everything a run's directory tells.

    Attributes:
        directory: where it lies.
        header: run.json, or what could be read of it.
        objectives: what was measured.
        batches: steps.jsonl.
        evaluations: those on the grid, in order; the rule's own are not among them.
        measured_again: the chosen checkpoints and the last policy on the test split, sampled.
        completions: sampled answers.
        notes: a line on each thing that is missing.
    """

    directory: Path
    header: Mapping[str, Any]
    objectives: Sequence[Objective]
    batches: Sequence[Batch] = ()
    evaluations: Sequence[Evaluation] = ()
    measured_again: Sequence[Evaluation] = ()
    completions: Sequence[Completion] = ()
    notes: Sequence[str] = field(default_factory=list)

    @property
    def seed(self) -> int | None:
        """The seed, if it is known."""
        return count(self.header.get("seed"))

    @property
    def rule(self) -> str:
        """The rule's name, or an empty text."""
        return text(mapping(self.header.get("rule")).get("name"))

    @property
    def front(self) -> list[Evaluation]:
        """The evaluations that no other one dominates."""
        return [evaluation for evaluation in self.evaluations if evaluation.front]

    @property
    def weights_move(self) -> bool:
        """Whether any weight changed while it trained."""
        names = {name for batch in self.batches for name in batch.weights}
        spans = ([b.weights[name] for b in self.batches if name in b.weights] for name in names)
        return any(max(span) - min(span) > 1e-9 for span in spans)

    @property
    def scales(self) -> list[float]:
        """The meta-reward of every batch, for a rule that has one."""
        found = [batch.scale for batch in self.batches if batch.scale is not None]
        scaled = self.rule == HYPERVOLUME_RULE or any(abs(scale - 1) > 1e-9 for scale in found)
        return found if scaled else []

    def place(self, evaluation: Evaluation, axis: str) -> float | None:
        """Where an evaluation lies on an axis: steps, or the tokens or seconds of training until then."""
        step = evaluation.step
        if axis == "steps" or (step == 0 and self.batches):
            return float(step)
        if axis == "tokens" and evaluation.tokens is not None:
            return evaluation.tokens
        done = bisect_right([batch.step for batch in self.batches], step)
        if not done:
            return None
        batch = self.batches[done - 1]
        return batch.tokens if axis == "tokens" else batch.seconds

    def hypervolume(self, evaluation: Evaluation) -> float | None:
        """What a single policy dominates, between the worst corner of the bounds (0) and the best (1)."""
        gains = [objective.gain(evaluation.metrics.get(objective.name)) for objective in self.objectives]
        known = [gain for gain in gains if gain is not None]
        return prod(known) if known and len(known) == len(gains) else None
