"""A run's directory: what a run leaves on disk, and how to read it again.

=====================  ========================================================================================
``run.json``           what was run, and whether it is running, finished, failed or interrupted
``steps.jsonl``        one line a batch
``evaluations.jsonl``  one line an evaluation
``completions.jsonl``  a few completions of each evaluation on the grid
``pareto.json``        the final front
``final_evaluations.jsonl``  its policies measured again, after training
=====================  ========================================================================================

Whole files are replaced at once and lines are appended whole, so a reader never sees half of either, save the
last line of a run that was cut off: readers leave that one out. Numbers that are not finite are written as null.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from paretune.experiments.checkpoints import checkpoint_folders, checkpoints
from paretune.experiments.disk import sync, write_error
from paretune.experiments.json_files import read_json, write_json, write_whole
from paretune.experiments.json_lines import append_line, plain, read_lines, to_line

__all__ = [
    "SCHEMA",
    "OtherRunError",
    "RunInUseError",
    "RunRecord",
    "check_resumable",
    "holds_run",
    "is_in_use",
    "read_completions",
    "read_evaluations",
    "read_front",
    "read_run",
    "read_steps",
]

SCHEMA = 1

_RUN = "run.json"
_STEPS = "steps.jsonl"
_EVALUATIONS = "evaluations.jsonl"
_COMPLETIONS = "completions.jsonl"
_FRONT = "pareto.json"
_FINAL = "final_evaluations.jsonl"
_LOCK = ".lock"
_GROWING = (_STEPS, _EVALUATIONS, _COMPLETIONS)


class RunInUseError(RuntimeError):
    """Another run is writing to the directory."""


class OtherRunError(ValueError):
    """What would be resumed is another run than the one in the directory."""


class RunRecord:
    """Writes the record of one run.

    :meth:`start` or :meth:`resume` opens the record and holds the directory against other runs, of this process or
    another, until :meth:`finish` or :meth:`close`. The process that dies gives the directory free. A directory that is
    deleted or replaced meanwhile is written to no more.

    Args:
        directory: The run's directory; :meth:`start` makes it.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._lock: FileLock | None = None
        self._held: os.stat_result | None = None  # the lock's file, by which the directory is known again
        self._run: dict[str, Any] = {}
        self._counts: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"RunRecord({str(self.directory)!r})"

    def start(self, header: Mapping[str, Any]) -> None:
        """Open the record of a new run.

        Args:
            header: What is run: task, rule, algorithm, objectives, model, seed, max_steps, evaluation, threads,
                versions.

        Raises:
            FileExistsError: If the directory holds a run or checkpoints already, or its name belongs to a file.
            OSError: If it cannot be written.
            RunInUseError: If another run is writing to the directory.
        """
        if self.directory.exists() and not self.directory.is_dir():
            raise FileExistsError(f"{str(self.directory)!r} is a file: give another directory for the run.")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.directory, error) from error
        self._acquire()
        try:
            if holds_run(self.directory):
                raise FileExistsError(
                    f"{str(self.directory)!r} holds a run already: give another directory, or resume that run."
                )
            self._counts = dict.fromkeys(_GROWING, 0)
            self._write_run({**header, "started": _now()}, status="running", ended=None)
        except BaseException:
            self.close()
            raise

    def resume(self, step: int, header: Mapping[str, Any], *, lines: Mapping[str, int] | None = None) -> None:
        """Open the record of a run that goes on, cut back to where it goes on from.

        Lines of steps and evaluations later than the checkpoint of ``step`` are dropped, and so are a last line
        that was cut off and a front, for that is the final one. Whatever is refused is refused before anything changes.

        Args:
            step: Optimiser steps done so far, 0 or more.
            header: As in :meth:`start`; the time of the start stays.
            lines: What :meth:`lines` was when the checkpoint was written. ``{}`` begins the run again, of which no line
                stays; None goes by the lines' steps alone.

        Raises:
            FileNotFoundError: If the directory holds no run.
            OSError: If it cannot be written.
            OtherRunError: If the run there has another rule, algorithm, task or other objectives.
            RunInUseError: If another run is writing to the directory.
            ValueError: If ``step`` is negative, the record is broken elsewhere than in its last line, lines are missing
                from it, or the directory holds later checkpoints, of the life that this run would leave.
        """
        if step < 0:
            raise ValueError(f"Parameter `step` should be 0 or more. Found `step = {step}`.")
        read_run(self.directory)
        self._acquire()
        try:
            # Read again: the run that held the directory until now may have written meanwhile.
            before = read_run(self.directory)
            _check_same(self.directory, before, header)
            kept = _kept(self.directory, step, lines)
            (self.directory / _FRONT).unlink(missing_ok=True)
            for file, own in kept.items():
                if (self.directory / file).exists():
                    write_whole(self.directory / file, "".join(to_line(line) for line in own))
            self._counts = {file: len(kept[file]) for file in _GROWING}
            self._write_run({**header, "started": before.get("started")}, status="running", ended=None)
        except BaseException:
            self.close()
            raise

    def lines(self) -> dict[str, int]:
        """How many lines each file has by now, all of them on the disk; for a checkpoint, and :meth:`resume`.

        Raises:
            OSError: If they cannot be brought there.
            RuntimeError: If the record is not open.
        """
        self._must_be_open()
        for file, count in self._counts.items():
            if count:
                sync(self.directory / file)
        return dict(self._counts)

    def append_step(self, line: Mapping[str, Any]) -> None:
        """Append one batch.

        Args:
            line: batch, step (optimiser steps done after it), weights, scale, rewards, influence, tokens, seconds.

        Raises:
            RuntimeError: If the record is not open.
            ValueError: If the line has no whole number ``step``.
            TypeError: If a value has no form in JSON.
        """
        self._append(_STEPS, line)

    def append_evaluation(self, line: Mapping[str, Any]) -> None:
        """Append one evaluation.

        Args:
            line: batch, step, metrics, standard_error, samples, purpose, contribution, hypervolume, on_front.

        Raises:
            RuntimeError: If the record is not open.
            ValueError: If the line has no whole number ``step``.
            TypeError: If a value has no form in JSON.
        """
        self._append(_EVALUATIONS, line)

    def append_completion(self, line: Mapping[str, Any]) -> None:
        """Append one completion of an evaluation.

        Args:
            line: step, row (of the evaluation set), prompt, completion, metrics.

        Raises:
            RuntimeError: If the record is not open.
            ValueError: If the line has no whole number ``step``.
            TypeError: If a value has no form in JSON.
        """
        self._append(_COMPLETIONS, line)

    def write_front(
        self,
        reference: Sequence[float] | None,
        bounds: Any,
        points: Sequence[Mapping[str, Any]],
    ) -> None:
        """Write the front, in place of one written before.

        Args:
            reference: The reference point [K], in the units of the metrics.
            bounds: The bounds of the metrics, (low, high) for each objective, or None.
            points: step, metrics and checkpoint of each point.

        Raises:
            RuntimeError: If the record is not open.
        """
        self._must_be_open()
        self._must_be_there()
        write_json(
            self.directory / _FRONT,
            {"reference": reference, "bounds": bounds, "points": list(points)},
        )

    def finish(self, status: Literal["finished", "failed", "interrupted"], **fields: Any) -> None:
        """Note how the run ended and give the directory free.

        Args:
            status: finished, failed or interrupted.
            **fields: More to be kept in ``run.json``, such as an error's message.

        Raises:
            RuntimeError: If the record is not open.
            ValueError: If the status is none of the three.
        """
        if status not in ("finished", "failed", "interrupted"):
            raise ValueError(f"A run ends finished, failed or interrupted. Found `status = {status!r}`.")
        self._must_be_open()
        try:
            self._write_run({**self._run, **fields}, status=status, ended=_now())
        finally:
            self.close()

    def close(self) -> None:
        """Give the directory free, leaving the status as it is. May be called twice."""
        if self._lock is not None:
            self._lock.release()
            self._lock = self._held = None

    def _acquire(self) -> None:
        if self._lock is not None:
            raise RuntimeError(f"The record in {str(self.directory)!r} is open already: finish or close it first.")
        # Not bound to a thread: who closes the record may be another one than who opened it.
        lock = FileLock(self.directory / _LOCK, timeout=0, thread_local=False)
        try:
            lock.acquire()
            self._held = (self.directory / _LOCK).stat()
        except Timeout:
            raise RunInUseError(
                f"{str(self.directory)!r} is in use by another run: wait for its end, or give another directory."
            ) from None
        except OSError as error:
            lock.release()
            raise write_error(self.directory / _LOCK, error) from error
        self._lock = lock

    def _must_be_open(self) -> None:
        if self._lock is None:
            raise RuntimeError(f"The record in {str(self.directory)!r} is not open: call start or resume first.")

    def _must_be_there(self, *files: str) -> None:
        """See to it that what is written joins this run's record, and not the next one's or one without a beginning."""
        try:
            # While the lock is held no other file can have its number.
            same = self._held is not None and os.path.samestat((self.directory / _LOCK).stat(), self._held)
        except OSError:  # a lock that is gone lets others in, but none has come as yet
            same = (self.directory / _RUN).exists()
        if not same:
            raise FileNotFoundError(
                f"{str(self.directory)!r} was deleted, moved or given to another run while this one was writing to it: "
                "train again, in a directory that stays."
            )
        for file in files:
            if not (self.directory / file).exists():
                raise FileNotFoundError(
                    f"{str(self.directory / file)!r} was deleted while the run was writing to it: put it back and "
                    "resume the run, or train again."
                )

    def _write_run(self, fields: Mapping[str, Any], *, status: str, ended: str | None) -> None:
        self._must_be_there()
        self._run = {**fields, "schema": SCHEMA, "status": status, "ended": ended}
        first = {key: self._run[key] for key in ("schema", "status", "started", "ended")}
        write_json(self.directory / _RUN, {**first, **self._run})

    def _append(self, file: str, line: Mapping[str, Any]) -> None:
        self._must_be_open()
        path = self.directory / file
        _step_of(plain(line), f"A line of {str(path)!r}")
        self._must_be_there(*([file] if self._counts[file] else []))
        append_line(path, line)
        self._counts[file] += 1


