"""What a run came to, read from its record."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from paretune.record.run_directory import read_evaluations, read_front, read_run, read_steps


def print_summary(directory: str | Path, console: Console | None = None) -> None:
    """Print the front, its mean and steps-to-front, the final weights, and where the files are."""
    console = console or Console()
    run, steps = read_run(directory), read_steps(directory)
    names = [objective["name"] for objective in run["objectives"]]
    grid = [e for e in read_evaluations(directory) if e["purpose"] == "grid"]
    console.print()
    if (Path(directory) / "pareto.json").is_file():
        _print_front(sorted(read_front(directory)["points"], key=lambda point: point["step"]), names, console)
        if grid:
            console.print(f"hypervolume: {grid[-1]['hypervolume']:.4f} (1 is the best corner of the bounds)")
    elif grid:
        values = ", ".join(f"{name} {grid[-1]['metrics'][name]:.3f}" for name in names)
        console.print(f"last evaluation: {values} (no front: not every objective has bounds)")
    if steps:
        start, end = steps[0]["weights"], steps[-1]["weights"]
        moves = ", ".join(f"{name} {start[name]:.3f} → {end[name]:.3f}" for name in names)
        console.print(f"weights: {moves}", soft_wrap=True)
    console.print(f"files: {directory}", soft_wrap=True)


def _print_front(points: Sequence[Mapping[str, Any]], names: Sequence[str], console: Console) -> None:
    if not points:
        console.print("No point on the Pareto front: no evaluation gave a finite metric for every objective.")
        return
    table = Table(title="Pareto front on the validation set", title_justify="left")
    for column in ("step", *names, "checkpoint"):
        table.add_column(column, justify="left" if column == "checkpoint" else "right")
    for point in points:
        metrics = [f"{point['metrics'][name]:.3f}" for name in names]
        table.add_row(str(point["step"]), *metrics, point["checkpoint"] or "–")
    table.add_section()
    table.add_row("mean", *(f"{mean(point['metrics'][name] for point in points):.3f}" for name in names), "")
    console.print(table)
    console.print(f"steps-to-front (mean step of the front): {mean(point['step'] for point in points):.1f}")
