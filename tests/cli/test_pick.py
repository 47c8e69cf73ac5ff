"""``paretune pick`` as its user sees it: what it says, what it writes, and what it refuses."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from fronts import OBJECTIVES, rewrite
from fronts import run as make_run
from paretune.cli import pick
from paretune.cli.bad_input import BadInputError
from policies import saved_policy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture
def screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Gives what the command has printed."""
    monkeypatch.setenv("COLUMNS", "200")
    return lambda: capsys.readouterr().out


def row(text: str, step: int) -> str:
    [found] = [line for line in text.splitlines() if re.search(rf"│[ →]+{step} │", line)]
    return found


def test_pick_and_export(model: str, screen: Callable[[], str], tmp_path: Path) -> None:
    make_run(tmp_path / "run", kept=[10, 20], model=model, tested={10: (0.45, 25.0)})
    output = tmp_path / "picked"
    flags = ["--prefer", "accuracy=1,conciseness=0.9", "--at-least", "accuracy=0.4", "--output_dir", str(output)]
    assert pick.run([str(tmp_path / "run"), *flags]) == 0
    text = screen()
    assert "→" in row(text, 10)
    assert "0.500 ± 0.010" in row(text, 10)
    assert "test 0.450 ± 0.020" in text
    assert "not accuracy ≥ 0.4" in row(text, 0)
    assert "not kept" in row(text, 30)
    assert f"picked: {tmp_path / 'run' / 'checkpoint-10'}" in text
    assert f"model: {output}" in text
    AutoModelForCausalLM.from_pretrained(output)
    AutoTokenizer.from_pretrained(output)
    card = (output / "README.md").read_text()
    assert card.startswith("---\n")
    assert yaml.safe_load(card.split("---")[1])["base_model"] == "org/base-model"
    assert "# picked" in card


