"""The two figures of docs/results.md, drawn for scripts/leaderboard.py."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.record.summary_entries import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[Sequence[Any]]
COLOURS = {"best-fixed-front": "0.5", "nash": "C1", "tour": "C0"}
"""The arms whose policies stand in the figure of fronts."""


@dataclass(frozen=True)
class Panel:
    """A task of the leaderboard.

    Attributes:
        name: its title.
        rival: the figure of the best of ten fixed weightings, None if there is none.
        start: the figure before training, None if it is not known.
    """

    name: str
    rival: float | None
    start: float | None


@dataclass(frozen=True)
class Front:
    """What a task with two objectives allows, and what runs have reached, as gains ``[n, 2]``."""

    name: str
    objectives: Sequence[str]
    best: Points
    chosen: Mapping[str, Points]


def draw_board(
    standing: Mapping[str, Mapping[str, Estimate]], panels: Sequence[Panel], marked: Collection[str], path: Path
) -> None:
    """The leaderboard: a panel a task, a row an arm, with intervals; the marked arms in colour."""
    from matplotlib.figure import Figure

    arms = list(standing)[::-1]
    page = Figure(figsize=(1.6 + 1.5 * len(panels), 0.9 + 0.2 * len(arms)), layout="constrained")
    every = page.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, panel in zip(every, panels, strict=True):
        for value, style in ((panel.rival, "-"), (panel.start, ":")):
            if value is not None:
                axes.axvline(value, color="0.6", linewidth=0.8, linestyle=style)
        for height, arm in enumerate(arms):
            one = standing[arm].get(panel.name)
            if one is None or one.mean is None:
                continue
            colour = "C0" if arm in marked else "0.35"
            axes.plot(one.mean, height, "o", color=colour, markersize=3.5)
            if one.low is not None and one.high is not None:
                axes.hlines(height, one.low, one.high, color=colour, linewidth=1.0)
        axes.set_title(panel.name, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(axis="x", color="0.92")
        axes.set_yticks(range(len(arms)), arms)
    page.supxlabel("share of best", fontsize=8)
    page.savefig(path, metadata={"Date": None})


def draw_fronts(fronts: Sequence[Front], path: Path) -> None:
    """What is possible, and the chosen policies of every seed."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(4.4 * max(1, len(fronts)), 3.6), layout="constrained")
    for axes, front in zip(page.subplots(1, max(1, len(fronts)), squeeze=False)[0], fronts, strict=False):
        _draw_front(axes, front)
    page.savefig(path, metadata={"Date": None})


def _draw_front(axes: "Axes", front: Front) -> None:
    for arm, gains in front.chosen.items():
        axes.plot(*zip(*gains, strict=True), "o", color=COLOURS[arm], markersize=3, alpha=0.6, label=arm)
    if front.best:
        axes.plot(*zip(*sorted(front.best), strict=True), color="k", linewidth=0.8, label="best possible")
    first, second = (f"gain of {objective}" for objective in front.objectives)
    axes.set(title=front.name, xlabel=first, ylabel=second)
    axes.legend(fontsize=8)
