"""What ``paretune train`` and ``paretune evaluate`` are told, and the objects that are made of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from trl import ModelConfig

from paretune import tasks
from paretune.cli.bad_input import BadInputError
from paretune.cli.model import model_config, model_settings
from paretune.cli.own_task import own_task
from paretune.cli.parser import StrictParser
from paretune.cli.rule_settings import check_rule_settings, read_rule_settings
from paretune.objectives import Objective, completion_length
from paretune.sandbox import SandboxError
from paretune.tasks import Task
from paretune.trainer import MultiObjectiveConfig
from paretune.weighting import RULES, FixedWeights, HypervolumeGuided, WeightingRule

TAKE_WEIGHTS = (FixedWeights.name, HypervolumeGuided.name)
"""The rules that are given the weights; all others find their own."""
SCALE_OF_MU = {"clip_norm": None, "layers": "all", "include_kl": False}
"""A task's μ belongs to influence measured so, and not to the realised one."""

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
    """A checked command line: everything that needs no model, and nothing of this machine."""

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
    model_config(model.model_name_or_path, model_settings(model, config))
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
    return own_task(
        own.reward_funcs or [],
        own.dataset_name,
        model.model_name_or_path,
        config=own.dataset_config,
        train_split=own.dataset_train_split,
        test_split=own.dataset_test_split,
    )


def _is_on(given: Any) -> bool:
    """Whether a switch is on, by what follows its flag (nothing, a value, the next flag) or stands in YAML."""
    return given is True or (isinstance(given, str) and given.lower() not in ("false", "no", "f", "n", "0"))


def make_rule(own: RunArguments, task: Task) -> WeightingRule:
    """The weighting rule, checked against the task's objectives.

    Raises:
        BadInputError: if it does not fit.
    """
    if own.rule not in RULES:
        raise BadInputError(f"unknown rule {own.rule!r}: choose one of {', '.join(RULES)}.")
    settings = read_rule_settings(own.rule_settings)
    if own.weights is not None and own.preset is not None:
        raise BadInputError("give either --weights or --preset, not both.")
    weights = _weights(own)
    if weights is None and own.rule in TAKE_WEIGHTS:
        raise BadInputError(f"--rule {own.rule} needs --weights (one for each objective) or --preset.")
    if weights is not None and own.rule not in TAKE_WEIGHTS:
        raise BadInputError(f"--rule {own.rule} finds its own weights: leave out --weights and --preset.")
    settings = check_rule_settings(RULES[own.rule], settings, weights=own.rule in TAKE_WEIGHTS)
    at_scale = settings.get("method") != "realised" and all(
        settings.get(key, at) == at for key, at in SCALE_OF_MU.items()
    )
    if own.rule == "gradient" and at_scale:
        settings.setdefault("mu", task.mu)
    try:
        rule = _build(own.rule, weights, settings)
        rule.check(task.objectives)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"--rule {own.rule}: {error}") from error
    return rule


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
