"""The figures of a report as files for a paper: PDF, PNG or SVG, drawn by matplotlib from the same charts."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from paretune.bounded_run import Bounds
from paretune.record.figures import figure
from paretune.report import comparison_charts, read_records, run_charts, styles
from paretune.report.charts import (
    Chart,
    Curve,
    CurveChart,
    DistributionChart,
    Group,
    PairChart,
    RowChart,
    best_in_two,
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
            charts = [chart for group in groups for chart in group.charts if draw.dispatch(type(chart)) is not _cannot]
            if charts:
                paths += _save(_page(charts, keys), Path(out) / name, formats)
    return paths


def _save(page: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    paths = [stem.with_suffix(f".{name}") for name in formats]
    dates = {"pdf": "CreationDate", "svg": "Date"}
    for path, name in zip(paths, formats, strict=True):
        page.savefig(path, format=name, metadata={dates[name]: None} if name in dates else None)
    return paths


def _page(charts: Sequence[Chart], keys: Mapping[int, str]) -> Figure:
    """Charts in a row, those of named rows below one another, with a legend of a comparison's arms."""
    rows = [chart for chart in charts if isinstance(chart, RowChart)]
    if rows:
        heights = [len(chart.rows) * ROW + 0.9 for chart in rows]
        page = Figure(figsize=(2 * WIDTH, sum(heights)), layout="constrained")
        every = page.subplots(len(charts), 1, squeeze=False, height_ratios=heights)[:, 0]
    else:
        page = Figure(figsize=(len(charts) * WIDTH, HEIGHT + 0.3), layout="constrained")
        every = page.subplots(1, len(charts), squeeze=False)[0]
    for axes, chart in zip(every, charts, strict=True):
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


_cannot = draw.dispatch(object)


@draw.register
def _(chart: PairChart, axes: Axes) -> None:
    x, y = chart.x.name, chart.y.name
    for one in chart.sets:
        here = [mark for mark in one.marks if x in mark.values and y in mark.values]
        best = best_in_two([(m.values[x], m.values[y]) for m in here], chart.x, chart.y)
        look = _look(one.number)
        axes.plot(*zip(*best, strict=True), **{**look, "marker": "", "alpha": 0.6})
        for kind, alpha in (("dominated", 0.35), ("front", 1.0), ("start", 1.0)):
            points = [(m.values[x], m.values[y]) for m in here if m.kind == kind]
            if points:
                start = {"color": INK, "marker": "D"} if kind == "start" else {}
                axes.plot(*zip(*points, strict=True), **{**look, "linestyle": "", "alpha": alpha, **start})
    axes.set(xlabel=direction(chart.x), ylabel=direction(chart.y))
    if not chart.x.maximize:
        axes.invert_xaxis()
    if not chart.y.maximize:
        axes.invert_yaxis()


@draw.register
def _(chart: CurveChart, axes: Axes) -> None:
    for curve in chart.curves:
        _curve(chart, curve, axes)
    if chart.level is not None:
        axes.axhline(chart.level, color=MUTED, linewidth=0.7, linestyle=":")
    axes.set(xlabel=chart.x_title, ylabel=chart.y_title)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if chart.from_zero and not any(y is not None and y < 0 for curve in chart.curves for y in curve.y):
        axes.set_ylim(bottom=0, top=1.05 * axes.get_ylim()[1])
    if chart.reverse:
        axes.invert_yaxis()
    if len(chart.curves) > 1 and chart.curves[0].group is None:
        axes.legend()


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
