"""Charts as plotly figures in plain JSON.

Colours are names (``$3`` the third series, ``$3/0.2`` the same translucent, ``$ink``, ``$faint``): the page's script
puts in those of the theme.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from paretune.record.entries import Objective
from paretune.record.figures import figure
from paretune.report import styles
from paretune.report.charts import (
    Chart,
    CubeChart,
    Curve,
    CurveChart,
    DistributionChart,
    Dot,
    Mark,
    Marks,
    PairChart,
    ParallelChart,
    Row,
    RowChart,
    best_in_two,
)
from paretune.report.plotly_texts import ends, label, lines_of, plain_label, wrapped
from paretune.report.wording import direction

Figure = dict[str, Any]
CROWDED = 20
"""Lines of a parallel chart beyond which all are pale."""
HOVER = {"hovertemplate": "%{text}<extra></extra>"}


def rounded(values: Sequence[float | None]) -> list[float | None]:
    """Five significant digits are more than a screen shows."""
    return [None if value is None else float(f"{value:.5g}") for value in values]


@singledispatch
def plotly_figure(chart: Chart) -> Figure:
    """The chart as ``data`` and ``layout`` for ``Plotly.newPlot``."""
    raise TypeError(f"No way to draw {type(chart).__name__}.")


@plotly_figure.register
def _(chart: PairChart) -> Figure:
    traces: list[Figure] = []
    names = (chart.x.name, chart.y.name)
    for one in chart.sets:
        here = [mark for mark in one.marks if all(name in mark.values for name in names)]
        best = best_in_two([(m.values[names[0]], m.values[names[1]]) for m in here], chart.x, chart.y)
        if len(best) > 1:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": rounded([x for x, _ in best]),
                    "y": rounded([y for _, y in best]),
                    "line": {"color": f"${one.number}/0.55", "width": 1.5, "dash": styles.dash(one.number)},
                    "hoverinfo": "skip",
                    "legendgroup": f"arm-{one.number}",
                }
            )
        traces += _marks(one, here, names, "scatter")
    return {
        "data": traces,
        "layout": {
            "xaxis": _axis(direction(chart.x), reverse=not chart.x.maximize),
            "yaxis": _axis(direction(chart.y), reverse=not chart.y.maximize),
            "hovermode": "closest",
            "showlegend": False,
        },
    }


@plotly_figure.register
def _(chart: CubeChart) -> Figure:
    names = tuple(objective.name for objective in chart.objectives)
    traces = []
    for one in chart.sets:
        here = [mark for mark in one.marks if all(name in mark.values for name in names)]
        traces += _marks(one, here, names, "scatter3d")
    axes = {
        f"{axis}axis": {
            "title": {"text": plain_label(objective.name)},
            "nticks": 5,
            **({} if objective.maximize else {"autorange": "reversed"}),
        }
        for axis, objective in zip("xyz", chart.objectives, strict=True)
    }
    scene = {
        **axes,
        "aspectmode": "cube",
        "camera": {"eye": {"x": 2.0, "y": -2.0, "z": 1.1}, "center": {"x": 0, "y": 0, "z": -0.15}},
    }
    return {"data": traces, "layout": {"scene": scene, "showlegend": False}}


@plotly_figure.register
def _(chart: ParallelChart) -> Figure:
    traces = []
    crowded = sum(len(one.marks) for one in chart.sets) > CROWDED
    for one in chart.sets:
        for kind in ("dominated", "front", "start"):
            marks = [mark for mark in one.marks if mark.kind == kind]
            if marks:
                traces.append(_parallel(one, marks, chart.objectives, crowded=crowded))
    ticks = [ends(objective) for objective in chart.objectives]
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "tickvals": list(range(len(ticks))),
                "ticktext": ticks,
                "range": [-0.25, len(ticks) - 0.75],
                "fixedrange": True,
            },
            "yaxis": {**_axis("share of the bounds"), "range": [-0.04, 1.04]},
            "hovermode": "closest",
            "showlegend": False,
        },
    }


@plotly_figure.register
def _(chart: CurveChart) -> Figure:
    traces: list[Figure] = []
    for curve in chart.curves:
        group = f"arm-{curve.group}" if curve.group is not None else f"line-{curve.number}"
        if chart.spread == "band":
            traces += _band(curve, group)
        traces.append(_line(chart, curve, group))
    layout: Figure = {
        "xaxis": _axis(chart.x_title),
        "yaxis": {
            **_axis(chart.y_title, reverse=chart.reverse),
            **({"rangemode": "tozero"} if chart.from_zero else {}),
        },
        "hovermode": "closest",
        "showlegend": len(chart.curves) > 1 and chart.curves[0].group is None,
    }
    if chart.level is not None:
        layout["shapes"] = [_rule(y=chart.level)]
    return {"data": traces, "layout": layout}


@plotly_figure.register
def _(chart: DistributionChart) -> Figure:
    low, high = chart.edges[:-1], chart.edges[1:]
    top = max(chart.shares) * 1.08
    texts = [
        f"{figure(a, 1)} to {figure(b, 1)}<br>{share:.0%} of the batches"
        for a, b, share in zip(low, high, chart.shares, strict=True)
    ]
    group = {} if chart.group is None else {"legendgroup": f"arm-{chart.group}"}
    middles = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    steps = {
        "type": "scatter",
        "mode": "lines",
        "x": rounded([chart.edges[0], *middles, chart.edges[-1]]),
        "y": rounded([chart.shares[0], *chart.shares, chart.shares[-1]]),
        "line": {"color": f"${chart.number}", "width": 1, "shape": "hvh"},
        "fill": "tozeroy",
        "fillcolor": f"${chart.number}/0.55",
        "text": [texts[0], *texts, texts[-1]],
        **group,
        **HOVER,
    }
    mean = {
        "type": "scatter",
        "mode": "lines",
        "x": rounded([chart.mean, chart.mean]),
        "y": [0, round(top, 4)],
        "line": {"color": "$ink", "width": 2, "dash": "dash"},
        "text": [f"mean {figure(chart.mean)}"] * 2,
        **group,
        **HOVER,
    }
    return {
        "data": [steps, mean],
        "layout": {
            "xaxis": {**_axis(chart.x_title), "range": [chart.edges[0], chart.edges[-1]]},
            "yaxis": {**_axis("share of batches"), "tickformat": ".0%", "range": [0, round(top, 4)]},
            "hovermode": "closest",
            "showlegend": False,
        },
    }


@plotly_figure.register
def _(chart: RowChart) -> Figure:
    traces: list[Figure] = []
    for i, row in enumerate(chart.rows):
        if row.dots:
            traces.append(_dots(row, i))
        if row.main is not None:
            traces.append(_main(row, row.main, i))
    layout: Figure = {
        "xaxis": _axis(chart.x_title),
        "yaxis": {
            "tickvals": list(range(len(chart.rows))),
            "ticktext": [wrapped(row.label) for row in chart.rows],
            "range": [len(chart.rows) - 0.5, -0.5],
            "fixedrange": True,
        },
        "height": 90 + 34 * len(chart.rows),
        "hovermode": "closest",
        "showlegend": False,
    }
    if chart.differences:
        layout["shapes"] = [_rule(x=0)]
    return {"data": traces, "layout": layout}


def _dots(row: Row, place: int) -> Figure:
    """A row's single values."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([dot.value for dot in row.dots]),
        "y": [place] * len(row.dots),
        "text": [lines_of(dot.lines) for dot in row.dots],
        "marker": {"symbol": "circle-open", "size": 8, "color": f"${row.number}", "opacity": 0.8},
        "legendgroup": f"arm-{row.number}",
        **HOVER,
    }


