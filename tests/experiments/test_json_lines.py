"""Lines of JSON that survive an interruption."""

from math import nan

import numpy as np
import pytest

from paretune.experiments.json_lines import append_line, cut_torn_line, read_lines


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
