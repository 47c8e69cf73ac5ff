"""The output directory of ``paretune train``: whatever is wrong with it is said before a model is loaded."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fronts import run as finished_run
from lives import live, save
from paretune.cli import main
from paretune.cli import train as train_command
from paretune.record.record import RunRecord
from paretune.record.run_directory import read_run, read_steps
from told import parse

pytestmark = pytest.mark.usefixtures("tasks_are_loaded_once")


class ModelWasLoadedError(BaseException):
    """Raised in place of loading a model; no Exception, so the command lets it pass."""


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any) -> None:
        raise ModelWasLoadedError

    monkeypatch.setattr(train_command, "make_trainer", load)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused; returns the line it says."""

    def run(*argv: Any) -> str:
        capsys.readouterr()
        assert main(["train", *map(str, argv)]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1, said
        return said[0]

    return run


def goes_on(*argv: Any) -> None:
    with pytest.raises(ModelWasLoadedError):
        main(["train", *map(str, argv)])


def files_of(directory: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(directory.rglob("*"))}


@pytest.mark.parametrize("resume", [(), ("--resume",)], ids=["new", "resumed"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/proc/run", "'/proc/run' cannot be written (No such file or directory): give another directory."),
        ("{here}/file", "is a file: choose a folder."),
        ("{here}/file/run", "cannot be written (Not a directory): give another directory."),
        ("{here}/" + "a" * 300, "cannot be written (File name too long): give another directory."),
        ("{here}/link", "cannot be written (No such file or directory): give another directory."),
    ],
    ids=["no files", "a file", "in a file", "too long", "a link to nowhere"],
)
def test_a_folder_that_cannot_be_written(
    name: str, expected: str, resume: tuple[str, ...], refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = files_of(tmp_path)
    assert expected in refused("--output_dir", name.format(here=tmp_path), *resume)
    assert files_of(tmp_path) == before


def test_a_folder_that_can_be_made_is_not_made_yet(tmp_path: Path) -> None:
    goes_on("--output_dir", tmp_path / "runs" / "first")
    assert files_of(tmp_path) == {}


@pytest.mark.parametrize("what", ["run.json", "steps.jsonl", "pareto.json", "final_evaluations.jsonl", "checkpoint-5/"])
def test_a_new_run_goes_over_nothing(what: str, refused: Callable[..., str], tmp_path: Path) -> None:
    if what.endswith("/"):
        (tmp_path / what).mkdir()
    else:
        (tmp_path / what).write_text("{}")
    before = files_of(tmp_path)
    assert "already holds a run: choose another folder, add --resume to go on" in refused("--output_dir", tmp_path)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("what", ["run.json", "checkpoint-5/"])
def test_it_does_if_it_is_told_to_and_only_when_training_starts(what: str, tmp_path: Path) -> None:
    if what.endswith("/"):
        (tmp_path / what).mkdir()
    else:
        (tmp_path / what).write_text("{}")
    before = files_of(tmp_path)
    goes_on("--output_dir", tmp_path, "--overwrite_output_dir")
    assert files_of(tmp_path) == before


def test_there_must_be_a_run_to_resume(refused: Callable[..., str], tmp_path: Path) -> None:
    for directory in (tmp_path / "nowhere", tmp_path):
        said = refused("--resume", "--output_dir", directory)
        assert f"{directory} holds no checkpoint and no run; leave --resume out to start one." in said
    assert files_of(tmp_path) == {}


def delete(name: str) -> Callable[[Path], Any]:
    return lambda run: (run / name).unlink()


def write(name: str, text: str) -> Callable[[Path], Any]:
    return lambda run: (run / name).write_text(text)


DAMAGE: list[tuple[str, Callable[[Path], Any], str]] = [
    ("no head", delete("run.json"), "is not the directory of a run: it has no run.json"),
    ("empty head", write("run.json", ""), "run.json' is no JSON"),
    ("torn head", write("run.json", '{"schema": 1, '), "run.json' is no JSON"),
    ("another schema", write("run.json", '{"schema": 2}'), "run.json' has the schema 2: this version reads 1"),
    ("broken line", write("steps.jsonl", '{"step": 1}\n{"st\n{"step": 3}\n'), "Line 2 of "),
    ("line without its step", write("evaluations.jsonl", '{"step": 1}\n{}\n'), "Line 2 of "),
    ("no steps", delete("steps.jsonl"), "steps.jsonl' has 0 lines up to step 4, but there were 4"),
    ("too few lines", write("evaluations.jsonl", '{"step": 1}\n'), "evaluations.jsonl' has 1 lines up to step 4"),
    ("empty state", write("checkpoint-4/paretune.json", ""), "checkpoint-4/paretune.json' is no JSON"),
    ("a state without its keys", write("checkpoint-4/paretune.json", "{}"), "paretune.json' lacks 'rule'"),
    ("torn trainer state", write("checkpoint-4/trainer_state.json", '{"gl'), "trainer_state.json' is no JSON"),
    ("torn weights", write("checkpoint-4/model.safetensors", "mod"), "model.safetensors' has 3 bytes, but"),
    ("no optimizer", delete("checkpoint-4/optimizer.pt"), "checkpoint-4/optimizer.pt' is missing"),
]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("lived") / "run"
    live(directory)
    return directory


@pytest.mark.parametrize(("damage", "expected"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
def test_a_run_whose_files_were_torn_or_edited(
    damage: Callable[[Path], Any], expected: str, refused: Callable[..., str], lived: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(lived, run)
    damage(run)
    before = files_of(tmp_path)
    said = refused("--resume", "--output_dir", run)
    assert expected in said
    assert str(run) in said
    assert files_of(tmp_path) == before


def test_a_run_that_still_runs_is_left_in_peace(refused: Callable[..., str], tmp_path: Path) -> None:
    record = RunRecord(tmp_path)
    record.start({})
    record.append_step({"step": 1})
    for step in (0, 1):  # without a checkpoint and with one
        if step:
            save(tmp_path, step, record.lines())
        before = files_of(tmp_path)
        said = refused("--resume", "--output_dir", tmp_path)
        assert f"the run in {tmp_path} is still running; wait for its end, or end it." in said
        assert "already holds a run" in refused("--output_dir", tmp_path)
        assert files_of(tmp_path) == before
    record.append_step({"step": 2})
    record.finish("finished")
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2]


def test_a_run_that_was_stopped_before_its_first_checkpoint_is_taken_up(tmp_path: Path) -> None:
    record = RunRecord(tmp_path)
    record.start({})
    record.append_step({"step": 1})
    record.close()
    (tmp_path / "checkpoint-2").mkdir()  # half of one
    before = files_of(tmp_path)
    start = train_command.check_output_dir(tmp_path, resume=True)
    assert start is not None
    assert (start.checkpoint, start.step, start.lines) == (None, 0, {})
    goes_on("--resume", "--output_dir", tmp_path)
    assert files_of(tmp_path) == before


def test_a_finished_run_without_a_checkpoint_is_not_begun_again(refused: Callable[..., str], tmp_path: Path) -> None:
    finished_run(tmp_path / "run")
    before = files_of(tmp_path)
    said = refused("--resume", "--output_dir", tmp_path / "run")
    assert "is finished and has no checkpoint: give another directory." in said
    assert files_of(tmp_path) == before


def test_a_finished_run_is_shown_and_not_trained_on_unless_more_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = finished_run(tmp_path / "run")
    (directory / "evaluations.jsonl").unlink()  # made by hand, without what the summary shows of them
    save(directory, 30)
    before = (directory / "run.json").read_bytes()
    assert main(["train", "--resume", "--output_dir", str(directory), "--max_steps", "30"]) == 0
    printed = capsys.readouterr().out
    assert f"the run in {directory} is finished after 30 steps: give it more --max_steps to train on." in printed
    assert "report: " in printed
    assert (directory / "report.html").is_file()
    assert (directory / "run.json").read_bytes() == before
    assert read_run(directory)["status"] == "finished"
    goes_on("--resume", "--output_dir", directory, "--max_steps", "31")


# --- a checkpoint that is named -----------------------------------------------------------------------------


def test_a_checkpoint_may_be_named(refused: Callable[..., str], lived: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(lived, run)
    before = files_of(tmp_path)
    for told in (["--resume", run / "checkpoint-4"], ["--resume_from_checkpoint", run / "checkpoint-4"]):
        goes_on(*told)  # its run is the one that it lies in
        goes_on(*told, "--output_dir", run)
    assert "holds no checkpoint and no run" in refused("--resume", run / "checkpoint-4", "--output_dir", tmp_path / "b")
    assert "is a run, not a checkpoint: give --resume --output_dir" in refused("--resume", run)
    goes_on("--resume", run / "checkpoint-2")  # an earlier one, as in TRL
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    ("flags", "yaml", "expected"),
    [
        ([], "", False),
        (["--resume"], "", True),
        (["--resume", "true"], "", True),
        (["--resume", "--seed", "1"], "", True),
        (["--resume=runs/r/checkpoint-2"], "", "runs/r/checkpoint-2"),
        (["--resume_from_checkpoint", "runs/r/checkpoint-2"], "", "runs/r/checkpoint-2"),
        ([], "resume: true", True),
        ([], "resume_from_checkpoint: true", True),
        ([], "resume_from_checkpoint: runs/r/checkpoint-2", "runs/r/checkpoint-2"),
        ([], "resume_from_checkpoint: false", False),
        ([], "resume_from_checkpoint:", False),
        (["--resume", "false"], "resume: true", False),
        (["--resume", "b"], "resume_from_checkpoint: a", "b"),
    ],
)
def test_what_a_run_goes_on_from(flags: list[str], yaml: str, expected: str | bool, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(f"output_dir: run\n{yaml}")
    settings = parse(["--config", str(tmp_path / "run.yaml"), *flags], prog="paretune train", defaults={})
    assert settings.resume == expected
    assert settings.config.resume_from_checkpoint is None  # no setting of the policy's: run.json does not hold it
