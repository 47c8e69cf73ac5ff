"""The checkpoints in a run's directory."""

import re
from pathlib import Path

__all__ = ["STATE_FILE", "checkpoints"]

STATE_FILE = "paretune.json"
"""Holds the state of rule, archives and objectives; it is written last, so a checkpoint that has it is whole."""


def checkpoints(directory: str | Path) -> dict[int, Path]:
    """The whole checkpoints of a run by step, oldest first; none if there is no such directory."""
    found = {}
    for path in Path(directory).glob("checkpoint-*"):
        match = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if match and (path / STATE_FILE).is_file() and (path / "trainer_state.json").is_file():
            found[int(match[1])] = path
    return dict(sorted(found.items()))
