"""Lines of JSON that survive an interruption."""

import os
import re
import resource
import signal
import threading
import time
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.record.json_lines import append_line, cut_torn_line, read_lines


def test_append_and_read(tmp_path):
    path = tmp_path / "lines.jsonl"
    assert read_lines(path) == []
    append_line(path, {"step": 1, "values": np.array([1.5, nan]), "where": tmp_path})
    append_line(path, {"step": 2})
    assert read_lines(path) == [{"step": 1, "values": [1.5, None], "where": str(tmp_path)}, {"step": 2}]


@pytest.mark.parametrize("torn", [b"", b"{", b'{"step": 3, "na', b'{"step": 3}'])
def test_what_was_cut_off_does_not_spoil_the_next_line(tmp_path, torn):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"step": 1}\n' + torn)
    cut_torn_line(path)
    append_line(path, {"step": 2})
    assert read_lines(path) == [{"step": 1}, {"step": 2}]


def test_cutting_where_there_is_nothing(tmp_path):
    cut_torn_line(tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()
    (tmp_path / "torn.jsonl").write_text('{"st')
    cut_torn_line(tmp_path / "torn.jsonl")
    assert (tmp_path / "torn.jsonl").read_text() == ""


def test_a_value_without_a_form_in_json_writes_nothing(tmp_path):
    with pytest.raises(TypeError):
        append_line(tmp_path / "lines.jsonl", {"step": object()})
    assert read_lines(tmp_path / "lines.jsonl") == []


def test_a_full_disk_is_named():
    with pytest.raises(OSError, match="No space left on device") as raised:
        append_line("/dev/full", {"step": 1})
    assert str(raised.value).startswith("'/dev/full' cannot be written (")
    assert "free some space" in str(raised.value)


def test_a_line_that_does_not_fit_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "lines.jsonl"
    append_line(path, {"step": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))  # room for half of the next line
    try:
        with pytest.raises(OSError, match="File too large"):
            append_line(path, {"step": 2, "text": "x" * 50})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text() == '{"step": 1}\n'


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(FileNotFoundError, match="cannot be written"):
        append_line(tmp_path / "gone" / "lines.jsonl", {"step": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_slow_disk_loses_nothing(tmp_path):
    """A pipe that is read slowly, while signals come in: lines longer than it holds arrive whole and in order."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    lines = [{"step": number, "text": str(number % 10) * 200_000} for number in range(3)]
    got = []

    def read() -> None:
        with path.open("rb", buffering=0) as pipe:
            while piece := pipe.read(20_000):
                got.append(piece)
                time.sleep(0.005)

    reader = threading.Thread(target=read)
    reader.start()
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    try:
        with path.open("wb"):  # so that the reader does not see an end between two lines
            for line in lines:
                append_line(path, line)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    reader.join()
    (tmp_path / "got.jsonl").write_bytes(b"".join(got))
    assert read_lines(tmp_path / "got.jsonl") == lines


@given(content=st.binary(max_size=60))
def test_whatever_a_file_holds_is_read_or_named(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("folder") / "lines.jsonl"
    path.write_bytes(content)
    said, lines = "", []
    try:
        lines = read_lines(path)
    except ValueError as error:
        said = str(error)
    assert not said or re.fullmatch(r"Line \d+ of '.*lines\.jsonl' is .*", said)
    assert all(isinstance(line, dict) for line in lines)
