"""What ``paretune train`` and ``paretune evaluate`` are told, and the objects that are made of it."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from datasets import load_dataset
from transformers import AutoConfig
from trl import ModelConfig

from paretune import tasks
from paretune.cli.bad_input import BadInputError
from paretune.cli.parser import StrictParser
from paretune.objectives import Objective, completion_length
from paretune.sandbox import SandboxError
from paretune.tasks import Task
from paretune.trainer import MultiObjectiveConfig
from paretune.weighting import RULES, FixedWeights, HypervolumeGuided, WeightingRule

TAKE_WEIGHTS = (FixedWeights.name, HypervolumeGuided.name)
"""The rules that are given the weights; all others find their own."""

HIDDEN = {
    "advantage_estimator": "algorithm",
    "reward_weights": "weights",
    "resume_from_checkpoint": "resume",
}


@dataclass
class RunArguments:
    """What to train for, and how its objectives are weighted."""

    task: str | None = field(
        default=None,
        metadata={"help": "the task (`paretune list`); arithmetic unless `reward_funcs` is given"},
    )
    data: str | None = field(default=None, metadata={"help": "a local folder with the task's data"})
    unsafe_no_sandbox: bool = field(
        default=False,
        metadata={"help": "run the programs that a model writes with all your rights, where there is no sandbox"},
    )
    rule: str = field(default="gradient", metadata={"help": "the weighting rule: " + ", ".join(RULES)})
    weights: str | None = field(default=None, metadata={"help": "one weight for each objective: 0.5,0.25,0.25"})
    preset: str | None = field(default=None, metadata={"help": "weights of the paper: accuracy, balanced, efficiency"})
    rule_settings: dict[str, Any] | str | None = field(
        default=None,
        metadata={"help": """the rule's further settings as JSON, in YAML a mapping: '{"mu": 1e-5, "every": 2}'"""},
    )
    algorithm: Literal["grpo", "rloo", "reinforce++"] = field(
        default="grpo", metadata={"help": "how rewards become advantages"}
    )
    reward_funcs: list[str] | None = field(
        default=None, metadata={"help": "your own rewards by import path (my.module.reward), in place of a task"}
    )
    dataset_name: str | None = field(default=None, metadata={"help": "your own data set: a Hub name or a local folder"})
    dataset_config: str | None = field(default=None, metadata={"help": "its configuration"})
    dataset_train_split: str = field(default="train", metadata={"help": "its split to train on"})
    dataset_test_split: str = field(default="test", metadata={"help": "its split to evaluate on"})
    resume: bool = field(default=False, metadata={"help": "go on from the newest checkpoint in `output_dir`"})


@dataclass(frozen=True)
class Settings:
    """A checked command line: everything that needs no model."""

    run: RunArguments
    config: MultiObjectiveConfig
    model: ModelConfig
    task: Task


def parse(argv: Sequence[str], *, prog: str, defaults: Mapping[str, Any]) -> Settings:
    """Parse and check a command line; the task's own settings stand in for what it leaves out.

    Raises:
        BadInputError: for anything that does not fit.
    """
    parser = make_parser(prog)
    task = load_task(parser, argv)
    estimator = parser.given(argv, "algorithm") or "grpo"
    own, config, model = parser.parse(
        argv,
        {**task.settings, "model_name_or_path": task.model, "advantage_estimator": estimator, **defaults},
    )
    check_model(model.model_name_or_path)
    return Settings(own, config, model, _with_room(task, config.max_completion_length))


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
    return replace(task, objectives=objectives)


def make_parser(prog: str) -> StrictParser:
    """The parser of a command that trains or evaluates."""
    return StrictParser([RunArguments, MultiObjectiveConfig, ModelConfig], prog=prog, hidden=HIDDEN)


def load_task(parser: StrictParser, argv: Sequence[str]) -> Task:
    """The task that the command line names, or one made of its rewards and data set.

    Raises:
        BadInputError: if there is no such task, reward or data.
    """
    name, rewards = parser.given(argv, "task"), parser.given(argv, "reward_funcs")
    if rewards is None:
        try:
            unsafe = _is_on(parser.given([*argv, ""], "unsafe_no_sandbox"))
            return tasks.load(name or "arithmetic", parser.given(argv, "data"), unsafe_no_sandbox=unsafe)
        except (ValueError, OSError, SandboxError) as error:
            raise BadInputError(error) from error
    if name is not None:
        raise BadInputError(f"give either --task {name} or --reward_funcs, not both.")
    own, _, model = parser.parse(argv, {})
    return own_task(own, model.model_name_or_path)


