"""What a run came to, read from its record."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.table import Table

from paretune.comparison.figures import OF_THE_LAST, last_figures
from paretune.record.entries import FrontPoint, hypervolume_of
from paretune.record.figures import figure
from paretune.record.known_front import front_on
from paretune.record.reader import RunReader


def print_summary(directory: str | Path, console: Console | None = None) -> None:
    """Print the front, its mean and steps-to-front, the final weights, and where the files are."""
    console = console or Console()
    run = RunReader(directory)
    names = [objective.name for objective in run.header.objectives]
    grid, batches = run.grid, run.batches
    console.print()
    if run.front is not None:
        _print_front(run.front, names, console)
        if grid and grid[-1].archive is not None:
            alone = hypervolume_of(run.header.objectives, grid[-1].metrics)
            console.print(
                f"hypervolume of the front: {figure(grid[-1].archive)}, of the last policy: {figure(alone)} "
                "(1 is the best corner of the bounds)",
                soft_wrap=True,
            )
    elif grid:
        values = ", ".join(f"{name} {figure(grid[-1].metrics.get(name))}" for name in names)
        console.print(f"last evaluation: {values} (no front: not every objective has bounds)")
    if grid:
        known = front_on(run.known_fronts, "validation")
        found = last_figures(run.header.objectives, grid[-1].metrics, known)
        told = ", ".join(f"{OF_THE_LAST[name]} {figure(value)}" for name, value in found.items() if isfinite(value))
        if told:
            console.print(f"last policy: {told}", soft_wrap=True)
    if batches:
        start, end = run.header.initial_weights or batches[0].weights, batches[-1].weights
        moves = ", ".join(f"{name} {figure(start.get(name))} → {figure(end.get(name))}" for name in names)
        console.print(f"weights: {moves}", soft_wrap=True)
    console.print(f"files: {directory}", soft_wrap=True)


def _print_front(points: Sequence[FrontPoint], names: Sequence[str], console: Console) -> None:
    if not points:
        console.print("No point on the Pareto front: no evaluation gave a finite metric for every objective.")
        return
    table = Table(title="Pareto front on the validation set", title_justify="left")
    for column in ("step", *names, "checkpoint"):
        table.add_column(column, justify="left" if column == "checkpoint" else "right")
    for point in points:
        metrics = [figure(point.metrics[name]) for name in names]
        table.add_row(str(point.step), *metrics, point.checkpoint or "–")
    table.add_section()
    table.add_row("mean", *(figure(mean(point.metrics[name] for point in points)) for name in names), "")
    console.print(table)
    console.print(f"steps-to-front (mean step of the front): {mean(point.step for point in points):.1f}")
