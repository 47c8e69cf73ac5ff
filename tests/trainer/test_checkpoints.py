"""Checkpoints are whole or not there: killed at any moment, on a full disk, deleted in part, edited by hand."""

import errno
import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from disks import on_full_disk
from killed import killed_before, write_in_two_parts
from lives import FILES, KEEP, LIMIT, content, live, save
from paretune.record.record import RunRecord
from paretune.record.run_directory import read_evaluations, read_steps
from paretune.trainer.checkpoints import (
    STATE_KEYS,
    BrokenCheckpointError,
    ResumePoint,
    checkpoints,
    load_state,
    resume_point,
    rotate,
    save_state,
    writing,
)


def assert_whole(directory: Path) -> None:
    for step, path in checkpoints(directory).items():
        assert load_state(path)["batch"] == step
        for name in FILES:
            assert (path / name).read_bytes() == content(name, step)


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_moment_a_run_goes_on_from_a_whole_checkpoint(every: int, tmp_path: Path) -> None:
    """And killed once more in its second life, a good deal later each time."""
    moment = 0
    going = True
    while going:
        directory = tmp_path / str(moment)
        going = killed_before(moment, lambda directory=directory: live(directory))
        assert_whole(directory)
        if (directory / "run.json").is_file():
            steps = [line["step"] for line in read_steps(directory)]
            assert steps == list(range(1, len(steps) + 1))
            assert resume_point(directory).step <= len(steps)
            killed_before(7 * moment % 101, lambda directory=directory: live(directory))
            assert_whole(directory)
        live(directory)
        for read in (read_steps, read_evaluations):
            assert [line["step"] for line in read(directory)] == [1, 2, 3, 4]
        rotate(directory, limit=LIMIT, keep=KEEP)  # as after the next checkpoint
        assert_whole(directory)
        left = {path.name for path in directory.iterdir()} - {".lock"}
        assert left == {"run.json", "steps.jsonl", "evaluations.jsonl", "checkpoint-2", "checkpoint-4"}
        shutil.rmtree(directory)
        moment += every
    assert moment > 100


def test_half_overwritten_a_checkpoint_of_an_earlier_life_is_none(tmp_path: Path) -> None:
    moment = 1
    going = True
    while going:
        directory = tmp_path / str(moment)
        directory.mkdir()
        save(directory, 2, life=" before")
        (directory / "checkpoint-2" / "rng_state_7.pth").write_text("of a process that this life has not")
        going = killed_before(moment, lambda directory=directory: save(directory, 2))
        for path in checkpoints(directory).values():
            lives = {(path / name).read_bytes() == content(name, 2) for name in FILES[:-1]}
            assert len(lives) == 1
            assert (path / "rng_state_7.pth").exists() == (lives == {False})
        moment += 3
    assert moment > 15


def test_a_checkpoint_is_deleted_whole(tmp_path: Path) -> None:
    """Never are its files gone and its state file still there, whatever the order of deletion."""
    moment = 0
    going = True
    while going:
        directory = tmp_path / str(moment)
        directory.mkdir()
        for step in (1, 2):
            save(directory, step)
        going = killed_before(moment, lambda directory=directory: rotate(directory, limit=1, keep=()))
        assert_whole(directory)
        assert 2 in checkpoints(directory)
        rotate(directory, limit=1, keep=())
        assert [path.name for path in directory.iterdir()] == ["checkpoint-2"]
        moment += 1
    assert moment > len(FILES)


