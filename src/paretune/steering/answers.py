"""What a steerable policy answers at several priorities."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from paretune.steering.template import Template


@torch.inference_mode()
def answers(
    model: Any,
    tokenizer: Any,
    template: Template,
    prompt: Any,
    settings: Sequence[Sequence[float]],
    *,
    longest: int,
    chat_template_kwargs: Mapping[str, Any] | None = None,
) -> list[str]:
    """The greedy answer to a prompt at each setting.

    Args:
        model: a causal language model of transformers.
        tokenizer: its tokenizer.
        template: writes priorities into the prompt.
        prompt: a plain text, or a list of messages.
        settings: priorities, one row a setting.
        longest: tokens after which an answer is cut.
        chat_template_kwargs: what the chat template gets besides.
    """
    told = [template.format(prompt, setting) for setting in settings]
    chat = not isinstance(prompt, str)
    if chat:
        options = {"tokenize": False, "add_generation_prompt": True, **(chat_template_kwargs or {})}
        told = [tokenizer.apply_chat_template(messages, **options) for messages in told]
    tokens = tokenizer(told, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=not chat)
    read = {name: tokens[name].to(model.device) for name in ("input_ids", "attention_mask")}
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    greedy: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    ids = model.generate(**read, max_new_tokens=longest, pad_token_id=padding, **greedy)
    found: list[str] = tokenizer.batch_decode(ids[:, read["input_ids"].shape[1] :], skip_special_tokens=True)
    return found
