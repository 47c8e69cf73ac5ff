"""A run's records as plain data, whatever is missing from them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretune.record.entries import Evaluation, Objective
from paretune.record.run_directory import FINAL as MEASURED_AGAIN
from paretune.report.run_reading import read_run
from paretune.report.runs import Run
from report.records import ARMS, OBJECTIVES, write_run


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "run")


def read(directory: Path) -> Run:
    found = read_run(directory)
    assert found is not None
    return found


def edit(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_whole_run(run: Path) -> None:
    found = read(run)
    assert found.notes == []
    assert found.objectives[1] == Objective("conciseness", maximize=False, bounds=(0.0, 60.0))
    assert [e.step for e in found.evaluations] == [0, 10, 20, 30, 40]
    assert [b.step for b in found.batches] == list(range(1, 41))
    assert found.front
    assert found.front[0].checkpoint == f"checkpoint-{found.front[0].step}"
    assert len(found.scales) == 40
    assert not found.weights_move
    assert len(found.completions) == 15


def test_a_gain_is_the_place_on_the_bounds() -> None:
    length, share = Objective("length", maximize=False, bounds=(0.0, 60.0)), Objective("share", bounds=(0.0, 1.0))
    assert [length.gain(v) for v in (0, 15, 60, 90)] == [1, 0.75, 0, 0]
    assert (share.gain(0.25), share.gain(None), Objective("any").gain(1)) == (0.25, None, None)


def test_hypervolume_of_one_policy_is_the_product_of_its_gains(run: Path) -> None:
    found = read(run)
    first = found.evaluations[0]
    assert found.hypervolume(first) == pytest.approx(first.archive)  # the archive held nothing else yet
    assert found.hypervolume(Evaluation(0, {"accuracy": 1.0}, {})) is None


def test_cost_is_that_of_training_until_then(run: Path) -> None:
    found = read(run)
    assert [found.place(e, "steps") for e in found.evaluations] == [0, 10, 20, 30, 40]
    assert [found.place(e, "tokens") for e in found.evaluations] == [0, 40_000, 80_000, 120_000, 160_000]
    seconds = [json.loads(line)["seconds"]["total"] for line in (run / "steps.jsonl").read_text().splitlines()]
    assert found.place(found.evaluations[1], "seconds") == pytest.approx(sum(seconds[:10]))
    assert found.place(Evaluation(10, {}, {}, tokens=77.0), "tokens") == 77.0  # what the evaluation itself says


def test_without_pareto_json_the_front_is_the_same(copy: Path) -> None:
    recorded = [e.step for e in read(copy).front]
    (copy / "pareto.json").unlink()
    found = read(copy)
    assert [e.step for e in found.front] == recorded
    assert found.notes == ["run/pareto.json is missing: the front is computed from the evaluations."]


def test_a_front_without_bounds(tmp_path: Path) -> None:
    objectives = [{**o, "bounds": None} for o in OBJECTIVES]
    run = write_run(tmp_path / "run", objectives=objectives)
    (run / "pareto.json").unlink()
    values = [(0.1, 20.0, 0.1), (0.2, 20.0, 0.1), (0.1, 10.0, 0.1), (0.3, 10.0, 0.0), (0.0, 30.0, 0.0)]

    def place(lines: list[dict[str, Any]]) -> None:
        for line, metrics in zip(lines, values, strict=True):
            line["metrics"] = dict(zip(("accuracy", "conciseness", "clarity"), metrics, strict=True))

    edit(run / "evaluations.jsonl", place)
    found = read(run)
    assert [e.step for e in found.front] == [10, 20, 30]
    assert found.notes == []


def test_rules_own_evaluations_are_left_out(copy: Path) -> None:
    edit(copy / "evaluations.jsonl", lambda lines: lines.append({**lines[1], "step": 11, "purpose": "rule"}))
    assert [e.step for e in read(copy).evaluations] == [0, 10, 20, 30, 40]


def test_of_several_measurements_the_one_on_the_most_prompts_counts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", measured_again=True)
    steps = [e.step for e in read(run).measured_again]

    def more(lines: list[dict[str, Any]]) -> None:
        sampled = [line for line in lines if line["decoding"] == "sampled"]
        lines += [{**line, "prompts": 9000, "samples": 9000} for line in sampled]
        lines.append({**sampled[0], "prompts": 20_000, "final": False})  # broke off

    edit(run / MEASURED_AGAIN, more)
    found = read(run).measured_again
    assert [e.step for e in found] == steps
    assert {e.samples for e in found} == {9000}
    assert found[-1].final


@pytest.mark.parametrize("file", ["run.json", "steps.jsonl", "evaluations.jsonl", "completions.jsonl", "pareto.json"])
@pytest.mark.parametrize("damage", ["missing", "torn", "foreign"])
def test_each_file_may_be_damaged(copy: Path, file: str, damage: str) -> None:
    path = copy / file
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "torn" else b"PK\x03\x04\n\x00")
    found = read(copy)
    assert found.notes
    assert all(file in found.notes[0] and "\n" not in note for note in found.notes)
    if file != "evaluations.jsonl" or damage == "torn":
        assert found.evaluations
    if file not in ("steps.jsonl",) or damage == "torn":
        assert found.batches


def test_without_run_json_directions_are_not_guessed(copy: Path) -> None:
    (copy / "run.json").unlink()
    found = read(copy)
    assert found.front == []
    assert [o.bounds for o in found.objectives] == [None] * 3
    assert any("directions and bounds of the objectives are not known" in note for note in found.notes)


def test_lines_without_a_step_or_metrics(copy: Path) -> None:
    edit(copy / "steps.jsonl", lambda lines: (lines[3].pop("step"), lines[5].update(step=2)))
    edit(copy / "evaluations.jsonl", lambda lines: (lines[1].update(metrics=None), lines[2].update(step="20")))
    found = read(copy)
    assert [e.step for e in found.evaluations] == [0, 30, 40]
    assert len(found.batches) == 38
    assert found.notes == [
        "run/steps.jsonl: a line (4) cannot be read and is left out: line 4 lacks 'step'.",
        "run/evaluations.jsonl: a line (3) cannot be read and is left out: line 3: step must be a whole number, 0 or "
        "more, got '20'.",
        "run/evaluations.jsonl: 1 of 4 lines have no known metric: left out.",
        "run/steps.jsonl: 1 lines out of order: left out.",
    ]


def test_a_run_that_failed(copy: Path) -> None:
    header = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**header, "status": "failed", "error": "NaN"}))
    assert read(copy).notes == ["run: the run is not finished, its status is 'failed' (NaN)."]


def test_nothing_of_a_run(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    (tmp_path / "run.json").write_text("no JSON")
    (tmp_path / "notes.txt").write_text("mine")
    assert read_run(tmp_path) is None


def test_a_conversation_is_its_messages(copy: Path) -> None:
    messages = [{"role": "user", "content": "12+30?"}, {"content": "none"}]
    edit(copy / "completions.jsonl", lambda lines: lines[0].update(prompt=messages, completion=None))
    found = read(copy).completions[0]
    assert found.prompt == "user: 12+30?\n\nmessage: none"
    assert found.completion == ""


def test_one_objective(tmp_path: Path) -> None:
    found = read(write_run(tmp_path / "run", ARMS[0], objectives=OBJECTIVES[:1]))
    assert set(found.evaluations[0].metrics) == {"accuracy"}