def holds_run(directory: str | Path) -> bool:
    """Whether a directory holds a run, or anything that is left of one; a new run does not go over it."""
    directory = Path(directory)
    files = (_RUN, _FRONT, _FINAL, *_GROWING)
    return any((directory / file).exists() for file in files) or bool(checkpoint_folders(directory))


def is_in_use(directory: str | Path) -> bool:
    """Whether a run is writing to a directory now."""
    path = Path(directory) / _LOCK
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def check_resumable(directory: str | Path, step: int, lines: Mapping[str, int] | None = None) -> None:
    """Find out whether :meth:`RunRecord.resume` would take up a run; nothing is changed.

    Raises:
        FileNotFoundError: If the directory holds no run.
        ValueError: If the record does not go with the checkpoint of ``step``.
    """
    read_run(directory)
    _kept(Path(directory), step, lines)


def read_run(directory: str | Path) -> dict[str, Any]:
    """Read what was run and how it stands.

    Raises:
        FileNotFoundError: If the directory holds no run.
        ValueError: If ``run.json`` is broken or of another schema.
    """
    path = Path(directory) / _RUN
    if not path.is_file():
        raise FileNotFoundError(f"{str(directory)!r} is not the directory of a run: it has no {_RUN}.")
    run = read_json(path)
    if run.get("schema") != SCHEMA:
        raise ValueError(f"{str(path)!r} has the schema {run.get('schema')!r}: this version reads {SCHEMA}.")
    return run


