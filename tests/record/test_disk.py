"""Disks that are full or cannot be written: one line that says so, and nothing half done."""

import errno
import os
from pathlib import Path

import pytest

from disks import on_full_disk, on_read_only_disk
from fronts import run as finished_run
from paretune.record.disk import check_writable, sync, write_error


def test_an_error_of_writing_says_what_to_do(tmp_path: Path) -> None:
    told = write_error(tmp_path / "run.json", PermissionError(errno.EACCES, "Permission denied", "other"))
    expected = "cannot be written (Permission denied): allow it to be written, or give another directory."
    assert str(told) == f"{str(tmp_path / 'run.json')!r} {expected}"
    assert isinstance(told, PermissionError)
    assert told.errno == errno.EACCES
    assert "free some space" in str(write_error("a", OSError(errno.ENOSPC, "No space left on device")))


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    check_writable(tmp_path)
    check_writable(tmp_path / "runs" / "first")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("/proc/runs/first", "No such file"),
        ("{here}/file", "Not a directory"),
        ("{here}/file/run", "Not a directory"),
        ("{here}/" + "a" * 300, "File name too long"),
        ("{here}/gone", "No such file"),
        ("{here}/a\0b", "no name of a directory"),
    ],
)
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises((OSError, ValueError), match=complaint) as raised:
        check_writable(name.format(here=tmp_path))
    assert "\n" not in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "gone"]


def test_a_disk_that_can_only_be_read(tmp_path: Path) -> None:
    program = """
import sys
from paretune.record.disk import check_writable
from paretune.record.record import RunRecord
for directory in (sys.argv[1], sys.argv[1] + "/runs/first"):
    for attempt in (check_writable, lambda directory: RunRecord(directory).start({})):
        try:
            attempt(directory)
        except OSError as error:
            print(error)
"""
    said = on_read_only_disk(tmp_path, program)
    assert len(said) == 4
    assert all("Read-only file system" in line and str(tmp_path) in line for line in said)
    assert list(tmp_path.iterdir()) == []


def test_the_record_of_a_run_on_a_disk_that_fills_up(tmp_path: Path) -> None:
    """No line in half, whole files as they were, the directory given free, and the run goes on once there is space."""
    program = """
import json
import sys
from pathlib import Path
from paretune.record.disk import check_writable
from paretune.record.record import RunRecord
from paretune.record.run_directory import read_run, read_steps
directory = Path(sys.argv[1]) / "run"
record = RunRecord(directory)
record.start({"task": "arithmetic"})
record.write_front([0.0], None, [{"step": 0}])
record.append_step({"step": 1})
(directory.parent / "ballast").write_bytes(bytes(1_000_000))
step = 1
try:
    while step < 1000:
        record.append_step({"step": step + 1, "text": "x" * 5000})
        step += 1
except OSError as error:
    print(error)
assert [line["step"] for line in read_steps(directory)] == list(range(1, step + 1)), step
rest = (directory / "steps.jsonl").read_bytes()
assert rest.endswith(b"}\\n")
for write in (
    lambda: record.write_front([1.0], None, [{"step": 7, "text": "y" * 9000}]),
    lambda: record.finish("failed", error="z" * 9000),
    lambda: check_writable(directory),
    lambda: RunRecord(directory.parent / "other").start({"text": "x" * 9000}),
):
    try:
        write()
    except OSError as error:
        print(error)
assert json.loads((directory / "pareto.json").read_text())["points"] == [{"step": 0}]
assert read_run(directory)["status"] == "running"
assert not list(directory.glob(".*.new"))
(directory.parent / "ballast").unlink()
record = RunRecord(directory)
record.resume(step, {})
record.append_step({"step": step + 1})
record.finish("finished")
assert [line["step"] for line in read_steps(directory)] == list(range(1, step + 2))
other = RunRecord(directory.parent / "other")
other.start({})
"""
    said = on_full_disk(tmp_path, program)
    files = ["run/steps.jsonl", "run/pareto.json", "run/run.json", "run", "other/run.json"]
    for line, file in zip(said, files, strict=True):
        assert line == f"{str(tmp_path / file)!r} cannot be written (No space left on device): {ADVICE}."


ADVICE = "free some space there and try again"


def test_a_report_for_which_there_is_no_space_leaves_the_one_before(tmp_path: Path) -> None:
    program = """
import shutil, sys
from pathlib import Path
from paretune.cli import main
directory = Path(sys.argv[1]) / "run"
shutil.copytree(sys.argv[2], directory)
(directory / "report.html").write_text("before")
print(main(["report", str(directory)]), file=sys.stderr)
assert (directory / "report.html").read_text() == "before"
assert not list(directory.glob(".*.new"))
"""
    finished_run(tmp_path / "run")
    (tmp_path / "disk").mkdir()
    said = on_full_disk(
        tmp_path / "disk", f"import sys; sys.stderr = sys.stdout\n{program}", tmp_path / "run", size=65_536
    )
    report = str(tmp_path / "disk" / "run" / "report.html")
    assert said == [f"paretune: {report!r} cannot be written (No space left on device): {ADVICE}.", "2"]


def test_what_is_written_is_brought_to_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    sync(tmp_path / "file")
    with pytest.raises(FileNotFoundError, match="cannot be written"):
        sync(tmp_path / "none")
    read, write = os.pipe()  # of which there is no disk
    with pytest.raises(OSError, match="Invalid argument"):
        sync(f"/dev/fd/{write}")
    os.close(read)
    os.close(write)
