"""Writing the record of a run, and taking it up again where a checkpoint stands."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partialmethod
from pathlib import Path
from typing import Any, Literal

from paretune.record.checkpoints import set_aside_later
from paretune.record.directory_lock import DirectoryLock
from paretune.record.disk import sync, write_error
from paretune.record.json_files import write_json, write_whole
from paretune.record.json_lines import append_line, plain
from paretune.record.resumption import check_same, kept_lines
from paretune.record.run_directory import (
    COMPLETIONS,
    EVALUATIONS,
    FRONT,
    GROWING,
    LOGS,
    RUN,
    SCHEMA,
    STEPS,
    delete_run,
    holds_run,
    read_run,
)


class RunRecord:
    """Writes the record of one run.

    :meth:`start` or :meth:`resume` opens the record and holds the directory against other runs, of this process or
    another, until :meth:`finish` or :meth:`close`. The process that dies gives the directory free. A directory that is
    deleted or replaced meanwhile is written to no more.

    Args:
        directory: the run's directory; :meth:`start` makes it.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._lock = DirectoryLock(self.directory)
        self._run: dict[str, Any] = {}
        self._counts: dict[str, int] = {}

    def start(self, header: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Open the record of a new run.

        Args:
            header: what is run: task, rule, algorithm, objectives, model, seed, max_steps, evaluation, threads,
                versions.
            overwrite: delete the run and the checkpoints that the directory may hold.

        Raises:
            FileExistsError: if the directory holds a run or checkpoints already, or its name belongs to a file.
            OSError: if it cannot be written.
            RunInUseError: if another run is writing to the directory.
        """
        if self.directory.exists() and not self.directory.is_dir():
            raise FileExistsError(f"{str(self.directory)!r} is a file: give another directory for the run.")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.directory, error) from error
        self._acquire()
        try:
            if overwrite:
                delete_run(self.directory)
            elif holds_run(self.directory):
                raise FileExistsError(
                    f"{str(self.directory)!r} holds a run already: give another directory, or resume that run."
                )
            self._counts = dict.fromkeys(GROWING, 0)
            self._write_run({**header, "started": _now()}, status="running", ended=None)
        except BaseException:
            self.close()
            raise

    def resume(self, step: int, header: Mapping[str, Any], *, lines: Mapping[str, int] | None = None) -> None:
        """Open the record of a run that goes on, cut back to where it goes on from.

        Lines of steps and evaluations later than the checkpoint of ``step`` are dropped, and so are a last line
        that was cut off and a front, for that is the final one. Later checkpoints are set aside, which a warning says.
        Whatever is refused is refused before anything changes.

        Args:
            step: optimiser steps done so far, 0 or more.
            header: as in :meth:`start`; the time of the start stays.
            lines: what :meth:`lines` was when the checkpoint was written. ``{}`` begins the run again, of which no line
                stays; None goes by the lines' steps alone.

        Raises:
            FileNotFoundError: if the directory holds no run.
            OSError: if it cannot be written.
            OtherRunError: if the run there has another rule, algorithm, task or other objectives.
            RunInUseError: if another run is writing to the directory.
            ValueError: if ``step`` is negative, the record is broken elsewhere than in its last line, or lines are
                missing from it.
        """
        if step < 0:
            raise ValueError(f"`step` must be 0 or more, got {step}.")
        read_run(self.directory)
        self._acquire()
        try:
            # Read again: the run that held the directory until now may have written meanwhile.
            before = read_run(self.directory)
            check_same(self.directory, before, header)
            kept = kept_lines(self.directory, step, lines)
            later = set_aside_later(self.directory, step)
            if later:
                names = ", ".join(path.name for path in later)
                warnings.warn(f"The run goes on from step {step}: its later checkpoints are now {names}.", stacklevel=2)
            (self.directory / FRONT).unlink(missing_ok=True)
            for file, own in kept.items():
                if (self.directory / file).exists():
                    write_whole(self.directory / file, b"".join(line + b"\n" for line in own).decode())
            self._counts = {file: len(kept[file]) for file in GROWING}
            self._write_run({**header, "started": before.get("started")}, status="running", ended=None)
        except BaseException:
            self.close()
            raise

    def lines(self) -> dict[str, int]:
        """How many lines each file has by now, all of them on the disk; for a checkpoint, and :meth:`resume`.

        Raises:
            OSError: if they cannot be brought there.
            RuntimeError: if the record is not open.
        """
        self._must_be_open()
        for file, count in self._counts.items():
            if count:
                sync(self.directory / file)
        return dict(self._counts)

    def _append(self, file: str, line: Mapping[str, Any]) -> None:
        """Append a line to one of the files that grow.

        Args:
            file: one of :data:`~paretune.record.run_directory.GROWING`; docs/run-directory.md has the lines' fields.
            line: with the step that it belongs to.

        Raises:
            RuntimeError: if the record is not open.
            ValueError: if the line has no whole number ``step``.
            TypeError: if a value has no form in JSON.
        """
        self._must_be_open()
        path = self.directory / file
        step = plain(line.get("step"))
        if not isinstance(step, int) or isinstance(step, bool):
            raise ValueError(f"A line of {str(path)!r} must have a whole number as its step, got {step!r}.")
        self._must_be_there(*([file] if self._counts[file] else []))
        append_line(path, line)
        self._counts[file] += 1

    append_step = partialmethod(_append, STEPS)
    """A batch: batch, step (optimiser steps done after it), weights, scale, rewards, influence, tokens, seconds."""
    append_log = partialmethod(_append, LOGS)
    """What TRL has logged of training: step, and numbers by their names."""
    append_evaluation = partialmethod(_append, EVALUATIONS)
    """An evaluation: batch, step, metrics, standard_error, samples, purpose, contribution, hypervolume, on_front."""
    append_completion = partialmethod(_append, COMPLETIONS)
    """A completion of an evaluation: step, row (of the evaluation set), prompt, completion, metrics."""

    def write_front(
        self,
        reference: Sequence[float] | None,
        bounds: Any,
        points: Sequence[Mapping[str, Any]],
    ) -> None:
        """Write the front, in place of one written before.

        Args:
            reference: the reference point [K], in the units of the metrics.
            bounds: the bounds of the metrics, (low, high) for each objective, or None.
            points: step, metrics and checkpoint of each point.

        Raises:
            RuntimeError: if the record is not open.
        """
        self._must_be_open()
        self._must_be_there()
        write_json(
            self.directory / FRONT,
            {"reference": reference, "bounds": bounds, "points": list(points)},
        )

    def finish(self, status: Literal["finished", "failed", "interrupted"], **fields: Any) -> None:
        """Note how the run ended and give the directory free.

        Args:
            status: finished, failed or interrupted.
            **fields: more to be kept in ``run.json``, such as an error's message.

        Raises:
            RuntimeError: if the record is not open.
            ValueError: if the status is none of the three.
        """
        if status not in ("finished", "failed", "interrupted"):
            raise ValueError(f"`status` must be finished, failed or interrupted, got {status!r}.")
        self._must_be_open()
        try:
            self._write_run({**self._run, **fields}, status=status, ended=_now())
        finally:
            self.close()

    def close(self) -> None:
        """Give the directory free, leaving the status as it is. May be called twice."""
        self._lock.release()

    def _acquire(self) -> None:
        if self._lock.is_held:
            raise RuntimeError(f"The record in {str(self.directory)!r} is open already: finish or close it first.")
        self._lock.acquire()

    def _must_be_open(self) -> None:
        if not self._lock.is_held:
            raise RuntimeError(f"The record in {str(self.directory)!r} is not open: call start or resume first.")

    def _must_be_there(self, *files: str) -> None:
        """See to it that what is written joins this run's record, and not the next one's or one without a beginning."""
        if self._lock.is_taken or (self._lock.is_gone and not (self.directory / RUN).exists()):
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
        write_json(self.directory / RUN, {**first, **self._run})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
