"""The display of a run, fed by a real one: what it has to remark is printed, whatever the display."""

import io
import re
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


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """What is printed of a run and of the same run resumed, without a terminal and in one."""
    model = saved_policy(tmp_path_factory.mktemp("policy"))
    found = []
    for terminal in (False, True):
        directory, screens = tmp_path_factory.mktemp("run"), []
        for steps, resume in ((6, None), (8, True)):
            screen = io.StringIO()
            console = Screen(file=screen, force_terminal=terminal, width=200, legacy_windows=False, color_system=None)
            run(directory, console, model, steps, resume)
            screens.append(screen.getvalue())
        found.append((screens[0], screens[1]))
    return found


@pytest.fixture
def screens(both: list[tuple[str, str]]) -> tuple[str, str]:
    return both[0][0], both[1][0]


@pytest.fixture
def resumed(both: list[tuple[str, str]]) -> tuple[str, str]:
    return both[0][1], both[1][1]


def test_it_says_what_is_run_and_how_it_stands_to_the_start(screens: tuple[str, str]) -> None:
    plain, live = screens
    head = plain.splitlines()[:4]
    assert head[0] == "own rewards: fixed rule, 6 steps, seed 42"
    assert head[1].startswith("model: /")
    assert head[2].startswith("folder: /")
    assert head[3].startswith("units: ")
    assert head[3].endswith(": [red]digits ↑ 0 to 1, brief ↑")
    for line in (head[0], head[1], head[3]):
        assert line in live
    lines = plain.splitlines()[4:]
    assert lines[0].startswith("evaluation at step 0: [red]digits 1.000 ± 0.000  brief ")
    assert re.match(r"step 1/6  \[red\]digits [\d.]+ \(weight 0.500 → 0.500\)", lines[1])
    last = [line for line in lines if line.startswith("evaluation")][-1]
    assert "[red]digits 1.000 ± 0.000 (about 1.000)" in last
    assert re.search(r"brief \S+ ± \S+ \((about|better than|worse than) \S+\)", last)
    assert "weight 0.500 → 0.990" in lines[-2] + lines[-1] + plain
    for word in ("objective", "weight", "reward", "validation", "since the start", "evaluating"):
        assert word in live
    assert "influence" not in live  # which this rule does not measure


def test_the_display_fits_into_eighty_columns(both: list[tuple[str, str]]) -> None:
    live = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", both[1][0])
    drawn = [line.rstrip() for line in live.splitlines() if re.match(r" *step +\d+/|objective |brief ", line)]
    assert len(drawn) > 3
    assert max(map(len, drawn)) <= 80


def test_remarks_are_printed_once(screens: tuple[str, str], resumed: tuple[str, str]) -> None:
    for screen in screens:
        # In the live display a remark is printed above it, so it is a line of its own there too.
        notes = [line for line in screen.splitlines() if "note: " in line]
        assert [note.split("note: ")[1] for note in notes] == [
            "[red]digits is saturated: 1, 1, 1 in the last 3 evaluations, 1 is its best",
            "the weight of [red]digits is cornered: above 0.95 since step 2, now 0.99",
            "the weight of brief is cornered: below 0.02 since step 2, now 0.01",
        ]
    for screen in resumed:
        assert "8/8" in screen
        assert "8 steps, seed 42, going on after step 6" in screen
        assert "note: " not in screen  # it was all said before
