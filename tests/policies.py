"""Tiny real policies, data and rewards for tests that train."""

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

ALPHABET = "0123456789+=abcdefgh .\n"
ARCHITECTURES: dict[str, tuple[type, type]] = {
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
    "llama": (LlamaConfig, LlamaForCausalLM),
    "mistral": (MistralConfig, MistralForCausalLM),
}


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<eos>", "<unk>", *ALPHABET])}
    characters = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    characters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    characters.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=characters, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )


def policy(
    architecture: str = "qwen3", seed: int = 0, dropout: float = 0.0, layers: int = 2, padding: int | None = None
) -> PreTrainedModel:
    """A randomly initialised policy of some 20,000 parameters, whose weights are large enough to prefer tokens.

    With `padding`, autograd leaves that token's embedding without a gradient.
    """
    config_class, model_class = ARCHITECTURES[architecture]
    config = config_class(
        vocab_size=len(ALPHABET) + 3,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=128,
        pad_token_id=padding,
        eos_token_id=1,
        bos_token_id=None,
        initializer_range=0.15,
        attention_dropout=dropout,
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    return model_class(config)


def saved_policy(directory: Path, **kwargs: Any) -> str:
    """A policy with its tokenizer in a folder, as a user would have it."""
    policy(**kwargs).save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    return str(directory)


def prompts(count: int = 16) -> Dataset:
    return Dataset.from_dict(
        {"prompt": [f"{i}+{i + 3}=" for i in range(count)], "answer": [str(2 * i + 3) for i in range(count)]}
    )


def digits(completions: list[str], **_: Any) -> list[float]:
    """Share of digits in the completion."""
    return [sum(c.isdigit() for c in text) / max(len(text), 1) for text in completions]


def brief(completion_ids: list[list[int]], **_: Any) -> list[float]:
    return [1.0 - len(ids) / 16 for ids in completion_ids]


def letters(completions: list[str], **_: Any) -> list[float]:
    """Number of distinct letters, correlated with neither of the others for certain."""
    return [float(len({c for c in text if c.isalpha()})) for text in completions]


def digits_where_even(completions: list[str], answer: list[str], **_: Any) -> list[float | None]:
    """Applies to every other prompt only."""
    shares = digits(completions)
    return [s if int(a) % 4 == 3 else None for s, a in zip(shares, answer, strict=True)]


class StopAfter(TrainerCallback):
    """Ends training after a step of which the schedule of learning rates knows nothing."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        control.should_training_stop = state.global_step >= self.step
        return control
