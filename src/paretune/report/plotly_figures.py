"""Charts as plotly figures in plain JSON.

Colours are names (``$3`` is the third series, ``$3/0.2`` the same translucent, ``$ink``, ``$faint``). The page's script
replaces them by the colours of the theme.
"""

from functools import singledispatch
from typing import Any

from paretune.record.figures import figure
from paretune.report import styles
from paretune.report.charts import Chart, Curve, CurveChart, DistributionChart, Dot, Row, RowChart
from paretune.report.plotly_axes import axis, rounded
from paretune.report.plotly_fronts import HOVER, cube_figure, pair_figure, parallel_figure
from paretune.report.plotly_texts import label, lines_of, wrapped

Figure = dict[str, Any]


@singledispatch
def plotly_figure(chart: Chart) -> Figure:
    """The chart as ``data`` and ``layout`` for ``Plotly.newPlot``."""
    raise TypeError(f"No way to draw {type(chart).__name__}.")


plotly_figure.register(pair_figure)
plotly_figure.register(cube_figure)
plotly_figure.register(parallel_figure)


@plotly_figure.register
def _(chart: CurveChart) -> Figure:
    traces: list[Figure] = []
    for curve in chart.curves:
        group = f"arm-{curve.group}" if curve.group is not None else f"line-{curve.number}"
        if chart.spread == "band":
            traces += _band(curve, group)
        traces.append(_line(chart, curve, group))
    x = [value for curve in chart.curves for value in curve.x]
    y = [value for curve in chart.curves for value in curve.y]
    around = [end for curve in chart.curves for ends in (curve.low, curve.high) for end in ends]
    layout: Figure = {
        "xaxis": axis(chart.x_title, x),
        "yaxis": axis(chart.y_title, y, around, reverse=chart.reverse),
        "hovermode": "closest",
        "showlegend": len(chart.curves) > 1 and chart.curves[0].group is None,
    }
    if chart.from_zero:
        layout["yaxis"] = {"title": {"text": label(chart.y_title)}, "rangemode": "tozero"}
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
        "hovertext": [texts[0], *texts, texts[-1]],
        **group,
        **HOVER,
    }
    mean = {
        "type": "scatter",
        "mode": "lines",
        "x": rounded([chart.mean, chart.mean]),
        "y": [0, round(top, 4)],
        "line": {"color": "$ink", "width": 2, "dash": "dash"},
        "hovertext": [f"mean {figure(chart.mean)}"] * 2,
        **group,
        **HOVER,
    }
    return {
        "data": [steps, mean],
        "layout": {
            "xaxis": {"title": {"text": label(chart.x_title)}, "range": [chart.edges[0], chart.edges[-1]]},
            "yaxis": {"title": {"text": "share of batches"}, "tickformat": ".0%", "range": [0, round(top, 4)]},
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
        "xaxis": {"title": {"text": label(chart.x_title)}, "range": _room(chart)},
        "yaxis": {
            "ticklabelstandoff": 6,
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


def _room(chart: RowChart) -> list[float]:
    """From the least to the largest value of a chart of rows, with room for marks at both ends; differences show 0."""
    values = [end for row in chart.rows for end in (row.low, row.high) if end is not None]
    values += [dot.value for row in chart.rows for dot in (*row.dots, row.main) if dot is not None]
    if chart.differences:
        values.append(0.0)
    least, largest = min(values), max(values)
    room = 0.05 * (largest - least) or max(abs(least) / 2, 0.5)
    return [least - room, largest + room]


def _dots(row: Row, place: int) -> Figure:
    """A row's single values."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([dot.value for dot in row.dots]),
        "y": [place] * len(row.dots),
        "hovertext": [lines_of(dot.lines) for dot in row.dots],
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
        "hovertext": [lines_of(main.lines)],
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
    if chart.stacked:
        line |= {"stackgroup": "all", "fillcolor": f"${number}/0.6", "line": {"color": f"${number}", "width": 1}}
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


def _rule(*, x: float | None = None, y: float | None = None) -> Figure:
    """A thin line across the whole chart."""
    place = (
        {"xref": "x", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1}
        if x is not None
        else {"yref": "y", "y0": y, "y1": y, "xref": "paper", "x0": 0, "x1": 1}
    )
    return {"type": "line", **place, "line": {"color": "$muted", "width": 1, "dash": "dot"}, "layer": "above"}
