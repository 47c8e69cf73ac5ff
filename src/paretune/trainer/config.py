"""The trainer's settings: TRL's, and a few more."""

import json
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, get_args

import torch
from trl import GRPOConfig

from paretune.advantages import ESTIMATORS, Algorithm
from paretune.setting_ranges import complaint

NOT_SETTINGS = {
    "output_dir", "logging_dir", "seed", "max_steps", "advantage_estimator",  # have places of their own in the record
    "overwrite_output_dir", "model_init_kwargs",
    "disable_tqdm", "report_to", "write_report", "hub_token",
    "activation_checkpointing", "accelerator_config", "debug", "do_eval", "pad_to_multiple_of",  # made by TRL of others
    "dataloader_pin_memory", "generation_batch_size",
}  # fmt: skip
"""Fields that say nothing of how a policy is trained, or that follow from others."""

SET_BY_TASKS = {
    "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate", "lr_scheduler_type", "weight_decay",
    "max_grad_norm", "gradient_checkpointing", "num_generations", "max_completion_length", "temperature",
    "eval_strategy", "eval_steps", "eval_on_start", "eval_samples", "eval_temperature", "per_device_eval_batch_size",
    "save_steps", "logging_steps",
}  # fmt: skip
"""Fields for which a task has values of its own, so that even TRL's default has to be said to make a run again."""

Combine = Literal["rewards", "advantages"]


@dataclass
class MultiObjectiveConfig(GRPOConfig):
    """Settings of :class:`~paretune.MultiObjectiveTrainer`: all of ``trl.GRPOConfig``, and those below.

    Two defaults differ from TRL's. On a machine without an accelerator ``use_cpu`` is on and ``bf16`` is off unless
    set. An evaluation generates one greedy completion per prompt, from random numbers of its own
    (``eval_temperature=0``, ``num_generations_eval=1``); with a plain ``GRPOConfig`` it is TRL's.

    Raises:
        ValueError: for a value outside its range, and whatever ``GRPOConfig`` raises.
    """

    advantage_estimator: Algorithm = field(
        default="grpo",
        metadata={"help": f"How rewards become advantages: {', '.join(ESTIMATORS)}."},
    )
    combine: Combine = field(
        default="rewards",
        metadata={
            "help": "What the weights multiply: 'rewards' (the paper, TRL's sum_then_normalize), or each objective's "
            "own 'advantages', so that the policy's gradient is the weighted sum of the objectives' gradients."
        },
    )
    bf16: bool | None = field(
        default=None,
        metadata={"help": "bfloat16 mixed precision: on with an accelerator unless `fp16` is, off without one."},
    )
    num_generations_eval: int | None = field(default=1, metadata={"help": "Completions per prompt in an evaluation."})
    eval_samples: int | None = field(
        default=None,
        metadata={"help": "Evaluate on the first so many rows of the evaluation set; all of them by default."},
    )
    eval_temperature: float | None = field(
        default=0.0,
        metadata={
            "help": "Sampling temperature of evaluations; 0 is greedy, with one completion per prompt. They draw from "
            "random numbers of their own. None: as TRL evaluates, sampled like training and from its random numbers.",
        },
    )
    dial_steps: int | None = field(
        default=None,
        metadata={
            "help": "Evaluations every so many steps also measure a steerable policy at each setting of its dial; none "
            "do by default."
        },
    )
    overwrite_output_dir: bool = field(
        default=False,
        metadata={
            "help": "Begin anew in an `output_dir` that holds a run: when training starts, its record, report and "
            "checkpoints are deleted. A run that is resumed overwrites nothing."
        },
    )
    reward_timeout: float | None = field(
        default=None,
        metadata={
            "help": "Seconds that one call of a reward or metric function may take before the run stops; no limit by "
            "default."
        },
    )
    write_report: bool = field(
        default=True,
        metadata={"help": "Write `report.html` into `output_dir` when training has finished."},
    )
    front_checkpoints: int = field(
        default=5,
        metadata={
            "help": "Checkpoints on the Pareto front that are kept whatever `save_total_limit` says, those with the "
            "largest hypervolume contribution first."
        },
    )

    def __post_init__(self) -> None:
        """Check the values, and fill in what a machine without an accelerator needs."""
        self.tracked: dict[str, Any] = {}  # what trackers learn beside the settings
        if self.advantage_estimator not in ESTIMATORS:
            choices = ", ".join(ESTIMATORS)
            raise ValueError(f"`advantage_estimator` must be one of {choices}, got {self.advantage_estimator!r}.")
        if self.combine not in get_args(Combine):
            raise ValueError(f"`combine` must be 'rewards' or 'advantages', got {self.combine!r}.")
        _check_ranges(self)
        if self.multi_objective_aggregation != "sum_then_normalize" and (
            not ESTIMATORS[self.advantage_estimator].computed_by_trl or self.combine != "rewards"
        ):
            raise ValueError(
                f"`multi_objective_aggregation`={self.multi_objective_aggregation!r} is a way for GRPO to combine "
                f"rewards; with advantage_estimator={self.advantage_estimator!r} and combine={self.combine!r} "
                "leave it at 'sum_then_normalize'."
            )
        if not torch.accelerator.is_available():
            self.use_cpu, self.bf16 = True, bool(self.bf16)
        super().__post_init__()

    @property
    def steps_per_batch(self) -> int:
        """Training steps (forward and backward over a micro-batch) that one generation batch serves."""
        return int(self.steps_per_generation * self.num_iterations)

    def to_dict(self) -> dict[str, Any]:
        """The settings as trackers show them, with the rule and its settings once the trainer has named them."""
        return {**super().to_dict(), **self.tracked}

    def changed(self) -> dict[str, Any]:
        """The settings as plain JSON values: what is not at its default, and what a task would set otherwise."""
        found: dict[str, Any] = {}
        for setting in fields(self):
            if not setting.init or setting.name in NOT_SETTINGS:
                continue
            default = setting.default if setting.default_factory is MISSING else setting.default_factory()
            value = getattr(self, setting.name, default)
            if value is None and default is not None:
                found[setting.name] = None
            if (value != default or setting.name in SET_BY_TASKS) and (plain := _plain(value)) is not None:
                found[setting.name] = plain
        return found

    @classmethod
    def from_grpo(cls, config: GRPOConfig) -> "MultiObjectiveConfig":
        """The same settings as a plain ``GRPOConfig``, ours at their defaults; it evaluates as TRL does.

        Raises:
            ValueError: for a value outside its range.
        """
        if isinstance(config, cls):
            return config
        converted = cls.__new__(cls)  # __post_init__ has run; some of its checks refuse a second time
        added = {f.name: f.default for f in fields(cls) if f.name not in vars(config)}
        converted.__dict__.update({**vars(config), **added, "eval_temperature": None, "tracked": {}})
        _check_ranges(converted)
        return converted


def _check_ranges(config: MultiObjectiveConfig) -> None:
    for name, value in vars(config).items():
        if value is not None and (wrong := complaint(name, value)):
            raise ValueError(f"`{name}` {wrong}")


def _plain(value: Any) -> Any:
    """The value in JSON's terms, those of enumerations included, or None where it has none."""
    try:
        return json.loads(json.dumps(value, default=lambda item: item.value))
    except (AttributeError, TypeError, ValueError):
        return None
