import json
import math
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.experiments.record import (
    OtherRunError,
    RunInUseError,
    RunRecord,
    check_resumable,
    holds_run,
    is_in_use,
    read_completions,
    read_evaluations,
    read_front,
    read_run,
    read_steps,
)

HEADER = {
    "task": "arithmetic",
    "rule": {"name": "gradient", "settings": {"mu": 1e-5}},
    "algorithm": "grpo",
    "objectives": [{"name": "accuracy", "maximize": True, "bounds": [0, 1]}],
    "model": "embedded",
    "seed": 7,
    "max_steps": 60,
    "evaluation": {"samples": 96, "temperature": 0.0, "every": 5},
    "threads": 2,
    "versions": {"trl": "1.16.0"},
}


def step(number, **fields):
    return {"batch": number, "step": number, "weights": {"accuracy": 1.0}, **fields}


def opened(directory, header=HEADER):
    record = RunRecord(directory)
    record.start(header)
    return record


def one_line(raised):
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_run_from_start_to_end(tmp_path):
    directory = tmp_path / "runs" / "first"
    record = opened(directory)
    run = read_run(directory)
    assert {key: run[key] for key in HEADER} == HEADER
    assert (run["schema"], run["status"], run["ended"]) == (1, "running", None)
    started = datetime.fromisoformat(run["started"])
    assert started.utcoffset() == timedelta(0)

    assert read_steps(directory) == read_evaluations(directory) == []
    record.append_step(step(1))
    record.append_evaluation({"batch": 1, "step": 1, "metrics": {"accuracy": 0.5}, "purpose": "grid"})
    record.append_step(step(2))
    assert [line["step"] for line in read_steps(directory)] == [1, 2]
    assert read_evaluations(directory)[0]["metrics"] == {"accuracy": 0.5}

    points = [{"step": 1, "metrics": {"accuracy": 0.5}, "checkpoint": "checkpoint-1"}]
    record.write_front([0.0], [(0.0, 1.0)], points)
    assert read_front(directory) == {"reference": [0.0], "bounds": [[0.0, 1.0]], "points": points}

    record.finish("finished", summary="kept")
    run = read_run(directory)
    assert (run["status"], run["summary"]) == ("finished", "kept")
    assert datetime.fromisoformat(run["ended"]) >= started
    expected = {"run.json", "steps.jsonl", "evaluations.jsonl", "pareto.json"}
    assert {path.name for path in directory.iterdir()} - {".lock"} == expected


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_run_may_end_badly(tmp_path, status):
    opened(tmp_path).finish(status)
    assert read_run(tmp_path)["status"] == status


def test_a_run_ends_in_no_other_way(tmp_path):
    record = opened(tmp_path)
    with pytest.raises(ValueError, match="Found `status = 'done'`"):
        record.finish("done")
    assert read_run(tmp_path)["status"] == "running"


def test_a_directory_takes_one_run(tmp_path):
    opened(tmp_path).finish("finished")
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(FileExistsError, match="holds a run already") as raised:
        RunRecord(tmp_path).start(HEADER)
    assert str(tmp_path) in one_line(raised)
    assert (tmp_path / "run.json").read_bytes() == before

    record = RunRecord(tmp_path)  # the refusal left no lock behind
    record.resume(0, HEADER)
    record.close()


@pytest.mark.parametrize("remainder", ["steps.jsonl", "evaluations.jsonl", "pareto.json"])
def test_what_is_left_of_a_run_is_not_mixed_with_a_new_one(tmp_path, remainder):
    (tmp_path / remainder).write_text("{}\n")
    with pytest.raises(FileExistsError, match="holds a run already"):
        RunRecord(tmp_path).start(HEADER)


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="is a file") as raised:
        RunRecord(tmp_path / "file").start(HEADER)
    one_line(raised)


