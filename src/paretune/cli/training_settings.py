"""Finding settings at which a training would stop, before anything is loaded for it."""

from importlib.util import find_spec

import torch
from transformers import GenerationConfig, get_scheduler
from transformers.integrations import get_reporting_integration_callbacks
from transformers.training_args import OptimizerNames

from paretune.cli.bad_input import BadInputError
from paretune.trainer import MultiObjectiveConfig, MultiObjectiveTrainer

NEED_THE_MODEL = ("galore", "apollo", "lomo", "adalomo", "greedy_lomo")
"""What the names of optimisers have in them that cannot be made for a parameter alone."""


def check_training(config: MultiObjectiveConfig) -> None:
    """Make, for a parameter of one number, what a training is made of: optimiser, schedule, sampling and loggers.

    Raises:
        BadInputError: if something of it cannot be made.
    """
    try:
        _check_generation(config)
    except (ValueError, TypeError) as error:
        raise BadInputError(f"the settings of sampling: {error}") from error
    try:
        for logger in get_reporting_integration_callbacks(config.report_to):
            logger()
    except (ValueError, RuntimeError, ImportError) as error:
        raise BadInputError(f"--report_to {' '.join(config.report_to)}: {error}") from error
    if config.deepspeed is None and not any(part in OptimizerNames(config.optim).value for part in NEED_THE_MODEL):
        try:
            _make_optimizer(config)
        except (ValueError, TypeError, RuntimeError, ImportError, AttributeError, ArithmeticError) as error:
            raise BadInputError(f"the settings of optimiser and learning rate: {error}") from error


def check_prompts_in_a_step(prompts: int, config: MultiObjectiveConfig) -> None:
    """Whether there are prompts enough for one batch; TRL drops what does not fill one, and would train on none.

    Raises:
        BadInputError: if there are not.
    """
    wanted = (config.generation_batch_size or 1) // (config.num_generations or 1)
    if prompts < wanted:
        raise BadInputError(
            f"a batch takes {wanted} prompts ({config.generation_batch_size} completions, {config.num_generations} of "
            f"each), and there are {prompts} to train on: lower --per_device_train_batch_size, or give more prompts."
        )


def _check_generation(config: MultiObjectiveConfig) -> None:
    if config.use_vllm:
        if find_spec("vllm") is None:
            raise ValueError("vLLM is not installed: `pip install 'paretune[vllm]'`, or leave out --use_vllm.")
        return  # it takes settings of its own
    settings = GenerationConfig()
    unknown = [name for name in config.generation_kwargs or {} if not hasattr(settings, name)]
    if unknown:
        raise ValueError(f"generation_kwargs has no setting {unknown[0]!r}: take the names of GenerationConfig.")
    GenerationConfig(cache_implementation=config.cache_implementation, **(config.generation_kwargs or {}))


def _make_optimizer(config: MultiObjectiveConfig) -> None:
    if config.optim_args and not all("=" in part for part in config.optim_args.split(",")):
        raise ValueError(f"write --optim_args as name=value,name=value, got {config.optim_args!r}.")
    make, settings = MultiObjectiveTrainer.get_optimizer_cls_and_kwargs(config)
    optimizer = make([torch.nn.Parameter(torch.zeros(1))], **settings)
    if not config.learning_rate:  # of which some schedules would take a share
        return
    get_scheduler(
        config.lr_scheduler_type,
        optimizer,
        num_warmup_steps=1,
        num_training_steps=10,
        scheduler_specific_kwargs=config.lr_scheduler_kwargs or {},
    )
