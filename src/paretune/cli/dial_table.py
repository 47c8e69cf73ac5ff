"""The dial of a steerable policy on the screen: its metrics at each setting, and whether they follow the priorities."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from paretune.cli.screen import Screen, table
from paretune.comparison.dial import WORKS, Dial, dial_of
from paretune.record.entries import Evaluation, Objective, newest
from paretune.record.figures import figure, with_error
from paretune.record.known_front import front_on
from paretune.record.reader import RunReader


def print_dial(directory: Path, split: str) -> None:
    """Show the dial of a run's last policy as it was measured on the most prompts; nothing where it was not."""
    run, screen = RunReader(directory), Screen()
    lines = newest([line for line in run.dial if line.split == split])
    for decoding in dict.fromkeys(line.decoding for line in lines):
        measured = [line for line in lines if line.decoding == decoding]
        objectives, prompts = run.header.objectives, measured[0].prompts
        known = None if prompts is None else front_on(run.known_fronts, split, prompts)
        title = f"step {measured[0].step} by priorities on {prompts} {split} prompts, {decoding}"
        screen.print(_metrics(objectives, measured, title))
        _print_answer(screen, dial_of(objectives, measured, known))


def dial_line(directory: str, step: int) -> str:
    """What the dial came to when a run in training measured it at a step, in a line; nothing where it did not."""
    run = RunReader(directory)
    measured = [line for line in run.dial_in_training if line.step == step]
    if not measured:
        return ""
    dial = dial_of(run.header.objectives, measured, None)
    follows = "  ".join(f"{name} {figure(response.correlation)}" for name, response in dial.responses.items())
    return f"dial at step {step}: hypervolume {figure(dial.hypervolume)}  rank correlations {follows}"


def _metrics(objectives: Sequence[Objective], measured: Sequence[Evaluation], title: str) -> Table:
    names = [f"{objective.name} {'↑' if objective.maximize else '↓'}" for objective in objectives]
    shown = table(title, " : ".join(objective.name for objective in objectives), *names, left=[])
    for one in measured:
        told = one.priorities or {}
        setting = " : ".join(f"{told.get(objective.name, 0.0):.0%}" for objective in objectives)
        values = [with_error(one.metrics.get(o.name), one.errors.get(o.name)) for o in objectives]
        shown.add_row(setting, *values)
    return shown


def _print_answer(screen: Screen, dial: Dial) -> None:
    columns = ("objective", "correlation", "monotone", "worst", "best", "")
    answer = table("does the dial work?", *columns, left=["objective", ""])
    for name, response in dial.responses.items():
        follows = "follows its priority" if response.correlation >= WORKS else f"below {WORKS}"
        shown = (response.correlation, response.monotone, response.worst, response.best)
        answer.add_row(name, *(figure(value, 3) for value in shown), follows)
    screen.print(answer)
    screen.say(
        f"{dial.settings} settings: hypervolume {figure(dial.hypervolume, 4)}, expected utility "
        f"{figure(dial.expected_utility, 4)}, regret {figure(dial.regret, 4)}"
    )
