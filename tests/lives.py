"""What a run leaves on the disk, written in the order in which a run does, without one."""

import json
from pathlib import Path
from typing import Any

from killed import write_in_two_parts
from paretune.record.record import RunRecord
from paretune.record.run_directory import holds_run
from paretune.trainer.checkpoints import STATE_KEYS, resume_point, rotate, save_state, writing

STEPS = 4
LIMIT, KEEP = 1, (2,)  # of checkpoints 1 to 4 the second stays, and the newest other
FILES = (
    "model.safetensors", "config.json", "optimizer.pt", "scheduler.pt", "rng_state_0.pth", "rng_state_1.pth",
    "trainer_state.json",
)  # fmt: skip
STATE = dict.fromkeys(STATE_KEYS)


def content(name: str, step: int, life: str = "") -> bytes:
    if name == "trainer_state.json":
        return json.dumps({"global_step": step}).encode()
    return f"{name} of step {step}{life}".encode() * 10


def save(directory: Path, step: int, lines: dict[str, int] | None = None, life: str = "") -> Path:
    """Write a checkpoint in the order in which TRL does."""
    checkpoint = directory / f"checkpoint-{step}"
    with writing(checkpoint, is_writer=True):
        for name in FILES:
            write_in_two_parts(checkpoint / name, content(name, step, life))
        save_state(checkpoint, {**STATE, "batch": step, **({} if lines is None else {"lines": lines})})
    return checkpoint


def live(directory: Path, **header: Any) -> None:
    """A run, from where it stands to its end, with all that it leaves on the disk."""
    record = RunRecord(directory)
    start = None
    if holds_run(directory):
        start = resume_point(directory)
        record.resume(start.step, header, lines=start.lines)
    else:
        record.start(header)
    for step in range(1 if start is None else start.step + 1, STEPS + 1):
        record.append_step({"step": step})
        record.append_evaluation({"step": step})
        save(directory, step, record.lines())
        rotate(directory, limit=LIMIT, keep=KEEP)
    record.finish("finished")
