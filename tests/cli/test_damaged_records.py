"""Every command that reads records does its work or refuses them in one line, with status 2 and nothing written."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comparison.runs import GREEDY, TEST, make_run
from damage import damaged, damages
from fronts import run as run_with_front
from paretune.choosing.divergence import open_run, plan
from paretune.cli import divergence as divergence_command
from paretune.cli import evaluate as evaluate_command
from paretune.cli import main
from paretune.cli.bad_input import BadInputError
from paretune.cli.parser import make_parser
from paretune.cli.summary import print_summary
from paretune.comparison.controls import control_arm
from paretune.comparison.members import comparison_members, is_done, standing, tuning_members
from paretune.comparison.plan import Arm, Plan, PlanError, read_plan, write_plan
from paretune.comparison.summary import configured_arms, summarise
from paretune.record.json_files import write_json
from paretune.record.parsing import RecordError
from records import files_of

RUN_FILES = ["run.json", "evaluations.jsonl", "pareto.json", "final_evaluations.jsonl"]
QUIETLY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a front, two of its policies kept as folders that look like models."""
    parent = tmp_path_factory.mktemp("whole")
    model = parent / "model"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        (model / name).write_text("{}")
    points = {10: (0.5, 24.0), 20: (0.6, 36.0)}
    run_with_front(parent / "run", points, kept=[10, 20], model=model, tested=points)
    return parent / "run"


def copy_of(whole: Path, directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(whole, directory, ignore=shutil.ignore_patterns(".lock"))
    return directory


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def done_or_refused(capsys: pytest.CaptureFixture[str], *argv: Any) -> int:
    capsys.readouterr()
    status = main([str(a) for a in argv])
    said = capsys.readouterr().err.strip().splitlines()
    assert status in (0, 2)
    assert status == 0 or (len(said) == 1 and said[0].isprintable()), said
    return status


@QUIETLY
@given(data=st.data())
def test_pick(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], data: st.DataObject) -> None:
    run = copy_of(whole, tmp_path / "run")
    file, content = data.draw(damages(whole, RUN_FILES))
    damaged(run / file, content)
    before = names(run)
    if done_or_refused(capsys, "pick", run, "--at-least", "accuracy=0.4"):
        assert names(run) == before
    else:
        assert (run / "picked-step-10" / "README.md").is_file() or (run / "picked-step-20" / "README.md").is_file()


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "x", [1], 10**400, {}, True])
def test_a_metric_that_is_no_number_is_never_picked(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], value: Any
) -> None:
    run = copy_of(whole, tmp_path / "run")
    front = json.loads((run / "pareto.json").read_text())
    front["points"][0]["metrics"]["accuracy"] = value
    (run / "pareto.json").write_text(json.dumps(front))
    assert done_or_refused(capsys, "pick", run, "--prefer", "conciseness=1") == 2


@QUIETLY
@given(data=st.data())
def test_evaluate(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    """What is read of the run, up to where its first policy would be loaded."""
    run = copy_of(whole, tmp_path / "run")
    files = [*RUN_FILES, "checkpoint-10/paretune.json", "checkpoint-10/trainer_state.json"]
    file, content = data.draw(damages(whole, files))
    damaged(run / file, content)

    class Reached(Exception):  # noqa: N818
        pass

    def stop(*_: Any, **__: Any) -> None:
        raise Reached

    monkeypatch.setattr(evaluate_command, "_settings", stop)
    said = ""
    try:
        evaluate_command.evaluate_run(
            run, make_parser("paretune evaluate"), {}, split="test", decodings=("sampled", "greedy"), dial_settings=3
        )
    except Reached:
        evaluate_command._print_run(run, "test")
    except BadInputError as error:
        said = str(error)
    assert not said or "checkpoint" in said or file.split("/")[-1] in said


@QUIETLY
@given(data=st.data())
def test_divergence(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], data: st.DataObject) -> None:
    """The run's model is none, so that the command is refused in any case: nothing is written."""
    other, output = tmp_path / "other", tmp_path / "out" / "divergence.jsonl"
    copy_of(whole, other)
    file, content = data.draw(damages(whole, ["run.json"]))
    damaged(other / file, content)
    assert done_or_refused(capsys, "divergence", whole, other, "--samples", "2", "--output", output) == 2
    assert not output.parent.exists()


@QUIETLY
@given(line=st.data())
def test_records_of_divergence(whole: Path, tmp_path: Path, line: st.DataObject) -> None:
    settings = divergence_command.DivergenceSettings("arithmetic", None, "test", 2, 8, 1.0, None, 8, 0)
    good = {
        "step": 10, "runs": ["a", "b"], "kl": {"a_b": 1.0, "b_a": None, "mean": 0.5}, "started": [None, "now"],
        "standard_error": {"a_b": 1.0, "b_a": 0.1, "mean": None}, "prompts": 2, "tokens": {"a": 1, "b": 2},
        "settings": vars(settings),
    }  # fmt: skip
    (tmp_path / "good.jsonl").write_text(json.dumps(good) + "\n")
    _, content = line.draw(damages(tmp_path, ["good.jsonl"]))
    path = tmp_path / "out.jsonl"
    damaged(path, content)
    said = ""
    try:
        found = divergence_command.known(path, settings)
    except ValueError as error:
        said = str(error)
    else:
        assert all(divergence_command._cell(one) for one in found.values())
    assert not said or "out.jsonl" in said
    assert [pair.step for pair in plan([open_run(whole), open_run(copy_of(whole, tmp_path / "b"))])] == [10, 20]