def read_steps(directory: str | Path) -> list[dict[str, Any]]:
    """Read the batches in order; there are none before the first is done.

    Raises:
        FileNotFoundError: If the directory holds no run.
        ValueError: If a line other than a torn last one is broken; the message names the file and the line.
    """
    read_run(directory)
    return read_lines(Path(directory) / _STEPS)


def read_evaluations(directory: str | Path) -> list[dict[str, Any]]:
    """Read the evaluations in order; there are none before the first is done.

    Raises:
        FileNotFoundError: If the directory holds no run.
        ValueError: If a line other than a torn last one is broken; the message names the file and the line.
    """
    read_run(directory)
    return read_lines(Path(directory) / _EVALUATIONS)


def read_completions(directory: str | Path) -> list[dict[str, Any]]:
    """Read the completions that were kept, in order.

    Raises:
        FileNotFoundError: If the directory holds no run.
        ValueError: If a line other than a torn last one is broken; the message names the file and the line.
    """
    read_run(directory)
    return read_lines(Path(directory) / _COMPLETIONS)


def read_front(directory: str | Path) -> dict[str, Any]:
    """Read the front: reference, bounds and points.

    Raises:
        FileNotFoundError: If the directory holds no run, or its front has not been written yet.
        ValueError: If ``pareto.json`` is broken.
    """
    read_run(directory)
    path = Path(directory) / _FRONT
    if not path.is_file():
        raise FileNotFoundError(f"The run in {str(directory)!r} has no {_FRONT} yet: it is written at the end.")
    return read_json(path)


