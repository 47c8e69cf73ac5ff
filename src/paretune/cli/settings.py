"""What ``paretune train`` and ``paretune evaluate`` are told, and the objects that are made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from trl import ModelConfig

from paretune import tasks
from paretune.cli.arguments import RunArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.bounds import with_bounds, with_objectives
from paretune.cli.model import model_config, model_settings
from paretune.cli.own_task import own_task
from paretune.cli.parser import RESUME, StrictParser, make_parser
from paretune.cli.rule_settings import check_rule_settings, given_settings
from paretune.objectives import Objective, completion_length
from paretune.sandbox import SandboxError
from paretune.tasks import Task
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
        resume: the checkpoint to go on from; True: the newest one in the output directory; False: a new run.
    """

    run: RunArguments
    config: MultiObjectiveConfig
    model: ModelConfig
    task: Task
    resume: str | bool = False

    def rows(self, split: str) -> Dataset:
        """The rows of a split of the task.

        Raises:
            BadInputError: if the user's own data set has no such split.
        """
        rows: Dataset | None = getattr(self.task, split)
        if rows is None:
            raise BadInputError(
                f"the data set {self.task.name} has no split {self.run.dataset_test_split!r}, and something is "
                "evaluated: give --dataset_train_split and --dataset_test_split, or leave out what evaluates."
            )
        return rows


def parse(argv: Sequence[str], *, prog: str, defaults: Mapping[str, Any]) -> Settings:
    """Read and check a command line.

    Raises:
        BadInputError: for anything that does not fit.
    """
    parser = make_parser(prog)
    return resolve(parser, parser.read(argv), defaults)


def resolve(parser: StrictParser, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Settings:
    """The settings of a command.

    Args:
        parser: of the command, to make the settings' objects.
        given: what the command was told (:meth:`StrictParser.read`).
        defaults: what stands in for what neither that nor the task says.

    Raises:
        BadInputError: if they do not fit together.
    """
    task = load_task(given)
    told = {
        **task.settings,
        "model_name_or_path": task.model,
        **defaults,
        "advantage_estimator": given.get("algorithm", "grpo"),
        **given,
    }
    resume = resumes(told.pop(RESUME, None))
    own, config, model, *_ = parser.make(told)
    model_config(model.model_name_or_path, model_settings(model, config))
    task = with_bounds(_with_room(task, config.max_completion_length), given.get("bounds"))
    return Settings(own, config, model, task, resume)


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
    objectives = []
    for objective in task.objectives:
        if objective.metric is completion_length and objective.bounds and objective.bounds[1] < longest:
            objective = Objective(
                objective.name,
                objective.reward,
                metric=objective.metric,
                maximize=objective.maximize,
                bounds=(objective.bounds[0], float(longest)),
                gate=objective.gate,
            )
        objectives.append(objective)
    return with_objectives(task, objectives)


def load_task(given: Mapping[str, Any]) -> Task:
    """The task that a command was told, or one made of the rewards and the data set that it was told.

    Raises:
        BadInputError: if there is no such task, reward or data.
    """
    name, rewards = given.get("task"), given.get("reward_funcs")
    if rewards is None:
        try:
            unsafe = bool(given.get("unsafe_no_sandbox"))
            return tasks.load("arithmetic" if name is None else name, given.get("data"), unsafe_no_sandbox=unsafe)
        except (ValueError, OSError, SandboxError) as error:
            raise BadInputError(error) from error
    if name is not None:
        raise BadInputError(f"give either --task {name} or --reward_funcs, not both.")
    splits = {
        key: given[key] for key in ("dataset_config", "dataset_train_split", "dataset_test_split") if key in given
    }
    return own_task(rewards, given.get("dataset_name"), given.get("model_name_or_path"), **splits)


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
    return rule
