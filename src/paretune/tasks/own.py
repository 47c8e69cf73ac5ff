"""Tasks of one's own: a :class:`~paretune.Task` in a module or a file, or one made of rewards and a data set."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from paretune.named_objects import NamedObject, is_named, kind_of, load, reason_of
from paretune.objectives import Objective, as_objectives
from paretune.tasks.data_sets import looks_local, name_of, read_splits
from paretune.tasks.parquet import one_line
from paretune.tasks.task import Task

GIVEN = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")
"""Keywords with which every reward is called; columns of the data set come beside them."""
RENAMED = ("prompt", "completion", "completion_ids")
"""Columns that rewards do not get under their own name."""


def load_named(name: str, data: str | Path | None = None) -> Task:
    """The task that a name gives.

    Args:
        name: ``module:object`` or ``path/to/file.py:object``: a :class:`~paretune.Task`, or a function that returns one
            and may take ``data``.
        data: what such a function gets.

    Raises:
        ValueError: if it cannot be loaded, is something else, the function raises, or the rewards do not fit the data.
    """
    value = load(name).value
    if isinstance(value, type) or not (isinstance(value, Task) or callable(value)):
        raise ValueError(f"{name!r} is {kind_of(value)}: name a paretune.Task, or a function that returns one.")
    if not isinstance(value, Task):
        value = _made(name, value, data)
    elif data is not None:
        raise ValueError(f"{name!r} is a task with data of its own: leave out --data.")
    _check_rewards(value)
    return value


def _made(name: str, function: Callable[..., Any], data: str | Path | None) -> Task:
    """The task that a function returns."""
    takes = inspect.signature(function).parameters.get("data")
    if data is not None and takes is None:
        written = getattr(function, "__name__", "task")  # a partial, or an object that is called, has none
        raise ValueError(f"{name!r} takes no data: leave out --data, or write it as def {written}(data).")
    if data is None and takes is not None and takes.default is takes.empty:
        raise ValueError(f"{name!r} needs data: give --data, or give its argument `data` a default.")
    try:
        made = function(**({} if data is None else {"data": data}))  # else its own default holds
    except (Exception, SystemExit) as error:  # whatever the user's function does
        raise ValueError(f"{name!r} raised {reason_of(error)}") from error
    if inspect.iscoroutine(made):
        made.close()  # Python would say that nobody awaited it
    if not isinstance(made, Task):
        raise ValueError(f"{name!r} must return a paretune.Task, got a value {kind_of(made)}.")
    return made


def load_rewards(
    reward_funcs: Sequence[str],
    dataset_name: str,
    *,
    dataset_config: str | None = None,
    dataset_train_split: str = "train",
    dataset_test_split: str | None = None,
    validation_share: float | None = None,
) -> Task:
    """A task made of rewards and a data set.

    Args:
        reward_funcs: each as :func:`named_reward` takes it.
        dataset_name: the data set, as :func:`~paretune.tasks.data_sets.read_splits` takes it; so are those below.
        dataset_config: its configuration.
        dataset_train_split: its split to train on.
        dataset_test_split: its split to test on.
        validation_share: the share of the rows to train on that is split off for validation.

    Raises:
        ValueError: if a reward or the data cannot be loaded, or they do not fit together.
    """
    given = list(reward_funcs)
    if twice := next((name for name in given if given.count(name) > 1), None):
        raise ValueError(f"--reward_funcs names {twice} twice: give each reward once.")
    objectives = as_objectives([objective for name in given for objective in named_reward(name).objectives])
    train, validation, test = read_splits(
        dataset_name, dataset_config, train=dataset_train_split, test=dataset_test_split, share=validation_share
    )
    task = Task(name_of(dataset_name), train, validation, test, objectives, description="your own rewards")
    _check_rewards(task)
    return task


@dataclass(frozen=True)
class NamedReward:
    """What a name among ``--reward_funcs`` stands for.

    Attributes:
        objectives: an objective, a function or the path of a reward model; of a list its items.
        anywhere: a name that stands for the same in every folder.
        source: the object, where the name is that of an object.
    """

    objectives: Sequence[Objective | Callable[..., Any] | str]
    anywhere: str
    source: NamedObject | None = None


def named_reward(given: str) -> NamedReward:
    """A reward by its name.

    Args:
        given: ``my.module.reward``, ``module:object`` or ``path/to/file.py:object`` for a function, an
            :class:`~paretune.Objective` or a list of these; or a reward model: a local folder or its name on the Hub.

    Raises:
        ValueError: if there is no such thing, or it is something else.
    """
    if given and Path(given).is_dir():
        if not (Path(given) / "config.json").is_file():
            raise ValueError(f"--reward_funcs {given}: the folder holds no config.json, so it is no reward model.")
        _check_classifies(given)
        folder = str(Path(given).resolve())
        return NamedReward([folder], folder)
    if not is_named(given) and "/" in given:
        if looks_local(given):
            raise ValueError(f"--reward_funcs {given} is no folder here: give a reward model's, or its Hub name.")
        return NamedReward([given], given)
    module, _, name = given.rpartition(".")
    if not is_named(given) and (name == "py" or not is_named(f"{module}:{name}")):
        raise ValueError(
            f"--reward_funcs {given!r} names no reward: write it as my.module.reward, module:object or file.py:object, "
            "or give a reward model's folder or Hub name."
        )
    try:
        found = load(given)
    except ValueError as error:
        raise ValueError(f"--reward_funcs {error}") from error
    several = list(found.value) if isinstance(found.value, list | tuple) else [found.value]
    for value in several or [found.value]:
        if isinstance(value, type) or not (isinstance(value, Objective) or callable(value)):
            raise ValueError(
                f"--reward_funcs {given} is {kind_of(value)}: name a function that gives a number a completion, or a "
                "paretune.Objective."
            )
    return NamedReward(several, found.anywhere, found)


def _check_classifies(folder: str) -> None:
    """Whether the model in a folder gives a score; transformers would give any other one a random head."""
    try:
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        architectures = config.get("architectures") or []
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"--reward_funcs {folder}: its config.json cannot be read: {one_line(error)}.") from error
    if architectures and all(name.endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
        raise ValueError(
            f"--reward_funcs {folder}: {architectures[0]} is a language model and gives no score: name a sequence "
            "classifier."
        )


def _check_rewards(task: Task) -> None:
    """Whether every reward and metric takes what it will be called with."""
    splits = {split: getattr(task, split) for split in ("train", "validation", "test")}
    for split, rows in splits.items():
        if rows is None:
            continue
        if taken := sorted(set(rows.column_names) & (set(GIVEN) - set(RENAMED))):
            raise ValueError(
                f"the {split} split of {task.name} has a column {taken[0]!r}, which rewards get from TRL: rename it."
            )
        for objective in task.objectives:
            _check_call(f"the reward of {objective.name!r}", objective.reward, rows.column_names)
            if objective.metric is not None:
                _check_call(f"the metric of {objective.name!r}", objective.metric, rows.column_names)


def _check_call(what: str, function: Any, columns: Sequence[str]) -> None:
    if isinstance(function, nn.Module | str):
        return
    keywords = dict.fromkeys([*GIVEN, *(column for column in columns if column not in RENAMED)])
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # of some built-in functions nothing is known
        return
    try:
        signature.bind(**keywords)
    except TypeError as error:
        name = getattr(function, "__name__", "reward")
        raise ValueError(
            f"{what} cannot be called as rewards are: {error}; write it as def {name}(completions, **_)."
        ) from error
