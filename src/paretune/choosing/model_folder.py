"""A checkpoint as an ordinary model folder: the files that load the policy, and a card, but none of its training."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

OF_TRAINING = (
    "optimizer*", "scheduler*", "scaler*", "rng_state*", "trainer_state.json", "training_args.bin", "paretune.json",
    "latest", "zero_to_fp32.py", "*.tmp", "README.md",
)  # fmt: skip
"""Files of a checkpoint that only resuming needs, and the card that PEFT writes."""
FOLDERS = ("additional_chat_templates",)
"""Folders of a checkpoint that belong to the model."""
WEIGHTS = {"config.json": ("model*.safetensors", "pytorch_model*.bin"), "adapter_config.json": ("adapter_model.*",)}
"""What says how a model is built, and the files in which its weights may then be."""


class ExportError(ValueError):
    """A checkpoint cannot be made a model folder; the message says why, in a line."""


def is_adapter(checkpoint: Path) -> bool:
    """Whether a checkpoint holds a PEFT adapter, which needs its base model."""
    return (checkpoint / "adapter_config.json").is_file()


def check_free(folder: Path) -> None:
    """Raise :class:`ExportError` if something of that name exists."""
    if os.path.lexists(folder):
        raise ExportError(f"{folder} exists already: give another folder.")


def export(checkpoint: Path, folder: Path, card: str) -> None:
    """Copy the model in a checkpoint, with its tokenizer, to a new folder.

    The folder is made under another name beside its place and renamed when it is whole.

    Args:
        checkpoint: a whole checkpoint of a run.
        folder: where to; nothing of that name may exist.
        card: the text of its README.md.

    Raises:
        ExportError: if something is there already, the checkpoint holds no weights that ``from_pretrained`` reads, or a
            link in it leads out of it: what is copied may be shown to others.
        OSError: if it cannot be written.
    """
    check_free(folder)
    files = [path for path in sorted(checkpoint.iterdir()) if path.is_file() and not _of_training(path.name)]
    names = [path.name for path in files]
    if not any(
        config in names and any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
        for config, patterns in WEIGHTS.items()
    ):
        raise ExportError(
            f"{checkpoint} holds no weights that from_pretrained reads (a sharded checkpoint has to be merged first)."
        )
    _check_links([*files, *(path for name in FOLDERS for path in (checkpoint / name).rglob("*"))], checkpoint)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        unfinished.mkdir()
        for path in files:
            shutil.copyfile(path, unfinished / path.name)
        for name in FOLDERS:
            if (checkpoint / name).is_dir():
                shutil.copytree(checkpoint / name, unfinished / name, copy_function=shutil.copyfile)
        (unfinished / "README.md").write_text(card, encoding="utf-8")
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _check_links(paths: Iterable[Path], checkpoint: Path) -> None:
    inside = checkpoint.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(inside):
            raise ExportError(f"{path} is a link out of the checkpoint: put the file itself in its place.")


def _of_training(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in OF_TRAINING)
