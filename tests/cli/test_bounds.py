"""``--bounds``: declared before a training, or laid over what a run has recorded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comparison.runs import OBJECTIVES, TEST, make_run
from fronts import checkpoint
from fronts import run as make_front
from paretune.cli import compare, main, pick
from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import read
from paretune.cli.named_numbers import named_bounds
from paretune.cli.parser import make_parser
from paretune.comparison.plan import Arm, Plan, write_plan
from paretune.comparison.summary import summarise
from paretune.record.json_files import write_json
from paretune.report import read_records, write_report
from paretune.report.comparisons import Comparison
from paretune.report.runs import Run
from policies import saved_policy
from told import parse

UNBOUNDED = [{**objective, "bounds": None} for objective in OBJECTIVES]
FLAG = ["--bounds", "accuracy=0:1,length=0:100"]
BOUNDS = {"accuracy": (0.0, 1.0), "length": (0.0, 100.0)}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "report.html"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("accuracy=0:1,length=12:480", {"accuracy": [0.0, 1.0], "length": [12.0, 480.0]}),
        (" a = -1e-3 : 2 ", {"a": [-0.001, 2.0]}),
        ("a=b=0:1", {"a=b": [0.0, 1.0]}),
        ({"a": [0, 1]}, {"a": [0.0, 1.0]}),
    ],
)
def test_the_form(given: Any, expected: dict[str, list[float]]) -> None:
    assert named_bounds(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("accuracy", "write it as NAME=LOW:HIGH"),
        ("accuracy=1", "write it as NAME=LOW:HIGH"),
        ("accuracy=0:1:2", "write it as NAME=LOW:HIGH"),
        ("accuracy=a:b", "write it as NAME=LOW:HIGH"),
        ("=0:1", "write it as NAME=LOW:HIGH"),
        ("", "write it as NAME=LOW:HIGH"),
        ("accuracy=1:1", "accuracy needs a low below its high, both finite, got 1:1"),
        ("accuracy=2:1", "accuracy needs a low below its high, both finite, got 2:1"),
        ("accuracy=0:inf", "accuracy needs a low below its high, both finite, got 0:inf"),
        ("accuracy=nan:1", "accuracy needs a low below its high, both finite, got nan:1"),
        ("a=0:1,a=0:2", "a is given twice"),
        ({"a": [0]}, "write it as NAME=LOW:HIGH"),
    ],
)
@pytest.mark.parametrize("command", ["report", "pick", "compare", "train"])
def test_wrong_forms_are_one_line(
    command: str, given: Any, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(make_run(tmp_path / "run"))] if command in ("report", "pick") else []
    if isinstance(given, str):
        flags = ["--bounds", given]
    else:
        (tmp_path / "told.yaml").write_text(f"bounds: {json.dumps(given)}")
        flags = ["--config", str(tmp_path / "told.yaml")]
        if command == "pick":
            pytest.skip("pick reads no YAML")
    wish = ["--prefer", "accuracy=1"] if command == "pick" else []
    assert main([command, *words, *flags, *wish]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert expected in line


@pytest.mark.parametrize("command", ["report", "pick"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("acuracy=0:1,length=0:100", "there is no objective 'acuracy': did you mean accuracy?"),
        ("accuracy=0:1", "length has no bounds either: give those of every objective"),
    ],
)
def test_names_that_do_not_fit_are_one_line(
    command: str, given: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", objectives=UNBOUNDED)
    wish = ["--prefer", "accuracy=1"] if command == "pick" else []
    assert main([command, str(run), "--bounds", given, *wish]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert expected in line


def test_report_of_a_run_without_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded, without = make_run(tmp_path / "a"), make_run(tmp_path / "b", objectives=UNBOUNDED)
    before = contents(without)
    assert main(["report", str(without), *FLAG]) == 0
    said = capsys.readouterr()
    assert said.out == f"report: {without}/report.html\n"
    assert said.err == "paretune: b/completions.jsonl is missing: no sample completions.\n"
    assert contents(without) == before
    laid_over, declared = read_records(without, BOUNDS), read_records(recorded)
    assert isinstance(laid_over, Run)
    assert isinstance(declared, Run)
    assert laid_over.evaluations == declared.evaluations
    assert [laid_over.hypervolume(e) for e in laid_over.evaluations] == pytest.approx([0.1, 0.2, 0.25])


def test_a_line_says_that_recorded_bounds_are_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    assert main(["report", str(run), "--bounds", "accuracy=0:1,length=0:200"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "bounds of length: 0 to 200 as given, not 0 to 100 as recorded"


def test_pick_from_a_run_without_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = saved_policy(tmp_path / "model")
    run = make_run(tmp_path / "run", objectives=UNBOUNDED)  # accuracies 0.2, 0.4 and 0.5, all of length 50
    for step in (10, 20):
        checkpoint(run, step, model)
    assert main(["pick", str(run), "--prefer", "accuracy=1"]) == 2
    assert "no front" in capsys.readouterr().err
    assert main(["pick", str(run), "--prefer", "accuracy=1", *FLAG]) == 0
    assert f"picked: {run / 'checkpoint-20'}" in capsys.readouterr().out.replace("\n", "")


def test_given_bounds_move_the_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the product of gains (0.5, 0.6) wins on (0, 60); on (0, 1000) lengths hardly count, and step 20's accuracy."""
    run = make_front(tmp_path / "run", kept=[10, 20], model=saved_policy(tmp_path / "model"))
    for flags, step in (([], 10), (["--bounds", "accuracy=0:1,conciseness=0:1000"], 20)):
        assert pick.run([str(run), "--at-least", "accuracy=0.1", *flags]) == 0
        assert f"checkpoint-{step}" in capsys.readouterr().out.replace("\n", "")