def test_another_process_holds_the_directory(tmp_path):
    program = (
        "import sys\n"
        "from paretune.experiments.record import RunRecord\n"
        "record = RunRecord(sys.argv[1])\n"
        "record.start({})\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        try:
            assert other.stdout.readline() == "held\n"
            for attempt in (lambda: RunRecord(tmp_path).start(HEADER), lambda: RunRecord(tmp_path).resume(0, HEADER)):
                with pytest.raises(RunInUseError, match="is in use by another run") as raised:
                    attempt()
                assert str(tmp_path) in one_line(raised)
            assert read_run(tmp_path)["status"] == "running"
        finally:
            other.kill()
            other.wait()
    record = RunRecord(tmp_path)  # a run that was killed holds nothing
    record.resume(0, HEADER)
    record.finish("finished")


def test_two_records_of_one_process_keep_each_other_out(tmp_path):
    first = opened(tmp_path)
    with pytest.raises(RunInUseError):
        RunRecord(tmp_path).resume(0, HEADER)
    with pytest.raises(RuntimeError, match="is open already"):
        first.resume(0, HEADER)
    first.append_step(step(1))
    first.close()
    first.close()
    second = RunRecord(tmp_path)
    second.resume(1, HEADER)
    second.close()


@pytest.mark.parametrize(
    "write",
    [
        lambda record: record.append_step(step(1)),
        lambda record: record.append_evaluation(step(1)),
        lambda record: record.write_front([0.0], None, []),
        lambda record: record.finish("finished"),
    ],
)
def test_only_an_open_record_is_written_to(tmp_path, write):
    with pytest.raises(RuntimeError, match="is not open"):
        write(RunRecord(tmp_path))
    record = opened(tmp_path)
    record.finish("finished")
    with pytest.raises(RuntimeError, match="is not open"):
        write(record)


def test_resuming_cuts_the_records_back(tmp_path):
    record = opened(tmp_path)
    for number in range(1, 6):
        record.append_step(step(2 * number))
    record.append_evaluation({"step": 0})
    record.append_evaluation({"step": 4})
    record.append_evaluation({"step": 4, "purpose": "rule"})  # asked for when the next batch began
    record.append_evaluation({"step": 5})
    record.write_front([0.0], None, [{"step": 10}])
    record.finish("interrupted", error="stopped")
    started = read_run(tmp_path)["started"]
    run = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**run, "started": "2001-01-01T00:00:00+00:00"}))
    assert started != "2001-01-01T00:00:00+00:00"

    record = RunRecord(tmp_path)
    record.resume(4, {**HEADER, "max_steps": 90})
    run = read_run(tmp_path)
    assert (run["status"], run["ended"], run["max_steps"]) == ("running", None, 90)
    assert run["started"] == "2001-01-01T00:00:00+00:00"
    assert "error" not in run
    assert [line["step"] for line in read_steps(tmp_path)] == [2, 4]
    assert [line["step"] for line in read_evaluations(tmp_path)] == [0, 4]
    with pytest.raises(FileNotFoundError, match=r"no pareto\.json yet"):
        read_front(tmp_path)
    record.append_step(step(6))
    assert [line["step"] for line in read_steps(tmp_path)] == [2, 4, 6]
    record.close()


@pytest.mark.parametrize("torn", [b"{", b'{"batch": 3, "st', b'{"step": 3, "name": "\xc3', b"\x00\x00\x00"])
def test_a_torn_last_line_is_left_out_and_then_cut_off(tmp_path, torn):
    record = opened(tmp_path)
    record.append_step(step(1))
    record.append_step(step(2))
    record.close()
    with (tmp_path / "steps.jsonl").open("ab") as file:
        file.write(torn)
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2]
    record.resume(2, HEADER)
    assert (tmp_path / "steps.jsonl").read_bytes().count(b"\n") == 2
    record.append_step(step(3))
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2, 3]
    record.close()


@given(cut=st.integers(min_value=0))
def test_wherever_a_file_is_cut_off_whole_lines_remain(tmp_path_factory, cut):
    directory = tmp_path_factory.mktemp("run")
    record = opened(directory)
    for number in range(1, 4):
        record.append_step(step(number, note="é{漢}"))
    record.close()
    whole = (directory / "steps.jsonl").read_bytes()
    cut %= len(whole) + 1
    (directory / "steps.jsonl").write_bytes(whole[:cut])
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    # A line whose last brace is there is whole, its line break there or not.
    assert read_steps(directory) == [step(n, note="é{漢}") for n, end in enumerate(ends, start=1) if end <= cut]


