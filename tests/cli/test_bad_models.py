"""Model folders that cannot be trained: said before their weights are loaded."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, Qwen3Config, Qwen3ForSequenceClassification, T5Config, T5Model

from paretune.cli import main

Refused = Callable[..., str]
Change = Callable[[Path], Any]
SMALL = {"vocab_size": 27, "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}


def write(name: str, content: bytes | str) -> Change:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def cut(name: str, size: int) -> Change:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def remove(*names: str) -> Change:
    return lambda folder: [(folder / name).unlink() for name in names]


def edit(name: str, **changes: Any) -> Change:
    """Set entries of a JSON file; None takes one out."""

    def change(folder: Path) -> None:
        content = {**json.loads((folder / name).read_text()), **changes}
        (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))

    return change


def replace(make: Callable[[], Any]) -> Change:
    """Put another model in place of the policy, whose tokenizer stays."""

    def change(folder: Path) -> None:
        remove("model.safetensors", "config.json", "generation_config.json")(folder)
        make().save_pretrained(folder)

    return change


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


class Touch:
    """What a pickle can do to whoever reads it."""

    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def pickled_call(folder: Path) -> None:
    torch.save({"weight": Touch()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def pickle_torn(folder: Path) -> None:
    pickled(folder)
    cut("pytorch_model.bin", 5000)(folder)


def reward_model() -> Any:
    return Qwen3ForSequenceClassification(
        Qwen3Config(num_hidden_layers=1, head_dim=8, num_key_value_heads=2, pad_token_id=0, **SMALL)
    )


MODELS: list[tuple[str, Change, str]] = [
    ("empty", lambda folder: [path.unlink() for path in folder.iterdir()], "holds no config.json"),
    ("an adapter alone", lambda folder: (folder / "config.json").rename(folder / "adapter_config.json"), "an adapter"),
    ("config torn", cut("config.json", 60), "is not a valid JSON file"),
    ("config of bytes", write("config.json", bytes(range(256))), "is broken"),
    ("config a list", write("config.json", "[1]"), "is broken"),
    ("config empty", write("config.json", "{}"), "Should have a `model_type` key"),
    ("config with text for a width", edit("config.json", hidden_size="wide"), "hidden_size"),
    ("config without architecture", edit("config.json", architectures=None), "names no architecture"),
    ("unknown architecture", edit("config.json", model_type="magic"), "has model type `magic` but Transformers"),
    ("a width below 0", edit("config.json", hidden_size=-1), "cannot be used: Trying to create tensor with negative"),
    ("another width", edit("config.json", hidden_size=64), "other shapes than its config.json asks for"),
    ("another vocabulary", edit("config.json", vocab_size=99), "other shapes than its config.json asks for"),
    ("more layers", edit("config.json", num_hidden_layers=3, layer_types=None), "lacks 11 of the weights"),
    ("no weights", remove("model.safetensors"), "holds no weights: add model.safetensors"),
    ("weights torn", cut("model.safetensors", 5000), "its safetensors are damaged"),
    ("weights cut in their header", cut("model.safetensors", 50), "its safetensors are damaged"),
    ("weights empty", write("model.safetensors", b""), "its safetensors are damaged"),
    ("weights that are a page", write("model.safetensors", "<html>" * 99), "its safetensors are damaged"),
    ("pickle that calls", pickled_call, "its weights are a pickle of more than tensors, which is not read"),
    ("pickle torn", pickle_torn, "cannot be used: "),
    ("no tokenizer", remove("tokenizer.json", "tokenizer_config.json"), "has no vocabulary"),
    ("no vocabulary", remove("tokenizer.json"), "is missing or broken"),
    ("tokenizer torn", cut("tokenizer.json", 99), "is missing or broken"),
    ("tokenizer's settings torn", cut("tokenizer_config.json", 20), "one of its files is not valid JSON"),
    ("no end token", edit("tokenizer_config.json", eos_token=None), "has no end token: set eos_token"),
    ("generation settings torn", write("generation_config.json", '{"temp'), "is not a valid JSON file"),
    (
        "generation settings that cannot be saved",
        write("generation_config.json", '{"temperature": 0.3, "do_sample": false}'),
        "GenerationConfig is invalid",
    ),
    (
        "an encoder",
        replace(lambda: BertModel(BertConfig(num_hidden_layers=1, **SMALL))),
        "is a BertModel: training needs a causal language model",
    ),
    (
        "an encoder with a decoder",
        replace(lambda: T5Model(T5Config(vocab_size=27, d_model=16, d_ff=16, num_layers=1, num_heads=2, d_kv=8))),
        "is a T5Model: training needs a causal language model",
    ),
    (
        "a reward model",
        replace(reward_model),
        "is a Qwen3ForSequenceClassification: training needs a causal language model",
    ),
]  # fmt: skip


@pytest.fixture
def folder(tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a good model."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.mark.usefixtures("tasks_are_loaded_once")
@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in MODELS], ids=[case[0] for case in MODELS])
def test_models(change: Change, expected: str, refused: Refused, folder: Path) -> None:
    change(folder)
    said = refused("train", "--model_name_or_path", folder, "--output_dir", folder.parent / "run")
    assert expected in said
    assert str(folder) in said
    assert [path.name for path in folder.parent.iterdir()] == ["model"]  # nothing written, nothing run


@pytest.mark.usefixtures("tasks_are_loaded_once")
def test_a_file(refused: Refused, folder: Path) -> None:
    said = refused("train", "--model_name_or_path", folder / "config.json")
    assert "config.json is a file: give the folder that holds config.json and the weights" in said


@pytest.mark.usefixtures("tasks_are_loaded_once")
def test_every_command_that_loads_it(refused: Refused, folder: Path) -> None:
    cut("model.safetensors", 5000)(folder)
    for command in (["check"], ["compare", "--output_dir", "runs"]):
        assert "its safetensors are damaged" in refused(*command, "--model_name_or_path", folder)
    assert "its safetensors are damaged" in refused("evaluate", folder)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_these_work(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A pickle of tensors, as which it is read; no padding token; weights beyond the last layer, which are named."""
    pickled(folder)
    edit("tokenizer_config.json", pad_token=None)(folder)
    edit("config.json", num_hidden_layers=1, layer_types=None)(folder)
    (folder.parent / "mine.py").write_text("def one(completions, **_):\n    return [1.0] * len(completions)\n")
    (folder.parent / "data").mkdir()
    for split in ("train", "test"):
        (folder.parent / "data" / f"{split}.jsonl").write_text('{"prompt": "1+1="}\n' * 8)
    own = ["--reward_funcs", "mine.one", "--dataset_name", "data", "--model_name_or_path", str(folder)]
    short = ["--num_generations", "4", "--max_steps", "1", "--max_completion_length", "4", "--output_dir", "run"]
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    assert main(["train", *own, *short, "--rule", "fixed", "--weights", "1", "--gradient_checkpointing", "false"]) == 0
    assert "has 11 weights that its config.json has no place for" in capsys.readouterr().err
