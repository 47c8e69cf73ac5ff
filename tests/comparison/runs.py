"""Run directories of a comparison, made without training: every number in them is chosen by the test.

A policy is given by its gains over the worst corner, so that its hypervolume is their product: accuracy 0.5 and a
length of 40 out of 100 are the gains (0.5, 0.6), which dominate 0.3.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.bounded_run import archive_of
from paretune.record.entries import Objective, objectives_of
from paretune.record.fields import Fields
from paretune.record.json_lines import append_line
from paretune.record.record import RunRecord
from paretune.record.run_directory import FINAL

OBJECTIVES: list[dict[str, Any]] = [
    {"name": "accuracy", "maximize": True, "bounds": [0.0, 1.0]},
    {"name": "length", "maximize": False, "bounds": [0.0, 100.0]},
]
TEST, GREEDY, VALIDATION = ("test", "sampled"), ("test", "greedy"), ("validation", "sampled")


def as_objectives(objectives: Sequence[Mapping[str, Any]]) -> list[Objective]:
    return objectives_of(Fields({"objectives": list(objectives)}, "run.json"))


Gains = Sequence[float]
Policies = Mapping[int, Gains]
"""By step."""


def metrics(gains: Gains) -> dict[str, float]:
    return {"accuracy": gains[0], "length": 100.0 - 100.0 * gains[1]}


def batch(step: int, weights: Sequence[float] = (0.5, 0.5), **fields: Any) -> dict[str, Any]:
    """A line of steps.jsonl: a batch of one second and 100 tokens."""
    return {
        "batch": step, "step": step, "weights": dict(zip(("accuracy", "length"), weights, strict=True)),
        "estimator": None, "tokens": 100 * step, "seconds": {"total": 1.0}, **fields,
    }  # fmt: skip


def estimator(method: str, difference: str | None = None) -> dict[str, Any]:
    return {"method": method, "difference": difference, "check": None}


def make_run(
    directory: Path,
    *,
    grid: Policies | None = None,
    measured: Mapping[tuple[str, str], Policies] | None = None,
    steps: Sequence[Mapping[str, Any]] | None = None,
    status: str | None = "finished",
    prompts: int = 64,
    objectives: Sequence[Mapping[str, Any]] = OBJECTIVES,
    errors: float = 0.01,
    **header: Any,
) -> Path:
    """A run that trained for 20 steps.

    Args:
        directory: its folder.
        grid: the evaluations on the way; by default of the initial policy and after 10 and 20 steps.
        measured: by split and decoding, what was measured after training; the last step is the last policy's.
        steps: the batches; by default 20.
        status: how it ended; None leaves it running.
        prompts: on how many it was measured.
        objectives: as run.json has them.
        errors: standard error of every accuracy; of a length a hundred times that.
        **header: what else run.json says.
    """
    record = RunRecord(directory)
    record.start(
        {
            "task": "made-up", "model": "none", "algorithm": "grpo", "objectives": list(objectives), "seed": 0,
            "max_steps": 20, "evaluation": {"samples": 64, "temperature": 1.0, "every": 10}, "threads": 1,
            "versions": {"trl": "1.16.0"}, "settings": {}, **header,
        }
    )  # fmt: skip
    for line in [batch(step) for step in range(1, 21)] if steps is None else steps:
        record.append_step(line)
    bounded = all(objective["bounds"] for objective in objectives)
    archive = archive_of(as_objectives(objectives)) if bounded else None
    noise = {"accuracy": errors, "length": 100.0 * errors}
    points = {0: (0.2, 0.5), 10: (0.4, 0.5), 20: (0.5, 0.5)} if grid is None else grid
    for step, gains in points.items():
        if archive is not None:
            archive.add(list(metrics(gains).values()), step)
        record.append_evaluation(
            {
                "step": step, "metrics": metrics(gains), "standard_error": noise, "samples": 64, "purpose": "grid",
                "tokens": 100 * step + 7, "hypervolume": None if archive is None else archive.hypervolume,
            }
        )  # fmt: skip
    if archive is not None:
        on_front = [step for step in archive.steps if step is not None]
        record.write_front(
            archive.reference, archive.bounds, [{"step": s, "metrics": metrics(points[s])} for s in on_front]
        )
    for (split, decoding), policies in (measured or {}).items():
        measure(directory, split, decoding, policies, prompts=prompts)
    if status is None:
        record.close()
    else:
        record.finish(status)  # type: ignore[arg-type]
    return directory


def measure(
    directory: Path, split: str, decoding: str, policies: Policies, *, prompts: int = 64, **fields: Any
) -> None:
    """Add final evaluations; the last step is the last policy's."""
    for step, gains in policies.items():
        append_line(
            directory / FINAL,
            {
                "step": step, "front": True, "final": step == max(policies), "split": split, "decoding": decoding,
                "temperature": 1.0, "seed": 1, "prompts": prompts, "samples": prompts, "metrics": metrics(gains),
                "standard_error": {"accuracy": 0.01, "length": 1.0}, **fields,
            },
        )  # fmt: skip


def checkpoint(directory: Path, step: int) -> Path:
    """A checkpoint as far as one tells that it is whole."""
    folder = directory / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("paretune.json", "trainer_state.json"):
        (folder / name).write_text("{}")
    return folder


def tear(path: Path) -> None:
    """Break a file of JSON or JSON lines in its first line."""
    path.write_text("{\n" + path.read_text())
