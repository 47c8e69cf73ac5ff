"""The checkpoints in a run's directory."""

import re
from itertools import chain, count
from pathlib import Path

STATE_FILE = "paretune.json"
"""Holds the state of rule, archives and objectives; it is written last, so a checkpoint that has it is whole."""

_NAME = re.compile(r"checkpoint-(0|[1-9][0-9]*)")


def checkpoints(directory: str | Path) -> dict[int, Path]:
    """The whole checkpoints of a run by step, oldest first; none if there is no such directory."""
    return {
        step: path
        for step, path in checkpoint_folders(directory).items()
        if (path / STATE_FILE).is_file() and (path / "trainer_state.json").is_file()
    }


def checkpoint_folders(directory: str | Path) -> dict[int, Path]:
    """Whatever has a checkpoint's name, by step: whole ones, and those whose writing was cut short."""
    found = {}
    for path in Path(directory).glob("checkpoint-*"):
        match = _NAME.fullmatch(path.name)
        if match:
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def set_aside_later(directory: str | Path, step: int) -> list[Path]:
    """Rename the whole checkpoints after `step`, of the life that a run leaves when it goes on from there.

    Left under their names, the next resume would take the newest of them for the run's own.

    Returns:
        Where they are now: ``checkpoint-N.set-aside``, with a number behind it if that is taken.

    Raises:
        OSError: if one cannot be renamed.
    """
    moved = []
    for own, path in checkpoints(directory).items():
        if own > step:
            tails = chain([".set-aside"], (f".set-aside-{number}" for number in count(2)))
            free = (new for tail in tails if not (new := path.with_name(path.name + tail)).exists())
            moved.append(path.rename(next(free)))
    return moved
