"""Where the record of a run is cut when the run goes on from a checkpoint, and whether it may go on at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.record.checkpoints import checkpoints
from paretune.record.json_lines import read_lines
from paretune.record.run_directory import FINAL, GROWING, read_run, step_of


class OtherRunError(ValueError):
    """What would be resumed is another run than the one in the directory."""


def check_resumable(directory: str | Path, step: int, lines: Mapping[str, int] | None = None) -> None:
    """Find out whether :meth:`RunRecord.resume` would take up a run; nothing is changed.

    Raises:
        FileNotFoundError: If the directory holds no run.
        ValueError: If the record does not go with the checkpoint of ``step``.
    """
    read_run(directory)
    kept_lines(Path(directory), step, lines)


def kept_lines(directory: Path, step: int, lines: Mapping[str, int] | None) -> dict[str, list[dict[str, Any]]]:
    """The lines of each file that stay when a run goes on from the checkpoint of `step`.

    Raises:
        ValueError: If lines are missing or broken, or the directory holds later checkpoints.
    """
    later = [path.name for own, path in checkpoints(directory).items() if own > step]
    if later:
        raise ValueError(
            f"{str(directory)!r} holds later checkpoints than that of step {step} ({', '.join(later)}): resume from "
            "the newest, or move the later ones away first."
        )
    kept = {}
    for file in (*GROWING, FINAL):
        path = directory / file
        lines_there = enumerate(read_lines(path), start=1)
        kept[file] = [line for number, line in lines_there if _is_before(line, step, f"Line {number} of {str(path)!r}")]
        if lines is None or file == FINAL:
            continue
        due = lines.get(file, 0)
        if len(kept[file]) < due:
            raise ValueError(
                f"{str(path)!r} has {len(kept[file])} lines up to step {step}, but there were {due} when that "
                "checkpoint was written: put them back, or move that checkpoint away and resume from one before it."
            )
        del kept[file][due:]
    return kept


def check_same(directory: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """See to it that a run goes on as what it was; its length, learning rate and the like may change.

    Args:
        directory: The run's.
        before: Its run.json.
        now: What would be run, in the same form.

    Raises:
        OtherRunError: If task, algorithm, rule or objectives differ.
    """
    for key in ("task", "algorithm", "rule", "objectives"):
        was, is_now = (_identity(run.get(key)) for run in (before, now))
        if key in before and key in now and was != is_now:
            raise OtherRunError(
                f"The run in {str(directory)!r} has the {key} {was}, not {is_now}: resume it as it was, or give "
                "another directory."
            )


def _is_before(line: Mapping[str, Any], step: int, where: str) -> bool:
    """Whether a line was written before the checkpoint of `step`.

    The grid evaluates after a step, before it is saved; a rule asks for its evaluation when the next batch begins.
    """
    own = step_of(line, where)
    return own < step if line.get("purpose") == "rule" else own <= step


def _identity(value: Any) -> Any:
    """What tells a rule or objectives from others: their names."""
    if isinstance(value, list):
        return ", ".join(str(_identity(item)) for item in value)
    return value.get("name") if isinstance(value, Mapping) else value
