import shutil
import subprocess
import sys

import pytest

from paretune.record.directory_lock import RunInUseError, is_in_use
from paretune.record.record import RunRecord
from paretune.record.run_directory import (
    read_run,
    read_steps,
)
from records import HEADER, files_of, one_line, opened, step


def test_another_process_holds_the_directory(tmp_path):
    program = (
        "import sys\n"
        "from paretune.record.record import RunRecord\n"
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
