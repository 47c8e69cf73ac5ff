"""``paretune steer`` and the measuring of a dial, on a real run of two steps."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from paretune.choosing.model_card import model_card
from paretune.choosing.pick import Wish, choose, read_fronts
from paretune.cli import main
from paretune.record.reader import RunReader
from paretune.steering import Template
from policies import policy, tokenizer

TRAIN = [
    "train", "--task", "treasure", "--max_steps", "2", "--save_steps", "1", "--eval_samples", "4", "--eval_steps", "1",
    "--per_device_train_batch_size", "16", "--learning_rate", "1e-4",
]  # fmt: skip


@pytest.fixture(scope="module")
def steerable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("steerable") / "run"
    assert main([*TRAIN, "--rule", "steerable", "--output_dir", str(directory)]) == 0
    return directory


def test_answers_stand_side_by_side(steerable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = Template.load(steerable / "checkpoint-2").names
    for folder in (steerable, steerable / "checkpoint-1"):
        capsys.readouterr()
        assert main(["steer", str(folder), "--priorities", f"{names[0]}=3,{names[1]}=1"]) == 0
        said = capsys.readouterr().out
        for text in (*names, "100%", "50%", "75%", "25%", "answer"):
            assert text in said
    assert main(["steer", str(steerable), "--prompt", "abc"]) == 0
    assert "prompt: abc" in capsys.readouterr().out


def test_what_cannot_be_steered_is_one_line(steerable: Path, tiny_model: str, refused_late: Callable[..., str]) -> None:
    assert "is not steerable: train a policy with --rule steerable" in refused_late("steer", tiny_model)
    assert "'glow'" in refused_late("steer", steerable, "--priorities", "glow=1")
    assert "not all 0" in refused_late("steer", steerable, "--priorities", "speed=0")


def test_the_card_says_how_to_steer(steerable: Path) -> None:
    card = model_card(choose(read_fronts(steerable), Wish({}, [])), "picked")
    template = Template.load(steerable / "checkpoint-2")
    assert "## Steering it" in card
    assert "9:0 " in card
    for text in ("from transformers import", "from vllm import", *template.names):
        assert text in card


def test_evaluate_measures_the_dial_once(steerable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = RunReader(steerable).grid
    for _ in range(2):
        capsys.readouterr()
        assert main(["evaluate", str(steerable), "--eval_samples", "4", "--dial_settings", "3"]) == 0
        said = capsys.readouterr().out
        for text in ("50% : 50%", "does the dial work?", "3 settings: hypervolume 0.", "correlation"):
            assert text in said
    run = RunReader(steerable)
    measured = [(line.step, line.decoding, line.split, tuple((line.priorities or {}).values())) for line in run.dial]
    settings = [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)]
    assert measured == [(2, decoding, "test", setting) for decoding in ("sampled", "greedy") for setting in settings]
    assert run.grid == plain
    assert {line.priorities for line in run.measured_again} == {None}


def test_a_chat_model_without_a_run_is_steered_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chatty = tokenizer()
    chatty.chat_template = files("trl").joinpath("chat_templates/qwen3.jinja").read_text()
    policy().save_pretrained(tmp_path)
    chatty.save_pretrained(tmp_path)
    Template(["a", "b"], example=[{"role": "user", "content": "1+1="}]).save(tmp_path)
    assert main(["steer", str(tmp_path), "--prompt", "2+2=", "--max_completion_length", "4"]) == 0
    said = capsys.readouterr().out
    assert "prompt: 2+2=" in said
    assert said.count("100%") == 2
