"""The ranges of settings whose wrong values would otherwise surface deep inside TRL or transformers, or never."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


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
SEED = Range(f"0 or more and below {2**32}", lambda v: 0 <= v < 2**32)  # what numpy takes

RANGES: dict[str, Range] = {
    # Batches.
    **dict.fromkeys(
        ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps",
         "steps_per_generation", "generation_batch_size", "num_iterations", "num_generations_eval", "eval_samples",
         "max_completion_length"),
        COUNT,
    ),
    "num_generations": Range("2 or more: GRPO compares at least 2 generations of a prompt", lambda v: v >= 2),
    "dataloader_num_workers": NOT_NEGATIVE,
    # Length of the training and what is done on the way.
    "max_steps": Range("1 or more, or -1 to go by num_train_epochs", lambda v: v >= 1 or v == -1),
    **dict.fromkeys(("num_train_epochs", "eval_steps", "save_steps", "logging_steps", "ddp_timeout"), POSITIVE),
    "save_total_limit": COUNT,
    "front_checkpoints": NOT_NEGATIVE,
    **dict.fromkeys(("seed", "data_seed"), SEED),
    # Sampling.
    "temperature": POSITIVE,
    "eval_temperature": NOT_NEGATIVE,
    "repetition_penalty": POSITIVE,
    "top_p": SHARE,
    "top_k": Range("0 or more, 0 for all tokens", lambda v: v >= 0),
    "min_p": PROBABILITY,
    "reward_timeout": Range("more than 0 seconds, or nothing for no limit", lambda v: v > 0),
    # Optimiser and loss. A learning rate of 0 trains nothing, and is a way to try things out.
    **dict.fromkeys(
        ("learning_rate", "weight_decay", "max_grad_norm", "beta", "epsilon", "epsilon_high", "warmup_steps",
         "eval_delay", "entropy_coef"),
        NOT_NEGATIVE,
    ),
    **dict.fromkeys(("adam_beta1", "adam_beta2"), DECAY),
    **dict.fromkeys(("adam_epsilon", "delta", "ref_model_sync_steps", "sapo_temperature_neg", "sapo_temperature_pos"),
                    POSITIVE),
    **dict.fromkeys(("ref_model_mixup_alpha", "top_entropy_quantile", "label_smoothing_factor"), PROBABILITY),
}  # fmt: skip

CHOICES: dict[str, tuple[Any, ...]] = {
    "loss_type": ("grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"),
    "scale_rewards": ("group", "batch", "none", True, False),
    "importance_sampling_level": ("token", "sequence"),
}
"""What TRL takes, and compares with only when a batch is being trained on."""


def complaint(name: str, value: Any, ranges: Mapping[str, Range] = RANGES) -> str | None:
    """What is wrong with the value of a setting, as the predicate of a sentence; None if nothing is.

    Args:
        name: the setting; of one without a range nothing is wrong.
        value: not None.
        ranges: those of more settings than of training's.
    """
    if name in ranges:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and ranges[name].holds(value)):
            return f"must be {ranges[name].words}, got {value!r}."
    elif name in CHOICES and value not in CHOICES[name]:
        choices = ", ".join(str(choice) for choice in CHOICES[name] if isinstance(choice, str))
        return f"must be one of {choices}, got {value!r}."
    return None