def _main(row: Row, main: Dot, place: int) -> Figure:
    """The value that counts in a row, with its interval."""
    trace: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([main.value]),
        "y": [place],
        "text": [lines_of(main.lines)],
        "marker": {
            "symbol": "diamond" if row.strong else "circle",
            "size": 14 if row.strong else 10,
            "color": f"${row.number}",
        },
        "legendgroup": f"arm-{row.number}",
        **HOVER,
    }
    if row.low is not None and row.high is not None:
        trace["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": rounded([row.high - main.value]),
            "arrayminus": rounded([main.value - row.low]),
            "color": f"${row.number}",
            "thickness": 2.5 if row.strong else 1.5,
            "width": 5,
        }
    return trace


def _marks(one: Marks, here: Sequence[Mark], names: Sequence[str], kind: str) -> list[Figure]:
    """The marks of a set: a trace for each kind of them, the front on top."""
    traces = []
    for which, opacity, size in (("dominated", 0.35, 7), ("front", 1.0, 9), ("start", 1.0, 11)):
        marks = [mark for mark in here if mark.kind == which]
        if not marks:
            continue
        places = {axis: rounded([m.values[name] for m in marks]) for axis, name in zip("xyz", names, strict=False)}
        flat = kind == "scatter"
        traces.append(
            {
                "type": kind,
                "mode": "markers",
                **places,
                "text": [_hover(mark) for mark in marks],
                "marker": {
                    "symbol": _symbol(one, marks[0]),
                    "size": size if flat else size - 4,
                    "color": "$ink" if which == "start" else f"${one.number}",
                    "opacity": opacity,
                    # Without an edge marks of one colour run together where they overlap.
                    "line": {"width": 1 if flat else 0, "color": "$paper"},
                },
                "legendgroup": f"arm-{one.number}",
                **HOVER,
            }
        )
    return traces


