import json
import math
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paretune.experiments.record import (
    RunInUseError,
    RunRecord,
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
