"""A task made of the user's own rewards and data set."""

import importlib
import inspect
import os
import sys
from pathlib import Path
from typing import Any

from datasets import load_dataset
from torch import nn

from paretune.cli.bad_input import BadInputError
from paretune.objectives import Objective
from paretune.tasks import Task

GIVEN = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")
"""Keywords with which every reward is called; columns of the data set come beside them."""
RENAMED = ("prompt", "completion", "completion_ids")
"""Columns that rewards do not get under their own name."""


def own_task(
    rewards: list[str],
    data: str | None,
    model: str | None,
    *,
    dataset_config: str | None = None,
    dataset_train_split: str = "train",
    dataset_test_split: str | None = None,
) -> Task:
    """A task of the user's own rewards and data set.

    Args:
        rewards: dotted paths of the reward functions.
        data: the data set: a local folder, or a name on the Hub.
        model: the model to train.
        dataset_config: the data set's configuration.
        dataset_train_split: its split to train on.
        dataset_test_split: its split to evaluate on; by default ``test``, where there is one.

    Raises:
        BadInputError: if one cannot be found, or they do not fit together.
    """
    if not data or not model:
        missing = "--dataset_name" if not data else "--model_name_or_path"
        raise BadInputError(f"--reward_funcs needs {missing} too.")
    functions = {path: _import(path) for path in rewards}
    train, test = _splits(data, dataset_config, dataset_train_split, dataset_test_split)
    try:
        task = Task(
            name=data,
            description="your own rewards",
            train=train,
            validation=test,
            test=test,
            objectives=[Objective(path.rsplit(".", 1)[-1], functions[path]) for path in rewards],
            model=model,
            mu=None,
            settings={},
        )
    except ValueError as error:
        raise BadInputError(error) from error
    for split in (train,) if test is None else (train, test):
        _check_columns(data, split.column_names)
        for path, function in functions.items():
            _check_call(path, function, split.column_names)
    return task


def _splits(name: str, config: str | None, train: str, test: str | None) -> tuple[Any, Any]:
    """The split to train on and the one to evaluate on, None where there is none and none was asked for."""
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1
    if Path(name).is_file() or (looks_local and not Path(name).is_dir()):
        what = "is a file" if Path(name).is_file() else "is no folder here"
        raise BadInputError(
            f"--dataset_name {name} {what}: give a folder of parquet, JSON or CSV files, or a Hub name."
        )
    try:
        # Python files in it are not run: datasets refuses a folder that has a script of its own name.
        data = load_dataset(name, name=config)
    except Exception as error:  # a damaged file raises whatever the reader of its format does
        reason = "a file of it is empty" if isinstance(error, StopIteration) else str(error.__cause__ or error)
        raise BadInputError(
            f"cannot load the data set {name}: {reason or type(error).__name__} (it must be a folder of parquet, "
            "JSON or CSV files, or a Hub name)"
        ) from error
    missing = [split for split in (train, test) if split is not None and split not in data]
    if missing:
        raise BadInputError(
            f"the data set {name} has no split {missing[0]!r}; it has {', '.join(data)}: "
            "give --dataset_train_split and --dataset_test_split."
        )
    return data[train], data.get(test or "test")


def _import(path: str) -> Any:
    """A reward by its dotted path: its module is imported, with the packages it is in and what it imports itself.

    The current folder is searched first, as in TRL.
    """
    if not all(part.isidentifier() for part in path.split(".")) or "." not in path:
        raise BadInputError(f"--reward_funcs {path!r} is no import path: write it as my.module.reward.")
    module, name = path.rsplit(".", 1)
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # whatever the user's module does
        reason = str(error) if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: {error}"
        raise BadInputError(f"--reward_funcs {path}: {reason}") from error
    finally:
        sys.path.pop(0)
    if isinstance(found, type) or not callable(found):
        what = "a class" if isinstance(found, type) else type(found).__name__
        raise BadInputError(f"--reward_funcs {path} is {what}: name a function that gives a number a completion.")
    return found


def _check_columns(data: str, columns: list[str]) -> None:
    taken = sorted(set(columns) & (set(GIVEN) - set(RENAMED)))
    if taken:
        raise BadInputError(f"the data set {data} has a column {taken[0]!r}, which rewards get from TRL: rename it.")


def _check_call(path: str, function: Any, columns: list[str]) -> None:
    """Whether a reward takes what it will be called with."""
    if isinstance(function, nn.Module):
        return
    keywords = dict.fromkeys([*GIVEN, *(column for column in columns if column not in RENAMED)])
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # of some built-in functions nothing is known
        return
    try:
        signature.bind(**keywords)
    except TypeError as error:
        raise BadInputError(
            f"--reward_funcs {path} cannot be called as rewards are: {error}; write it as def "
            f"{path.rsplit('.', 1)[-1]}(completions, **_)."
        ) from error
