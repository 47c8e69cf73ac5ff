"""Whole files of JSON."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.record.json_files import read_json, write_json, write_whole

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(content=st.dictionaries(st.text(), values, max_size=4))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, content: dict) -> None:
    path = tmp_path_factory.mktemp("folder") / "file.json"
    write_json(path, {"old": True})
    write_json(path, content)
    assert read_json(path) == content
    assert [file.name for file in path.parent.iterdir()] == ["file.json"]


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": math.nan, "b": [1.5, -math.inf], "c": np.array([np.nan, 2.0]), 3: Path("folder")})
    assert read_json(path) == {"a": None, "b": [1.5, None], "c": [None, 2.0], "3": "folder"}
    assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize("content", [{"a": object()}, {"text": "\ud800"}])
def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path, content: dict) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"old": True})
    with pytest.raises((TypeError, UnicodeEncodeError)):
        write_json(path, content)
    assert read_json(path) == {"old": True}
    assert [file.name for file in tmp_path.iterdir()] == ["file.json"]


def test_what_a_crash_left_beside_the_file_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    (tmp_path / ".file.json.new").write_text('{"half": ')
    write_whole(path, "{}")
    assert [file.name for file in tmp_path.iterdir()] == ["file.json"]


def test_a_reader_finds_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"which": "old", "padding": "x" * 100_000})
    with path.open(encoding="utf-8") as reader:
        begun = reader.read(10)
        write_json(path, {"which": "new"})
        assert '"old"' in begun + reader.read()
    assert read_json(path) == {"which": "new"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is no JSON"),
        (b'{"a": 1', "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[1]", "must hold a JSON object, got list"),
        (b"null", "must hold a JSON object, got NoneType"),
    ],
)
def test_a_file_that_holds_something_else_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(ValueError, match=complaint) as raised:
        read_json(tmp_path / "file.json")
    assert "file.json" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "file.json")
