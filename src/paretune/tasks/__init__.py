"""Tasks: prompts, splits and objectives, ready to train on. One folder a task.

A task is a package in this folder with a one-line ``DESCRIPTION`` and a function ``load(data) -> Task``.
Adding such a folder is all it takes to add a task. A task of one's own is a :class:`Task` in any module or file. Tasks
are imported only when they are asked for.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

from paretune.named_objects import is_named
from paretune.tasks.task import Task

__all__ = ["Task", "describe", "load", "names"]


<<<<<<< HEAD
@dataclass(frozen=True, eq=False)
class Task:
    """What a policy is trained for: prompts to answer and the objectives the answers are judged by.

    Attributes:
        name: the name it is loaded by.
        description: one line for listings.
        train: prompts to train on. Each split has a column ``prompt`` (a string, or a list of chat
            messages); the other columns are handed to the rewards.
        validation: prompts on which the front is found; None where nothing can be evaluated.
        test: prompts kept for the final judgement; None as above.
        objectives: what is rewarded and measured, in the order weights are given.
        model: the default policy: a folder or a name on the Hub.
        mu: the regularisation μ > 0 of the gradient rule at its defaults, on the scale of the exact and the directional
            influence, unclipped and of all layers; None to calibrate it.
        settings: values of ``MultiObjectiveConfig``'s fields that suit the default model.
        details: what a run's record has to say of how answers are judged: the sandbox in use, say.
        front: the true front, where every answer to a prompt can be enumerated: a function of rows of a split and of
            weights ``[M, K]``, which gives ``[M, K]``, the gains (metrics on their bounds, more being better) that the
            best policy for each weighting has on these rows. None where it is not known.

    Raises:
        ValueError: if a split is empty or has no prompts, if there is no objective or two share a name, or
            if μ ≤ 0.
    """

    name: str
    description: str
    train: Dataset
    validation: Dataset | None
    test: Dataset | None
    objectives: list[Objective]
    model: str
    mu: float | None
    settings: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)
    front: Callable[[Dataset, ArrayLike], NDArray[Any]] | None = None

    def __post_init__(self) -> None:
        for split in ("train", "validation", "test"):
            dataset = getattr(self, split)
            if dataset is None and split != "train":
                continue
            if len(dataset) == 0:
                raise ValueError(f"The {split} split of task {self.name!r} is empty: it needs at least one prompt.")
            if "prompt" not in dataset.column_names:
                raise ValueError(
                    f"The {split} split of task {self.name!r} has the columns {dataset.column_names}: "
                    "add a column 'prompt'."
                )
        objective_names = [objective.name for objective in self.objectives]
        if not objective_names or len(set(objective_names)) < len(objective_names):
            raise ValueError(
                f"Task {self.name!r} has the objectives {objective_names}: give at least one, each its own name."
            )
        if self.mu is not None and not self.mu > 0:
            raise ValueError(f"`mu` of task {self.name!r} must be positive, got {self.mu}.")


=======
>>>>>>> 3564682 (Own tasks, rewards, data and rules in every command, and again from the record alone)
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
<<<<<<< HEAD
        name: one of :func:`names`.
        data: a local folder with the task's data, in place of where the task gets it by itself.
        unsafe_no_sandbox: run programs that the model writes with all the rights of this user. For a task that runs
            programs, on a machine that is a sandbox itself.

    Raises:
        ValueError: if there is no such task (the message names the known ones), or its data are not as
            expected.
        FileNotFoundError: if the folder or a file in it is missing, or the data cannot be fetched.
        SandboxError: if the task runs programs and no sandbox can be opened on this machine.
=======
        name: One of :func:`names`; or, for a task of one's own, ``module:object`` or ``path/to/file.py:object``: a
            :class:`Task`, or a function that returns one and may take ``data``. Its module is imported.
        data: A local folder with the task's data, in place of where the task gets it by itself.
        unsafe_no_sandbox: Run programs that the model writes with all the rights of this user. For a task that runs
            programs, on a machine that is a sandbox itself.

    Raises:
        ValueError: If there is no such task (the message names the known ones), its data are not as expected, or a
            task of one's own cannot be loaded.
        FileNotFoundError: If the folder or a file in it is missing, or the data cannot be fetched.
        SandboxError: If the task runs programs and no sandbox can be opened on this machine.
>>>>>>> 3564682 (Own tasks, rewards, data and rules in every command, and again from the record alone)
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
    if name not in names():
        raise ValueError(
            f"Unknown task {name!r}: choose one of {', '.join(names())}, or give your own as module:object or "
            "path/to/file.py:object."
        )
    return import_module(f"{__name__}.{name}")
