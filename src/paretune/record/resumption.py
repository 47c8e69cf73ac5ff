"""Where the record of a run is cut when the run goes on from a checkpoint, and whether it may go on at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paretune.record.entries import Batch, Completion, Evaluation, Log
from paretune.record.fields import Fields
from paretune.record.json_lines import numbered_lines
from paretune.record.parsing import RecordError
from paretune.record.run_directory import COMPLETIONS, EVALUATIONS, FINAL, LOGS, STEPS, read_run


class OtherRunError(ValueError):
    """What would be resumed is another run than the one in the directory."""


_ENTRIES: dict[str, Callable[[Fields], Batch | Log | Evaluation | Completion]] = {
    STEPS: Batch.of,
    LOGS: Log.of,
    EVALUATIONS: Evaluation.of,
    COMPLETIONS: Completion.of,
    FINAL: Evaluation.of,
}


def check_resumable(
    directory: str | Path, step: int, lines: Mapping[str, int] | None = None, header: Mapping[str, Any] | None = None
) -> None:
    """Find out whether :meth:`RunRecord.resume` would take up a run; nothing is changed.

    Raises:
        FileNotFoundError: if the directory holds no run.
        OtherRunError: if the run there is another one than `header` describes.
        RecordError: if the record does not go with the checkpoint of ``step``.
    """
    before = read_run(directory)
    if header is not None:
        check_same(Path(directory), before, header)
    kept_lines(Path(directory), step, lines)


def kept_lines(directory: Path, step: int, lines: Mapping[str, int] | None) -> dict[str, list[bytes]]:
    """The lines of each file that stay when a run goes on from the checkpoint of `step`, as they stand there.

    Raises:
        RecordError: if lines are missing or broken.
    """
    kept: dict[str, list[bytes]] = {}
    for file, of in _ENTRIES.items():
        path = directory / file
        read = (
            (line, of(Fields(line.content, f"Line {line.number} of {str(path)!r}"))) for line in numbered_lines(path)
        )
        kept[file] = [line.text for line, entry in read if _is_before(entry, step)]
        if lines is None or file == FINAL:
            continue
        due = lines.get(file, 0)
        if len(kept[file]) < due:
            raise RecordError(
                f"{str(path)!r} has {len(kept[file])} lines up to step {step}, but there were {due} when that "
                "checkpoint was written: put them back, or move that checkpoint away and resume from one before it."
            )
        del kept[file][due:]
    return kept


def check_same(directory: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """See to it that a run goes on as what it was; its length, learning rate and the like may change.

    Args:
        directory: the run's.
        before: its run.json.
        now: what would be run, in the same form.

    Raises:
        OtherRunError: if task, algorithm, rule, objectives or their bounds differ.
    """
    for key in ("task", "algorithm", "rule", "objectives"):
        was, is_now = (_identity(run.get(key)) for run in (before, now))
        if key in before and key in now and was != is_now:
            raise OtherRunError(
                f"The run in {str(directory)!r} has the {key} {was}, not {is_now}: resume it as it was, or give "
                "another directory."
            )
    _check_bounds(directory, before, now)


def _check_bounds(directory: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """One record has one hypervolume, of one set of bounds."""
    recorded = {one["name"]: one["bounds"] for one in before.get("objectives", []) if "bounds" in one}
    for one in now.get("objectives", []):
        was, is_now = (tuple(bounds) if bounds else None for bounds in (recorded.get(one["name"]), one.get("bounds")))
        if one["name"] in recorded and was != is_now:
            told = "none" if was is None else f"--bounds {one['name']}={was[0]:g}:{was[1]:g}"
            raise OtherRunError(
                f"The run in {str(directory)!r} has other bounds of {one['name']}: resume it with {told}; `paretune "
                "report` and `paretune pick` read it by others."
            )


def _is_before(entry: Batch | Log | Evaluation | Completion, step: int) -> bool:
    """Whether a line was written before the checkpoint of `step`.

    The grid evaluates after a step, before it is saved; a rule asks for its evaluation when the next batch begins.
    """
    by_rule = isinstance(entry, Evaluation) and entry.purpose == "rule"
    return entry.step < step if by_rule else entry.step <= step


def _identity(value: Any) -> Any:
    """What tells a rule or objectives from others: their names."""
    if isinstance(value, list):
        return ", ".join(str(_identity(item)) for item in value)
    return value.get("name") if isinstance(value, Mapping) else value
