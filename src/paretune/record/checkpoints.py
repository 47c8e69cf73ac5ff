"""The checkpoints in a run's directory."""

import re
from pathlib import Path

__all__ = ["STATE_FILE", "checkpoint_folders", "checkpoints"]

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
