"""How a task is named: on a command line, in YAML, in a run's record and in a comparison's plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune import tasks
from paretune.named_objects import is_named, load, sha256_of
from paretune.tasks.data_sets import READERS
from paretune.tasks.own import load_rewards, named_reward
from paretune.tasks.task import Task

DEFAULT = "arithmetic"
OF_DATA_SET = ("dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split", "validation_share")
NAMED_BY = ("task", "data", "reward_funcs", *OF_DATA_SET)
"""The settings that say which task it is."""
LARGEST_HASHED = 2**30
"""Bytes of a data file of which a SHA-256 is made: that of a larger one would take long."""


@dataclass(frozen=True)
class TaskSource:
    """What a command was told of its task.

    Attributes:
        given: the settings of :data:`NAMED_BY` as they were given, those left out being left out.
        settings: the same for every folder: local files by their absolute paths.
        files: the user's files that they name, absolute, with the SHA-256 of each.
    """

    given: Mapping[str, Any]
    settings: Mapping[str, Any]
    files: Mapping[str, str]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> TaskSource:
        """The source that a command was told; modules that it names are imported.

        Args:
            told: settings by name, others than :data:`NAMED_BY` among them.

        Raises:
            OSError: if a file that it names cannot be read.
            ValueError: if an object that it names cannot be loaded.
        """
        given = {name: told[name] for name in NAMED_BY if told.get(name) is not None}
        settings = dict(given) if "reward_funcs" in given else {"task": DEFAULT, **given}
        files: list[str | Path] = []
        if is_named(settings.get("task", "")):
            found = load(settings["task"])
            settings["task"] = found.anywhere
            files += [found.file] if found.file else []
        if "reward_funcs" in settings:
            rewards = [named_reward(name) for name in settings["reward_funcs"]]
            settings["reward_funcs"] = [reward.anywhere for reward in rewards]
            files += [reward.source.file for reward in rewards if reward.source and reward.source.file]
        for name in ("data", "dataset_name"):
            if name in settings and Path(settings[name]).exists():
                path = Path(settings[name]).resolve()
                settings[name] = str(path)
                files += _data_files(path)
        return cls(given, settings, {str(file): sha256_of(file) for file in dict.fromkeys(files)})

    def record(self) -> dict[str, Any]:
        """What a run's record and a comparison's plan hold of it, as plain JSON values."""
        files = [{"file": file, "sha256": sha256} for file, sha256 in self.files.items()]
        return {"given": dict(self.given), "settings": dict(self.settings), "files": files}


def load_task(told: Mapping[str, Any], *, unsafe_no_sandbox: bool = False) -> tuple[Task, TaskSource]:
    """The task that a command was told, and its source; arithmetic where it was told none.

    Args:
        told: settings by name, others than :data:`NAMED_BY` among them.
        unsafe_no_sandbox: as for :func:`paretune.tasks.load`.

    Raises:
        OSError: if a file is missing.
        SandboxError: if the task runs programs and no sandbox can be opened.
        ValueError: if the settings do not fit together, or there is no such task, reward or data set.
    """
    given = {name: told[name] for name in NAMED_BY if told.get(name) is not None}
    if "reward_funcs" not in given:
        if loose := next((name for name in OF_DATA_SET if name in given), None):
            raise ValueError(f"--{loose} goes with --reward_funcs: a task has its own data.")
        name = given.get("task", DEFAULT)
        return tasks.load(name, given.get("data"), unsafe_no_sandbox=unsafe_no_sandbox), TaskSource.of(given)
    if unsafe_no_sandbox:
        raise ValueError("--reward_funcs runs no programs that the model writes: leave out --unsafe_no_sandbox.")
    if "task" in given:
        raise ValueError(f"give either --task {given['task']} or --reward_funcs, not both.")
    if "data" in given:
        raise ValueError("--data goes with --task: give the data of your rewards as --dataset_name.")
    if "dataset_name" not in given:
        raise ValueError("--reward_funcs needs --dataset_name too.")
    return load_rewards(**given), TaskSource.of(given)


def _data_files(path: Path) -> list[Path]:
    """The data files that a path names: itself, or those of a folder."""
    inside = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.suffix in READERS)
    return [file for file in inside if file.is_file() and file.stat().st_size <= LARGEST_HASHED]
