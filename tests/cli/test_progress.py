"""The display of a run, fed by a real one: what it has to remark is printed, whatever the display."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PrinterCallback

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.cli.progress import Progress
from paretune.cli.screen import Screen
from paretune.weighting import Batch, Scalarization
from policies import brief, digits, prompts, saved_policy


class Cornering(FixedWeights):
    """All weight moves to the first objective after a batch."""

    def __init__(self) -> None:
        super().__init__([0.5, 0.5])

    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(self.weights if batch.step == 0 else torch.tensor([0.99, 0.01], dtype=torch.float64))


def full(completions: list[str], **_: Any) -> list[float]:
    return [1.0] * len(completions)


def run(directory: Path, console: Screen, model: str, steps: int, resume: bool | None = None) -> None:
    config = MultiObjectiveConfig(
        str(directory), max_steps=steps, per_device_train_batch_size=4, num_generations=4, max_completion_length=4,
        gradient_checkpointing=False, report_to=[], logging_steps=1, save_steps=4, eval_strategy="steps",
        eval_steps=2, disable_tqdm=True, eval_on_start=True,
    )  # fmt: skip
    objectives = [Objective("[red]digits", digits, metric=full, bounds=(0, 1)), Objective("brief", brief)]
    trainer = MultiObjectiveTrainer(model, objectives, config, prompts(), prompts(4), weighting=Cornering())
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress(trainer.reward_func_names, console))
    trainer.train(resume)


@pytest.mark.parametrize("terminal", [False, True])
def test_remarks_are_printed_once(terminal: bool, tmp_path: Path) -> None:
    model = saved_policy(tmp_path / "policy")
    screen = io.StringIO()
    console = Screen(file=screen, force_terminal=terminal, width=200, legacy_windows=False, color_system=None)
    run(tmp_path / "run", console, model, 6)
    # In the live display a remark is printed above it, so it is a line of its own there too.
    notes = [line for line in screen.getvalue().splitlines() if "note: " in line]
    assert [note.split("note: ")[1] for note in notes] == [
        "[red]digits is saturated: 1, 1, 1 in the last 3 evaluations, 1 is its best",
        "the weight of [red]digits is cornered: above 0.95 since step 2, now 0.99",
        "the weight of brief is cornered: below 0.02 since step 2, now 0.01",
    ]
    screen.seek(0)
    screen.truncate()
    run(tmp_path / "run", console, model, 8, resume=True)
    assert "8/8" in screen.getvalue()
    assert "note: " not in screen.getvalue()  # it was all said before
