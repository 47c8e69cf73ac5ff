"""The figures of a report as files for a paper: PDF, PNG or SVG, drawn by matplotlib from the same charts."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import singledispatch
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from paretune.bounded_run import Bounds
from paretune.record.figures import MINUS, figure
from paretune.report import comparison_charts, read_records, run_charts, styles
from paretune.report.charts import (
    Chart,
    Curve,
    CurveChart,
    DistributionChart,
    FrontChart,
    Group,
    PairChart,
    RowChart,
    best_in_two,
    only_value,
)
from paretune.report.comparisons import Comparison
from paretune.report.runs import Run
from paretune.report.wording import direction

RUN: Mapping[str, Callable[[Run], list[Group]]] = {
    "fronts": run_charts.fronts,
    "meta-reward": run_charts.meta_reward,
    "weights": run_charts.weights,
    "objectives": run_charts.objective_curves,
    "hypervolume": run_charts.hypervolume,
}
COMPARISON: Mapping[str, Callable[[Comparison], list[Group]]] = {
    "fronts": comparison_charts.fronts,
    "meta-reward": comparison_charts.meta_rewards,
    "weights": comparison_charts.weights,
    "objectives": comparison_charts.objective_curves,
    "hypervolume": comparison_charts.hypervolume,
    "contrasts": comparison_charts.contrasts,
    "results": comparison_charts.results,
}
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e6e9",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "savefig.dpi": 200,
    "svg.hashsalt": "paretune",  # the same records make the same file
    # A name with two dollar signs is a name, no formula.
    "text.parse_math": False,
}
WIDTH, HEIGHT, ROW = 2.7, 2.3, 0.28
MOST_COLUMNS = 6
INK, MUTED = "#1d2126", "#5b636c"
MARKERS = {"circle": "o", "square": "s", "diamond": "D"}
DASHES: Mapping[str, Any] = {
    "solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 2)), "longdashdot": (0, (8, 2, 1, 2)),
}  # fmt: skip


def save_figures(
    directory: str | Path, out: str | Path, formats: Sequence[str] = ("pdf",), bounds: Bounds | None = None
) -> list[Path]:
    """Save the figures of a run or a comparison, a file for each and every format.

    Args:
        directory: the run's or the comparison's.
        out: the folder for the files; made if there is none.
        formats: pdf, png, svg.
        bounds: of objectives, in place of those that were recorded.

    Returns:
        The files; there is none for what the records do not hold.

    Raises:
        NothingToReportError: if the directory holds nothing to draw.
        ValueError: for another format.
        OSError: if a file cannot be written.
    """
    for name in formats:
        if name not in styles.FORMATS:
            raise ValueError(f"Formats are {', '.join(styles.FORMATS)}, got {name!r}.")
    records = read_records(directory, bounds)
    if isinstance(records, Comparison):
        drawn = {name: groups(records) for name, groups in COMPARISON.items()}
        keys = {arm.number: arm.label for arm in records.arms}
    else:
        drawn, keys = {name: groups(records) for name, groups in RUN.items()}, {}
    Path(out).mkdir(parents=True, exist_ok=True)
    paths = []
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a name may be in any script
        for name, groups in drawn.items():
            charts = [one for group in groups for chart in group.charts for one in _alone(chart)]
            if charts:
                paths += _save(_page(charts, keys), Path(out) / name, formats)
    return paths


def _alone(chart: Chart) -> list[Chart]:
    """What is drawn of a chart: every pair of one whose reader chooses two objectives, nothing of three dimensions."""
    if not isinstance(chart, PairChart):
        return [] if isinstance(chart, FrontChart) else [chart]
    pairs = combinations(chart.objectives, 2)
    return [replace(chart, title=f"{y.name} against {x.name}", objectives=[x, y]) for x, y in pairs]


def _save(page: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    paths = [stem.with_suffix(f".{name}") for name in formats]
    dates = {"pdf": "CreationDate", "svg": "Date"}
    for path, name in zip(paths, formats, strict=True):
        page.savefig(path, format=name, metadata={dates[name]: None} if name in dates else None)
    return paths


def _page(charts: Sequence[Chart], keys: Mapping[int, str]) -> Figure:
    """Charts in rows, those of named rows below one another, with a legend of a comparison's arms."""
    rows = [chart for chart in charts if isinstance(chart, RowChart)]
    if rows:
        heights = [len(chart.rows) * ROW + 0.9 for chart in rows]
        page = Figure(figsize=(2 * WIDTH, sum(heights)), layout="constrained")
        every = page.subplots(len(charts), 1, squeeze=False, height_ratios=heights)[:, 0]
    else:
        columns = min(len(charts), MOST_COLUMNS)
        down = ceil(len(charts) / columns)
        page = Figure(figsize=(columns * WIDTH, down * HEIGHT + 0.3), layout="constrained")
        every = page.subplots(down, columns, squeeze=False).reshape(-1)
    for axes in every[len(charts) :]:
        axes.remove()
    for axes, chart in zip(every, charts, strict=False):
        draw(chart, axes)
        if len(charts) > 1:
            axes.set_title(chart.title, loc="left")
    drawn = {number for chart in charts for number in _numbers(chart)}
    handles = [Line2D([], [], label=label, **_look(number)) for number, label in keys.items() if number in drawn]
    if handles and not rows:
        page.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4))
    return page


