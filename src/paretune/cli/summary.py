"""What a run came to, read from its record."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from statistics import mean

from paretune.choosing.pick import why_empty
from paretune.cli.screen import Screen, table
from paretune.comparison.figures import OF_THE_LAST, last_figures
from paretune.record.entries import FrontPoint, hypervolume_of
from paretune.record.figures import figure
from paretune.record.known_front import front_on
from paretune.record.reader import RunReader


def print_summary(directory: str | Path) -> None:
    """Print the front, its mean and steps-to-front, the final weights, and where the files are."""
    screen, run = Screen(), RunReader(directory)
    names = [objective.name for objective in run.header.objectives]
    grid, batches = run.grid, run.batches
    screen.print()
    if run.front:
        _print_front(run.front, names, screen)
        if grid and grid[-1].archive is not None:
            alone = hypervolume_of(run.header.objectives, grid[-1].metrics)
            screen.say(
                f"hypervolume of the front: {figure(grid[-1].archive)}, of the last policy: {figure(alone)} "
                "(1 is the best corner of the bounds)"
            )
    elif run.front is not None:
        screen.say(f"the run {why_empty(run)}")
    elif grid:
        values = ", ".join(f"{name} {figure(grid[-1].metrics.get(name))}" for name in names)
        screen.say(f"last evaluation: {values} (no front: not every objective has bounds)")
    if grid:
        known = front_on(run.known_fronts, "validation")
        found = last_figures(run.header.objectives, grid[-1].metrics, known)
        told = ", ".join(f"{OF_THE_LAST[name]} {figure(value)}" for name, value in found.items() if isfinite(value))
        if told:
            screen.say(f"last policy: {told}")
    if batches:
        start, end = run.header.initial_weights or batches[0].weights, batches[-1].weights
        moves = ", ".join(f"{name} {figure(start.get(name))} → {figure(end.get(name))}" for name in names)
        screen.say(f"weights: {moves}")
    screen.say(f"files: {directory}")


def _print_front(points: Sequence[FrontPoint], names: Sequence[str], screen: Screen) -> None:
    front = table("Pareto front on the validation set", "step", *names, "checkpoint", left=["checkpoint"])
    for point in points:
        metrics = [figure(point.metrics[name]) for name in names]
        front.add_row(str(point.step), *metrics, point.checkpoint or "–")
    front.add_section()
    front.add_row("mean", *(figure(mean(point.metrics[name] for point in points)) for name in names), "")
    screen.show(front)
    screen.say(f"steps-to-front (mean step of the front): {mean(point.step for point in points):.1f}")
