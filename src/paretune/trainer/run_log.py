"""The trainer's side of a run's record: what happened in each batch, the evaluations, and the front."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from paretune.objectives import Objective
from paretune.pareto import ParetoArchive, worst_corner
from paretune.record.checkpoints import checkpoints
from paretune.record.reader import RunReader
from paretune.record.record import RunRecord
from paretune.record.resumption import check_resumable
from paretune.trainer.finite_updates import FiniteUpdates
from paretune.trainer.step_scale import StepScale
from paretune.weighting import Evaluation

Purpose = Literal["grid", "rule"]
OURS = ("weights/", "influence/", "signals/", "rule/")
"""How the names of scalars begin that say what the rule saw and did."""


class RunLog:
    """Collects a run's batches and evaluations, keeps their Pareto archives, and writes the run directory.

    The archives are measured from the worst corner of the bounds and normalised, so that runs compare; without
    bounds there are none. One holds the evaluations of the grid, one those that the rule asked for.

    Args:
        objectives: the run's objectives.
        directory: the run directory, or None on processes that do not write.
    """

    def __init__(self, objectives: Sequence[Objective], directory: str | Path | None) -> None:
        self._names = [o.name for o in objectives]
        self._directory = None if directory is None else Path(directory)
        self._record: RunRecord | None = None
        self._bounds = [o.bounds for o in objectives if o.bounds is not None]
        self._maximize = [o.maximize for o in objectives]
        self.archives: dict[str, ParetoArchive] = {}
        if len(self._bounds) == len(objectives):
            worst = worst_corner(self._maximize, self._bounds)
            self.archives = {p: ParetoArchive(self._maximize, worst, self._bounds) for p in ("grid", "rule")}
        self._open_lines: list[dict[str, Any]] = []
        self._closed_lines: list[dict[str, Any]] = []
        self._step = 0
        self._left_out = 0  # updates of the batches whose lines are still to come

    def open(
        self,
        header: dict[str, Any],
        *,
        resume_step: int | None,
        lines: Mapping[str, int] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Begin the record, or take it up again after `resume_step`.

        Args:
            header: what stands in run.json.
            resume_step: the optimiser steps done before, 0 where the run begins again; None for a new run.
            lines: how many lines its files then had.
            overwrite: delete the run that stands where a new one goes.

        Raises:
            FileExistsError: if a new run would go where one already is.
            RunInUseError: if another process is writing there.
            ValueError: if the record does not go with what the run would go on from.
        """
        self._step, self._left_out = resume_step or 0, 0
        self._open_lines.clear()
        self._closed_lines.clear()
        if self._directory is None:
            return
        self._record = RunRecord(self._directory)
        if resume_step is None:
            self._record.start(header, overwrite=overwrite)
        else:
            self._record.resume(resume_step, header, lines=lines)

    def check(self, header: Mapping[str, Any], *, resume_step: int, lines: Mapping[str, int] | None) -> None:
        """Find out whether :meth:`open` would take up a run; nothing is changed.

        Raises:
            FileNotFoundError: if there is none.
            RunInUseError: if another process is writing there.
            ValueError: if the record does not go with what the run would go on from.
        """
        if self._directory is not None:
            check_resumable(self._directory, resume_step, lines, header)

    def close(self, status: Literal["finished", "failed", "interrupted"], **fields: Any) -> None:
        """End the record; `fields` join run.json.

        Raises:
            OSError: if a finished run's end cannot be written. Of another that is left out, as where it was killed: the
                error that ended it counts for more.
        """
        if self._record is None:
            return
        spared = () if status == "finished" else (OSError,)
        try:
            with suppress(*spared):
                for line in self.unfinished():
                    self._record.append_step(line)
                self.write_front()
            with suppress(*spared):
                self._record.finish(status, **fields)
        finally:
            self._record.close()
            self._record = None

    @property
    def kind(self) -> Literal["exact", "estimate"] | None:
        """How the hypervolume is known, which depends on the number of objectives; None without bounds."""
        archive = self.archives.get("grid")
        return None if archive is None else "exact" if archive.exact else "estimate"

    def begin_batch(self, line: dict[str, Any], *, started: float) -> None:
        """Note a batch whose training begins."""
        self._open_lines.append({**line, "started": started, "begun_at": self._step})

    def end_batch(self) -> None:
        """The batch's last micro-batch is done; its line follows with the optimiser step that it went into."""
        if self._open_lines:
            line = self._open_lines.pop(0)
            self._closed_lines.append({**line, "ended": time.perf_counter()})

    def end_step(self, step: int, *, update_norm: float | None, left_out: int) -> None:
        """An optimiser step is done: write the lines of the batches that it completed.

        Args:
            step: optimiser steps done.
            update_norm: ‖Δθ‖ of this one, where it is measured.
            left_out: how many updates were left out since the last call, because the gradient was not finite.
        """
        self._step = step
        self._left_out += left_out
        for i, line in enumerate(self._closed_lines):
            last = i + 1 == len(self._closed_lines)
            ended = time.perf_counter() if last else line["ended"]
            written = _written(line, step, ended, update_norm, self._left_out if last else 0)
            if self._record is not None:
                self._record.append_step(written)
        if self._closed_lines:
            self._left_out = 0
        self._closed_lines.clear()

    def logged(self, step: int, values: Mapping[str, float]) -> None:
        """Write down what TRL has logged of training."""
        if self._record is not None:
            self._record.append_log({"step": step, **values})

    def unfinished(self) -> list[dict[str, Any]]:
        """The lines of batches that have made updates and would make more, as if they ended here."""
        now, begun = time.perf_counter(), [line for line in self._open_lines if line["begun_at"] < self._step]
        return [_written(line, self._step, now, None, self._left_out) for line in begun]

    def take_up(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write lines that a checkpoint brought with it, for batches that will not go on, unless they are there."""
        if self._record is None or not lines:
            return
        there = {line.batch for line in RunReader(self._record.directory).batches}
        for line in lines:
            if line["batch"] not in there:
                self._record.append_step(line)

    def evaluated(
        self,
        evaluation: Evaluation,
        *,
        batch: int,
        purpose: Purpose,
        tokens: int,
        completions: Sequence[Mapping[str, Any]] = (),
    ) -> float | None:
        """Add an evaluation to its archive and to the record.

        Args:
            evaluation: what was measured.
            batch: batches done so far.
            purpose: whether it is the grid's or a rule's.
            tokens: generated so far, this evaluation's included.
            completions: a few of its completions.

        Returns:
            The hypervolume so far, or None without bounds.
        """
        archive = self.archives.get(purpose)
        contribution = hypervolume = on_front = None
        if archive is not None:
            contribution = archive.add(evaluation.metrics, evaluation.step)
            hypervolume = archive.hypervolume
            on_front = evaluation.step in archive.steps
        if self._record is not None:
            self._record.append_evaluation(
                {
                    "batch": batch,
                    "step": evaluation.step,
                    "metrics": dict(zip(self._names, evaluation.metrics, strict=True)),
                    "standard_error": dict(zip(self._names, evaluation.standard_error, strict=True)),
                    "samples": evaluation.samples,
                    "purpose": purpose,
                    "tokens": tokens,
                    "contribution": contribution,
                    "hypervolume": hypervolume,
                    "on_front": on_front,
                }
            )
            for completion in completions:
                self._record.append_completion({"step": evaluation.step, **completion})
            if purpose == "grid":
                self.write_front()
        return hypervolume

    def steered(
        self,
        evaluation: Evaluation,
        priorities: Sequence[float],
        *,
        batch: int,
        tokens: int,
        example: Mapping[str, str],
    ) -> None:
        """Add the measurement of one setting of a dial to the record; it joins no archive.

        Args:
            evaluation: what was measured.
            priorities: that the prompts stated, in the objectives' order.
            batch: batches done so far.
            tokens: generated so far, this measurement's included.
            example: a ``prompt`` without its priorities, and the ``completion`` that answered it.
        """
        if self._record is not None:
            self._record.append_evaluation(
                {
                    "batch": batch,
                    "step": evaluation.step,
                    "priorities": dict(zip(self._names, priorities, strict=True)),
                    "metrics": dict(zip(self._names, evaluation.metrics, strict=True)),
                    "standard_error": dict(zip(self._names, evaluation.standard_error, strict=True)),
                    "samples": evaluation.samples,
                    "tokens": tokens,
                    "example": example,
                }
            )

    def front_steps(self, count: int) -> list[int]:
        """The steps of up to `count` checkpoints on the grid's front, those that contribute most first."""
        archive = self.archives.get("grid")
        if archive is None or self._directory is None:
            return []
        kept = checkpoints(self._directory)
        # Only points that still have a checkpoint are looked at: a front may have thousands.
        contributions = [(archive.loss(i), step) for i, step in enumerate(archive.steps) if step in kept]
        return [step for _, step in sorted(contributions, reverse=True)[:count] if step is not None]

    def write_front(self) -> None:
        """Write pareto.json."""
        archive = self.archives.get("grid")
        if self._record is None or self._directory is None or archive is None:
            return
        kept = checkpoints(self._directory)
        points = []
        for point, step in zip(archive.points, archive.steps, strict=True):
            checkpoint = f"checkpoint-{step}"
            points.append(
                {
                    "step": step,
                    "metrics": dict(zip(self._names, point.tolist(), strict=True)),
                    "checkpoint": checkpoint if step in kept else None,
                }
            )
        reference, bounds = worst_corner(self._maximize, self._bounds), [list(b) for b in self._bounds]
        self._record.write_front(reference, bounds, points)

    def lines(self) -> dict[str, int]:
        """How many lines each file of the record has by now, for a checkpoint; nothing where none is written."""
        return {} if self._record is None else self._record.lines()

    def state_dict(self) -> dict[str, Any]:
        """The archives, as plain JSON values."""
        return {purpose: archive.state_dict() for purpose, archive in self.archives.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the archives that :meth:`state_dict` gave.

        Raises:
            KeyError: if one is missing.
            ValueError: if one is no valid archive, or of another number of objectives.
        """
        for purpose, archive in self.archives.items():
            archive.load_state_dict(state[purpose])
            if archive.dimension != len(self._names):
                raise ValueError(f"its archive is of {archive.dimension} objectives, the run of {len(self._names)}")


def _written(
    line: Mapping[str, Any], step: int, ended: float, update_norm: float | None, left_out: int
) -> dict[str, Any]:
    """A batch's line as it goes to the record."""
    known = {key: value for key, value in line.items() if key not in ("started", "begun_at", "ended")}
    parts, total = known["seconds"], ended - line["started"]
    seconds = {**parts, "update": total - sum(parts.values()), "total": total}
    written = {"batch": line["batch"], "step": step, **known, "update_norm": update_norm}
    return {**written, "left_out": left_out, "seconds": seconds}


class RunLogCallback(TrainerCallback):
    """Writes each step's lines.

    Args:
        log: to be written to.
        step_scale: measures updates.
        finite_updates: counts those that were left out.
    """

    def __init__(self, log: RunLog, step_scale: StepScale, finite_updates: FiniteUpdates) -> None:
        self._log = log
        self._step_scale = step_scale
        self._finite_updates = finite_updates
        self._left_out = 0

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the lines."""
        before, self._left_out = self._left_out, self._finite_updates.left_out
        update_norm = self._step_scale.update_norm
        self._log.end_step(state.global_step, update_norm=update_norm, left_out=self._left_out - before)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write what TRL says of a training step; what the rule did stands in the steps' lines."""
        if logs is not None and "loss" in logs:
            self._log.logged(state.global_step, {name: v for name, v in logs.items() if not name.startswith(OURS)})
