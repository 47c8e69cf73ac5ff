"""Reading a run's directory.

Whatever is missing, torn or foreign is left out, with a line about it in the run's notes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.pareto import ParetoArchive, dominates, worst_corner
from paretune.record.run_directory import FINAL as MEASURED_AGAIN
from paretune.report.files import read_object, read_objects
from paretune.report.runs import Batch, Completion, Evaluation, Objective, Run
from paretune.report.values import count, mapping, number, numbers, sequence, text


def read_run(directory: Path) -> Run | None:
    """Read a run's directory; None if it holds nothing of a run."""
    notes: list[str] = []
    name = directory.name
    header = read_object(directory / "run.json", notes, missing="what was run is not known")
    steps = read_objects(directory / "steps.jsonl", notes, missing="no weights, influence or cost")
    lines = read_objects(directory / "evaluations.jsonl", notes, missing="no fronts, curves or hypervolume")
    if not header and not steps and not lines:
        return None
    completions = read_objects(directory / "completions.jsonl", notes, missing="no sample completions")
    again = read_objects(directory / MEASURED_AGAIN, notes, missing=None)
    objectives = _objectives(header, lines, notes, name)
    grid = [line for line in lines if line.get("purpose", "grid") == "grid"]
    evaluations = _evaluations(grid, objectives, notes, f"{name}/evaluations.jsonl")
    known = header.get("objectives") is not None
    points = read_object(directory / "pareto.json", notes, missing=_front_is_ours(objectives) if known else None)
    return Run(
        directory=directory,
        header=header,
        objectives=objectives,
        batches=_batches(steps, notes, name),
        evaluations=_with_front(evaluations, points, objectives) if known else evaluations,
        measured_again=_measured_again(again, objectives, notes, name),
        completions=_completions(completions),
        notes=[*notes, *_status(header, name)],
    )


def _front_is_ours(objectives: Sequence[Objective]) -> str | None:
    """What stands in for pareto.json, which is not written where an objective has no bounds."""
    bounded = objectives and all(objective.bounds for objective in objectives)
    return "the front is computed from the evaluations" if bounded else None


def _status(header: Mapping[str, Any], name: str) -> list[str]:
    status = text(header.get("status"))
    if status in ("", "finished"):
        return []
    error = text(header.get("error"))
    return [f"{name}: the run is not finished, its status is {status!r}" + (f" ({error})." if error else ".")]


def _objectives(
    header: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], notes: list[str], name: str
) -> list[Objective]:
    found = objectives_of(header.get("objectives"))
    if found:
        return found
    names = dict.fromkeys(metric for line in lines for metric in numbers(line.get("metrics")))
    if names:
        notes.append(
            f"{name}: directions and bounds of the objectives are not known: no front, and up may not be better."
        )
    return [Objective(metric) for metric in names]


def objectives_of(value: Any) -> list[Objective]:
    """The objectives in a record's list, without entries that have no name."""
    found: dict[str, Objective] = {}
    for entry in map(mapping, sequence(value)):
        name, pair = text(entry.get("name")), [number(bound) for bound in sequence(entry.get("bounds"))]
        bounds = None
        if len(pair) == 2 and pair[0] is not None and pair[1] is not None and pair[0] < pair[1]:
            bounds = (pair[0], pair[1])
        if name:
            found[name] = Objective(name, entry.get("maximize") is not False, bounds)
    return list(found.values())


def _batches(lines: Sequence[Mapping[str, Any]], notes: list[str], name: str) -> list[Batch]:
    batches: list[Batch] = []
    seconds = 0.0
    for line in lines:
        step = count(line.get("step"))
        if step is None or (batches and step < batches[-1].step):
            continue
        own = number(mapping(line.get("seconds")).get("total"))
        seconds += own or 0.0
        batches.append(
            Batch(
                step=step,
                weights=numbers(line.get("weights")),
                influence=numbers(line.get("influence")),
                scale=number(line.get("scale")),
                tokens=number(line.get("tokens")),
                seconds=None if own is None else seconds,
            )
        )
    if len(batches) < len(lines):
        notes.append(f"{name}/steps.jsonl: {len(lines) - len(batches)} lines out of order or without a step: left out.")
    return batches


