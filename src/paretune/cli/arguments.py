"""What commands are told beyond the settings of TRL and of its models: one dataclass a command.

This module imports nothing that takes long, so that a wrong command line is refused at once.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from paretune.cli import described
from paretune.cli.declared_types import COMMAS, NamedBounds, NamedNumbers

if TYPE_CHECKING:
    from paretune.advantages import Algorithm
else:
    Algorithm = Literal[tuple(described.named("algorithms"))]

FIRST = (
    "task", "rule", "priorities", "weights", "bounds", "algorithm", "reward_funcs", "dataset_name",
    "model_name_or_path", "max_steps", "learning_rate", "max_completion_length", "seed", "output_dir",
    "resume_from_checkpoint", "config",
)  # fmt: skip
"""The settings that a newcomer sets, in the order in which the help shows them."""


@dataclass
class TaskArguments:
    """What is trained for: a task, or rewards and data."""

    task: str | None = field(
        default=None,
        metadata={"help": "the task (`paretune list`; arithmetic by default), or your own: my.module:task, my.py:task"},
    )
    data: str | None = field(default=None, metadata={"help": "a local folder with the task's data"})
    reward_funcs: list[str] | None = field(
        default=None,
        metadata={
            "help": "your own rewards, in place of a task: my.module.reward, rewards.py:object, or reward models "
            "(a folder, a Hub name)"
        },
    )
    dataset_name: str | None = field(
        default=None, metadata={"help": "their data: a folder, a .parquet, .jsonl, .json or .csv file, or a Hub name"}
    )
    dataset_config: str | None = field(default=None, metadata={"help": "its configuration"})
    dataset_train_split: str = field(default="train", metadata={"help": "its split to train on"})
    dataset_test_split: str | None = field(
        default=None, metadata={"help": "its split to test on; `test` by default, where there is one"}
    )
    validation_share: float | None = field(
        default=None, metadata={"help": "the share of its rows to split off for validation: 0.2"}
    )


@dataclass
class RunArguments(TaskArguments):
    """What to train for, and how its objectives are weighted."""

    unsafe_no_sandbox: bool = field(
        default=False,
        metadata={"help": "run the programs that a model writes with all your rights, where there is no sandbox"},
    )
    rule: str = field(
        default="nash",
        metadata={"help": "the weighting rule (`paretune list`), or your own: my.module:Rule, rule.py:Rule"},
    )
    weights: Annotated[str | None, COMMAS] = field(
        default=None, metadata={"help": "one weight for each objective: 0.5,0.25,0.25"}
    )
    preset: str | None = field(
        default=None, metadata={"help": "weights of the paper by their name (`paretune train --help rule fixed`)"}
    )
    rule_settings: dict[str, Any] | str | None = field(
        default=None,
        metadata={"help": """its settings as JSON, in YAML a mapping: '{"mu": 1e-5}'"""},
    )
    bounds: NamedBounds = field(
        default=None, metadata={"help": "bounds of metrics without: accuracy=0:1,length=12:480"}
    )
    algorithm: Algorithm = field(default="grpo", metadata={"help": "how rewards become advantages (`paretune list`)"})
    priorities: NamedNumbers = field(
        default=None,
        metadata={"help": "how much each objective matters to you: accuracy=2,clarity=1; 1 for those left out"},
    )
    maximize: str | None = field(
        default=None, metadata={"help": "the objective that a rule with thresholds (lagrangian) maximises"}
    )
    at_least: NamedNumbers = field(
        default=None, metadata={"help": "thresholds in the metrics' units for such a rule: accuracy=0.8"}
    )
    at_most: NamedNumbers = field(
        default=None, metadata={"help": "the same for metrics that are to stay low: conciseness=300"}
    )


@dataclass
class CheckArguments:
    """How much a check measures."""

    batches: int = field(default=2, metadata={"help": "batches with each kind of influence"})


@dataclass
class EvaluateArguments:
    """What a policy is measured on."""

    split: Literal["train", "validation", "test"] = field(default="test", metadata={"help": "the task's split"})
    dial_settings: int = field(
        default=15, metadata={"help": "priorities at which a steerable policy is measured, at the most"}
    )


@dataclass
class CompareArguments(TaskArguments):
    """What is compared, and how its runs are made."""

    unsafe_no_sandbox: bool = field(
        default=False,
        metadata={"help": "run the programs that a model writes with all your rights, where there is no sandbox"},
    )
    rules: Annotated[str, COMMAS] = field(
        default="balanced,nash",
        metadata={
            "help": "what is compared: rules (`paretune list`), presets of weights, fixed:0.6:0.3:0.1, module:Class, "
            "average, replay and random-walk, the controls of gradient; and the names under `arms`"
        },
    )
    arms: dict[str, Any] | str | None = field(
        default=None,
        metadata={"help": "in YAML: rules of your own by name {rule, weights, preset, rule_settings, configurations}"},
    )
    bounds: NamedBounds = field(
        default=None, metadata={"help": "bounds of metrics, by which runs are judged: accuracy=0:1,length=12:480"}
    )
    algorithms: Annotated[str, COMMAS] = field(
        default="grpo", metadata={"help": ",".join(described.named("algorithms"))}
    )
    seeds: int = field(default=5, metadata={"help": "runs of each rule under each algorithm: seeds 0 to N - 1"})
    tuning_seeds: int = field(default=2, metadata={"help": "runs of each configuration, where an arm has any"})
    exploratory_seeds: int | None = field(
        default=None, metadata={"help": "runs of each rule under any but the first algorithm; as many by default"}
    )
    primary: str | None = field(
        default=None,
        metadata={"help": "the rule of the one contrast named beforehand; the first of `rules` that is not fixed"},
    )
    primary_figure: str | None = field(
        default=None,
        metadata={"help": "the figure of that contrast (docs/comparing.md); hypervolume by default"},
    )
    target: float | None = field(
        default=None, metadata={"help": "a policy's hypervolume to time runs to; from the tuning runs by default"}
    )
    test_samples: int | None = field(
        default=None, metadata={"help": "test prompts by which runs are judged; all of them by default"}
    )
    jobs: int = field(default=1, metadata={"help": "runs side by side"})
    threads: int | None = field(default=None, metadata={"help": "of each run; the cores shared among the jobs"})
    launcher: Literal["local", "ray"] = field(default="local", metadata={"help": "where runs are started"})


@dataclass
class DivergenceArguments(TaskArguments):
    """What is compared on what; the prompts are those of the runs' own task by default."""

    split: Literal["train", "validation", "test"] = field(default="validation", metadata={"help": "its split"})
    samples: int = field(default=64, metadata={"help": "prompts, the first so many of the split"})
    max_completion_length: int | None = field(
        default=None, metadata={"help": "tokens after which a completion is cut; as in training by default"}
    )
    temperature: float | None = field(
        default=None, metadata={"help": "of the policies that are compared; as in training by default"}
    )
    per_device_eval_batch_size: int = field(
        default=32, metadata={"help": "completions generated at once; another number draws other samples"}
    )
    seed: int = field(default=0, metadata={"help": "decides the samples"})
    output: str = field(
        default="divergence.jsonl",
        metadata={"help": "the records: lines are added as they are measured, and what is there is not repeated"},
    )


@dataclass
class SteerArguments:
    """At which priorities a policy answers, and what."""

    priorities: NamedNumbers = field(
        default=None, metadata={"help": "of your own, beside the corners and the centre: accuracy=0.7,clarity=0.3"}
    )
    prompt: str | None = field(default=None, metadata={"help": "what to answer; a prompt of training by default"})
    max_completion_length: int | None = field(
        default=None, metadata={"help": "tokens after which an answer is cut; as in training by default"}
    )


@dataclass
class ReportArguments:
    """By what a report is made, and what is written beside the page."""

    bounds: NamedBounds = field(
        default=None, metadata={"help": "bounds of metrics, in place of those recorded: accuracy=0:1,length=12:480"}
    )
    figures: str | None = field(default=None, metadata={"help": "a folder for the figures as files, too"})
    format: list[str] = field(
        default_factory=lambda: ["pdf"], metadata={"help": "of these files: pdf, png, svg; several may be given"}
    )
