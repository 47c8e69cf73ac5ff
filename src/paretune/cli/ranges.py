"""The ranges of settings whose wrong values would otherwise surface deep inside TRL or transformers, or never."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from paretune.cli.bad_input import BadInputError

__all__ = ["CHOICES", "RANGES", "Range", "check_ranges"]


class Range(NamedTuple):
    """Which values a setting may have, in words and as a test. Infinity is in no range."""

    words: str
    holds: Callable[[float], bool]


COUNT = Range("1 or more", lambda v: v >= 1)
NOT_NEGATIVE = Range("0 or more", lambda v: v >= 0)
POSITIVE = Range("above 0", lambda v: v > 0)
SHARE = Range("above 0 and at most 1", lambda v: 0 < v <= 1)
PROBABILITY = Range("from 0 to 1", lambda v: 0 <= v <= 1)
DECAY = Range("0 or more and less than 1", lambda v: 0 <= v < 1)

RANGES: dict[str, Range] = {
    # Batches.
    **dict.fromkeys(
        ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps",
         "steps_per_generation", "generation_batch_size", "num_iterations", "num_generations_eval", "eval_samples",
         "max_completion_length", "lora_r"),
        COUNT,
    ),
    "num_generations": Range("2 or more: GRPO compares at least 2 generations of a prompt", lambda v: v >= 2),
    "dataloader_num_workers": NOT_NEGATIVE,
    # Length of the training and what is done on the way.
    "max_steps": Range("1 or more, or -1 to go by num_train_epochs", lambda v: v >= 1 or v == -1),
    **dict.fromkeys(("num_train_epochs", "eval_steps", "save_steps", "logging_steps", "ddp_timeout"), POSITIVE),
    "save_total_limit": COUNT,
    **dict.fromkeys(("seed", "data_seed"), NOT_NEGATIVE),
    # Sampling.
    "temperature": POSITIVE,
    "eval_temperature": NOT_NEGATIVE,
    "repetition_penalty": POSITIVE,
    "top_p": SHARE,
    "top_k": NOT_NEGATIVE,
    "min_p": PROBABILITY,
    # Optimiser and loss. A learning rate of 0 trains nothing, and is a way to try things out.
    **dict.fromkeys(
        ("learning_rate", "weight_decay", "max_grad_norm", "beta", "epsilon", "epsilon_high", "warmup_steps",
         "eval_delay", "entropy_coef"),
        NOT_NEGATIVE,
    ),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "lora_dropout"), DECAY),
    **dict.fromkeys(("adam_epsilon", "delta", "ref_model_sync_steps", "sapo_temperature_neg", "sapo_temperature_pos"),
                    POSITIVE),
    **dict.fromkeys(("ref_model_mixup_alpha", "top_entropy_quantile", "label_smoothing_factor"), PROBABILITY),
    # Comparisons and divergence.
    **dict.fromkeys(("seeds", "jobs", "threads", "test_samples", "exploratory_seeds", "samples"), COUNT),
    "tuning_seeds": NOT_NEGATIVE,
    "target": SHARE,
}  # fmt: skip

BELOW = {"seed": 2**32, "data_seed": 2**32}
"""What numpy takes."""

CHOICES: dict[str, tuple[Any, ...]] = {
    "loss_type": ("grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"),
    "scale_rewards": ("group", "batch", "none", True, False),
    "importance_sampling_level": ("token", "sequence"),
}
"""What TRL takes, and compares with only when a batch is being trained on."""


def check_ranges(settings: Mapping[str, Any], required: Collection[str]) -> None:
    """Check that every number among some settings is in its range.

    Args:
        settings: values by name; those without a range are left alone.
        required: names that may not be None.

    Raises:
        BadInputError: naming the first that is not.
    """
    for name, value in settings.items():
        if value is None:
            if name in RANGES and name in required:
                raise BadInputError(f"--{name} needs a value of {RANGES[name].words}: leave it out for its default.")
        elif name in RANGES and not (_is_number(value) and math.isfinite(value) and RANGES[name].holds(value)):
            raise BadInputError(f"--{name} must be {RANGES[name].words}, got {value}.")
        elif name in BELOW and value >= BELOW[name]:
            raise BadInputError(f"--{name} must be below {BELOW[name]}, got {value}.")
        elif name in CHOICES and value not in CHOICES[name]:
            choices = ", ".join(str(choice) for choice in CHOICES[name] if isinstance(choice, str))
            raise BadInputError(f"--{name} must be one of {choices}, got {value!r}.")
        elif name == "output_dir" and not value.strip():
            raise BadInputError("--output_dir is empty: give a folder.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
