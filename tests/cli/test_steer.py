"""``paretune steer`` and the measuring of a dial, on a real run of two steps."""

import contextlib
import io
import re
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from paretune.choosing.model_card import model_card
from paretune.choosing.pick import PickError, Wish, at_least, choose, read_fronts
from paretune.cli import main
from paretune.record.reader import RunReader
from paretune.report import read_records, write_report
from paretune.report.charts import CurveChart, Group, PairChart
from paretune.report.dial import dial_sections
from paretune.report.page import Samples
from paretune.report.runs import Run
from paretune.steering import Template
from policies import policy, tokenizer

TRAIN = [
    "train", "--task", "treasure", "--max_steps", "2", "--save_steps", "1", "--eval_samples", "4", "--eval_steps", "1",
    "--per_device_train_batch_size", "16", "--learning_rate", "1e-4",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    directory, said = tmp_path_factory.mktemp("steerable") / "run", io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main([*TRAIN, "--rule", "steerable", "--dial_steps", "2", "--output_dir", str(directory)]) == 0
    return directory, said.getvalue()


@pytest.fixture(scope="module")
def steerable(trained: tuple[Path, str]) -> Path:
    return trained[0]


def test_training_says_how_the_dial_stands(trained: tuple[Path, str]) -> None:
    directory, said = trained
    lines = [line for line in said.splitlines() if line.startswith("dial at step")]
    assert len(lines) == 2  # before training and after it
    names = Template.load(directory / "checkpoint-2").names
    assert re.fullmatch(
        rf"dial at step 2: hypervolume 0\.\d+  rank correlations {names[0]} \S+  {names[1]} \S+", lines[1]
    )


def test_a_setting_is_picked_by_what_was_measured_on_validation(
    steerable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = Template.load(steerable / "checkpoint-2").names
    dial = [one for one in RunReader(steerable).dial_in_training if one.step == 2]
    values = sorted({one.metrics[names[0]] for one in dial})
    enough = values[len(values) // 2]
    output = tmp_path / "picked"
    picked = ["pick", str(steerable), "--at-least", f"{names[0]}={enough:.17g}", "--output_dir", str(output)]
    assert main(picked) == 0
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if line.startswith("priorities that meet the conditions"))
    meeting = line.partition(": ")[2].split("; ")
    expected = [one.priorities or {} for one in dial if one.metrics[names[0]] >= enough]
    told = [",".join(f"{name}={value:.3g}" for name, value in one.items() if value) for one in expected]
    assert sorted(meeting) == sorted(told)
    assert f"picked: {steerable}/checkpoint-2, at priorities {meeting[0]}" in said
    assert (output / "steering.json").is_file()
    card = (output / "README.md").read_text()
    assert "asks for the priorities that were picked" in card
    assert meeting[0].split(",")[0].split("=")[0] in card
    impossible = at_least(RunReader(steerable).header.objectives[0], 1e9)
    with pytest.raises(PickError, match="no policy on the front meets"):
        choose(read_fronts(steerable), Wish({}, [impossible]))


def test_where_no_dial_was_measured_pick_says_so(steerable: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(steerable, tmp_path / "run")
    path = copy / "evaluations.jsonl"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if '"priorities"' not in line))
    (copy / "final_evaluations.jsonl").unlink(missing_ok=True)
    fronts = read_fronts(copy)
    assert "--split validation" in fronts.left_out[0]
    assert {point.priorities for point in fronts.points} == {None}


def test_the_report_draws_the_dial(steerable: Path) -> None:
    run = read_records(steerable)
    assert isinstance(run, Run)
    [section] = dial_sections(run)
    charts = [chart for block in section.blocks if isinstance(block, Group) for chart in block.charts]
    gains = charts[0]
    assert isinstance(gains, CurveChart)
    names = Template.load(steerable / "checkpoint-2").names
    assert [curve.label for curve in gains.curves] == names
    assert {tuple(curve.x) for curve in gains.curves} == {tuple(k / 10 for k in range(11))}
    assert isinstance(charts[1], PairChart)
    assert len(charts[1].sets[0].marks) == 11
    [samples] = [block for block in section.blocks if isinstance(block, Samples)]
    assert [answer.when for answer in samples.samples[0].answers] == [
        f"{names[0]} 100 %", f"{names[1]} 100 %", f"{names[0]} 50 %, {names[1]} 50 %",
    ]  # fmt: skip
    text = write_report(steerable).path.read_text()
    assert "The dial" in text
    assert "rank correlation" in text


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
    choice = choose(read_fronts(steerable), Wish({}, []))
    card = model_card(choice, "picked")
    template = Template.load(steerable / "checkpoint-2")
    assert "## Steering it" in card
    assert str(template.format("", choice.point.priorities or {})) in card
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
