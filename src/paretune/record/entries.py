"""What a run's files say, checked: its objectives, batches, evaluations, completions and the points of its front.

Each class is made from the fields of one object of a file, and raises
:class:`~paretune.record.parsing.RecordError` where these are not what docs/run-directory.md describes. A field that is
missing or null is None, or empty: older versions wrote fewer, and NaN is written as null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

from paretune.record.fields import Fields, finite, shown

Purpose = Literal["grid", "rule"]


@dataclass(frozen=True)
class Objective:
    """What is measured, and which way is better.

    Attributes:
        name: its name.
        maximize: whether more of its metric is better.
        bounds: low and high of the metric, low below high; None where there are none.
    """

    name: str
    maximize: bool = True
    bounds: tuple[float, float] | None = None

    def gain(self, value: float | None) -> float | None:
        """The value on the bounds, 0 the worst and 1 the best, at most; None without bounds or value."""
        if value is None or self.bounds is None:
            return None
        low, high = self.bounds
        share = (min(max(value, low), high) - low) / (high - low)
        return share if self.maximize else 1 - share


def hypervolume_of(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> float | None:
    """What a single policy dominates, as a share of the space between the worst and the best corner of the bounds.

    Args:
        objectives: the K objectives.
        metrics: the policy's.

    Returns:
        The product of its gains; None where one is not known.
    """
    gains = [objective.gain(metrics.get(objective.name)) for objective in objectives]
    known = [gain for gain in gains if gain is not None]
    return prod(known) if known and len(known) == len(gains) else None


@dataclass(frozen=True)
class Source:
    """How a command named what it trained: enough to name it again, from any folder.

    Attributes:
        settings: task or rewards and data, rule and model, as the command's settings, local files by absolute paths.
        files: the user's files that they name, with the SHA-256 of each at that time.
        given: what the command said of the task, as it said it.
    """

    settings: Mapping[str, Any]
    files: Mapping[str, str]
    given: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Fields) -> Source:
        """Read the object ``source`` of run.json or of a comparison's plan."""
        files = {one.text("file"): one.text("sha256") for one in fields.each("files")}
        known = {file: sha256 for file, sha256 in files.items() if file and sha256}
        return cls(fields.mapping("settings"), known, fields.mapping("given"))


@dataclass(frozen=True)
class Header:
    """What was run, and how it stands: run.json.

    Attributes:
        content: the file as it stands.
        status: running, finished, failed or interrupted; empty where it is not said.
        objectives: what is measured, in the run's order.
        task: its name, where it has one.
        source: how task, rule and model were named; None where a script made them, which no settings can name.
        rule: the weighting rule's name, or an empty text.
        rule_settings: the rule's settings.
        initial_weights: those before the first batch, by objective; the records of older versions lack them.
        model: that it began with.
        algorithm: the advantage estimator's, or an empty text.
        seed: of the run.
        max_steps: optimiser steps that it is to make.
        started: when, as a text; likewise `ended`.
        error: what ended a run that failed, where it says so.
        settings: those that are not at their defaults.
        generation: how training samples.
        evaluation: how it is evaluated.
    """

    content: Mapping[str, Any]
    status: str
    objectives: Sequence[Objective]
    task: str | None
    source: Source | None
    rule: str
    rule_settings: Mapping[str, Any]
    initial_weights: Mapping[str, float]
    model: str | None
    algorithm: str
    seed: int | None
    max_steps: int | None
    started: str | None
    ended: str | None
    error: str | None
    settings: Mapping[str, Any]
    generation: Mapping[str, Any]
    evaluation: Mapping[str, Any]

    @classmethod
    def of(cls, fields: Fields) -> Header:
        """Read run.json."""
        rule = fields.inside("rule")
        return cls(
            content=fields.content,
            status=fields.text("status") or "",
            objectives=objectives_of(fields),
            task=fields.text("task"),
            source=_source(fields),
            rule=rule.text("name") or "",
            rule_settings=rule.mapping("settings"),
            initial_weights=fields.numbers("initial_weights"),
            model=fields.text("model"),
            algorithm=fields.text("algorithm") or "",
            seed=fields.count("seed"),
            max_steps=fields.count("max_steps"),
            started=fields.text("started"),
            ended=fields.text("ended"),
            error=fields.text("error"),
            settings=fields.mapping("settings"),
            generation=fields.mapping("generation"),
            evaluation=fields.mapping("evaluation"),
        )


