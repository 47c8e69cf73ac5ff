"""Whether every prompt of a task can be put to its model: found out before the model is loaded."""

import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from paretune.cli.bad_input import BadInputError
from paretune.cli.declared_types import shown
from paretune.tasks import Task
from paretune.time_limit import TimeLimitError, call_within, can_be_limited

TEMPLATE_SECONDS = 10.0
TEMPLATE_BYTES = 2**30
TEMPLATE_CHARACTERS = 10_000_000
"""What one chat may take of a template, which is a program: Jinja's sandbox bounds neither loops in loops nor texts."""
IMAGES = ("image", "images")
"""Columns that TRL takes for images."""
BATCH = 1000
"""Rows read at once."""
TEMPLATE = 2000
"""Tokens that a chat template may add to what is said; with more it is counted."""


def check_prompts(
    task: Task, processor: Any, config: PreTrainedConfig, template_settings: dict[str, Any] | None = None
) -> None:
    """Look at every prompt: its form, its length where it could be too long, and one chat of each order of roles.

    Args:
        task: whose splits are looked at.
        processor: the tokenizer, or the processor that has one.
        config: the model's.
        template_settings: what the chat template gets besides.

    Raises:
        BadInputError: naming the first row that does not fit.
    """
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    looked_at: list[Any] = []
    for split in ("train", "validation", "test"):
        dataset = getattr(task, split)
        if dataset is None or any(dataset is other for other in looked_at):
            continue
        looked_at.append(dataset)
        images = next((column for column in IMAGES if column in dataset.column_names), None)
        orders: set[tuple[str, ...]] = set()
        is_chat: bool | None = None
        for row, prompt in enumerate(_prompts(dataset)):
            where = f"row {row} of the {split} split of {task.name}"
            chat = _is_chat(prompt, where)
            if is_chat is not None and chat != is_chat:
                raise BadInputError(f"{where} is {_kind(chat)}, the rows before are {_kind(is_chat)}: use one kind.")
            is_chat = chat
            if images and not chat:
                raise BadInputError(
                    f"the {split} split of {task.name} has a column {images!r}, and TRL shows images in chats alone: "
                    "rename the column, or write the prompts as messages."
                )
            order = tuple(message["role"] for message in prompt) if chat else ()
            at_most = _bytes(prompt) + (TEMPLATE if chat else 1)
            if (chat and order not in orders) or not _said(prompt) or (context and at_most > context):
                orders.add(order)
                tokens = _tokens(_rendered(prompt, processor, where, template_settings or {}), processor)
                if not tokens:
                    raise BadInputError(f"{where} has a prompt of no tokens, {shown(prompt)}: leave the row out.")
                if context and tokens >= context:
                    raise BadInputError(
                        f"{where} has a prompt of {tokens:,} tokens, and the model reads {context:,}: shorten it, or "
                        "leave the row out."
                    )


def _prompts(dataset: Any) -> Iterator[Any]:
    for batch in dataset.select_columns("prompt").iter(batch_size=BATCH):
        yield from batch["prompt"]


def _is_chat(prompt: Any, where: str) -> bool:
    """Whether it is a chat; else it is a text."""
    if isinstance(prompt, str):
        if not prompt:
            raise BadInputError(f"{where} has an empty prompt: give it one, or leave the row out.")
        return False
    if not isinstance(prompt, list) or not prompt or not all(map(_is_message, prompt)):
        raise BadInputError(
            f"{where} has the prompt {shown(prompt)}: expected text, or messages with role and content."
        )
    if not any(message.get("content") for message in prompt):
        raise BadInputError(f"{where} has a prompt in which nothing is said: give it content, or leave the row out.")
    return True


def _is_message(message: Any) -> bool:
    """Whether it has a role and content: text or parts. Where tools are called content may be missing."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str) or not message["role"]:
        return False
    content = message.get("content")
    if isinstance(content, list):
        return all(isinstance(part, dict) for part in content)
    return isinstance(content, str) or (content is None and bool(message.get("tool_calls")))


def _kind(is_chat: bool) -> str:
    return "a list of messages" if is_chat else "text"


def _bytes(prompt: Any) -> int:
    """No fewer than the tokens of what is said: a token stands for a byte or more."""
    return sum(len(text.encode(errors="replace")) for text in _texts(prompt))


def _texts(prompt: Any) -> Iterable[str]:
    if isinstance(prompt, str):
        return [prompt]
    contents = [message.get("content") or "" for message in prompt]
    parts = [content if isinstance(content, list) else [{"text": content}] for content in contents]
    return [str(part.get("text") or "") for content in parts for part in content]


def _said(prompt: Any) -> bool:
    return any(text.strip() for text in _texts(prompt))


def _rendered(prompt: Any, processor: Any, where: str, settings: dict[str, Any]) -> str:
    """A prompt as its tokenizer gets it: a chat through the model's template, which is a program in a sandbox."""
    if isinstance(prompt, str):
        return prompt
    if getattr(processor, "chat_template", None) is None:
        raise BadInputError(f"{where} is a chat, and the tokenizer has no chat template: use text, or a chat model.")
    if hasattr(processor, "tokenizer"):  # it writes images, too, which are not at hand here
        return "\n".join(_texts(prompt))
    messages = [{key: value for key, value in message.items() if value is not None} for message in prompt]

    def render() -> str:
        text: str = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, **settings)
        return text

    try:
        with memory_for(TEMPLATE_BYTES):
            text = call_within(TEMPLATE_SECONDS if can_be_limited() else None, render)
    except TimeLimitError as error:
        raise BadInputError(
            f"the chat template of the model takes more than {TEMPLATE_SECONDS:g} s for {where}: mend it, or take "
            "another model."
        ) from error
    except Exception as error:  # whatever the template runs into
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInputError(f"the chat template of the model refuses {where}: {reason}") from error
    if len(text) > TEMPLATE_CHARACTERS:
        raise BadInputError(f"the chat template of the model makes {len(text):,} characters of {where}: mend it.")
    return text


@contextmanager
def memory_for(extra: int) -> Iterator[None]:
    """Inside, an allocation of more than `extra` bytes in all raises MemoryError, where the system can tell."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(statm.read_text().split()[0]) * resource.getpagesize()
    limits = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([used + extra, *limits]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _tokens(text: str, processor: Any) -> int:
    return len(getattr(processor, "tokenizer", processor)(text)["input_ids"])