def _kept(directory: Path, step: int, lines: Mapping[str, int] | None) -> dict[str, list[dict[str, Any]]]:
    """The lines of each file that stay when a run goes on from the checkpoint of `step`."""
    later = [path.name for own, path in checkpoints(directory).items() if own > step]
    if later:
        raise ValueError(
            f"{str(directory)!r} holds later checkpoints than that of step {step} ({', '.join(later)}): resume from "
            "the newest, or move the later ones away first."
        )
    kept = {}
    for file in (*_GROWING, _FINAL):
        path = directory / file
        lines_there = enumerate(read_lines(path), start=1)
        kept[file] = [line for number, line in lines_there if _is_before(line, step, f"Line {number} of {str(path)!r}")]
        if lines is None or file == _FINAL:
            continue
        due = lines.get(file, 0)
        if len(kept[file]) < due:
            raise ValueError(
                f"{str(path)!r} has {len(kept[file])} lines up to step {step}, but there were {due} when that "
                "checkpoint was written: put them back, or move that checkpoint away and resume from one before it."
            )
        del kept[file][due:]
    return kept


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _is_before(line: Mapping[str, Any], step: int, where: str) -> bool:
    """Whether a line was written before the checkpoint of `step`.

    The grid evaluates after a step, before it is saved; a rule asks for its evaluation when the next batch begins.
    """
    own = _step_of(line, where)
    return own < step if line.get("purpose") == "rule" else own <= step


def _check_same(directory: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """A run goes on as what it was; its length, learning rate and the like may change."""
    for key in ("task", "algorithm", "rule", "objectives"):
        was, is_now = (_identity(run.get(key)) for run in (before, now))
        if key in before and key in now and was != is_now:
            raise OtherRunError(
                f"The run in {str(directory)!r} has the {key} {was}, not {is_now}: resume it as it was, or give "
                "another directory."
            )


def _identity(value: Any) -> Any:
    """What tells a rule or objectives from others: their names."""
    if isinstance(value, list):
        return ", ".join(str(_identity(item)) for item in value)
    return value.get("name") if isinstance(value, Mapping) else value


def _step_of(line: Mapping[str, Any], where: str) -> int:
    step = line.get("step")
    if not isinstance(step, int) or isinstance(step, bool):
        raise ValueError(f"{where} should have a whole number as its step, found {step!r}.")
    return step