def _source(fields: Fields) -> Source | None:
    if "source" in fields.content:
        return Source.of(fields.inside("source")) if fields.inside("source").mapping("settings") else None
    if not fields.text("task"):
        return None
    # Earlier versions recorded the name of the task alone.
    rule, details = fields.inside("rule"), fields.inside("task_details")
    settings = {
        "task": fields.text("task"),
        "data": details.text("data"),
        "rule": rule.inside("source").text("name") or rule.text("name"),
    }
    return Source({name: value for name, value in settings.items() if value}, {})


def objectives_of(fields: Fields) -> list[Objective]:
    """The objectives that a run.json or a summary.json lists, each name once."""
    found: dict[str, Objective] = {}
    for entry in fields.each("objectives"):
        name = entry.text("name")
        if not name or name in found:
            entry.refuse("it lacks 'name'" if not name else f"the name {name!r} is given twice")
            continue
        if "maximize" not in entry.content:
            entry.refuse("it lacks 'maximize'")
        found[name] = Objective(name, entry.flag("maximize") is not False, _bounds(entry, name))
    return list(found.values())


def _bounds(entry: Fields, name: str) -> tuple[float, float] | None:
    given = entry.content.get("bounds")
    if given is None:
        return None
    low, high = map(finite, given) if isinstance(given, list) and len(given) == 2 else (None, None)
    if low is not None and high is not None and low < high:
        return low, high
    entry.refuse(f"the bounds of {name} must be [low, high] with low below high, got {given!r:.60}")
    return None


@dataclass(frozen=True)
class Estimator:
    """How the influence of a batch was measured: exact, directional or realised, and by which difference."""

    method: str
    difference: str | None


@dataclass(frozen=True)
class Batch:
    """One line of steps.jsonl.

    Attributes:
        step: optimiser steps done after it.
        batch: its number, from 1.
        weights: of each objective.
        influence: of each objective; none where it is not measured.
        estimator: how, where it is.
        signals: what else the rule went by (gains, multipliers), by name, then by objective.
        scale: the factor on its update.
        tokens: generated so far.
        seconds: that it took.
    """

    step: int
    batch: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    influence: Mapping[str, float] = field(default_factory=dict)
    estimator: Estimator | None = None
    signals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    scale: float | None = None
    tokens: int | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, fields: Fields) -> Batch:
        """Read a line."""
        how, signals = fields.inside("estimator"), fields.inside("signals")
        estimator = Estimator(how.need("method", how.text("method")), how.text("difference")) if how.content else None
        return cls(
            step=fields.need("step", fields.count("step")),
            batch=fields.count("batch"),
            weights=fields.numbers("weights"),
            influence=fields.numbers("influence"),
            estimator=estimator,
            signals={name: signals.numbers(name) for name in signals.content},
            scale=fields.number("scale"),
            tokens=fields.count("tokens"),
            seconds=fields.inside("seconds").number("total"),
        )


@dataclass(frozen=True)
class Log:
    """One line of logs.jsonl: what TRL has logged of training.

    Attributes:
        step: optimiser steps done.
        values: numbers by TRL's names for them.
    """

    step: int
    values: Mapping[str, float]

    @classmethod
    def of(cls, fields: Fields) -> Log:
        """Read a line."""
        found = {name: fields.number(name) for name in fields.content if name != "step"}
        return cls(fields.need("step", fields.count("step")), {n: v for n, v in found.items() if v is not None})


