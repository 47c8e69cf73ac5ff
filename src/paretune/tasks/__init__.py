"""Tasks: prompts, splits and objectives, ready to train on. One folder a task.

A task is a package in this folder with a one-line ``DESCRIPTION`` and a function ``load(data) -> Task``.
Adding such a folder is all it takes to add a task. A task of your own is a :class:`Task` in any module or file. Tasks
are imported only when they are asked for.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

from paretune.named_objects import check_name, is_named
from paretune.tasks.task import Task

__all__ = ["Task", "describe", "load", "names"]


def names() -> list[str]:
    """The known tasks in alphabetical order, without importing any of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


def describe(name: str) -> str:
    """The one-line description of a task, without loading its data.

    Raises:
        ValueError: if there is no such task; the message names the known ones.
    """
    description: str = _package(name).DESCRIPTION
    return description


def load(name: str, data: str | Path | None = None, *, unsafe_no_sandbox: bool = False) -> Task:
    """Load a task.

    Args:
        name: one of :func:`names`; or, for a task of one's own, ``module:object`` or ``path/to/file.py:object``: a
            :class:`Task`, or a function that returns one and may take ``data``. Its module is imported.
        data: A local folder with the task's data, in place of where the task gets it by itself.
        unsafe_no_sandbox: run programs that the model writes with all the rights of this user. For a task that runs
            programs, on a machine that is a sandbox itself.

    Raises:
        ValueError: if there is no such task (the message names the known ones), its data are not as expected, or a
            task of one's own cannot be loaded.
        FileNotFoundError: if the folder or a file in it is missing, or the data cannot be fetched.
        SandboxError: if the task runs programs and no sandbox can be opened on this machine.
    """
    runs_programs = not is_named(name) and getattr(_package(name), "RUNS_PROGRAMS", False)
    if unsafe_no_sandbox and not runs_programs:
        raise ValueError(f"Task {name!r} runs no programs: leave out unsafe_no_sandbox.")
    if is_named(name):
        from paretune.tasks.own import load_named

        return load_named(name, data)
    task: Task = _package(name).load(data, **({"unsafe_no_sandbox": True} if unsafe_no_sandbox else {}))
    return task


def _package(name: str) -> ModuleType:
    check_name("task", name, names())
    return import_module(f"{__name__}.{name}")
