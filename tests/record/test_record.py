import math
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from paretune.record.directory_lock import RunInUseError
from paretune.record.record import RunRecord
from paretune.record.run_directory import (
    read_evaluations,
    read_run,
    read_steps,
)
from records import HEADER, one_line, opened, read_front, step


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
    with pytest.raises(ValueError, match="must be finished, failed or interrupted, got 'done'"):
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


def test_a_line_needs_its_step(tmp_path):
    record = opened(tmp_path)
    for line in ({"batch": 1}, {"step": 1.5}, {"step": True}, {"step": None}):
        with pytest.raises(ValueError, match="a whole number as its step"):
            record.append_step(line)
    assert read_steps(tmp_path) == []
    with pytest.raises(ValueError, match="`step` must be 0 or more, got -1"):
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


def test_overwriting_deletes_a_run_and_nothing_else(tmp_path: Path) -> None:
    run = RunRecord(tmp_path)
    run.start({"seed": 1})
    run.append_step({"step": 1})
    run.append_evaluation({"step": 1})
    run.write_front([0.0], [[0.0, 1.0]], [])
    run.finish("finished")
    for own in ("checkpoint-1", "checkpoint-22", "checkpoint-best", "data"):
        (tmp_path / own).mkdir()
        (tmp_path / own / "file").write_text(own)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "checkpoint-3").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "report.html").write_text("of the old run")
    run = RunRecord(tmp_path)
    run.start({"seed": 2}, overwrite=True)
    left = {path.name for path in tmp_path.iterdir()} - {".lock"}
    assert left == {"run.json", "checkpoint-best", "data", "elsewhere"}
    assert read_run(tmp_path)["seed"] == 2
    assert read_steps(tmp_path) == []
    with pytest.raises(RunInUseError):
        RunRecord(tmp_path).start({}, overwrite=True)
    assert read_run(tmp_path)["status"] == "running"
    run.finish("finished")