def test_without_a_folder_it_goes_beside_the_records(model: str, screen: Callable[[], str], tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs/gradient-grpo-seed0", kept=[10], model=model)
    wish = ["--at-least", "accuracy=0.5", "--at-most", "conciseness=30"]
    assert pick.run([str(run), *wish]) == 0
    assert f"model: {run / 'picked-step-10'}" in screen()
    AutoModelForCausalLM.from_pretrained(run / "picked-step-10")
    card = (run / "picked-step-10/README.md").stat().st_mtime_ns
    assert pick.run([str(run), *wish]) == 0
    assert "as it was picked before" in screen()
    assert (run / "picked-step-10/README.md").stat().st_mtime_ns == card
    assert pick.run([str(tmp_path / "runs"), *wish]) == 0  # of several runs
    assert (tmp_path / "runs/picked-gradient-grpo-seed0-step-10/config.json").is_file()


def test_what_is_better_but_gone_is_said(model: str, screen: Callable[[], str], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", kept=[20], model=model)
    pick.run([str(run), "--prefer", "conciseness=1"])
    said = [line for line in screen().splitlines() if "scores higher" in line]
    assert said == [
        "step 0 scores higher, but it is the policy before training",
        "step 10 scores higher, but its checkpoint was not kept",
    ]


def test_the_runs_of_a_comparison(model: str, screen: Callable[[], str], tmp_path: Path) -> None:
    make_run(tmp_path / "a-seed0", {step: (step / 100, step / 2) for step in range(1, 60)}, kept=[1, 2], model=model)
    make_run(tmp_path / "b-seed0", {10: (0.9, 30.0)}, kept=[10], model=model)
    make_run(tmp_path / "c-seed0", {})
    pick.run([str(tmp_path), "--at-least", "accuracy=0.02,conciseness=10", "--prefer", "accuracy=1"])
    text = screen()
    assert "left out: " in text
    assert "c-seed0 was never evaluated" in text
    assert f"picked: {tmp_path / 'a-seed0' / 'checkpoint-2'}" in text
    assert "a-seed0 step 20 scores higher, but its checkpoint was not kept" in text
    assert "b-seed0" in text
    assert "more on the front" in text
    assert text.count("│ a-seed0") <= 21


def test_without_a_wish_it_is_the_largest_product_of_gains(
    model: str, screen: Callable[[], str], tmp_path: Path
) -> None:
    points = {10: (0.9, 58.0), 20: (0.5, 30.0), 30: (0.1, 6.0)}  # products of 0.03, 0.25 and 0.09
    run = make_run(tmp_path / "run", points, kept=[10, 20, 30], model=model)
    assert pick.run([str(run)]) == 0
    assert f"picked: {run / 'checkpoint-20'}" in screen()


def test_hostile_names_on_the_screen(model: str, screen: Callable[[], str], tmp_path: Path) -> None:
    name = "[red]x[/red]\x1b[2J\x07"
    run = make_run(
        tmp_path / "run", objectives=[{**OBJECTIVES[0], "name": name}, OBJECTIVES[1]], kept=[10], model=model
    )
    pick.run([str(run), "--prefer", f"{name}=1", "--at-least", "conciseness=30", "--output_dir", str(tmp_path / "new")])
    text = screen()
    assert "[red]x[/red]\N{REPLACEMENT CHARACTER}[2J" in text
    assert "\x1b" not in text
    assert "\x1b" not in (tmp_path / "new" / "README.md").read_text()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert pick.run(["--help"]) == 0
    assert "usage: paretune pick DIR" in capsys.readouterr().out


# --- refused ----------------------------------------------------------------------------------------------


@pytest.fixture
def refused(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs the command beside a folder `run`; it must refuse, in one line, and write nothing."""
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "run", kept=[10], model=model)

    def attempt(*argv: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(BadInputError) as raised:
            pick.run(list(argv))
        assert sorted(tmp_path.rglob("*")) == before
        assert len(str(raised.value)) < 300
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return attempt


GOOD = ["--prefer", "accuracy=1"]
REFUSED: list[tuple[str, list[str], str]] = [
    ("nothing", [], "which run?"),
    ("no run", GOOD, "which run?"),
    ("no such directory", ["nowhere", *GOOD], "there is no folder nowhere"),
    ("a file", ["run/run.json", *GOOD], "there is no folder run/run.json"),
    ("no run there", ["run/checkpoint-10", *GOOD], "run/checkpoint-10 holds no run"),
    ("unknown objective", ["run", "--prefer", "accurcy=1"], "no objective 'accurcy': did you mean accuracy?"),
    ("unknown objective", ["run", "--at-least", "safety=1"], "choose among accuracy, conciseness."),
    ("no number", ["run", "--prefer", "accuracy"], "--prefer accuracy: write it as NAME=NUMBER"),
    ("no number", ["run", "--prefer", "accuracy=much"], "write it as NAME=NUMBER"),
    ("no number", ["run", "--at-least", "accuracy=nan"], "write it as NAME=NUMBER"),
    ("no number", ["run", "--at-most", "accuracy=inf"], "write it as NAME=NUMBER"),
    ("a comma too many", ["run", "--prefer", "accuracy=1,"], "write it as NAME=NUMBER"),
    ("twice", ["run", "--prefer", "accuracy=1,accuracy=2"], "accuracy is given twice"),
    ("negative", ["run", "--prefer", "accuracy=1,conciseness=-1"], "weights must be 0 or more"),
    ("all zero", ["run", "--prefer", "accuracy=0"], "and not all 0"),
    ("out of reach", ["run", "--at-least", "accuracy=0.95"], "no policy on the front meets accuracy ≥ 0.95"),
    ("not kept", ["run", "--at-least", "accuracy=0.9"], "has a checkpoint: train with save_steps"),
    ("folder exists", ["run", *GOOD, "--output_dir", "run"], "run exists already"),
    ("file in the way", ["run", *GOOD, "--output_dir", "run/run.json/x"], "run/run.json"),
    ("unknown flag", ["run", "--perfer", "accuracy=1"], "unrecognized arguments: --perfer"),
    ("abbreviation", ["run", "--pref", "accuracy=1"], "unrecognized arguments: --pref"),
    ("flag without a value", ["run", "--prefer"], "expected one argument"),
    ("stray word", ["run", *GOOD, "now"], "unrecognized arguments: now"),
]


@pytest.mark.parametrize(
    ("argv", "expected"), [case[1:] for case in REFUSED], ids=[f"{i} {case[0]}" for i, case in enumerate(REFUSED)]
)
def test_refused(argv: list[str], expected: str, refused: Callable[..., str]) -> None:
    assert expected in refused(*argv)


def test_runs_without_a_front_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    rewrite(tmp_path / "run" / "pareto.json", points=[])
    assert "run has an empty front: no evaluation gave a finite metric" in refused("run", *GOOD)
    (tmp_path / "run" / "evaluations.jsonl").write_text("")
    assert "run was never evaluated: train with --eval_strategy steps" in refused("run", *GOOD)
    (tmp_path / "run" / "pareto.json").write_text("{")
    assert "the record of run is broken" in refused("run", *GOOD)
    (tmp_path / "run" / "pareto.json").unlink()
    assert "run has no front: it is not evaluated yet" in refused("run", *GOOD)


def test_a_checkpoint_without_weights_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoint-10" / "model.safetensors").unlink()
    assert "holds no weights that from_pretrained reads" in refused("run", *GOOD, "--output_dir", "picked")