def _is_on(given: Any) -> bool:
    """Whether a switch is on, by what follows its flag (nothing, a value, the next flag) or stands in YAML."""
    return given is True or (isinstance(given, str) and given.lower() not in ("false", "no", "f", "n", "0"))


def own_task(own: RunArguments, model: str | None) -> Task:
    """A task of the user's own rewards and data set.

    Raises:
        BadInputError: if one cannot be found.
    """
    if own.dataset_name is None or model is None:
        missing = "--dataset_name" if own.dataset_name is None else "--model_name_or_path"
        raise BadInputError(f"--reward_funcs needs {missing} too.")
    try:
        data = load_dataset(own.dataset_name, name=own.dataset_config)
        splits = {split: data[split] for split in (own.dataset_train_split, own.dataset_test_split)}
    except KeyError as error:
        raise BadInputError(
            f"the data set {own.dataset_name} has no split {error}; it has {', '.join(data)}."
        ) from error
    except (OSError, ValueError) as error:
        raise BadInputError(f"cannot load the data set {own.dataset_name}: {error}") from error
    objectives = [Objective(path.rsplit(".", 1)[-1], _import(path)) for path in own.reward_funcs or []]
    try:
        return Task(
            name=own.dataset_name,
            description="your own rewards",
            train=splits[own.dataset_train_split],
            validation=splits[own.dataset_test_split],
            test=splits[own.dataset_test_split],
            objectives=objectives,
            model=model,
            mu=None,
            settings={},
        )
    except ValueError as error:
        raise BadInputError(error) from error


def _import(path: str) -> Any:
    """A reward by its dotted path; the current folder is searched first, as in TRL."""
    if "." not in path:
        raise BadInputError(f"--reward_funcs {path!r} is no import path: write it as my.module.reward.")
    module, name = path.rsplit(".", 1)
    sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BadInputError(f"--reward_funcs {path}: {error}") from error
    finally:
        sys.path.pop(0)


def make_rule(own: RunArguments, task: Task) -> WeightingRule:
    """The weighting rule, checked against the task's objectives.

    Raises:
        BadInputError: if it does not fit.
    """
    if own.rule not in RULES:
        raise BadInputError(f"unknown rule {own.rule!r}: choose one of {', '.join(RULES)}.")
    settings = _rule_settings(own.rule_settings)
    if own.weights is not None and own.preset is not None:
        raise BadInputError("give either --weights or --preset, not both.")
    weights = _weights(own)
    if weights is None and own.rule in TAKE_WEIGHTS:
        raise BadInputError(f"--rule {own.rule} needs --weights (one for each objective) or --preset.")
    if weights is not None and own.rule not in TAKE_WEIGHTS:
        raise BadInputError(f"--rule {own.rule} finds its own weights: leave out --weights and --preset.")
    if own.rule == "gradient" and settings.get("method") != "realised":  # whose scale is another
        settings.setdefault("mu", task.mu)
    try:
        rule = _build(own.rule, weights, settings)
        rule.check(task.objectives)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"--rule {own.rule}: {error}") from error
    return rule


def _rule_settings(given: dict[str, Any] | str | None) -> dict[str, Any]:
    if not isinstance(given, str):
        return dict(given or {})
    try:
        settings = json.loads(given)
    except json.JSONDecodeError as error:
        raise BadInputError(f"--rule_settings is not valid JSON ({error}): {given}") from error
    if not isinstance(settings, dict):
        raise BadInputError(f"--rule_settings must be a JSON object, got {given}.")
    return settings


def _build(name: str, weights: Any, settings: dict[str, Any]) -> WeightingRule:
    make: Callable[..., WeightingRule] = RULES[name]
    if name not in TAKE_WEIGHTS:
        return make(**settings)
    if name != FixedWeights.name and isinstance(weights, str):  # only that rule knows the presets by name
        weights = FixedWeights(weights).weights.tolist()
    return make(weights, **settings)


def _weights(own: RunArguments) -> list[float] | str | None:
    if own.weights is None:
        return own.preset
    try:
        return [float(w) for w in own.weights.split(",")]
    except ValueError as error:
        raise BadInputError(f"--weights must be numbers with commas between them, got {own.weights!r}.") from error


def check_model(model: str | None) -> None:
    """Find out now, before anything long starts, whether there is such a model.

    Raises:
        BadInputError: if there is none.
    """
    if model is None:
        raise BadInputError("no model: give --model_name_or_path.")
    if Path(model).is_dir() and not (Path(model) / "config.json").is_file():
        raise BadInputError(f"the model folder {model} holds no config.json.")
    try:
        AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        where = "is broken" if Path(model).is_dir() else "is neither a local folder nor a model that the Hub gave"
        raise BadInputError(f"the model {model} {where}: {str(error).splitlines()[0]}") from error
