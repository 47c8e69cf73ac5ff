"""Runs with a front, made without training: records by hand, checkpoints of a tiny real policy."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.record.json_lines import append_line
from paretune.record.record import RunRecord
from paretune.record.run_directory import FINAL

OBJECTIVES: list[dict[str, Any]] = [
    {"name": "accuracy", "maximize": True, "bounds": [0.0, 1.0]},
    {"name": "conciseness", "maximize": False, "bounds": [0.0, 60.0]},
]
POINTS = {
    0: (0.30, 12.0),
    10: (0.50, 24.0),
    20: (0.60, 36.0),
    30: (0.90, 54.0),
}
"""Step: accuracy and length. Their gains: (0.3, 0.8), (0.5, 0.6), (0.6, 0.4), (0.9, 0.1)."""
LEFT_BY_TRAINING = (
    "optimizer.pt", "scheduler.pt", "rng_state.pth", "rng_state_0.pth", "scaler.pt", "trainer_state.json",
    "training_args.bin", "paretune.json", "README.md",
)  # fmt: skip


def checkpoint(directory: Path, step: int, model: str | Path) -> Path:
    """A checkpoint as training leaves it: the model with its tokenizer, and what resuming needs."""
    folder = directory / f"checkpoint-{step}"
    shutil.copytree(model, folder)
    for name in LEFT_BY_TRAINING:
        (folder / name).write_text("{}")
    return folder


def run(
    directory: Path,
    points: Mapping[int, Sequence[float]] | None = None,
    *,
    objectives: Sequence[Mapping[str, Any]] = OBJECTIVES,
    kept: Sequence[int] = (),
    model: str | Path = "",
    tested: Mapping[int, Sequence[float]] | None = None,
    **header: Any,
) -> Path:
    """A finished run.

    Args:
        directory: where it goes.
        points: the front, metrics by step; :data:`POINTS` by default.
        objectives: as run.json has them.
        kept: the steps that have a checkpoint.
        model: the folder of which checkpoints are made.
        tested: metrics on the test set by step.
        **header: what run.json says besides.
    """
    points = POINTS if points is None else points
    names = [objective["name"] for objective in objectives]
    record = RunRecord(directory)
    record.start(
        {
            "task": "arithmetic", "rule": {"name": "gradient", "settings": {"mu": 0.1}}, "algorithm": "grpo",
            "objectives": list(objectives), "model": "org/base-model", "seed": 3, "max_steps": 30, **header,
        }
    )  # fmt: skip
    entries = []
    for step, values in points.items():
        metrics = dict(zip(names, values, strict=True))
        errors = dict.fromkeys(names, 0.01)
        record.append_evaluation({"step": step, "metrics": metrics, "standard_error": errors, "purpose": "grid"})
        entries.append({"step": step, "metrics": metrics, "checkpoint": None})
    for step in kept:
        checkpoint(directory, step, model)
    for step, values in (tested or {}).items():
        append_line(
            directory / FINAL,
            {
                "step": step, "split": "test", "decoding": "sampled", "temperature": 1.0, "samples": 256,
                "metrics": dict(zip(names, values, strict=True)), "standard_error": dict.fromkeys(names, 0.02),
            },
        )  # fmt: skip
    record.write_front(None, [objective["bounds"] for objective in objectives], entries)
    record.finish("finished")
    return directory


def rewrite(path: Path, **fields: Any) -> None:
    """Change fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
