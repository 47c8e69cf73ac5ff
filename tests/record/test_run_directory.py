import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.record.record import RunRecord
from paretune.record.run_directory import (
    holds_run,
    read_evaluations,
    read_run,
    read_steps,
)
from records import HEADER, one_line, opened, step


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


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


# Fields that the format knows have to be of their kind, and hypothesis takes names from the package's own texts.
unknown = st.text().map("own {}".format)


@given(lines=st.lists(st.dictionaries(unknown, values, max_size=4), max_size=4))
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


@pytest.mark.parametrize("read", [read_run, read_steps, read_evaluations])
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
    [("{", "is no JSON"), ("[]", "must hold a JSON object"), ('{"schema": 2}', "has the schema 2"), ("{}", "None")],
)
def test_a_broken_head_is_named(tmp_path, content, complaint):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=complaint) as raised:
        read_run(tmp_path)
    assert "run.json" in one_line(raised)


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
