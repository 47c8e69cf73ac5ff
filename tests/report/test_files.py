"""What is there is read, and what is not is named."""

from pathlib import Path
from typing import Any

import pytest

from paretune.report.files import read_object, read_objects
from paretune.report.values import count, mapping, number, numbers, sequence, text


@pytest.mark.parametrize(
    ("content", "found", "said"),
    [
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}], []),
        ('{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}], []),  # whole, but for its line break
        ('{"a": 1}\n{"a": ', [{"a": 1}], ["run/steps.jsonl was cut off while its last line was written"]),
        ('{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}], []),
        ('{"a": 1}\nb\n[3]\n{"a": 4}\n', [{"a": 1}, {"a": 4}], ["2 lines (2, 3) cannot be read and are left out"]),
        ("\x00\x01\n" * 9, [], ["9 lines (1, 2, 3, 4, 5 …) cannot be read"]),
        ("[" * 100_000 + "\n", [], ["a line (1) cannot be read and is left out"]),
        ("", [], []),
        (None, [], ["run/steps.jsonl is missing: no weights."]),
    ],
)
def test_lines(tmp_path: Path, content: str | None, found: list[Any], said: list[str]) -> None:
    path = tmp_path / "run" / "steps.jsonl"
    path.parent.mkdir()
    if content is not None:
        path.write_text(content)
    notes: list[str] = []
    assert read_objects(path, notes, missing="no weights") == found
    assert len(notes) == len(said)
    assert all(part in note for part, note in zip(said, notes, strict=True))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a"', "is no JSON (Expecting ':' delimiter"),
        (b"\xff\xfe", "is no JSON"),
        (b"[1]", "holds list where an object was expected"),
        (b"{" * 100_000, "is no JSON"),
        (None, "is missing: no run"),
    ],
)
def test_an_object(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    notes: list[str] = []
    assert read_object(path, notes, missing="no run") == {}
    [note] = notes
    assert said in note
    assert "\n" not in note


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    notes: list[str] = []
    assert read_objects(tmp_path, notes, missing=None) == []
    assert "cannot be read (Is a directory)" in notes[0]
    assert read_objects(tmp_path / "none", notes, missing=None) == []  # need not be there
    assert len(notes) == 1


def test_values() -> None:
    assert [number(v) for v in (1, 0.5, True, "1", None, float("nan"), float("inf"), 10**400)] == [1, 0.5, *[None] * 6]
    assert [count(v) for v in (3, 0, -1, 1.0, True, 10**400)] == [3, 0, None, None, None, None]
    assert (text(1, "none"), text("a")) == ("none", "a")
    assert (mapping([1]), sequence({"a": 1}), mapping(None)) == ({}, [], {})
    assert numbers({"a": 1, "b": None, "c": "2"}) == {"a": 1.0}
