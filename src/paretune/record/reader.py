"""The one reading of a run's directory: its files as checked entries, each read once.

Commands read strictly: what is damaged is an error that names the file, the line and what was expected. The report
reads with notes: it leaves out what is damaged and notes a line about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from paretune.record.entries import Batch, Completion, Evaluation, FrontPoint, Header, Log
from paretune.record.fields import Fields, shown
from paretune.record.json_files import read_json
from paretune.record.json_lines import numbered_lines
from paretune.record.known_front import KnownFront
from paretune.record.parsing import RecordError
from paretune.record.run_directory import (
    COMPLETIONS,
    EVALUATIONS,
    FINAL,
    FRONT,
    KNOWN_FRONT,
    LOGS,
    RUN,
    SCHEMA,
    STEPS,
    read_run,
)

T = TypeVar("T")


class RunReader:
    """Reads what a run has left on the disk.

    Args:
        directory: the run's.
        notes: gets a line about whatever is missing or left out; None: what is damaged raises
            :class:`~paretune.record.parsing.RecordError`, what cannot be read ``OSError``, and a directory without a
            run.json ``FileNotFoundError``.
    """

    def __init__(self, directory: str | Path, notes: list[str] | None = None) -> None:
        self.directory = Path(directory)
        self._notes = notes

    @cached_property
    def header(self) -> Header:
        """What was run, and how it stands."""
        path = self.directory / RUN
        if self._notes is None:
            return Header.of(Fields(read_run(self.directory), repr(str(path))))
        fields = read_object(path, self._notes, missing="what was run is not known")
        schema = fields.content.get("schema")
        if fields.content and schema != SCHEMA:
            fields.refuse(f"the schema must be {SCHEMA}, got {shown(schema)}")
        return Header.of(fields)

    @cached_property
    def batches(self) -> list[Batch]:
        """steps.jsonl."""
        return self._lines(STEPS, Batch.of, "no weights, influence or cost")

    @cached_property
    def logs(self) -> list[Log]:
        """logs.jsonl; the records of older versions lack it."""
        return self._lines(LOGS, Log.of, None)

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """evaluations.jsonl: those on the grid and those that a rule asked for."""
        lines = self._lines(EVALUATIONS, Evaluation.of, "no fronts, curves or hypervolume")
        return [line for line in lines if line.priorities is None]

    @property
    def grid(self) -> list[Evaluation]:
        """The evaluations on the grid alone."""
        return [evaluation for evaluation in self.evaluations if evaluation.purpose == "grid"]

    @cached_property
    def completions(self) -> list[Completion]:
        """completions.jsonl."""
        return self._lines(COMPLETIONS, Completion.of, "no sample completions")

    @property
    def measured_again(self) -> list[Evaluation]:
        """final_evaluations.jsonl: what was measured after training, on prompts that state no priorities."""
        return [line for line in self._after_training if line.priorities is None]

    @property
    def dial(self) -> list[Evaluation]:
        """final_evaluations.jsonl: what was measured after training, a line for each setting of the priorities."""
        return [line for line in self._after_training if line.priorities is not None]

    @cached_property
    def _after_training(self) -> list[Evaluation]:
        return self._lines(FINAL, Evaluation.of, None)

    @cached_property
    def known_fronts(self) -> list[KnownFront]:
        """known_front.jsonl: true fronts of the task, of gains on the bounds of this run's objectives."""
        return [front for front in self._lines(KNOWN_FRONT, KnownFront.of, None) if front.fits(self.header.objectives)]

    @cached_property
    def front(self) -> list[FrontPoint] | None:
        """The points of pareto.json by step, each with the metrics of every objective; None if there is no front."""
        path, objectives = self.directory / FRONT, self.header.objectives
        if not path.exists():
            return None
        fields = read_object(path, self._notes)
        if "points" not in fields.content:
            if fields.content or self._notes is None:
                fields.refuse("it lacks 'points'")
            return None
        points: list[FrontPoint] = []
        for entry in fields.each("points"):
            try:
                point = FrontPoint.of(replace(entry, notes=None))
                for objective in objectives:
                    entry.need(objective.name, point.metrics.get(objective.name))
            except RecordError as error:
                if self._notes is None:
                    raise
                self._notes.append(f"{str(error).rstrip('.')}: it is left out.")
            else:
                points.append(point)
        return sorted(points, key=lambda point: point.step)

    def _lines(self, file: str, of: Callable[[Fields], T], missing: str | None) -> list[T]:
        path = self.directory / file
        if self._notes is None:
            return [of(Fields(line.content, f"Line {line.number} of {str(path)!r}")) for line in numbered_lines(path)]
        if missing is not None and not path.exists():
            self._notes.append(f"{_short(path)} is missing: {missing}.")
        return _whole_lines(path, of, self._notes)


def read_object(path: Path, notes: list[str] | None = None, *, missing: str | None = None) -> Fields:
    """The object in a JSON file.

    Args:
        path: the file.
        notes: gets a line if there is nothing to use, and about each field that is left out; None: these are errors.
        missing: what is lost without the file, for the note; None if it need not be there.

    Raises:
        OSError: without `notes`, if the file is not there or cannot be read.
        RecordError: without `notes`, if it holds something else.
    """
    if notes is None:
        return Fields(read_json(path), repr(str(path)))
    name = _short(path)
    try:
        return Fields(read_json(path), name, notes)
    except FileNotFoundError:
        if missing is not None:
            notes.append(f"{name} is missing: {missing}.")
    except OSError as error:
        notes.append(f"{name} cannot be read ({error.strerror or error}): it is left out.")
    except RecordError as error:
        notes.append(f"{str(error).replace(repr(str(path)), name).rstrip('.')}: it is left out.")
    return Fields({}, name, notes)


def _whole_lines(path: Path, of: Callable[[Fields], T], notes: list[str]) -> list[T]:
    """The entries of the lines that are whole, and notes about the others."""
    found: list[T] = []
    broken: list[tuple[int, str]] = []
    name = _short(path)

    def refuse(number: int, complaint: str) -> None:
        if complaint == "torn":
            notes.append(f"{name} was cut off while its last line was written: that line is left out.")
        else:
            broken.append((number, f"line {number} {complaint}."))

    try:
        for line in numbered_lines(path, refuse):
            try:
                found.append(of(Fields(line.content, f"line {line.number}")))
            except RecordError as error:
                broken.append((line.number, str(error)))
    except OSError as error:
        notes.append(f"{name} cannot be read ({error.strerror or error}): it is left out.")
    except RecordError as error:
        notes.append(f"{str(error).replace(repr(str(path)), name).rstrip('.')}: it is left out.")
    if broken:
        notes.append(_left_out(name, broken))
    return found


def _left_out(name: str, broken: Sequence[tuple[int, str]]) -> str:
    which = ", ".join(str(number) for number, _ in broken[:5]) + (" …" if len(broken) > 5 else "")
    told = (
        f"a line ({which}) cannot be read and is"
        if len(broken) == 1
        else f"{len(broken)} lines ({which}) cannot be read and are"
    )
    return f"{name}: {told} left out: {broken[0][1]}"


def _short(path: Path) -> str:
    """The file with its folder: enough to find it, in one run or among many."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name
