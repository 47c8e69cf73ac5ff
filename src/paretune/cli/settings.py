"""What ``paretune train`` and ``paretune evaluate`` are told, and the objects that are made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import ModelConfig

from paretune.cli.arguments import RunArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.bounds import with_bounds
from paretune.cli.model import model_config, model_settings
from paretune.cli.parser import RESUME, StrictParser
from paretune.cli.rule_settings import check_rule_settings, given_settings
from paretune.cli.task_source import load_task, rows_of
from paretune.named_objects import is_named, load, reason_of, sha256_of
from paretune.objectives import completion_length
from paretune.tasks import Task
from paretune.tasks.source import TaskSource
from paretune.trainer import MultiObjectiveConfig
from paretune.weighting import WeightingRule, rule_class


@dataclass(frozen=True)
class Settings:
    """A command line, read once and checked: everything that needs no model, and nothing of this machine.

    Attributes:
        run: what to train for.
        config: the trainer's settings.
        model: the model, and how it is loaded.
        task: prompts and objectives.
        source: how the task was named.
        rule: the weighting rule, checked against the objectives.
        resume: the checkpoint to go on from; True: the newest one in the output directory; False: a new run.
    """

    run: RunArguments
    config: MultiObjectiveConfig
    model: ModelConfig
    task: Task
    source: TaskSource
    rule: WeightingRule
    resume: str | bool = False

    def rows(self, split: str) -> Dataset:
        """The rows of a split of the task.

        Raises:
            BadInputError: if it has no such split.
        """
        return rows_of(self.task, split)

    def record(self) -> dict[str, Any]:
        """How task, rule and model were named, for the run's record: by settings that name them in every folder."""
        found = self.source.record()
        settings = found["settings"]
        settings["rule"] = self.run.rule
        if is_named(self.run.rule):
            rule = load(self.run.rule)
            settings["rule"] = rule.anywhere
            found["files"] += [] if rule.file is None else [{"file": rule.file, "sha256": sha256_of(rule.file)}]
        if self.run.bounds:
            settings["bounds"] = self.run.bounds
        for setting in fields(self.model):
            value = getattr(self.model, setting.name)
            if setting.name != "model_name_or_path" and value != setting.default:
                settings[setting.name] = value
        if self.config.model_init_kwargs:
            settings["model_init_kwargs"] = self.config.model_init_kwargs
        if (model := anywhere(self.model.model_name_or_path)) != self.task.model:  # else the task brings it along
            settings["model_name_or_path"] = model
        return found


def anywhere(model: str | None) -> str | None:
    """A model's name for every folder: of a local folder the absolute path."""
    return str(Path(model).resolve()) if model and Path(model).is_dir() else model


def resolve(
    parser: StrictParser,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *,
    make: "Callable[[RunArguments, Task], WeightingRule] | None" = None,
) -> Settings:
    """The settings of a command.

    Args:
        parser: of the command, to make the settings' objects.
        given: what the command was told (:meth:`StrictParser.read`).
        defaults: what stands in for what neither that nor the task says.
        make: makes the rule; :func:`make_rule` unless the command has no use for the one that it was told.

    Raises:
        BadInputError: if they do not fit together.
    """
    task, source = load_task(given)
    told = {
        **task_settings(parser, task),
        "model_name_or_path": task.model,
        **defaults,
        "advantage_estimator": given.get("algorithm", "grpo"),
        **given,
    }
    resume = resumes(told.pop(RESUME, None))
    own, config, model, *_ = parser.make(told)
    check_model_name(task, model.model_name_or_path)
    model_config(model.model_name_or_path, model_settings(model, config))
    task = with_bounds(_with_room(task, config.max_completion_length), given.get("bounds"))
    return Settings(own, config, model, task, source, (make or make_rule)(own, task), resume)


def task_settings(parser: StrictParser, task: Task) -> dict[str, Any]:
    """The trainer's settings that a task brings along.

    Raises:
        BadInputError: for one that the trainer does not have, or a value of another type or out of its range.
    """
    where = f"the settings of {task.name}"
    known = {setting.name for setting in fields(MultiObjectiveConfig)}
    if foreign := next((name for name in task.settings if name not in known and parser.knows(name)), None):
        raise BadInputError(f"{where}: {foreign} is no setting of training (MultiObjectiveConfig): leave it out.")
    return parser.take(task.settings, where)


def check_model_name(task: Task, model: str | None) -> None:
    """Raise :class:`BadInputError` where neither the task nor the command names a model."""
    if not model:
        raise BadInputError(f"the task {task.name} names no model: give --model_name_or_path.")


def resumes(given: str | bool | None) -> str | bool:
    """A checkpoint to go on from, or whether to go on from the newest one.

    Raises:
        BadInputError: for an empty text.
    """
    if not isinstance(given, str):
        return bool(given)
    if not given.strip():
        raise BadInputError("--resume names no checkpoint: give its folder, or leave out the value for the newest.")
    words = {"true": True, "yes": True, "false": False, "no": False, "none": False}
    return words.get(given.lower(), given)


def _with_room(task: Task, longest: int) -> Task:
    """The task with bounds of completion lengths that hold the longest completion.

    Beyond a bound all lengths count the same, and a policy there would add nothing to the hypervolume.
    """
    lengths = [o for o in task.objectives if o.metric is completion_length and o.bounds and o.bounds[1] < longest]
    return with_bounds(task, {o.name: (o.bounds[0], float(longest)) for o in lengths if o.bounds})


def make_rule(own: RunArguments, task: Task) -> WeightingRule:
    """The weighting rule, checked against the task's objectives.

    Raises:
        BadInputError: if it does not fit.
    """
    try:
        make = rule_class(own.rule)
    except ValueError as error:
        raise BadInputError(f"--rule: {error}") from error
    settings = check_rule_settings(make, given_settings(make, own, [o.name for o in task.objectives]))
    settings = {**make.task_settings(settings, mu=task.mu), **settings}
    try:
        rule = make(**settings)
        rule.check(task.objectives)
    except (TypeError, ValueError, ArithmeticError, ImportError) as error:
        raise BadInputError(f"--rule {own.rule}: {error}") from error
    except Exception as error:
        if not is_named(own.rule):
            raise
        raise BadInputError(f"--rule {own.rule} raised {reason_of(error)}") from error
    return rule
