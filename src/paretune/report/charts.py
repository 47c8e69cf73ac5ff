"""What is drawn, described without a drawing library: the page and the files are drawn from the same charts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from paretune.record.entries import Objective

MarkKind = Literal["front", "dominated", "start"]


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        name: for files and addresses: lower case, digits and hyphens.
        title: a few words.
        caption: how to read it, where its group's caption does not say it.
    """

    name: str
    title: str
    caption: str


@dataclass(frozen=True)
class Group:
    """Charts beside one another, as many as there is room for, with a caption for all of them."""

    kind: ClassVar[str] = "charts"
    caption: str
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Mark:
    """A policy among others.

    Attributes:
        values: its metrics.
        kind: whether it is on the front, dominated, or the initial policy.
        lines: what is known of it.
        label: stands beside the mark; empty for none.
        errors: a bar of that length to each side, by objective; none where there are none.
    """

    values: Mapping[str, float]
    kind: MarkKind
    lines: Sequence[str]
    label: str = ""
    errors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Marks:
    """The policies of a run or of an arm, in the colour of that number."""

    number: int
    marks: Sequence[Mark]


@dataclass(frozen=True)
class FrontChart(Chart):
    """Policies among one another.

    Attributes:
        objectives: on the axes; where there are more of them than axes, the reader chooses.
        sets: the policies.
    """

    objectives: Sequence[Objective]
    sets: Sequence[Marks]


class PairChart(FrontChart):
    """Two objectives against each other; lines join what is best in these two."""


class CubeChart(FrontChart):
    """Three objectives."""


class ParallelChart(FrontChart):
    """All objectives side by side, on their bounds: a line is a policy."""


@dataclass(frozen=True)
class Curve:
    """A line in the colour of its number.

    Attributes:
        label: what it shows.
        number: decides colour, dash and marker.
        x: where; `y` the values there, None for a gap.
        low: the lower end of the band or bar around each value, None for none; `high` the upper end.
        seeds: over how many seeds each value is a mean; None where it is no mean.
        group: the arm it belongs to; None in a report of one run.
        thin: one seed among several.
    """

    label: str
    number: int
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    seeds: Sequence[int] | None = None
    group: int | None = None
    thin: bool = False


@dataclass(frozen=True)
class CurveChart(Chart):
    """Curves over the same axis.

    Attributes:
        x_title: what x is.
        y_title: what y is.
        curves: the curves.
        reverse: whether y is turned, so that up is better.
        spread: whether low and high are drawn as a band or as bars.
        markers: whether every value is marked.
        level: a value of y with a thin line at it.
        from_zero: whether y begins at 0, unless a value is below.
        stacked: whether the curves are areas on top of one another.
    """

    x_title: str
    y_title: str
    curves: Sequence[Curve]
    reverse: bool = False
    spread: Literal["band", "bars"] = "band"
    markers: bool = False
    level: float | None = None
    from_zero: bool = False
    stacked: bool = False


@dataclass(frozen=True)
class DistributionChart(Chart):
    """How often values fall into each bin, and their mean."""

    number: int
    x_title: str
    edges: Sequence[float]
    shares: Sequence[float]
    mean: float
    group: int | None = None


@dataclass(frozen=True)
class Dot:
    """One of several values, with what is known of it."""

    value: float
    lines: Sequence[str]


@dataclass(frozen=True)
class Row:
    """What one thing came to.

    Attributes:
        label: its name.
        number: decides its colour.
        main: the value that counts, or None.
        low: the lower end of the interval around it, or None; `high` the upper end.
        dots: single values beside it.
        strong: whether it stands out from the other rows.
    """

    label: str
    number: int
    main: Dot | None
    low: float | None = None
    high: float | None = None
    dots: Sequence[Dot] = ()
    strong: bool = False


@dataclass(frozen=True)
class RowChart(Chart):
    """Rows below one another; with a line at 0 where values are differences."""

    x_title: str
    rows: Sequence[Row]
    differences: bool = False


def grouped(caption: str, charts: Sequence[Chart]) -> list[Group]:
    """The charts that show something in a group, or no group without one."""
    kept = [chart for chart in charts if not isinstance(chart, CurveChart) or chart.curves]
    return [Group(caption, kept)] if kept else []


def best_in_two(points: Sequence[tuple[float, float]], x: Objective, y: Objective) -> list[tuple[float, float]]:
    """The points that no other one beats in two objectives, from left to right.

    Args:
        points: values in `x` and `y`.
        x: the one objective.
        y: the other one.
    """
    sign_x, sign_y = (1 if objective.maximize else -1 for objective in (x, y))
    best: list[tuple[float, float]] = []
    for point in sorted(set(points), key=lambda p: (-sign_x * p[0], -sign_y * p[1])):
        if not best or sign_y * point[1] > sign_y * best[-1][1]:
            best.append(point)
    return sorted(best)


def only_value(values: Iterable[float | None]) -> float | None:
    """The value that all known ones have; None where they differ, or nothing is known."""
    known = {value for value in values if value is not None}
    return known.pop() if len(known) == 1 else None


def thinned(length: int, most: int) -> list[int]:
    """At most so many of the indices, evenly spread, the first and the last among them."""
    if length <= most:
        return list(range(length))
    return [round(i * (length - 1) / (most - 1)) for i in range(most)]
