"""The ranges of settings whose wrong values would otherwise cause errors deep inside TRL or transformers, or none."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

LARGEST = 2**31 - 1
"""The largest number that a setting takes, unless its range says otherwise: libraries in C hold no larger ones."""


class Range(NamedTuple):
    """Which values a setting may have, in words and as a test, and the largest. Infinity is in no range."""

    words: str
    holds: Callable[[float], bool]
    most: int = LARGEST


ANY = Range("a finite number", lambda _: True)
COUNT = Range("1 or more", lambda v: v >= 1)
NOT_NEGATIVE = Range("0 or more", lambda v: v >= 0)
POSITIVE = Range("above 0", lambda v: v > 0)
SHARE = Range("above 0 and at most 1", lambda v: 0 < v <= 1)
PROBABILITY = Range("from 0 to 1", lambda v: 0 <= v <= 1)
DECAY = Range("0 or more and less than 1", lambda v: 0 <= v < 1)
PORT = Range("a port: from 0 to 65535", lambda v: 0 <= v <= 65535)
SEED = Range(f"0 or more and below {2**32}", lambda v: 0 <= v < 2**32, 2**32 - 1)  # what numpy takes


def at_most(most: int, of: Range = COUNT) -> Range:
    """A range with an upper end of its own, where memory or processes are taken for every one."""
    return of._replace(most=most)


RANGES: dict[str, Range] = {
    # Batches.
    **dict.fromkeys(
        ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps",
         "steps_per_generation", "generation_batch_size", "num_iterations", "num_generations_eval"),
        at_most(1_000_000),
    ),
    **dict.fromkeys(("eval_samples", "dial_steps"), COUNT),
    "max_completion_length": at_most(10_000_000),
    "num_generations": at_most(
        1_000_000, Range("2 or more: GRPO compares at least 2 generations of a prompt", lambda v: v >= 2)
    ),
    **dict.fromkeys(("dataloader_num_workers", "dataloader_prefetch_factor"), at_most(1024, NOT_NEGATIVE)),
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
    **dict.fromkeys(("vllm_server_port", "vllm_group_port"), PORT),
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
        name: the setting; one without a range may be any number up to ±:data:`LARGEST`.
        value: not None.
        ranges: those of more settings than of training's.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in ranges or is_number:
        allowed = ranges.get(name, ANY)
        if not (is_number and (isinstance(value, int) or math.isfinite(value)) and allowed.holds(value)):
            return f"must be {allowed.words}, got {_shown(value)}."
        if abs(value) > allowed.most:
            return f"must be at most {allowed.most:,}, got {_shown(value)}."
    elif name in CHOICES and value not in CHOICES[name]:
        choices = ", ".join(str(choice) for choice in CHOICES[name] if isinstance(choice, str))
        return f"must be one of {choices}, got {value!r}."
    return None


def _shown(value: Any) -> str:
    """A value in a message; Python refuses to write out a number of more than 4,300 digits."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return f"a whole number of {value.bit_length():,} bits"
    return repr(value)