@dataclass(frozen=True)
class Evaluation:
    """A policy as it was measured: a line of evaluations.jsonl or of final_evaluations.jsonl.

    Attributes:
        step: optimiser steps it was trained for.
        metrics: of each objective, without those that are NaN.
        errors: their standard errors, where there are any.
        samples: completions it was measured on.
        tokens: generated until then; the records of older versions lack it.
        purpose: whether it is the grid's, or was asked for by a rule.
        archive: hypervolume of all evaluations so far.
        split: of the task, for one that was made after training; likewise what follows.
        decoding: sampled or greedy.
        temperature: of the samples.
        prompts: on how many it was measured.
        front: whether the policy is on the run's front.
        final: whether it is the run's last.
        checkpoint: its folder, where it was kept.
        priorities: those that the prompts stated, by objective; None where they stated none.
        example: of a setting of a dial, a ``prompt`` without its priorities and the ``completion`` that answered it.
    """

    step: int
    metrics: Mapping[str, float]
    errors: Mapping[str, float]
    samples: int | None = None
    tokens: int | None = None
    purpose: Purpose = "grid"
    archive: float | None = None
    split: str = ""
    decoding: str = "sampled"
    temperature: float | None = None
    prompts: int | None = None
    front: bool = False
    final: bool = False
    checkpoint: str | None = None
    priorities: Mapping[str, float] | None = None
    example: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Fields) -> Evaluation:
        """Read a line."""
        purpose, example = fields.text("purpose") or "grid", fields.inside("example")
        if purpose not in ("grid", "rule"):
            fields.refuse(f"purpose must be grid or rule, got {shown(purpose)}")
        return cls(
            step=fields.need("step", fields.count("step")),
            metrics=fields.numbers("metrics"),
            errors=fields.numbers("standard_error"),
            samples=fields.count("samples"),
            tokens=fields.count("tokens"),
            purpose="rule" if purpose == "rule" else "grid",
            archive=fields.number("hypervolume"),
            split=fields.text("split") or "",
            decoding=fields.text("decoding") or "sampled",
            temperature=fields.number("temperature"),
            prompts=fields.count("prompts"),
            front=fields.flag("front") or False,
            final=fields.flag("final") or False,
            priorities=fields.numbers("priorities") or None,
            example={key: text for key in ("prompt", "completion") if (text := example.text(key)) is not None},
        )


def newest(dial: Sequence[Evaluation]) -> list[Evaluation]:
    """Of the measurements of a run's dials those of the last policy, made on the most prompts."""
    last = max(((one.step, one.prompts or 0) for one in dial), default=None)
    return [one for one in dial if (one.step, one.prompts or 0) == last]


@dataclass(frozen=True)
class Completion:
    """A sampled answer: a line of completions.jsonl.

    Attributes:
        step: of the evaluation.
        row: of the evaluation set.
        prompt: a text; of a conversation its messages, one after the other.
        completion: the same.
        metrics: of this answer alone.
    """

    step: int
    row: int
    prompt: str
    completion: str
    metrics: Mapping[str, float]

    @classmethod
    def of(cls, fields: Fields) -> Completion:
        """Read a line."""
        return cls(
            step=fields.need("step", fields.count("step")),
            row=fields.count("row") or 0,
            prompt=_conversation(fields, "prompt"),
            completion=_conversation(fields, "completion"),
            metrics=fields.numbers("metrics"),
        )


def _conversation(fields: Fields, key: str) -> str:
    if not isinstance(fields.content.get(key), list):
        return fields.text(key) or ""
    messages = [message.content for message in fields.each(key)]
    # What a message holds is the template's affair: a part that is no text is left out.
    said = [[m[part] if isinstance(m.get(part), str) else "" for part in ("role", "content")] for m in messages]
    return "\n\n".join(f"{role or 'message'}: {content}" for role, content in said)


@dataclass(frozen=True)
class FrontPoint:
    """A policy on the front of its run: a point of pareto.json.

    Attributes:
        step: optimiser steps it was trained for.
        metrics: of each objective.
        checkpoint: its folder when the front was written, where there was one.
    """

    step: int
    metrics: Mapping[str, float]
    checkpoint: str | None

    @classmethod
    def of(cls, fields: Fields) -> FrontPoint:
        """Read a point."""
        return cls(
            step=fields.need("step", fields.count("step")),
            metrics=fields.need("metrics", fields.numbers("metrics") or None),
            checkpoint=fields.text("checkpoint"),
        )