FIXED, MOVING, AVERAGE = Arm("fixed"), Arm("gradient", "gradient"), Arm("average", control="average", of="gradient")
TUNED = Arm("tuned", configurations=({"weights": "0.3,0.7"}, {"weights": "0.7,0.3"}))
PLAN = Plan("made-up", [FIXED, MOVING, TUNED], seeds=(0, 1), tuning_seeds=(9,), primary="gradient", target=0.1)
MEMBERS = ["fixed-grpo-seed0", "gradient-grpo-seed1", "tuning/tuned-0-grpo-seed9"]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("comparison")
    write_plan(root, PLAN)
    names = [f"{arm}-grpo-seed{seed}" for arm in ("fixed", "gradient", "tuned") for seed in (0, 1)]
    for i, name in enumerate([*names, *(f"tuning/tuned-{i}-grpo-seed9" for i in (0, 1))]):
        policies = {10: (0.5, 0.5), 20: (0.4 + i / 50, 0.5)}
        measured = {TEST: policies, GREEDY: policies, ("validation", "sampled"): policies}
        make_run(root / name, measured=measured, prompts=8)
    return root


@settings(QUIETLY, max_examples=10)
@given(data=st.data())
def test_a_comparison_is_summed_up_without_the_runs_that_are_damaged(
    comparison: Path, tmp_path: Path, data: st.DataObject
) -> None:
    root = copy_of(comparison, tmp_path / "comparison")
    files = [f"{member}/{file}" for member in MEMBERS for file in [*RUN_FILES, "steps.jsonl"]]
    file, content = data.draw(damages(comparison, files))
    damaged(root / file, content)
    configured_arms(root, PLAN)
    summary = summarise(root, PLAN, 1)
    assert set(summary["rules"]) <= {"fixed", "gradient", "tuned"}
    assert all("\n" not in line for line in summary["incomplete"])
    write_json(root / "summary.json", summary)
    for member in MEMBERS:
        assert standing(root / member).status in ("waiting", "running", "finished", "failed")
    for seed in (0, 1):
        said = ""
        try:
            control_arm(AVERAGE, seed, {s: root / f"gradient-grpo-seed{s}" for s in (0, 1)})
        except PlanError as error:
            said = str(error)
        assert not said or "gradient-grpo-seed" in said


@QUIETLY
@given(data=st.data())
def test_the_plan_of_a_comparison(comparison: Path, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "comparison.json"
    _, content = data.draw(damages(comparison, ["comparison.json"]))
    damaged(path, content)
    said = ""
    try:
        plan = read_plan(tmp_path)
    except PlanError as error:
        said = str(error)
        assert "\n" not in said
    else:
        assert all(is_done(tmp_path, member, {"test": 8, "validation": 8}) is False for member in members_of(plan))
        write_plan(tmp_path, plan)


def members_of(plan: Plan) -> list[Any]:
    return [*comparison_members(plan), *tuning_members(plan)]


@QUIETLY
@given(data=st.data())
def test_the_summary_on_the_screen(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    """A finished run that is resumed shows what it came to."""
    run = copy_of(whole, tmp_path / "run")
    file, content = data.draw(damages(whole, RUN_FILES))
    damaged(run / file, content)
    said = ""
    try:
        print_summary(run)
    except (RecordError, FileNotFoundError) as error:
        said = str(error)
    assert "\n" not in said


def test_a_refused_resume_leaves_a_finished_run_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With nulls in the checkpoint the run used to be a failed one afterwards, with new settings and a new end."""
    train = ["train", "--eval_strategy", "no", "--save_steps", "1", "--per_device_train_batch_size", "16",
             "--max_completion_length", "8", "--output_dir", str(tmp_path)]  # fmt: skip
    assert main([*train, "--max_steps", "1"]) == 0
    state, trainer_state = (tmp_path / "checkpoint-1" / name for name in ("paretune.json", "trainer_state.json"))
    whole = {file: file.read_text() for file in (state, trainer_state)}
    for file, edit in (
        (state, {"tokens": None}),
        (state, {"rule": dict.fromkeys(json.loads(whole[state])["rule"])}),
        (state, dict.fromkeys(json.loads(whole[state]))),
        (trainer_state, {"stateful_callbacks": [1]}),
        (trainer_state, {"total_flos": "x"}),
    ):
        file.write_text(json.dumps({**json.loads(whole[file]), **edit}))
        before = files_of(tmp_path)
        assert done_or_refused(capsys, *train, "--max_steps", "3", "--learning_rate", "0.1", "--resume") == 2
        assert files_of(tmp_path) == before
        file.write_text(whole[file])
    (tmp_path / "pareto.json").write_text('{"points": [7]}')
    assert done_or_refused(capsys, *train, "--max_steps", "1", "--resume") == 2  # it is finished: its front is shown
    assert done_or_refused(capsys, *train, "--max_steps", "2", "--resume") == 0