def _numbers(chart: Chart) -> list[int]:
    """The arms that a chart shows."""
    if isinstance(chart, PairChart):
        return [one.number for one in chart.sets]
    if isinstance(chart, CurveChart):
        return [curve.number for curve in chart.curves]
    return [chart.number] if isinstance(chart, DistributionChart) else []


@singledispatch
def draw(chart: Chart, axes: Axes) -> None:
    """Draw a chart into axes."""
    raise TypeError(f"No way to draw {type(chart).__name__}.")


@draw.register
def _(chart: PairChart, axes: Axes) -> None:
    of_x, of_y = chart.objectives
    x, y = of_x.name, of_y.name
    drawn: list[tuple[float, float]] = []
    for one in chart.sets:
        here = [mark for mark in one.marks if x in mark.values and y in mark.values]
        points = [(m.values[x], m.values[y]) for m in here]
        look = _look(one.number)
        axes.plot(*zip(*best_in_two(points, of_x, of_y), strict=True), **{**look, "marker": "", "alpha": 0.6})
        for mark, point in zip(here, points, strict=True):
            start = {"color": INK, "marker": "D"} if mark.kind == "start" else {}
            faint = 0.35 if mark.kind == "dominated" else 1.0
            axes.plot(*point, **{**look, "linestyle": "", "alpha": faint, **start})
            if mark.errors:
                right, up = mark.errors.get(x), mark.errors.get(y)
                axes.errorbar(*point, up, right, fmt="none", ecolor=look["color"], elinewidth=0.6, alpha=0.45)
            if mark.label:
                axes.annotate(mark.label, point, (0, 4), textcoords="offset points", ha="center", fontsize=6)
        drawn += points
    _axis(axes.xaxis, direction(of_x), [a for a, _ in drawn], reverse=not of_x.maximize)
    _axis(axes.yaxis, direction(of_y), [b for _, b in drawn], reverse=not of_y.maximize)


@draw.register
def _(chart: CurveChart, axes: Axes) -> None:
    known = [curve for curve in chart.curves if curve.x]
    if chart.stacked:
        heights = [[y or 0.0 for y in curve.y] for curve in known]
        looks = [_look(curve.number)["color"] for curve in known]
        axes.stackplot(known[0].x, heights, labels=[curve.label for curve in known], colors=looks, alpha=0.75)
    else:
        for curve in known:
            _curve(chart, curve, axes)
    if chart.level is not None:
        axes.axhline(chart.level, color=MUTED, linewidth=0.7, linestyle=":")
    _axis(axes.xaxis, chart.x_title, [x for curve in known for x in curve.x])
    values = [y for curve in known for y in curve.y]
    _axis(axes.yaxis, chart.y_title, [0.0, 1.0] if chart.from_zero else values, reverse=chart.reverse)
    if chart.from_zero and not any(y is not None and y < 0 for y in values):
        axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * (1 if chart.stacked else 1.05))
    if len(chart.curves) > 1 and chart.curves[0].group is None:
        axes.legend()


