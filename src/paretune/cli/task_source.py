"""The task that a command was told, or that a run's record names."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset

from paretune.cli.bad_input import BadInputError
from paretune.named_objects import sha256_of
from paretune.record.entries import Header, Source
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader
from paretune.record.run_directory import RUN
from paretune.sandbox import SandboxError
from paretune.tasks import Task, source
from paretune.tasks.source import NAMED_BY, TaskSource


def load_task(given: Mapping[str, Any]) -> tuple[Task, TaskSource]:
    """The task that a command was told, and how it was named.

    Raises:
        BadInputError: if there is no such task, reward or data.
    """
    try:
        return source.load_task(given, unsafe_no_sandbox=bool(given.get("unsafe_no_sandbox")))
    except (ValueError, OSError, SandboxError) as error:
        raise BadInputError(error) from error


def header_of(run: Path) -> Header:
    """What a run recorded of itself.

    Raises:
        BadInputError: if its run.json is broken.
    """
    try:
        return RunReader(run).header
    except (OSError, RecordError) as error:
        raise BadInputError(error) from error


def run_of(folder: Path) -> Path | None:
    """The run that a folder is, or whose checkpoint it is; None for neither."""
    return next((place for place in (folder, folder.resolve().parent) if (place / RUN).is_file()), None)


def names_a_task(given: Mapping[str, Any]) -> bool:
    """Whether a command was told a task; else what it works on says which."""
    return given.get("task") is not None or given.get("reward_funcs") is not None


def recorded_task(header: Header, run: object) -> dict[str, Any]:
    """The settings that name a run's task, by its record.

    Args:
        header: its run.json.
        run: its folder, for messages.

    Raises:
        BadInputError: if a script made the run, whose task no setting names.
    """
    if header.source is None:
        raise BadInputError(
            f"{run}/run.json does not name its task, for a script made the run: give --task, or --reward_funcs "
            "and --dataset_name."
        )
    warn_of_changes(header.source, run)
    return {name: header.source.settings[name] for name in NAMED_BY if name in header.source.settings}


def is_another_task(header: Header, given: Mapping[str, Any]) -> bool:
    """Whether a command names another task than a run was trained on, or other data; False where no record tells.

    A file of the same content is the same, wherever it lies.

    Raises:
        BadInputError: if an object that the command names cannot be loaded, or a file cannot be read.
    """
    if header.source is None or not given.keys() & set(NAMED_BY):
        return False
    own = {name: header.source.settings[name] for name in NAMED_BY if name in header.source.settings}
    try:
        told = TaskSource.of(given if names_a_task(given) else {**own, **given})
    except (ValueError, OSError) as error:
        raise BadInputError(error) from error
    return told.settings != own and _by_content(told.settings, told.files) != _by_content(own, header.source.files)


def _by_content(settings: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The settings as a text, with the SHA-256 of each file in the place of its path."""
    text = json.dumps(dict(settings), sort_keys=True, ensure_ascii=False)
    for file, sha256 in files.items():
        text = text.replace(json.dumps(file, ensure_ascii=False)[1:-1], sha256)
    return text


def warn_of_changes(recorded: Source | None, where: object) -> None:
    """Say which of the user's files are others than when they were recorded."""
    for file, sha256 in (recorded.files if recorded else {}).items():
        try:
            changed = sha256_of(file) != sha256
        except OSError:  # whoever needs it says so
            continue
        if changed:
            print(f"paretune: {file} has changed since {where} was begun: its SHA-256 is another.", file=sys.stderr)


def rows_of(task: Task, split: str) -> Dataset:
    """The rows of a split of a task.

    Raises:
        BadInputError: if it has no such split.
    """
    rows: Dataset | None = getattr(task, split)
    if rows is None:
        there = [name for name in ("train", "validation", "test") if getattr(task, name) is not None]
        raise BadInputError(
            f"{task.name} has no {split} split, and something is evaluated on it: give the task one (a data set by "
            f"--dataset_test_split or --validation_share), or leave out what evaluates; it has {', '.join(there)}."
        )
    return rows
