"""The one reading of records: what is there is read, what is damaged is an error, or left out with a note."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from damage import DEEP
from paretune.record.entries import Batch, Evaluation, Objective, objectives_of
from paretune.record.fields import Fields, finite
from paretune.record.json_files import read_json
from paretune.record.parsing import DEEPEST, RecordError, parse
from paretune.record.reader import RunReader, read_object

STEP = '{"step": 1}'


@pytest.mark.parametrize(
    ("content", "steps", "said"),
    [
        (f"{STEP}\n{STEP}\n", [1, 1], []),
        (f"{STEP}\n{STEP}", [1, 1], []),  # whole, but for its line break
        (f'{STEP}\n{{"step": ', [1], ["run/steps.jsonl was cut off while its last line was written"]),
        (f"{STEP}\n\n{STEP}\n", [1, 1], []),
        (f"{STEP}\nb\n[3]\n{STEP}\n", [1, 1], ["2 lines (2, 3) cannot be read and are left out: line 2 is no JSON"]),
        ("\x00\x01\n" * 9, [], ["9 lines (1, 2, 3, 4, 5 …) cannot be read"]),
        (
            "[" * 100_000 + "\n",
            [],
            ["a line (1) cannot be read and is left out: line 1 is no JSON (nested more"],
        ),
        ("", [], []),
        (None, [], ["run/steps.jsonl is missing: no weights"]),
    ],
)
def test_lines_with_notes(tmp_path: Path, content: str | None, steps: list[int], said: list[str]) -> None:
    path = tmp_path / "run" / "steps.jsonl"
    path.parent.mkdir()
    if content is not None:
        path.write_text(content)
    notes: list[str] = []
    assert [batch.step for batch in RunReader(path.parent, notes).batches] == steps
    assert len(notes) == len(said)
    assert all(part in note and "\n" not in note for part, note in zip(said, notes, strict=True))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a"', "is no JSON (Expecting ':' delimiter"),
        (b"\xff\xfe", "is no JSON"),
        (b"[1]", "must hold a JSON object, got list"),
        (b"{" * 100_000, "is no JSON"),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "is no JSON (nested more than 64 levels deep)"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "is no JSON (Exceeds the limit"),
        (None, "is missing: no run"),
    ],
)
def test_an_object_with_notes(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    notes: list[str] = []
    assert read_object(path, notes, missing="no run").content == {}
    [note] = notes
    assert said in note
    assert "\n" not in note
    with pytest.raises((RecordError, FileNotFoundError)) as raised:
        read_json(path)
    assert "run.json" in str(raised.value)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "steps.jsonl")
    (tmp_path / "pareto.json").symlink_to("/dev/zero")
    (tmp_path / "evaluations.jsonl").mkdir()
    (tmp_path / "run.json").write_text('{"schema": 1}')
    for name in ("batches", "front", "evaluations"):
        with pytest.raises(RecordError, match="is no regular file"):
            getattr(RunReader(tmp_path), name)
    notes: list[str] = []
    reader = RunReader(tmp_path, notes)
    assert (reader.batches, reader.front, reader.evaluations) == ([], None, [])
    assert len(notes) == 3


def test_depth_is_bounded() -> None:
    assert parse(b"[" * DEEPEST + b"]" * DEEPEST)
    with pytest.raises(ValueError, match="nested more than"):
        parse(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))
    assert parse(("[" + '"[",' * 1000 + "0]").encode())  # brackets in texts do not count


def test_half_a_surrogate_pair_can_be_written_again() -> None:
    assert parse(b'{"\\ud800": ["a\\udfff", "\\ud83d\\ude00"]}') == {"?": ["a?", "😀"]}


# --- fields -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number", "count"),
    [(1, 1.0, 1), (0.5, 0.5, None), (True, None, None), ("1", None, None), (float("nan"), None, None),
     (float("inf"), None, None), (10**400, None, None), (1e101, None, None), (-1, -1.0, None), (2**63, 2.0**63, None),
     ([1], None, None), (DEEP, None, None)],
)  # fmt: skip
def test_numbers(value: Any, number: float | None, count: int | None) -> None:
    notes: list[str] = []
    fields = Fields({"a": value}, "line 1", notes)
    assert (fields.number("a"), fields.count("a"), finite(value)) == (number, count, number)
    assert all(len(note) < 150 for note in notes)
    for take, expected in ((Fields.number, number), (Fields.count, count)):
        if expected is None:
            with pytest.raises(RecordError, match="line 1: a must be a"):
                take(Fields({"a": value}, "line 1"), "a")


def test_null_is_as_good_as_missing() -> None:
    fields = Fields({"a": None}, "line 1")
    for key in ("a", "b"):
        assert (fields.number(key), fields.text(key), fields.numbers(key), fields.each(key)) == (None, None, {}, [])
        with pytest.raises(RecordError, match=f"line 1 lacks '{key}'"):
            fields.need(key, fields.count(key))
    assert fields.numbers("a") == Fields({"a": {}}, "").numbers("a") == {}
    assert Fields({"a": {"x": 1, "y": None}}, "").numbers("a") == {"x": 1.0}  # NaN is written as null


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"maximize": True}, "lacks 'name'"),
        ({"name": "a"}, "lacks 'maximize'"),
        ({"name": "a", "maximize": "yes"}, "maximize must be true or false"),
        ({"name": "a", "maximize": True, "bounds": [1]}, "low below high"),
        ({"name": "a", "maximize": True, "bounds": [1, 0]}, "low below high"),
        ({"name": "a", "maximize": True, "bounds": [0, float("inf")]}, "low below high"),
        ({"name": "a", "maximize": True, "bounds": "01"}, "low below high"),
        (7, "must be an object"),
    ],
)
def test_objectives(entry: Any, complaint: str) -> None:
    good = {"name": "b", "maximize": False, "bounds": [0, 2]}
    with pytest.raises(RecordError, match=complaint):
        objectives_of(Fields({"objectives": [entry, good]}, "run.json"))
    notes: list[str] = []
    found = objectives_of(Fields({"objectives": [entry, good]}, "run.json", notes))
    assert found[-1] == Objective("b", False, (0.0, 2.0))
    assert notes


def test_an_entry_is_what_its_line_says() -> None:
    line = {"batch": 2, "step": 3, "weights": {"a": 0.5}, "influence": None, "seconds": {"total": 2}, "estimator": None}
    assert Batch.of(Fields(line, "")) == Batch(3, 2, {"a": 0.5}, {}, seconds=2.0)
    line = {"step": 3, "metrics": {"a": None, "b": 2}, "standard_error": {"b": 1}, "purpose": "rule", "samples": 4}
    assert Evaluation.of(Fields(line, "")) == Evaluation(3, {"b": 2.0}, {"b": 1.0}, 4, purpose="rule")


def test_reading_records_takes_no_torch(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "status": "finished"}))
    program = (
        "import sys; from paretune.record.reader import RunReader; run = RunReader(sys.argv[1]);"
        "run.header, run.batches, run.front, run.measured_again;"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'numpy', 'transformers')],"
        "      [m for m in sys.modules if m.startswith('paretune.') and not m.startswith('paretune.record')])"
    )
    said = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert said.stdout == "[] []\n"
