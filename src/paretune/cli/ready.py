"""Everything that must hold before a model is loaded, whatever the command does with it."""

from transformers import PreTrainedConfig
from transformers.integrations import is_deepspeed_zero3_enabled

from paretune.cli.bad_input import BadInputError
from paretune.cli.launch import is_worker
from paretune.cli.model import check_model, model_config, model_settings, tokenizer_of
from paretune.cli.prompts import check_prompts
from paretune.cli.settings import Settings
from paretune.cli.training_settings import check_prompts_in_a_step, check_training


def check_ready(settings: Settings, *, trains: bool = True) -> None:
    """Find out now whether this machine, the model and the prompts will do, so that nothing is generated in vain.

    Args:
        settings: a checked command line.
        trains: whether it is for training, which needs prompts enough for a batch.

    Raises:
        BadInputError: naming the first thing that will not do.
    """
    check_training(settings.config)
    if trains:
        check_prompts_in_a_step(len(settings.task.train), settings.config)
    loaded_with = model_settings(settings.model, settings.config)
    config = model_config(settings.model.model_name_or_path, loaded_with)
    name = str(settings.model.model_name_or_path)
    _check_rank(settings, config)
    # One of several processes loads its own part of a model; whoever started them has looked at the whole.
    if not is_worker() and not is_deepspeed_zero3_enabled():
        check_model(name, config, loaded_with)
    check_prompts(settings.task, tokenizer_of(name, loaded_with), config, settings.config.chat_template_kwargs)


def _check_rank(settings: Settings, config: PreTrainedConfig) -> None:
    """Whether the model is wide enough for the adapter's rank."""
    text = config.get_text_config()
    widths = [getattr(text, name, None) or 0 for name in ("hidden_size", "intermediate_size")]
    rank, widest = settings.model.lora_r, max(widths)
    if settings.model.use_peft and widest and rank > widest:
        raise BadInputError(f"--lora_r {rank}: no layer of the model is wider than {widest}: lower it.")