def _axis(one: Axis, title: str, values: Sequence[float | None], *, reverse: bool = False) -> None:
    """A title and ticks in plain numbers; where all values are the same, one tick, and the title says so."""
    only = only_value(values)
    if only is None:
        one.set_label_text(title)
        one.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    else:
        one.set_label_text(f"{title}: constant" if len(values) > 1 else title)
        one.set_ticks([only], labels=[figure(only)])
    if reverse:
        one.set_inverted(True)


def _plain(value: float) -> str:
    """A tick: no exponent, no letter for a power of ten."""
    return f"{value:,.10f}".rstrip("0").rstrip(".").replace(",", "\u202f").replace("-", MINUS)


def _curve(chart: CurveChart, curve: Curve, axes: Axes) -> None:
    look = _look(curve.number)
    if not chart.markers:
        look["marker"] = ""
    if curve.thin:
        look["linewidth"] = 0.7
    y = [float("nan") if value is None else value for value in curve.y]
    ends = [
        (x, middle, low, high)
        for x, middle, low, high in zip(curve.x, y, curve.low, curve.high, strict=False)
        if low is not None and high is not None
    ]
    axes.plot(curve.x, y, label=curve.label, **look)
    if not ends:
        return
    x, middle, low, high = map(list, zip(*ends, strict=True))
    if chart.spread == "band":
        axes.fill_between(x, low, high, color=look["color"], alpha=0.16, linewidth=0)
    else:
        errors = [[m - a for m, a in zip(middle, low, strict=True)], [b - m for m, b in zip(middle, high, strict=True)]]
        axes.errorbar(x, middle, yerr=errors, fmt="none", ecolor=look["color"], elinewidth=0.8, capsize=2)


@draw.register
def _(chart: DistributionChart, axes: Axes) -> None:
    widths = [high - low for low, high in zip(chart.edges, chart.edges[1:], strict=False)]
    axes.bar(chart.edges[:-1], chart.shares, widths, align="edge", color=_look(chart.number)["color"], alpha=0.75)
    axes.axvline(chart.mean, color=INK, linestyle="--", label=f"mean {figure(chart.mean)}")
    axes.set(xlabel=chart.x_title, ylabel="share of batches", xlim=(chart.edges[0], chart.edges[-1]))
    axes.legend()


@draw.register
def _(chart: RowChart, axes: Axes) -> None:
    if chart.differences:
        axes.axvline(0, color=MUTED, linewidth=0.8, linestyle=":")
    for i, row in enumerate(chart.rows):
        colour = _look(row.number)["color"]
        axes.plot([dot.value for dot in row.dots], [i] * len(row.dots), "o", color=colour, fillstyle="none", alpha=0.8)
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [i, i], color=colour, linewidth=2 if row.strong else 1.2)
        if row.main is not None:
            marker, size = ("D", 7) if row.strong else ("o", 5.5)
            axes.plot(row.main.value, i, color=colour, marker=marker, markersize=size)
    axes.set(xlabel=chart.x_title, yticks=range(len(chart.rows)), ylim=(len(chart.rows) - 0.5, -0.5))
    axes.set_yticklabels([row.label for row in chart.rows])
    axes.xaxis.set_major_locator(MaxNLocator(5))  # long labels leave little room beside them


def _look(number: int) -> dict[str, Any]:
    """Colour, dash and marker of a number."""
    symbol = styles.symbol(number)
    return {
        "color": styles.LIGHT[styles.colour(number)],
        "linestyle": DASHES[styles.dash(number)],
        "marker": MARKERS[symbol.removesuffix("-open")],
        "fillstyle": "none" if symbol.endswith("-open") else "full",
    }
