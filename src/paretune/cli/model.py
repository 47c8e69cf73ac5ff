"""Whether a model can be trained: found out without its weights in memory, and without running its code."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoProcessor, GenerationConfig, PreTrainedConfig
from transformers.generation import GenerationMixin
from trl import ModelConfig

from paretune.cli.bad_input import BadInputError
from paretune.trainer import MultiObjectiveConfig

WEIGHTS = ("model*.safetensors*", "pytorch_model*.bin*", "adapter_model.*")


def model_settings(model: ModelConfig, config: MultiObjectiveConfig) -> dict[str, Any]:
    """What the model is loaded with. Code that comes with it is run only where `trust_remote_code` is on."""
    return {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
        "trust_remote_code": config.trust_remote_code,
        **(config.model_init_kwargs or {}),
    }


def model_config(name: str | None, settings: Mapping[str, Any]) -> PreTrainedConfig:
    """The configuration of a model, by which it is known that there is one.

    Args:
        name: a local folder, or a model on the Hub.
        settings: what it is loaded with (:func:`model_settings`).

    Raises:
        BadInputError: if there is none, or it is broken.
    """
    if not name:
        raise BadInputError("no model: give --model_name_or_path.")
    folder = Path(name)
    if folder.is_file():
        raise BadInputError(f"the model {name} is a file: give the folder that holds config.json and the weights.")
    if folder.is_dir() and not (folder / "config.json").is_file():
        is_adapter = (folder / "adapter_config.json").is_file()
        what = "an adapter without its model: give one into which it is merged" if is_adapter else "no config.json"
        raise BadInputError(f"the model folder {name} holds {what}.")
    told = {key: settings[key] for key in ("revision", "trust_remote_code") if settings.get(key) is not None}
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(name, **told)
    except Exception as error:  # a damaged file raises whatever its reader does
        if "trust_remote_code" in str(error):
            raise BadInputError(
                f"the model {name} brings code of its own, which is not run: read it first, then give "
                "--trust_remote_code, or take another model."
            ) from error
        where = "is broken" if folder.is_dir() else "is neither a local folder nor a model that the Hub gave"
        raise BadInputError(f"the model {name} {where}: {_first_line(error)}") from error
    return config


def check_model(name: str, config: PreTrainedConfig, settings: Mapping[str, Any]) -> None:
    """Find out whether a model generates text and, of a local folder, whether it can be loaded.

    Its weights are held against the architecture, of which the shapes alone are made. Weights in pickles are read as
    tensors and nothing else (`weights_only`).

    Args:
        name: a local folder, or a model on the Hub.
        config: its configuration.
        settings: what it is loaded with.

    Raises:
        BadInputError: if it is not fit.
    """
    architecture = _architecture(name, config)
    if Path(name).is_dir() and architecture is not None and getattr(config, "quantization_config", None) is None:
        _check_folder(Path(name), architecture, settings)


def tokenizer_of(name: str, settings: Mapping[str, Any]) -> Any:
    """The tokenizer (of a model that sees, the processor) that training will use.

    Raises:
        BadInputError: if there is none, it knows no text, or it has no token for the end of a completion.
    """
    told = {key: settings[key] for key in ("revision", "trust_remote_code") if settings.get(key) is not None}
    try:
        processor = AutoProcessor.from_pretrained(name, **told)
        tokenizer = getattr(processor, "tokenizer", processor)
        knows_text = len(tokenizer("0 a", add_special_tokens=False)["input_ids"]) > 0
    except Exception as error:  # as above
        raise BadInputError(f"the tokenizer of {name} is missing or broken: {_first_line(error)}") from error
    if not knows_text:
        raise BadInputError(f"the tokenizer of {name} has no vocabulary: add its files (tokenizer.json) to the folder.")
    if tokenizer.eos_token_id is None:
        raise BadInputError(
            f"the tokenizer of {name} has no end token: set eos_token in its tokenizer_config.json, or completions "
            "never end."
        )
    return processor


def _architecture(name: str, config: PreTrainedConfig) -> type[Any] | None:
    """The class that TRL will load; None if it comes with the model."""
    names = config.architectures
    if not (isinstance(names, list) and names and isinstance(names[0], str)):
        raise BadInputError(f"the config.json of {name} names no architecture: add architectures, […ForCausalLM].")
    architecture: type[Any] | None = getattr(transformers, names[0], None)
    if architecture is None:
        return None
    if config.is_encoder_decoder or not issubclass(architecture, GenerationMixin):
        raise BadInputError(f"the model {name} is a {architecture.__name__}: training needs a causal language model.")
    return architecture


def _check_folder(folder: Path, architecture: type[Any], settings: Mapping[str, Any]) -> None:
    if not any(path for pattern in WEIGHTS for path in folder.glob(pattern)):
        raise BadInputError(f"the model folder {folder} holds no weights: add model.safetensors.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, found = architecture.from_pretrained(
                folder, **{**settings, "device_map": "meta"}, output_loading_info=True
            )
            if (folder / "generation_config.json").is_file():
                GenerationConfig.from_pretrained(folder).validate(strict=True)  # as saving a checkpoint will
    except Exception as error:  # as above
        raise BadInputError(f"the model folder {folder} cannot be used: {_reason(error)}") from error
    if missing := sorted(found["missing_keys"]):  # transformers fills these with random numbers
        raise BadInputError(
            f"the model folder {folder} lacks {len(missing)} of the weights that its config.json asks for, such as "
            f"{missing[0]}: fetch it again, or mend config.json."
        )
    if unused := sorted(found["unexpected_keys"]):
        warnings.warn(
            f"the model folder {folder} has {len(unused)} weights that its config.json has no place for, such as "
            f"{unused[0]}: they are left out.",
            stacklevel=4,
        )


def _reason(error: Exception) -> str:
    """Why a folder cannot be loaded, where the error's own words say little."""
    line = _first_line(error)
    if isinstance(error, SafetensorError):
        return f"its safetensors are damaged ({line}): fetch them again."
    if "Weights only load failed" in line:
        return "its weights are a pickle of more than tensors, which is not read: convert it to safetensors."
    if "ignore_mismatched_sizes" in line:
        return "its weights have other shapes than its config.json asks for."
    return line


def _first_line(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"one of its files is not valid JSON ({error})."
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1])
