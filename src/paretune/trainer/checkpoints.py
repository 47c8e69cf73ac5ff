"""What a checkpoint holds beside TRL's files, which checkpoints are kept, and from which a run goes on.

A process may be killed at any moment. A checkpoint counts once it holds its state file. This is written when all other
files of the checkpoint are on the disk, into a folder that was empty before. A checkpoint to be deleted is renamed
first, so a part of one never counts.
"""

import errno
import json
import re
import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from paretune.record.checkpoints import STATE_FILE, checkpoints
from paretune.record.disk import sync, write_error
from paretune.record.fields import Fields
from paretune.record.json_files import read_json, write_whole
from paretune.record.parsing import RecordError
from paretune.record.run_directory import GROWING, read_run

STATE_KEYS = (
    "rule", "objectives", "archives", "batch", "tokens", "weights", "latest", "evaluation", "realised", "ranges",
    "unfinished",
)  # fmt: skip
"""What a run needs of a checkpoint's state to go on."""

_FILES, _LINES = "files", "lines"
_BINARY = (".safetensors", ".bin", ".pt", ".pth", ".distcp")
ADVICE = "put it back, or move that checkpoint away and resume from the one before it."
_REMOVED = re.compile(r"\.checkpoint-\d+\.removed")


class BrokenCheckpointError(ValueError):
    """A checkpoint from which no run can go on; the message says what is wrong with which file."""


@contextmanager
def reading() -> Iterator[None]:
    """Read a file of a checkpoint inside: what a record would complain of is then the checkpoint's fault."""
    try:
        yield
    except RecordError as error:
        raise BrokenCheckpointError(f"{str(error).rstrip('.')}: {ADVICE}") from error


@dataclass(frozen=True)
class ResumePoint:
    """Where a run goes on.

    Attributes:
        checkpoint: a whole one, or None for a run that has none yet and begins again.
        step: optimiser steps that were done there.
        lines: how many lines each file of the record had there; None where the checkpoint does not say.
    """

    checkpoint: Path | None
    step: int
    lines: Mapping[str, int] | None


def resume_point(directory: str | Path, given: str | Path | bool = True) -> ResumePoint:
    """Find where a run goes on, and whether the checkpoint there is sound; nothing is changed.

    Args:
        directory: the run's.
        given: a checkpoint; otherwise the newest whole one counts, or the beginning where there is none yet.

    Raises:
        BrokenCheckpointError: if the checkpoint is torn or was edited.
        FileNotFoundError: if there is no such checkpoint, or neither a checkpoint nor a run.
        ValueError: if the run is finished and has no checkpoint.
    """
    whole = checkpoints(directory)
    if isinstance(given, str | Path):
        checkpoint = Path(given)
    elif whole:
        checkpoint = whole[max(whole)]
    elif read_run(directory).get("status") == "finished":
        raise ValueError(f"The run in {str(directory)!r} is finished and has no checkpoint: give another directory.")
    else:
        return ResumePoint(None, 0, {})
    state = load_state(checkpoint)
    lacking = [key for key in STATE_KEYS if key not in state]
    if lacking:
        raise BrokenCheckpointError(f"{str(checkpoint / STATE_FILE)!r} lacks {lacking[0]!r}: {ADVICE}")
    for name, size in (_numbers(checkpoint, state, _FILES) or {}).items():
        _check_size(checkpoint / name, size)
    lines = _numbers(checkpoint, state, _LINES)
    if lines is not None and lines.keys() != set(GROWING):
        # Of a file that is not counted no line would stay.
        raise BrokenCheckpointError(
            f"{str(checkpoint / STATE_FILE)!r} must count lines of {', '.join(GROWING)} in {_LINES!r}: {ADVICE}"
        )
    return ResumePoint(checkpoint, _step_of(checkpoint), lines)


@contextmanager
def writing(checkpoint: Path, *, is_writer: bool) -> Iterator[None]:
    """Write a checkpoint inside: :func:`save_state` makes it whole, and nothing stays of one that fails.

    Args:
        checkpoint: its folder. What already stands there is deleted: it is none that the run could go on from.
        is_writer: whether this process makes the folder; others write their parts into it.

    Raises:
        OSError: if it cannot be written, in one line. The checkpoints before it stay as they are.
    """
    try:
        if is_writer:
            _discard(checkpoint)
            checkpoint.mkdir()
        yield
    except BaseException as error:
        if is_writer:
            with suppress(OSError):
                _discard(checkpoint)
        reason = _of_disk(error)
        if reason is not None:
            raise write_error(checkpoint, reason) from error
        raise