def _evaluations(
    lines: Sequence[Mapping[str, Any]], objectives: Sequence[Objective], notes: list[str], file: str
) -> list[Evaluation]:
    """The evaluations by step; of two of the same step, the later one."""
    names = {objective.name for objective in objectives}
    found: dict[int, Evaluation] = {}
    skipped = 0
    for line in lines:
        step = count(line.get("step"))
        metrics = {name: value for name, value in numbers(line.get("metrics")).items() if name in names}
        if step is None or not metrics:
            skipped += 1
            continue
        found[step] = Evaluation(
            step=step,
            metrics=metrics,
            errors=numbers(line.get("standard_error")),
            samples=count(line.get("samples")),
            tokens=number(line.get("tokens")),
            archive=number(line.get("hypervolume")),
            front=line.get("front") is True,
            final=line.get("final") is True,
        )
    if skipped:
        notes.append(f"{file}: {skipped} of {len(lines)} lines have no step or no known metric: left out.")
    return [found[step] for step in sorted(found)]


def _measured_again(
    lines: Sequence[Mapping[str, Any]], objectives: Sequence[Objective], notes: list[str], name: str
) -> list[Evaluation]:
    sampled = [line for line in lines if line.get("decoding") == "sampled" and line.get("split") == "test"]
    # Of several measurements the one on the most prompts, unless it broke off before the last policy.
    whole = {count(line.get("prompts")) or 0 for line in sampled if line.get("final") is True}
    kept = [line for line in sampled if not whole or (count(line.get("prompts")) or 0) == max(whole)]
    return _evaluations(kept, objectives, notes, f"{name}/{MEASURED_AGAIN}")


def _with_front(
    evaluations: Sequence[Evaluation], points: Mapping[str, Any], objectives: Sequence[Objective]
) -> list[Evaluation]:
    """The evaluations with those on the front marked: as pareto.json says, else as computed."""
    recorded = {
        step: text(point.get("checkpoint")) or None
        for point in map(mapping, sequence(points.get("points")))
        if (step := count(point.get("step"))) is not None
    }
    steps = set(recorded) if "points" in points else _front_steps(evaluations, objectives)
    return [
        Evaluation(**{**vars(e), "front": e.step in steps, "checkpoint": recorded.get(e.step)}) for e in evaluations
    ]


def _front_steps(evaluations: Sequence[Evaluation], objectives: Sequence[Objective]) -> set[int]:
    whole = [e for e in evaluations if all(o.name in e.metrics for o in objectives)]
    if not whole:
        return set()
    points = [[e.metrics[o.name] for o in objectives] for e in whole]
    maximize, bounds = [o.maximize for o in objectives], [o.bounds for o in objectives if o.bounds is not None]
    if len(bounds) == len(objectives):  # as training does it: what reaches a bound adds nothing
        archive = ParetoArchive(maximize, worst_corner(maximize, bounds), bounds)
        for evaluation, point in zip(whole, points, strict=True):
            archive.add(point, evaluation.step)
        return {step for step in archive.steps if step is not None}
    beaten = {i for point in points for i, is_beaten in enumerate(dominates(point, points, maximize)) if is_beaten}
    return {evaluation.step for i, evaluation in enumerate(whole) if i not in beaten}


def _completions(lines: Sequence[Mapping[str, Any]]) -> list[Completion]:
    return [
        Completion(
            step=step,
            row=count(line.get("row")) or 0,
            prompt=_prompt(line.get("prompt")),
            completion=_prompt(line.get("completion")),
            metrics=numbers(line.get("metrics")),
        )
        for line in lines
        if (step := count(line.get("step"))) is not None
    ]


def _prompt(value: Any) -> str:
    """A text, or a conversation's messages one after the other."""
    if isinstance(value, str):
        return value
    messages = [mapping(message) for message in sequence(value)]
    return "\n\n".join(f"{text(m.get('role'), 'message')}: {text(m.get('content'))}" for m in messages)
