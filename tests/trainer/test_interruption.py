"""Signals end a run after the current step, with a checkpoint; a second one ends it at once."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.record.checkpoints import checkpoints
from paretune.record.run_directory import read_run, read_steps
from paretune.trainer.interruption import SAME
from policies import brief, digits, prompts, saved_policy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


class Digits:
    """Digits, and something that happens in a certain call."""

    __name__ = "digits"

    def __init__(self, call: int, happening: Any) -> None:
        self.calls, self.call, self.happening = 0, call, happening

    def __call__(self, completions: list[str], **_: Any) -> list[float]:
        self.calls += 1
        if self.calls == self.call:
            self.happening()
        return digits(completions)


def trainer_of(model: str, directory: Path, reward: Any, **kwargs: Any) -> MultiObjectiveTrainer:
    options = {
        "max_steps": 4, "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 4,
        "gradient_checkpointing": False, "report_to": [], "save_strategy": "no", "eval_strategy": "no",
        "disable_tqdm": True, "write_report": False, **kwargs,
    }  # fmt: skip
    given = [Objective("digits", reward, bounds=(0, 1)), Objective("brief", brief, bounds=(0, 1))]
    rows: Dataset = prompts()
    return MultiObjectiveTrainer(
        model,
        given,
        MultiObjectiveConfig(str(directory), **options),
        rows,
        prompts(2),
        weighting=FixedWeights([0.5, 0.5]),
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_step_with_a_checkpoint(
    number: signal.Signals, model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    trainer = trainer_of(model, tmp_path, Digits(2, lambda: os.kill(os.getpid(), number)))
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert signal.getsignal(number) is before
    assert read_run(tmp_path)["status"] == "interrupted"
    assert list(checkpoints(tmp_path)) == [2]
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2]
    assert "ending after this step, with a checkpoint" in capfd.readouterr().err
    resumed = trainer_of(model, tmp_path, digits)
    resumed.train(resume_from_checkpoint=True)
    assert read_run(tmp_path)["status"] == "finished"
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2, 3, 4]


def test_a_signal_during_an_evaluation_ends_the_run_after_it(model: str, tmp_path: Path) -> None:
    # Calls: the first step's batch, the evaluation's two, the second step's batch.
    reward = Digits(2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    options = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 1}
    with pytest.raises(KeyboardInterrupt):
        trainer_of(model, tmp_path, reward, **options).train()
    assert reward.calls == 3
    assert list(checkpoints(tmp_path)) == [1]


def test_a_signal_in_the_last_step_changes_nothing(model: str, tmp_path: Path) -> None:
    trainer_of(model, tmp_path, Digits(4, lambda: os.kill(os.getpid(), signal.SIGTERM))).train()
    assert read_run(tmp_path)["status"] == "finished"


def test_a_second_signal_ends_at_once(model: str, tmp_path: Path) -> None:
    reward = Digits(2, lambda: None)

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # a launcher passes on what the terminal has sent already
        assert read_run(tmp_path)["status"] == "running"
        time.sleep(SAME + 0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        reward.calls = 100

    reward.happening = twice
    trainer = trainer_of(model, tmp_path, reward)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert reward.calls == 2
    assert read_run(tmp_path)["status"] == "interrupted"
    assert checkpoints(tmp_path) == {}


def test_outside_the_main_thread_signals_are_left_alone(model: str, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    reward = Digits(1, lambda: seen.append(signal.getsignal(signal.SIGTERM)))
    thread = threading.Thread(target=trainer_of(model, tmp_path, reward, max_steps=1).train)
    thread.start()
    thread.join()
    assert seen == [before]
    assert read_run(tmp_path)["status"] == "finished"