def save_state(checkpoint: str | Path, state: Mapping[str, Any]) -> None:
    """Write the state of rule, archive and objectives into a checkpoint, whole or not at all, after all other files.

    Raises:
        OSError: if it cannot be written.
    """
    folder = Path(checkpoint)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        sync(path)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files if path.suffix in _BINARY}
    write_whole(folder / STATE_FILE, json.dumps({_FILES: sizes, **state}))


def load_state(checkpoint: str | Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote.

    Raises:
        BrokenCheckpointError: if it is torn.
        FileNotFoundError: if the checkpoint has none.
    """
    path = Path(checkpoint) / STATE_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{checkpoint} holds no {STATE_FILE}: resume from a checkpoint that paretune wrote.")
    return _read(path)


def rotate(directory: str | Path, *, limit: int | None, keep: Collection[int]) -> None:
    """Delete the oldest checkpoints beyond `limit`, not counting those at the steps `keep`, and never the newest.

    What an earlier deletion that was cut short has left goes too. Links stay, and what they lead to.
    """
    for path in Path(directory).glob(".checkpoint-*"):
        if _REMOVED.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
    if not limit or limit <= 0:
        return
    others = [path for step, path in checkpoints(directory).items() if step not in keep and not path.is_symlink()]
    for path in others[:-limit]:
        try:
            _discard(path)
        except OSError as error:  # no reason to end a run
            warnings.warn(f"{str(path)!r} could not be deleted ({error.strerror}): it stays.", stacklevel=2)


def _discard(checkpoint: Path) -> None:
    """Delete a checkpoint, of which nobody ever finds a part; if that is cut short, `rotate` does the rest."""
    if checkpoint.is_symlink():
        checkpoint.unlink()
    elif checkpoint.is_dir():
        hidden = checkpoint.with_name(f".{checkpoint.name}.removed")
        shutil.rmtree(hidden, ignore_errors=True)
        checkpoint.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _of_disk(error: BaseException) -> OSError | None:
    """The failure to write that an error stands for, if it stands for one."""
    if isinstance(error, OSError):
        return error if error.strerror else None  # it is in words already
    told = str(error).splitlines()[0] if str(error) else ""
    # Of a write cut short, safetensors and torch.save say so in their own ways, without the system's number.
    if isinstance(error, SafetensorError) or (isinstance(error, RuntimeError) and "inline_container" in told):
        return OSError(errno.ENOSPC, told)
    return None


def _check_size(path: Path, size: int) -> None:
    if not path.is_file():
        raise BrokenCheckpointError(f"{str(path)!r} is missing: {ADVICE}")
    if path.stat().st_size != size:
        raise BrokenCheckpointError(f"{str(path)!r} has {path.stat().st_size} bytes, but {size} were written: {ADVICE}")


def _step_of(checkpoint: Path) -> int:
    """The optimiser steps after which a checkpoint was written."""
    path = checkpoint / "trainer_state.json"
    if not path.is_file():
        raise BrokenCheckpointError(f"{str(path)!r} is missing: {ADVICE}")
    step = _read(path).get("global_step")
    renamed = checkpoint.name.startswith("checkpoint-") and checkpoint.name != f"checkpoint-{step}"
    if renamed or not isinstance(step, int):
        raise BrokenCheckpointError(f"{str(path)!r} is of step {step!r}, not of {checkpoint.name}: {ADVICE}")
    return step


def _numbers(checkpoint: Path, state: Mapping[str, Any], key: str) -> dict[str, int] | None:
    """What a state says of files by name, if it does."""
    if state.get(key) is None:
        return None
    with reading():
        fields = Fields(state, repr(str(checkpoint / STATE_FILE))).inside(key)
        return {name: fields.need(name, fields.count(name)) for name in fields.content}


def _read(path: Path) -> dict[str, Any]:
    with reading():
        return read_json(path)
