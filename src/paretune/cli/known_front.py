"""The true front of the prompts by which policies are judged: computed by the task, kept in the run's record."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from paretune.cli.bad_input import BadInputError
from paretune.cli.settings import Settings
from paretune.pareto import best_geometric_mean, weight_lattice
from paretune.record.known_front import append_known_front, front_on
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader

TOLERANCE = 1e-4
"""How far, in the logarithm, the best geometric mean may be above the one that is written down."""
DIGITS = 6


def known_front(settings: Settings, split: str) -> dict[str, Any] | None:
    """What the best policies gain on the prompts by which others are judged: a line of known_front.jsonl.

    Args:
        settings: of the evaluation; ``eval_samples`` says how many prompts.
        split: train, validation or test.

    Returns:
        None where the task does not know its front, or an objective has no bounds.

    Raises:
        BadInputError: if the task's ``front`` gives something else than gains.
    """
    task = settings.task
    bounded = all(objective.bounds is not None for objective in task.objectives)
    if task.front is None or not bounded or getattr(task, split) is None:
        return None
    rows = settings.rows(split)
    prompts = min(len(rows), settings.config.eval_samples or len(rows))
    front, count = partial(task.front, rows.select(range(prompts))), len(task.objectives)
    weights = weight_lattice(count)
    try:
        gains = np.asarray(front(weights), dtype=np.float64)
    except Exception as error:  # whatever a user's own function raises
        raise BadInputError(
            f"the front of task {task.name} failed on {prompts} {split} prompts: {type(error).__name__}: {error}"
        ) from error
    if gains.shape != weights.shape or not ((gains >= 0) & (gains <= 1)).all():
        raise BadInputError(
            f"the front of task {task.name} should give gains in [0, 1] of shape {weights.shape}, one row for each "
            f"weighting, found shape {gains.shape} with values from {gains.min()} to {gains.max()}."
        )
    best = best_geometric_mean(front, count, tolerance=TOLERANCE)
    return {
        "split": split,
        "prompts": prompts,
        "objectives": [{"name": o.name, "maximize": o.maximize, "bounds": o.bounds} for o in task.objectives],
        "weights": weights.round(DIGITS),
        "gains": gains.round(DIGITS),
        "best_geometric_mean": {**asdict(best), "gains": best.gains.round(DIGITS)},
    }


class KeepKnownFront(TrainerCallback):
    """Appends a front to a run's record when training begins, so that all who read the record know it.

    Args:
        line: the front; None where it is not known.
    """

    def __init__(self, line: dict[str, Any] | None) -> None:
        self._line = line

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Append it."""
        if state.is_world_process_zero:
            keep_known_front(str(args.output_dir), self._line)


def keep_known_front(directory: str | Path, line: dict[str, Any] | None) -> None:
    """Append a front to a run's record, unless it is there or not known.

    Raises:
        BadInputError: if the file is damaged.
    """
    if line is None:
        return
    try:
        known = RunReader(directory).known_fronts
    except RecordError as error:
        raise BadInputError(error) from error
    if front_on(known, line["split"], line["prompts"]) is None:
        append_known_front(directory, line)
