"""Reading a run's directory.

Whatever is missing, torn or foreign is left out, with a line about it in the run's notes.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paretune.bounded_run import BoundedRun, Bounds, archive_of
from paretune.pareto import dominates
from paretune.record.entries import Batch, Evaluation, FrontPoint, Header, Objective, newest
from paretune.record.run_directory import EVALUATIONS, FINAL, FRONT, STEPS
from paretune.report.runs import Run


def read_run(directory: Path, bounds: Bounds | None = None) -> Run | None:
    """Read a run's directory; None if it holds nothing of a run.

    Args:
        directory: the run's.
        bounds: of objectives, in place of those that the run has recorded.
    """
    notes: list[str] = []
    name = directory.name
    record = BoundedRun(directory, notes, bounds)
    header, batches, evaluations = record.header, record.batches, record.evaluations
    if not header.content and not batches and not evaluations:
        return None
    completions = record.completions
    objectives = header.objectives or _named(evaluations, notes, name)
    known = header.content.get("objectives") is not None
    if known and not bounds and all(o.bounds for o in objectives) and not (directory / FRONT).exists():
        notes.append(f"{name}/{FRONT} is missing: the front is computed from the evaluations.")
    grid = _by_step(record.grid, objectives, notes, f"{name}/{EVALUATIONS}")
    return Run(
        directory=directory,
        header=header,
        objectives=objectives,
        batches=_in_order(batches, notes, name),
        logs=record.logs,
        evaluations=_with_front(grid, record.front, objectives) if known else grid,
        measured_again=_by_step(_whole(record.measured_again), objectives, notes, f"{name}/{FINAL}"),
        dial=_dial(record),
        known_fronts=record.known_fronts,
        completions=completions,
        notes=[*notes, *_status(header, name)],
    )


def _status(header: Header, name: str) -> list[str]:
    if header.status in ("", "finished"):
        return []
    error = "" if header.error is None else f" ({header.error})"
    return [f"{name}: the run is not finished, its status is {header.status!r}{error}."]


def _named(evaluations: Sequence[Evaluation], notes: list[str], name: str) -> list[Objective]:
    """The objectives by what was measured, where run.json does not tell them."""
    names = dict.fromkeys(metric for evaluation in evaluations for metric in evaluation.metrics)
    if names:
        notes.append(
            f"{name}: directions and bounds of the objectives are not known: no front, and up may not be better."
        )
    return [Objective(metric) for metric in names]


def _in_order(batches: Sequence[Batch], notes: list[str], name: str) -> list[Batch]:
    """The batches whose step is not below that of one before."""
    kept: list[Batch] = []
    for batch in batches:
        if not kept or batch.step >= kept[-1].step:
            kept.append(batch)
    if len(kept) < len(batches):
        notes.append(f"{name}/{STEPS}: {len(batches) - len(kept)} lines out of order: left out.")
    return kept


def _by_step(
    evaluations: Sequence[Evaluation], objectives: Sequence[Objective], notes: list[str], file: str
) -> list[Evaluation]:
    """The evaluations by step, with the metrics of known objectives; of two of the same step, the later one."""
    names = {objective.name for objective in objectives}
    found: dict[int, Evaluation] = {}
    for evaluation in evaluations:
        metrics = {name: value for name, value in evaluation.metrics.items() if name in names}
        if metrics:
            found[evaluation.step] = replace(evaluation, metrics=metrics)
    skipped = sum(names.isdisjoint(evaluation.metrics) for evaluation in evaluations)
    if skipped:
        notes.append(f"{file}: {skipped} of {len(evaluations)} lines have no known metric: left out.")
    return [found[step] for step in sorted(found)]


def _whole(again: Sequence[Evaluation]) -> list[Evaluation]:
    """Of several measurements the one on the most prompts, unless it broke off before the last policy."""
    sampled = [one for one in again if one.decoding == "sampled" and one.split == "test"]
    whole = {one.prompts or 0 for one in sampled if one.final}
    return [one for one in sampled if not whole or (one.prompts or 0) == max(whole)]


def _dial(record: BoundedRun) -> list[Evaluation]:
    """Of a dial's measurements the last policy's, on the test split if there is one there, then on the most prompts."""
    after = [one for one in record.dial if one.decoding == "sampled"]
    return newest([one for one in after if one.split == "test"] or after or record.dial_in_training)


def _with_front(
    evaluations: Sequence[Evaluation], points: Sequence[FrontPoint] | None, objectives: Sequence[Objective]
) -> list[Evaluation]:
    """The evaluations with those on the front marked: as pareto.json says, else as computed."""
    kept = {point.step: point.checkpoint for point in points or ()}
    steps = _front_steps(evaluations, objectives) if points is None else set(kept)
    return [replace(e, front=e.step in steps, checkpoint=kept.get(e.step)) for e in evaluations]


def _front_steps(evaluations: Sequence[Evaluation], objectives: Sequence[Objective]) -> set[int]:
    whole = [e for e in evaluations if all(o.name in e.metrics for o in objectives)]
    if not whole:
        return set()
    points = [[e.metrics[o.name] for o in objectives] for e in whole]
    if all(objective.bounds for objective in objectives):  # as training does it: what is beyond counts as the bound
        archive = archive_of(objectives)
        for evaluation, point in zip(whole, points, strict=True):
            archive.add(point, evaluation.step)
        return {step for step in archive.steps if step is not None}
    up = [objective.maximize for objective in objectives]
    beaten = {i for point in points for i, is_beaten in enumerate(dominates(point, points, up)) if is_beaten}
    return {evaluation.step for i, evaluation in enumerate(whole) if i not in beaten}