def test_rotation_leaves_alone_what_is_not_the_runs(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    elsewhere.mkdir()
    for step in (1, 2, 3, 4):
        save(run, step)
    shutil.move(run / "checkpoint-1", elsewhere / "checkpoint-1")  # on a larger disk
    (run / "checkpoint-1").symlink_to(elsewhere / "checkpoint-1")
    (run / ".checkpoint-9.removed").symlink_to(elsewhere)
    foreign = (".checkpoint-best.removed", "checkpoint-2.removed", "checkpoint-03", "checkpoint-best", ".cache")
    for name in foreign:
        (run / name).mkdir()
        (run / name / "paretune.json").write_text("{}")
        (run / name / "trainer_state.json").write_text("{}")
    (run / ".checkpoint-2.removed").mkdir()  # of a deletion that was cut short
    (run / ".checkpoint-2.removed" / "optimizer.pt").write_text("")
    rotate(run, limit=None, keep=())
    assert list(checkpoints(run)) == [1, 2, 3, 4]
    assert not (run / ".checkpoint-2.removed").exists()
    rotate(run, limit=1, keep=())
    assert list(checkpoints(run)) == [1, 4]
    assert load_state(elsewhere / "checkpoint-1")["batch"] == 1
    for name in foreign:
        assert (run / name / "paretune.json").is_file()


def test_a_checkpoint_that_cannot_be_deleted_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        save(tmp_path, step)

    def busy(self: Path, target: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy", str(self))

    monkeypatch.setattr(Path, "rename", busy)  # what a network's file system may say
    with pytest.warns(UserWarning, match=r"checkpoint-1' could not be deleted \(Device or resource busy\): it stays"):
        rotate(tmp_path, limit=1, keep=())
    assert list(checkpoints(tmp_path)) == [1, 2]


# --- writing that fails -------------------------------------------------------------------------------------


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files of this process can grow no further than so many bytes, for real."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "torch": lambda folder: torch.save(torch.zeros(50_000), folder / "optimizer.pt"),
    "safetensors": lambda folder: safetensors.torch.save_file({"a": torch.zeros(50_000)}, folder / "model.safetensors"),
    "plain": lambda folder: (folder / "trainer_state.json").write_text("x" * 200_000),
    "state": lambda folder: save_state(folder, {"rule": "x" * 200_000}),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_of_a_checkpoint_that_does_not_fit_nothing_stays(writer: str, tmp_path: Path) -> None:
    save(tmp_path, 1)

    def write() -> None:
        with room_for(100_000), writing(tmp_path / "checkpoint-2", is_writer=True):
            write_in_two_parts(tmp_path / "checkpoint-2" / "config.json", b"{}")
            WRITERS[writer](tmp_path / "checkpoint-2")

    with pytest.raises(OSError, match="cannot be written") as raised:
        write()
    said = str(raised.value)
    assert str(tmp_path / "checkpoint-2") in said
    assert "\n" not in said
    assert said.count("cannot be written") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]
    assert_whole(tmp_path)


def test_the_state_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with room_for(100_000), pytest.raises(OSError, match=r"paretune\.json' cannot be written \(File too large\)"):
        save_state(tmp_path, {"rule": "x" * 200_000})
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    def write(error: BaseException) -> None:
        with writing(tmp_path / "checkpoint-2", is_writer=True):
            (tmp_path / "checkpoint-2" / "config.json").write_text("{}")
            raise error

    for error in (RuntimeError("no such device"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised:
            write(error)
        assert raised.value is error
        assert list(tmp_path.iterdir()) == []


def test_who_writes_a_part_only_makes_no_folder_and_deletes_none(tmp_path: Path) -> None:
    checkpoint = save(tmp_path, 1)
    with pytest.raises(OSError, match="checkpoint-1' cannot be written"), writing(checkpoint, is_writer=False):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert_whole(tmp_path)
    with writing(tmp_path / "checkpoint-2", is_writer=False):
        pass
    assert not (tmp_path / "checkpoint-2").exists()


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-2").write_text("mine")
    (tmp_path / "checkpoint-3").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match="checkpoint-2' cannot be written"):
        save(tmp_path, 2)
    assert (tmp_path / "checkpoint-2").read_text() == "mine"
    with pytest.raises(FileNotFoundError, match="checkpoint-4' cannot be written"):
        save(tmp_path / "deleted", 4)
    assert not (tmp_path / "deleted").exists()
    save(tmp_path, 3)
    assert not (tmp_path / "elsewhere").exists()
    assert list(checkpoints(tmp_path)) == [3]


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path) -> None:
    """The real thing: what is half there goes, and the older checkpoint and the record stay as they were."""
    program = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from paretune import Objective
from paretune.record.run_directory import read_run
from paretune.trainer.checkpoints import STATE_KEYS, resume_point, save_state, writing
from paretune.trainer.run_log import RunLog
directory = Path(sys.argv[1]) / "run"
log = RunLog([Objective("short", lambda completions, **_: [0.0 for _ in completions], bounds=(0, 1))], directory)
log.open({"seed": 1}, resume_step=None)
def save(step, write):
    with writing(directory / f"checkpoint-{step}", is_writer=True):
        (directory / f"checkpoint-{step}" / "trainer_state.json").write_text('{"global_step": %d}' % step)
        write(directory / f"checkpoint-{step}")
        save_state(directory / f"checkpoint-{step}", {**dict.fromkeys(STATE_KEYS), "lines": log.lines()})
weights = {"a": torch.zeros(200_000)}
save(1, lambda folder: save_file(weights, folder / "model.safetensors"))
(directory.parent / "ballast").write_bytes(bytes(600_000))
for write in (
    lambda folder: save_file(weights, folder / "model.safetensors"),
    lambda folder: torch.save(weights, folder / "optimizer.pt"),
    lambda folder: (folder / "config.json").write_text("x" * 900_000),
):
    try:
        save(2, write)
    except OSError as error:
        print(error)
assert sorted(path.name for path in directory.iterdir() if path.is_dir()) == ["checkpoint-1"]
assert resume_point(directory).step == 1
with open(directory.parent / "rest", "wb", buffering=0) as rest:
    try:
        while rest.write(bytes(4096)):
            pass
    except OSError:
        pass
try:
    try:
        raise ValueError("what ended the run")
    except BaseException:
        log.close("failed")
        raise
except ValueError as error:
    print(error)
print(read_run(directory)["status"])
"""
    said = on_full_disk(tmp_path, program)
    named = f"{str(tmp_path / 'run' / 'checkpoint-2')!r} cannot be written ("
    assert all(line.startswith(named) and "free some space there" in line for line in said[:3])
    assert said[3:] == ["what ended the run", "running"]


# --- where a run goes on -----------------------------------------------------------------------------------


def a_run(directory: Path) -> Path:
    live(directory)
    return directory


def test_the_newest_whole_checkpoint(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    lines = {"steps.jsonl": 4, "logs.jsonl": 0, "evaluations.jsonl": 4, "completions.jsonl": 0}
    assert resume_point(run) == ResumePoint(run / "checkpoint-4", 4, lines)
    (run / "checkpoint-4" / "paretune.json").unlink()
    (run / "checkpoint-10").mkdir()
    assert resume_point(run).step == 2
    assert resume_point(run, str(run / "checkpoint-2")).step == 2
    with pytest.raises(FileNotFoundError, match=r"holds no paretune\.json: resume from a checkpoint that paretune"):
        resume_point(run, run / "checkpoint-4")


def test_without_a_checkpoint_a_run_begins_again_unless_it_is_finished(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not the directory of a run"):
        resume_point(tmp_path)
    record = RunRecord(tmp_path)
    record.start({})
    assert resume_point(tmp_path) == ResumePoint(None, 0, {})
    record.finish("finished")
    with pytest.raises(ValueError, match="is finished and has no checkpoint: give another directory"):
        resume_point(tmp_path)


def damaged(name: str, text: str) -> Callable[[Path], Any]:
    return lambda checkpoint: (checkpoint / name).write_text(text)


def changed(name: str, **fields: Any) -> Callable[[Path], Any]:
    def change(checkpoint: Path) -> None:
        held = json.loads((checkpoint / name).read_text())
        (checkpoint / name).write_text(json.dumps({**held, **fields}))

    return change


def without(key: str) -> Callable[[Path], Any]:
    def change(checkpoint: Path) -> None:
        held = json.loads((checkpoint / "paretune.json").read_text())
        del held[key]
        (checkpoint / "paretune.json").write_text(json.dumps(held))

    return change


DAMAGE: list[tuple[str, Callable[[Path], Any], str]] = [
    ("empty state", damaged("paretune.json", ""), r"paretune\.json' is no JSON"),
    ("torn state", damaged("paretune.json", '{"rule": {"we'), r"paretune\.json' is no JSON"),
    ("another state", damaged("paretune.json", "[]"), r"paretune\.json' must hold a JSON object, got list"),
    *((f"no {key}", without(key), rf"paretune\.json' lacks '{key}'") for key in STATE_KEYS),
    ("lines as text", changed("paretune.json", lines="4"), r"lines must be an object, got '4'"),
    ("a line as text", changed("paretune.json", lines={"steps.jsonl": "4"}), r"lines: steps\.jsonl must be a whole"),
    ("files as a list", changed("paretune.json", files=[1]), r"files must be an object, got a list of 1"),
    ("torn trainer state", damaged("trainer_state.json", '{"global'), r"trainer_state\.json' is no JSON"),
    ("another step", changed("trainer_state.json", global_step=3), r"is of step 3, not of checkpoint-4"),
    ("no step", damaged("trainer_state.json", "{}"), r"is of step None, not of checkpoint-4"),
    ("torn weights", damaged("model.safetensors", "model"), r"model\.safetensors' has 5 bytes, but \d+ were written"),
    ("no optimizer", lambda path: (path / "optimizer.pt").unlink(), r"optimizer\.pt' is missing"),
    ("no state of a process", lambda path: (path / "rng_state_1.pth").unlink(), r"rng_state_1\.pth' is missing"),
]


@pytest.mark.parametrize(("damage", "complaint"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
def test_a_checkpoint_that_was_torn_or_edited_is_named(
    damage: Callable[[Path], Any], complaint: str, tmp_path: Path
) -> None:
    save(tmp_path, 4)
    damage(tmp_path / "checkpoint-4")
    for given in (True, str(tmp_path / "checkpoint-4")):
        with pytest.raises(BrokenCheckpointError, match=complaint) as raised:
            resume_point(tmp_path, given)
        assert "\n" not in str(raised.value)
        assert "move that checkpoint away and resume from the one before it." in str(raised.value)


def test_files_that_people_edit_may_be_edited(tmp_path: Path) -> None:
    save(tmp_path, 4)
    (tmp_path / "checkpoint-4" / "config.json").write_text("{}")
    (tmp_path / "checkpoint-4" / "README.md").write_text("the best so far")
    assert resume_point(tmp_path).step == 4
    (tmp_path / "checkpoint-4").rename(tmp_path / "best")
    assert resume_point(tmp_path, tmp_path / "best").step == 4
