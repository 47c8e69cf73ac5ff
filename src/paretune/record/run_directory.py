"""A run's directory: what a run leaves on disk, and how to read it again.

=====================  ========================================================================================
``run.json``           what was run, and whether it is running, finished, failed or interrupted
``steps.jsonl``        one line a batch
``evaluations.jsonl``  one line an evaluation
``logs.jsonl``         what TRL logs of training: loss, KL, entropy, lengths, gradient norm
``completions.jsonl``  a few completions of each evaluation on the grid
``pareto.json``        the final front
``final_evaluations.jsonl``  its policies measured again, after training
``known_front.jsonl``  the true front of the prompts by which they are judged, where the task knows it
=====================  ========================================================================================

Whole files are replaced at once and lines are appended whole, so a reader never sees half of either, save the
last line of a run that was cut off: readers leave that one out. Numbers that are not finite are written as null.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from paretune.record.checkpoints import checkpoint_folders
from paretune.record.disk import write_error
from paretune.record.json_files import read_json
from paretune.record.json_lines import read_lines
from paretune.record.parsing import RecordError

SCHEMA = 1

RUN = "run.json"
STEPS = "steps.jsonl"
EVALUATIONS = "evaluations.jsonl"
LOGS = "logs.jsonl"
COMPLETIONS = "completions.jsonl"
FRONT = "pareto.json"
FINAL = "final_evaluations.jsonl"
KNOWN_FRONT = "known_front.jsonl"
REPORT = "report.html"
GROWING = (STEPS, LOGS, EVALUATIONS, COMPLETIONS)
"""The files to which training appends."""


def holds_run(directory: str | Path) -> bool:
    """Whether a directory holds a run, or anything that is left of one; a new run does not go over it."""
    directory = Path(directory)
    files = (RUN, FRONT, FINAL, KNOWN_FRONT, *GROWING)
    return any((directory / file).exists() for file in files) or bool(checkpoint_folders(directory))


def delete_run(directory: str | Path) -> None:
    """Delete a run: its record, its report and its checkpoints, and nothing else that stands there.

    The head goes first, so that nobody takes what is left for a run if the deletion is cut short.

    Raises:
        OSError: if something cannot be deleted.
    """
    directory = Path(directory)
    try:
        for file in (RUN, FRONT, FINAL, KNOWN_FRONT, *GROWING, REPORT):
            (directory / file).unlink(missing_ok=True)
        for path in checkpoint_folders(directory).values():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise write_error(directory, error) from error


def read_run(directory: str | Path) -> dict[str, Any]:
    """Read what was run and how it stands.

    Raises:
        FileNotFoundError: if the directory holds no run.
        RecordError: if ``run.json`` is broken or of another schema.
    """
    path = Path(directory) / RUN
    if not path.is_file():
        raise FileNotFoundError(f"{str(directory)!r} is not the directory of a run: it has no {RUN}.")
    run = read_json(path)
    if run.get("schema") != SCHEMA:
        raise RecordError(f"{str(path)!r} has the schema {run.get('schema')!r:.40}: this version reads {SCHEMA}.")
    return run


def _read(file: str, directory: str | Path) -> list[dict[str, Any]]:
    """Read the lines of one of a run's files in order; there are none before the first is written.

    Raises:
        FileNotFoundError: if the directory holds no run.
        RecordError: if a line other than a torn last one is broken; the message names the file and the line.
    """
    read_run(directory)
    return read_lines(Path(directory) / file)


read_steps = partial(_read, STEPS)
"""The batches."""
read_evaluations = partial(_read, EVALUATIONS)
"""The evaluations, those that a rule asked for among them."""
