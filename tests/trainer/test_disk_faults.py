"""A real run whose disk misbehaves: its checkpoints are whole or not there, and it goes on from them without a hole."""

import json
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from killed import killed_before
from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from paretune.trainer.checkpoints import STATE_KEYS, checkpoints, resume_point
from policies import brief, digits, prompts, saved_policy
from records import read_completions


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def trainer_of(model: str, directory: Path, *callbacks: TrainerCallback, **kwargs: Any) -> MultiObjectiveTrainer:
    options = {
        "learning_rate": 1e-2, "max_steps": 3, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 6, "gradient_checkpointing": False, "report_to": [], "save_strategy": "steps",
        "save_steps": 1, "eval_strategy": "steps", "eval_steps": 1, "eval_on_start": True, "disable_tqdm": True,
        **kwargs,
    }  # fmt: skip
    objectives = [Objective("digits", digits, bounds=(0, 1)), Objective("brief", brief, bounds=(0, 1))]
    config = MultiObjectiveConfig(str(directory), **options)
    trainer = MultiObjectiveTrainer(
        model, objectives, config, prompts(), prompts(4), weighting=FixedWeights([0.5, 0.5])
    )
    for callback in callbacks:
        trainer.add_callback(callback)
    return trainer


class At(TrainerCallback):
    """Does something after a step."""

    def __init__(self, step: int, action: Any) -> None:
        self.step, self.action = step, action

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step == self.step:
            self.action()


class PowerCutError(Exception):
    """Ends a run in its middle."""


def cut() -> None:
    raise PowerCutError


def recorded(directory: Path) -> list[list[dict[str, Any]]]:
    steps = [{**line, "seconds": None} for line in read_steps(directory)]
    return [steps, read_evaluations(directory), read_completions(directory)]


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_checkpoint_holds_all_that_resuming_asks_of_it(model: str, tmp_path: Path) -> None:
    assert set(trainer_of(model, tmp_path)._state()) == {*STATE_KEYS, "lines"}


def test_stopped_before_its_first_checkpoint_a_run_begins_again(model: str, tmp_path: Path) -> None:
    whole = trainer_of(model, tmp_path / "whole", save_steps=10)
    whole.train()
    with pytest.raises(PowerCutError):
        trainer_of(model, tmp_path / "cut", At(2, cut), save_steps=10).train()
    assert len(read_steps(tmp_path / "cut")) == 2
    again = trainer_of(model, tmp_path / "cut", save_steps=10)
    again.train(resume_from_checkpoint=True)
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert recorded(tmp_path / "cut") == recorded(tmp_path / "whole")
    assert [line["step"] for line in read_evaluations(tmp_path / "cut")] == [0, 1, 2, 3]


def test_a_finished_run_has_nothing_to_do(model: str, tmp_path: Path) -> None:
    first = trainer_of(model, tmp_path)
    first.train()
    before = recorded(tmp_path)
    again = trainer_of(model, tmp_path)
    again.train(resume_from_checkpoint=True)
    assert again.state.global_step == 3
    for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert recorded(tmp_path) == before
    assert read_run(tmp_path)["status"] == "finished"


def test_later_checkpoints_of_the_life_that_is_left_are_set_aside(model: str, tmp_path: Path) -> None:
    """A run resumed from an earlier checkpoint goes on there, as in TRL, and comes to the same end."""
    whole = trainer_of(model, tmp_path)
    whole.train()
    before, old = recorded(tmp_path), (tmp_path / "checkpoint-2/model.safetensors").read_bytes()
    for names in (["checkpoint-2.set-aside", "checkpoint-3.set-aside"], ["checkpoint-2.set-aside-2"]):
        again = trainer_of(model, tmp_path)
        with pytest.warns(UserWarning, match=f"goes on from step 1: its later checkpoints are now {names[0]}, "):
            again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
        for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
            assert torch.equal(a, b)
        assert recorded(tmp_path) == before
        assert all((tmp_path / name).is_dir() for name in names)
    assert (tmp_path / "checkpoint-2.set-aside/model.safetensors").read_bytes() == old


def test_a_hole_in_the_record_is_not_trained_over(model: str, tmp_path: Path) -> None:
    trainer_of(model, tmp_path).train()
    (tmp_path / "steps.jsonl").unlink()
    before = files_of(tmp_path)
    with pytest.raises(ValueError, match=r"steps\.jsonl' has 0 lines up to step 3, but there were 3"):
        trainer_of(model, tmp_path, max_steps=4).train(resume_from_checkpoint=True)
    assert files_of(tmp_path) == before


def test_a_disk_that_fills_up_while_a_checkpoint_is_written(model: str, tmp_path: Path) -> None:
    """By a real limit on the length of files, into which records fit and a model does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    fill = At(2, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard)))
    try:
        with pytest.raises(OSError, match="checkpoint-2' cannot be written") as raised:
            trainer_of(model, tmp_path, fill).train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "checkpoint-2").exists()
    assert list(checkpoints(tmp_path)) == [1]
    assert read_run(tmp_path)["status"] == "failed"
    trainer_of(model, tmp_path).train(resume_from_checkpoint=True)
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2, 3]


def test_a_directory_that_is_deleted_is_not_made_again(model: str, tmp_path: Path) -> None:
    gone = At(1, lambda: (tmp_path / "run").rename(tmp_path / "moved"))
    with pytest.raises(FileNotFoundError, match="was deleted, moved or given to another run while this one was"):
        trainer_of(model, tmp_path / "run", gone).train()
    assert not (tmp_path / "run").exists()
    assert read_run(tmp_path / "moved")["status"] == "running"


@pytest.mark.slow
def test_killed_at_any_moment_of_saving_there_are_whole_checkpoints_only(model: str, tmp_path: Path) -> None:
    """All that Hugging Face's trainer and TRL write, over what an earlier life has left there too."""
    trainer = trainer_of(model, tmp_path, save_total_limit=2, max_steps=2)
    trainer.train()
    whole = {path.name for path in (tmp_path / "checkpoint-2").iterdir()}
    trainer.run_log.open({}, resume_step=2)
    moment, complete = 0, 0
    going = True
    while going:
        going = killed_before(moment, lambda: trainer._save_checkpoint(trainer.model, None))
        found = checkpoints(tmp_path)
        complete += 2 in found
        assert resume_point(tmp_path).step == max(found)
        for path in found.values():
            assert {file.name for file in path.iterdir()} == whole
            json.loads((path / "trainer_state.json").read_text())
        moment += 1
    assert 0 < complete < moment
    assert moment > 30
    trainer.run_log.close("interrupted")