def _parallel(one: Marks, marks: Sequence[Mark], objectives: Sequence[Objective], *, crowded: bool) -> Figure:
    """Marks of one kind as lines across all axes, in one trace with gaps between them."""
    x: list[int | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for mark in marks:
        gains = [objective.gain(mark.values.get(objective.name)) for objective in objectives]
        x += [*range(len(gains)), None]
        y += [*rounded(gains), None]
        texts += [_hover(mark)] * len(gains) + [""]
    kind = marks[0].kind
    paint = "$ink" if kind == "start" else f"${one.number}"
    clear = kind != "dominated" and not crowded
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "text": texts,
        "line": {
            "color": paint if clear else f"{paint}/0.4",
            "width": 1.8 if clear else 1,
            "dash": "dot" if kind == "start" else styles.dash(one.number),
        },
        "marker": {"symbol": _symbol(one, marks[0]), "size": 7 if clear else 5},
        "legendgroup": f"arm-{one.number}",
        **HOVER,
    }


def _hover(mark: Mark) -> str:
    return lines_of(mark.lines)


def _symbol(one: Marks, mark: Mark) -> str:
    return "diamond" if mark.kind == "start" else styles.symbol(one.number)


def _line(chart: CurveChart, curve: Curve, group: str) -> Figure:
    number = curve.number
    line: Figure = {
        "type": "scatter",
        "mode": "lines+markers" if chart.markers or len(curve.x) == 1 else "lines",
        "name": label(curve.label),
        "x": rounded(curve.x),
        "y": rounded(curve.y),
        "line": {"color": f"${number}", "width": 1 if curve.thin else 2, "dash": styles.dash(number)},
        "marker": {"symbol": styles.symbol(number), "size": 7, "color": f"${number}"},
        "legendgroup": group,
    }
    title = f"<b>{label(curve.label)}</b><br>{label(chart.x_title)} %{{x:.5~g}}<br>%{{y:.4~g}}"
    if curve.seeds is not None:
        line["customdata"] = [
            [*rounded([low, high]), count] for low, high, count in zip(curve.low, curve.high, curve.seeds, strict=True)
        ]
        title += " (%{customdata[0]:.4~g} to %{customdata[1]:.4~g})<br>mean of %{customdata[2]} seeds"
    elif chart.spread == "bars" and curve.high:
        errors = rounded([None if h is None or y is None else h - y for h, y in zip(curve.high, curve.y, strict=True)])
        line["error_y"] = {"type": "data", "array": errors, "color": f"${number}", "thickness": 1.2, "width": 3}
        line["customdata"] = errors
        title += " ± %{customdata:.2~g}"
    line["hovertemplate"] = title + "<extra></extra>"
    return line


def _band(curve: Curve, group: str) -> list[Figure]:
    """The area between low and high, closed around."""
    ends = [
        (x, low, high)
        for x, low, high in zip(curve.x, curve.low, curve.high, strict=False)
        if low is not None and high is not None
    ]
    if len(ends) < 2:
        return []
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": rounded([x for x, _, _ in ends] + [x for x, _, _ in reversed(ends)]),
            "y": rounded([high for _, _, high in ends] + [low for _, low, _ in reversed(ends)]),
            "fill": "toself",
            "fillcolor": f"${curve.number}/0.16",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "showlegend": False,
            "legendgroup": group,
        }
    ]


def _axis(title: str, *, reverse: bool = False) -> Figure:
    return {"title": {"text": label(title)}, **({"autorange": "reversed"} if reverse else {})}


def _rule(*, x: float | None = None, y: float | None = None) -> Figure:
    """A thin line across the whole chart."""
    place = (
        {"xref": "x", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1}
        if x is not None
        else {"yref": "y", "y0": y, "y1": y, "xref": "paper", "x0": 0, "x1": 1}
    )
    return {"type": "line", **place, "line": {"color": "$muted", "width": 1, "dash": "dot"}, "layer": "above"}
