"""One run as plain data."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from paretune.record.entries import Batch, Completion, Evaluation, Header, Log, Objective, hypervolume_of
from paretune.record.known_front import KnownFront

HYPERVOLUME_RULE = "hypervolume"


@dataclass(frozen=True)
class Run:
    """Everything a run's directory tells.

    Attributes:
        directory: where it lies.
        header: run.json, or what could be read of it.
        objectives: what was measured.
        batches: steps.jsonl.
        logs: logs.jsonl.
        evaluations: those on the grid, in order; the rule's own are not among them.
        measured_again: the chosen checkpoints and the last policy on the test split, sampled.
        known_fronts: what the best policies of the task come to, where it is known.
        completions: sampled answers.
        notes: a line on each thing that is missing.
    """

    directory: Path
    header: Header
    objectives: Sequence[Objective]
    batches: Sequence[Batch] = ()
    logs: Sequence[Log] = ()
    evaluations: Sequence[Evaluation] = ()
    measured_again: Sequence[Evaluation] = ()
    known_fronts: Sequence[KnownFront] = ()
    completions: Sequence[Completion] = ()
    notes: Sequence[str] = field(default_factory=list)

    @cached_property
    def seconds(self) -> list[float | None]:
        """After each batch, the seconds of training until then; None where the batch does not say."""
        sums = accumulate(batch.seconds or 0.0 for batch in self.batches)
        return [None if batch.seconds is None else so_far for batch, so_far in zip(self.batches, sums, strict=True)]

    @property
    def front(self) -> list[Evaluation]:
        """The evaluations that no other one dominates."""
        return [evaluation for evaluation in self.evaluations if evaluation.front]

    @property
    def weighed(self) -> Sequence[Batch]:
        """The batches, and before them as step 0 the weights that training began with, where they are known."""
        initial = self.header.initial_weights
        return [Batch(0, weights=initial), *self.batches] if initial and self.batches else self.batches

    @property
    def weights_move(self) -> bool:
        """Whether any weight changed while it trained."""
        names = {name for batch in self.weighed for name in batch.weights}
        spans = ([b.weights[name] for b in self.weighed if name in b.weights] for name in names)
        return any(max(span) - min(span) > 1e-9 for span in spans)

    @property
    def scales(self) -> list[float]:
        """The meta-reward of every batch, for a rule that has one."""
        found = [batch.scale for batch in self.batches if batch.scale is not None]
        scaled = self.header.rule == HYPERVOLUME_RULE or any(abs(scale - 1) > 1e-9 for scale in found)
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
        return self.batches[done - 1].tokens if axis == "tokens" else self.seconds[done - 1]

    def hypervolume(self, evaluation: Evaluation) -> float | None:
        """What a single policy dominates, between the worst corner of the bounds (0) and the best (1)."""
        return hypervolume_of(self.objectives, evaluation.metrics)