@pytest.mark.parametrize("broken", ["{", "", "[1]", "3"])
def test_a_line_broken_elsewhere_is_named(tmp_path, broken):
    opened(tmp_path).close()
    (tmp_path / "evaluations.jsonl").write_text(f'{{"step": 1}}\n{broken}\n{{"step": 3}}\n')
    for attempt in (lambda: read_evaluations(tmp_path), lambda: RunRecord(tmp_path).resume(3, HEADER)):
        with pytest.raises(ValueError, match="Line 2 of") as raised:
            attempt()
        assert "evaluations.jsonl" in one_line(raised)
    (tmp_path / "evaluations.jsonl").unlink()
    record = RunRecord(tmp_path)  # the refusal left no lock behind
    record.resume(0, HEADER)
    record.close()


def test_a_line_needs_its_step(tmp_path):
    record = opened(tmp_path)
    for line in ({"batch": 1}, {"step": 1.5}, {"step": True}, {"step": None}):
        with pytest.raises(ValueError, match="a whole number as its step"):
            record.append_step(line)
    assert read_steps(tmp_path) == []
    with pytest.raises(ValueError, match="Found `step = -1`"):
        record.resume(-1, HEADER)
    record.close()


def test_values_with_no_form_in_json_leave_no_trace(tmp_path):
    record = opened(tmp_path)
    with pytest.raises(TypeError):
        record.append_step(step(1, weights=object()))
    with pytest.raises(TypeError):
        record.write_front([object()], None, [])
    assert read_steps(tmp_path) == []
    record.close()
    assert {path.name for path in tmp_path.iterdir()} - {".lock"} == {"run.json"}


def test_numbers_of_numpy_and_torch_are_numbers_and_nan_is_null(tmp_path):
    record = opened(tmp_path)
    record.append_step(
        {
            "step": np.int64(3),
            "weights": {"accuracy": np.float32(0.5), "clarity": torch.tensor(0.25)},
            "influence": {"accuracy": float("nan"), "clarity": torch.tensor(math.inf)},
            "rewards": np.array([1.0, np.nan]),
            "matrix": torch.tensor([[1.0, -math.inf]], dtype=torch.bfloat16),
            "on_front": np.bool_(True),
            "folder": Path("checkpoint-3"),
        }
    )
    assert read_steps(tmp_path) == [
        {
            "step": 3,
            "weights": {"accuracy": 0.5, "clarity": 0.25},
            "influence": {"accuracy": None, "clarity": None},
            "rewards": [1.0, None],
            "matrix": [[1.0, None]],
            "on_front": True,
            "folder": "checkpoint-3",
        }
    ]
    text = (tmp_path / "steps.jsonl").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    record.write_front(np.array([0.0, 1.0]), None, [{"step": 1, "metrics": {"accuracy": np.float64("nan")}}])
    front = {"reference": [0.0, 1.0], "bounds": None, "points": [{"step": 1, "metrics": {"accuracy": None}}]}
    assert read_front(tmp_path) == front
    record.close()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(lines=st.lists(st.dictionaries(st.text(), values, max_size=4), max_size=4))
def test_what_is_written_is_read_again(tmp_path_factory, lines):
    directory = tmp_path_factory.mktemp("run")
    record = opened(directory)
    written = [{**line, "step": number} for number, line in enumerate(lines)]
    for line in written:
        record.append_step(line)
        record.append_evaluation(line)
    record.close()
    assert read_steps(directory) == read_evaluations(directory) == written
    record.resume(1, HEADER)
    record.close()
    assert read_steps(directory) == written[:2]


@pytest.mark.parametrize("read", [read_run, read_steps, read_evaluations, read_front])
def test_a_folder_that_is_no_run_is_named(tmp_path, read):
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="is not the directory of a run") as raised:
            read(directory)
        assert str(directory) in one_line(raised)
    with pytest.raises(FileNotFoundError, match="is not the directory of a run"):
        RunRecord(tmp_path).resume(0, HEADER)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("{", "is no JSON"), ("[]", "should hold a JSON object"), ('{"schema": 2}', "has the schema 2"), ("{}", "None")],
)
def test_a_broken_head_is_named(tmp_path, content, complaint):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=complaint) as raised:
        read_run(tmp_path)
    assert "run.json" in one_line(raised)


