"""Policies among one another as plotly figures: two or three objectives as axes, or all side by side.

The page decides which objectives stand on the axes. If there are more objectives than axes, the reader chooses. So each
trace has all objectives as ``columns`` (and ``errors``), each line has its points for every pair, and ``choice`` holds
the axes (``axes``) and how the axis of each objective looks (``options``).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from paretune.record.entries import Objective
from paretune.report import styles
from paretune.report.charts import CubeChart, Mark, Marks, PairChart, ParallelChart, best_in_two
from paretune.report.plotly_axes import axis, rounded
from paretune.report.plotly_texts import ends, label, lines_of, plain_label
from paretune.report.wording import direction

Figure = dict[str, Any]
CROWDED = 20
"""Lines of a parallel chart beyond which all are pale."""
HOVER = {"hovertemplate": "%{hovertext}<extra></extra>"}
SIZES = {"dominated": (0.35, 7), "front": (1.0, 9), "start": (1.0, 11)}
"""How opaque and how large marks are, those on the front above the others."""


def pair_figure(chart: PairChart) -> Figure:
    """Two objectives, with lines along what is best in these two."""
    traces: list[Figure] = []
    for one in chart.sets:
        lines = {
            f"{i}-{j}": _best(one, chart.objectives[i], chart.objectives[j])
            for i, j in combinations(range(len(chart.objectives)), 2)
        }
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "lines": lines,
                "line": {"color": f"${one.number}/0.55", "width": 1.5, "dash": styles.dash(one.number)},
                "hoverinfo": "skip",
                "legendgroup": f"arm-{one.number}",
            }
        )
        traces += _marks(one, chart.objectives, "scatter")
    options = [axis(direction(o), *_values(chart.sets, o), reverse=not o.maximize) for o in chart.objectives]
    return {
        "data": traces,
        "layout": {"hovermode": "closest", "showlegend": False},
        "choice": {"axes": ["xaxis", "yaxis"], "options": options},
    }


def cube_figure(chart: CubeChart) -> Figure:
    """Three objectives."""
    traces = [trace for one in chart.sets for trace in _marks(one, chart.objectives, "scatter3d")]
    options = []
    for objective in chart.objectives:
        found = axis(objective.name, *_values(chart.sets, objective), reverse=not objective.maximize)
        title = plain_label(found["title"]["text"] if "tickvals" in found else objective.name)
        options.append({"nticks": 5, **found, "title": {"text": title}})
    scene = {
        "aspectmode": "manual",
        "aspectratio": {"x": 1.3, "y": 1.3, "z": 0.9},
        "camera": {"eye": {"x": 1.55, "y": -1.55, "z": 0.85}, "center": {"x": 0, "y": 0, "z": -0.2}},
    }
    return {
        "data": traces,
        "layout": {"scene": scene, "showlegend": False},
        "choice": {"axes": ["xaxis", "yaxis", "zaxis"], "options": options},
    }


def parallel_figure(chart: ParallelChart) -> Figure:
    """All objectives on their bounds."""
    traces = []
    crowded = sum(len(one.marks) for one in chart.sets) > CROWDED
    for one in chart.sets:
        for kind in SIZES:
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
            "yaxis": {"title": {"text": "share of the bounds"}, "range": [-0.04, 1.04]},
            "hovermode": "closest",
            "showlegend": False,
        },
    }


def _values(sets: Sequence[Marks], objective: Objective) -> tuple[list[float | None], list[float | None]]:
    """An objective's values, and the ends of the bars around them."""
    marks = [mark for one in sets for mark in one.marks]
    bars = [(m.values.get(objective.name), m.errors.get(objective.name)) for m in marks]
    ends = [value + side * bar for value, bar in bars if value is not None and bar is not None for side in (-1, 1)]
    return [value for value, _ in bars], [*ends]


def _best(one: Marks, x: Objective, y: Objective) -> list[list[float | None]]:
    """The line through what no other policy of the set beats in two objectives: its x and its y."""
    pairs = [(m.values[x.name], m.values[y.name]) for m in one.marks if {x.name, y.name} <= m.values.keys()]
    best = best_in_two(pairs, x, y)
    return [rounded([a for a, _ in best]), rounded([b for _, b in best])]


def _marks(one: Marks, objectives: Sequence[Objective], kind: str) -> list[Figure]:
    """The marks of a set: a trace for each kind of them, the front on top."""
    traces = []
    flat = kind == "scatter"
    for which, (opacity, size) in SIZES.items():
        marks = [mark for mark in one.marks if mark.kind == which]
        if not marks:
            continue
        labelled = flat and any(mark.label for mark in marks)
        paint = "$ink" if which == "start" else f"${one.number}"
        trace = {
            "type": kind,
            "mode": "markers+text" if labelled else "markers",
            "columns": [_column(objective, [mark.values for mark in marks]) for objective in objectives],
            "hovertext": [lines_of(mark.lines) for mark in marks],
            "marker": {
                "symbol": _symbol(one, marks[0]),
                "size": size if flat else size - 4,
                "color": paint,
                "opacity": opacity,
                # Without an edge marks of one colour run together where they overlap.
                "line": {"width": 1 if flat else 0, "color": "$paper"},
            },
            "legendgroup": f"arm-{one.number}",
            **HOVER,
        }
        if labelled:
            trace |= {"text": [label(mark.label) for mark in marks], "textposition": "top center"}
        if flat and any(mark.errors for mark in marks):
            trace["errors"] = [_column(objective, [mark.errors for mark in marks]) for objective in objectives]
            trace["bars"] = {"type": "data", "color": f"{paint}/0.45", "thickness": 1, "width": 0}
        traces.append(trace)
    return traces


def _column(objective: Objective, rows: Sequence[Mapping[str, float]]) -> list[float | None]:
    return rounded([row.get(objective.name) for row in rows])


def _parallel(one: Marks, marks: Sequence[Mark], objectives: Sequence[Objective], *, crowded: bool) -> Figure:
    """Marks of one kind as lines across all axes, in one trace with gaps between them."""
    x: list[int | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for mark in marks:
        gains = [objective.gain(mark.values.get(objective.name)) for objective in objectives]
        x += [*range(len(gains)), None]
        y += [*rounded(gains), None]
        texts += [lines_of(mark.lines)] * len(gains) + [""]
    kind = marks[0].kind
    paint = "$ink" if kind == "start" else f"${one.number}"
    clear = kind != "dominated" and not crowded
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "hovertext": texts,
        "line": {
            "color": paint if clear else f"{paint}/0.4",
            "width": 1.8 if clear else 1,
            "dash": "dot" if kind == "start" else styles.dash(one.number),
        },
        "marker": {"symbol": _symbol(one, marks[0]), "size": 7 if clear else 5},
        "legendgroup": f"arm-{one.number}",
        **HOVER,
    }


def _symbol(one: Marks, mark: Mark) -> str:
    return "diamond" if mark.kind == "start" else styles.symbol(one.number)
