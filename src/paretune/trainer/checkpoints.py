"""What stands in a checkpoint beside TRL's files, and which checkpoints stay."""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from paretune.experiments.checkpoints import STATE_FILE, checkpoints

__all__ = ["STATE_FILE", "checkpoints", "load_state", "rotate", "save_state"]


def save_state(checkpoint: str | Path, state: Mapping[str, Any]) -> None:
    """Write the state of rule, archive and objectives into a checkpoint, whole or not at all."""
    path = Path(checkpoint) / STATE_FILE
    temporary = path.with_suffix(".json.tmp")
    temporary.write_text(json.dumps(state))
    os.replace(temporary, path)


def load_state(checkpoint: str | Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote.

    Raises:
        FileNotFoundError: if the checkpoint has none.
    """
    path = Path(checkpoint) / STATE_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{checkpoint} holds no {STATE_FILE}: resume from a checkpoint that paretune wrote.")
    state: dict[str, Any] = json.loads(path.read_text())
    return state


def rotate(directory: str | Path, *, limit: int | None, keep: Collection[int]) -> None:
    """Delete the oldest checkpoints beyond `limit`, not counting those at the steps `keep`, and never the newest."""
    if not limit or limit <= 0:
        return
    others = [path for step, path in checkpoints(directory).items() if step not in keep]
    for path in others[:-limit]:
        shutil.rmtree(path)