# --- interrupted, edited and deleted ------------------------------------------------------------------------


def files_of(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def whole_checkpoint(directory, number):
    folder = directory / f"checkpoint-{number}"
    folder.mkdir()
    for name in ("model.safetensors", "trainer_state.json", "paretune.json"):
        (folder / name).write_text("{}")
    return folder


def test_the_lines_that_a_checkpoint_counts_stay_and_no_others(tmp_path):
    record = opened(tmp_path)
    record.append_step(step(1))
    record.append_evaluation({"step": 1, "purpose": "grid"})
    counted = record.lines()
    assert counted == {"steps.jsonl": 1, "evaluations.jsonl": 1, "completions.jsonl": 0}
    record.append_evaluation({"step": 1, "purpose": "grid", "again": True})  # by hand, after the checkpoint
    record.append_step(step(2))
    record.close()
    record.resume(1, HEADER, lines=counted)
    assert read_steps(tmp_path) == [step(1)]
    assert read_evaluations(tmp_path) == [{"step": 1, "purpose": "grid"}]
    assert record.lines() == counted
    record.append_step(step(2))
    assert record.lines() == {**counted, "steps.jsonl": 2}
    record.close()
    with pytest.raises(RuntimeError, match="is not open"):
        record.lines()


def test_a_run_that_begins_again_keeps_no_line(tmp_path):
    record = opened(tmp_path)
    record.append_evaluation({"step": 0, "purpose": "grid"})  # which it will make again
    record.append_completion({"step": 0})
    record.append_step(step(1))
    (tmp_path / "final_evaluations.jsonl").write_text('{"step": 1}\n')
    record.write_front([0.0], None, [])
    record.close()
    started = read_run(tmp_path)["started"]
    record.resume(0, HEADER, lines={})
    assert read_steps(tmp_path) == read_evaluations(tmp_path) == read_completions(tmp_path) == []
    assert (tmp_path / "final_evaluations.jsonl").read_text() == ""
    assert not (tmp_path / "pareto.json").exists()
    assert read_run(tmp_path)["started"] == started
    record.append_step(step(1))
    record.close()


def test_final_evaluations_of_policies_that_stay_stay(tmp_path):
    opened(tmp_path).finish("finished")
    (tmp_path / "final_evaluations.jsonl").write_text('{"step": 2}\n{"step": 4}\n{"step": 6}\n{"st')
    record = RunRecord(tmp_path)
    record.resume(4, HEADER)
    record.close()
    assert (tmp_path / "final_evaluations.jsonl").read_text() == '{"step": 2}\n{"step": 4}\n'


def edit(name, old, new):
    def damage(directory):
        text = (directory / name).read_text()
        assert old in text
        (directory / name).write_text(text.replace(old, new))

    return damage


BY_HAND = [
    pytest.param(lambda d: (d / "steps.jsonl").unlink(), r"steps\.jsonl' has 0 lines up to step 4, but there were 4"),
    pytest.param(edit("steps.jsonl", '"step": 4', '"step": 5'), r"steps\.jsonl' has 3 lines up to step 4"),
    pytest.param(lambda d: (d / "evaluations.jsonl").write_text('{"step": 2}\n'), r"evaluations\.jsonl' has 1 lines"),
    pytest.param(edit("steps.jsonl", '"batch": 2,', '"batch": 2'), r"Line 2 of '.*steps\.jsonl' is no JSON"),
    pytest.param(edit("steps.jsonl", '"step": 3', '"step": "3"'), r"Line 3 of '.*steps\.jsonl' should have a whole"),
    pytest.param(lambda d: (d / "evaluations.jsonl").write_text("[]\n"), r"Line 1 of '.*evaluations\.jsonl' is list"),
    pytest.param(lambda d: (d / "run.json").write_text(""), r"run\.json' is no JSON"),
    pytest.param(edit("run.json", '"schema": 1', '"schema": 9'), r"run\.json' has the schema 9"),
    pytest.param(lambda d: (d / "run.json").unlink(), r"it has no run\.json"),
    pytest.param(lambda d: whole_checkpoint(d, 6), r"holds later checkpoints than that of step 4 \(checkpoint-6\)"),
]


@pytest.mark.parametrize(("damage", "complaint"), BY_HAND)
def test_a_record_that_does_not_go_with_the_checkpoint_is_named_and_left_alone(tmp_path, damage, complaint):
    record = opened(tmp_path)
    for number in range(1, 5):
        record.append_step(step(number))
    for number in (2, 4):
        record.append_evaluation({"step": number})
    counted = record.lines()
    whole_checkpoint(tmp_path, 4)
    record.append_step(step(5))
    record.write_front([0.0], None, [])
    record.close()
    damage(tmp_path)
    before = files_of(tmp_path)
    attempts = (
        lambda: check_resumable(tmp_path, 4, counted),
        lambda: RunRecord(tmp_path).resume(4, HEADER, lines=counted),
    )
    for attempt in attempts:
        with pytest.raises((OSError, ValueError), match=complaint) as raised:
            attempt()
        one_line(raised)
    assert files_of(tmp_path) == before
    assert not is_in_use(tmp_path)


def test_half_a_checkpoint_is_in_nobodys_way(tmp_path):
    record = opened(tmp_path)
    record.append_step(step(1))
    counted = record.lines()
    record.close()
    (whole_checkpoint(tmp_path, 2) / "paretune.json").unlink()
    check_resumable(tmp_path, 1, counted)


def test_a_new_run_does_not_start_among_checkpoints(tmp_path):
    (tmp_path / "checkpoint-best").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    assert not holds_run(tmp_path)
    opened(tmp_path / "run").close()
    (tmp_path / "checkpoint-7").mkdir()  # half of one, or another trainer's
    assert holds_run(tmp_path)
    with pytest.raises(FileExistsError, match="holds a run already"):
        RunRecord(tmp_path).start(HEADER)
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "deleted and made again"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_directory_that_is_deleted_gets_no_record_without_a_beginning(tmp_path, replaced, begun):
    record = opened(tmp_path / "run")
    if begun:
        record.append_step(step(1))
    shutil.rmtree(tmp_path / "run")
    if replaced:
        (tmp_path / "run" / "checkpoint-2").mkdir(parents=True)
    for write in (
        lambda: record.append_step(step(2)),
        lambda: record.write_front([0.0], None, []),
        lambda: record.finish("failed"),
    ):
        with pytest.raises(FileNotFoundError, match="was deleted, moved or given to another run") as raised:
            write()
        assert str(tmp_path / "run") in one_line(raised)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == (
        ["run", "run/checkpoint-2"] if replaced else []
    )


def test_the_run_that_took_the_place_is_not_written_to(tmp_path):
    first = opened(tmp_path / "run")
    first.append_step(step(1))
    shutil.rmtree(tmp_path / "run")
    second = opened(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="given to another run"):
        first.append_step(step(2))
    first.close()
    second.append_step(step(1, of="second"))
    assert read_steps(tmp_path / "run") == [step(1, of="second")]
    assert is_in_use(tmp_path / "run")
    second.close()


def test_a_file_that_is_deleted_does_not_begin_anew(tmp_path):
    record = opened(tmp_path)
    record.append_step(step(1))
    (tmp_path / "steps.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"steps\.jsonl' was deleted while the run was writing") as raised:
        record.append_step(step(2))
    one_line(raised)
    assert not (tmp_path / "steps.jsonl").exists()
    record.append_evaluation({"step": 1})  # of which there was none yet
    record.close()


def test_a_lock_that_is_deleted_stops_a_run_only_when_another_came(tmp_path):
    record = opened(tmp_path)
    (tmp_path / ".lock").unlink()
    record.append_step(step(1))
    other = RunRecord(tmp_path)
    other.resume(1, HEADER)
    with pytest.raises(FileNotFoundError, match="given to another run"):
        record.append_step(step(2))
    record.close()
    assert read_steps(tmp_path) == [step(1)]
    other.close()


def test_who_asks_whether_a_directory_is_in_use_leaves_nothing(tmp_path):
    assert not is_in_use(tmp_path)
    assert not is_in_use(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
    record = opened(tmp_path)
    before = files_of(tmp_path)
    assert is_in_use(tmp_path)
    record.append_step(step(1))
    record.close()
    assert not is_in_use(tmp_path)
    assert files_of(tmp_path).keys() == {*before, "steps.jsonl"}


def test_a_start_that_fails_gives_the_directory_free(tmp_path):
    with pytest.raises(TypeError):
        RunRecord(tmp_path).start({"seed": object()})
    assert not is_in_use(tmp_path)
    opened(tmp_path).close()


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The record of a run of six steps, and how many lines it had before the first and after each."""
    directory = tmp_path_factory.mktemp("interrupted")
    record = opened(directory)
    counted = [record.lines()]
    for number in range(1, 7):
        record.append_step(step(number, note="é{漢}"))
        if number % 2 == 0:
            record.append_evaluation({"step": number, "purpose": "grid"})
            record.append_completion({"step": number, "prompt": "2+2=\n"})
        counted.append(record.lines())
        record.append_evaluation({"step": number, "purpose": "rule"})
    record.close()
    return directory, counted


@settings(max_examples=40, deadline=None)
@given(
    which=st.sampled_from(["steps.jsonl", "evaluations.jsonl", "completions.jsonl"]),
    place=st.floats(0, 1),
    at=st.integers(0, 6),
)
def test_cut_off_anywhere_a_run_goes_on_without_a_hole_or_says_so(tmp_path_factory, interrupted, which, place, at):
    """From a checkpoint whose lines are all there each stands exactly once; from another nothing is changed."""
    template, counted = interrupted
    directory = tmp_path_factory.mktemp("runs") / "run"
    shutil.copytree(template, directory)
    record = RunRecord(directory)
    read = (read_steps, read_evaluations, read_completions)
    all_lines = [of(directory) for of in read]
    content = (directory / which).read_bytes()
    (directory / which).write_bytes(content[: round(place * len(content))])
    left = [of(directory) for of in read]  # readable, each file a part from its beginning
    assert all(lines == whole[: len(lines)] for lines, whole in zip(left, all_lines, strict=True))
    before = files_of(directory)
    if all(len(lines) >= due for lines, due in zip(left, counted[at].values(), strict=True)):
        record.resume(at, HEADER, lines=counted[at])
        kept = [lines[:due] for lines, due in zip(all_lines, counted[at].values(), strict=True)]
        assert [of(directory) for of in read] == kept
        record.append_step(step(at + 1))
        assert read_steps(directory) == [*kept[0], step(at + 1)]
        record.close()
    else:
        with pytest.raises(ValueError, match=f"{which}' has \\d lines up to step {at}, but there were"):
            record.resume(at, HEADER, lines=counted[at])
        assert files_of(directory) == before


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"rule": {"name": "fixed"}}, "has the rule gradient, not fixed"),
        ({"algorithm": "rloo"}, "has the algorithm grpo, not rloo"),
        ({"objectives": [{"name": "accuracy"}]}, "has the objectives accuracy, length, not accuracy"),
    ],
)
def test_a_run_goes_on_as_what_it_was(tmp_path, changed, complaint):
    header = {
        "rule": {"name": "gradient", "settings": {"mu": 1.0}},
        "algorithm": "grpo",
        "objectives": [{"name": "accuracy"}, {"name": "length"}],
    }
    record = RunRecord(tmp_path)
    record.start(header)
    record.append_step(step(1))
    record.finish("interrupted")
    before = (tmp_path / "run.json").read_text()
    with pytest.raises(OtherRunError, match=complaint):
        record.resume(1, {**header, **changed})
    assert (tmp_path / "run.json").read_text() == before
    record.resume(1, {**header, "rule": {"name": "gradient", "settings": {"mu": 2.0}}, "max_steps": 9})
    record.finish("finished")