def test_a_comparison_is_judged_by_given_bounds(tmp_path: Path) -> None:
    arms = [Arm("balanced", "fixed", preset="balanced"), Arm("gradient", "gradient")]
    plan = Plan("made-up", arms, seeds=(0, 1), primary="gradient")
    summaries = []
    for name, objectives, bounds in (("a", OBJECTIVES, None), ("b", UNBOUNDED, BOUNDS)):
        root = tmp_path / name
        write_plan(root, plan)
        for arm in arms:
            for seed in plan.seeds:
                made = {"seed": seed, "objectives": objectives, "measured": {TEST: {20: (0.5 + 0.1 * seed, 0.5)}}}
                make_run(root / f"{arm.name}-grpo-seed{seed}", **made)  # type: ignore[arg-type]
        summaries.append(summarise(root, plan, bounds=bounds))
        write_json(root / "summary.json", summarise(root, plan))
    assert summaries[1] == summaries[0]
    assert summaries[0]["rules"]["gradient"]["hypervolume"]["mean"] == pytest.approx(0.275)
    before = contents(tmp_path / "b")
    found = read_records(tmp_path / "b", BOUNDS)
    assert isinstance(found, Comparison)
    assert found.objectives[0].bounds == (0.0, 1.0)
    assert [arm.estimates["hypervolume"].mean for arm in found.arms] == pytest.approx([0.275, 0.275])
    assert write_report(tmp_path / "b", bounds=BOUNDS).path.is_file()
    assert contents(tmp_path / "b") == before
    shutil.rmtree(tmp_path / "b" / "gradient-grpo-seed0")
    assert main(["report", str(tmp_path / "b"), *FLAG]) == 0


def test_train_declares_them(tmp_path: Path) -> None:
    told = ["--output_dir", str(tmp_path / "run"), "--bounds", "conciseness=2:30"]
    task = parse(told, prog="paretune train", defaults={}).task
    assert [(o.bounds, o.declared) for o in task.objectives][1] == ((2.0, 30.0), (2.0, 30.0))
    assert [o.bounds for o in parse(told[:2], prog="paretune train", defaults={}).task.objectives][1] == (0.0, 60.0)
    (tmp_path / "told.yaml").write_text("bounds: {conciseness: [2, 30]}")
    again = parse([*told[:2], "--config", str(tmp_path / "told.yaml")], prog="paretune train", defaults={})
    assert [o.bounds for o in again.task.objectives] == [o.bounds for o in task.objectives]
    with pytest.raises(BadInputError, match="there is no objective 'brevity': choose among accuracy"):
        parse([*told[:2], "--bounds", "brevity=0:1"], prog="paretune train", defaults={})


def test_compare_hands_them_to_its_runs_and_keeps_those_of_the_first_time(tmp_path: Path) -> None:
    parser = make_parser("paretune compare")
    given = parser.read(["--bounds", "conciseness=2:30", "--output_dir", str(tmp_path / "runs")])
    own, made = compare.resolve(parser, given)
    plan = compare.plan_of(own, made, given, None)
    assert [o.bounds for o in made.task.objectives][1] == (2.0, 30.0)
    assert make_parser().take(plan.settings, "the plan")["bounds"] == {"conciseness": [2.0, 30.0]}
    later = compare.plan_of(replace(own, bounds={"conciseness": [0.0, 90.0]}), made, given, plan)
    assert later == plan


def test_they_are_given_before_anything_is_read(tmp_path: Path) -> None:
    assert read("report", [str(tmp_path), *FLAG]).given == {"bounds": {"accuracy": [0, 1], "length": [0, 100]}}
