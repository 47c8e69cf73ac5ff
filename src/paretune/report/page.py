"""The page: sections of charts, tables and texts, written as one HTML file that needs no network."""

import gzip
import hashlib
import json
import unicodedata
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined

from paretune.report import styles
from paretune.report.charts import Chart, CubeChart, Group, PairChart, ParallelChart, RowChart
from paretune.report.plotly_figures import plotly_figure

PLOTLY = "plotly-gl3d-4.1.1.min.js.gz"
"""Plotly's partial bundle with scatter plots in two and three dimensions: all that is drawn here.

``npm pack plotly.js-gl3d-dist-min@4.1.1`` brings it (MIT, plotly-LICENSE.txt). ``gzip -9n`` makes it small enough for
every page to carry.
"""
HIDDEN = ("Cc", "Cf", "Cs", "Co")
"""Unicode's categories of characters without a look of their own."""
SHOWN = "\n\t\u200c\u200d\u00ad"


@dataclass(frozen=True)
class Link:
    """A link to another report, by its address from the folder of this one."""

    text: str
    address: str


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row names it. Cells of columns in `words` are texts, the others figures."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Link]]
    words: Sequence[int] = ()


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    kind: ClassVar[str] = "code"
    caption: str
    text: str


@dataclass(frozen=True)
class Answer:
    """One policy's answer, and what it scored."""

    when: str
    text: str
    scores: str


@dataclass(frozen=True)
class Sample:
    """A prompt with its answers."""

    prompt: str
    answers: Sequence[Answer]


@dataclass(frozen=True)
class Samples:
    """Prompts with their answers."""

    kind: ClassVar[str] = "samples"
    samples: Sequence[Sample]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Fold:
    """Blocks that are shown when asked for."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: Sequence[Any]


Block = Group | Table | Code | Samples | Text | Fold


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    name: str
    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True)
class Key:
    """An arm in the legend."""

    number: int
    label: str

    @property
    def colour(self) -> int:
        """Its colour."""
        return styles.colour(self.number)

    @property
    def symbol(self) -> str:
        """Its marker."""
        return styles.symbol(self.number)


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: what it is about.
        subtitle: the particulars, in a line.
        answer: the headline: one sentence.
        detail: what stands behind it.
        tiles: figures at a glance, (name, figure, remark).
        sections: the rest, in order.
        keys: the arms of a comparison.
        missing: a line on each thing that is missing.
        whole: the report of the comparison that the run is part of.
    """

    title: str
    subtitle: str
    answer: str
    detail: str
    sections: Sequence[Section]
    tiles: Sequence[tuple[str, str, str]] = ()
    keys: Sequence[Key] = ()
    missing: Sequence[str] = field(default_factory=list)
    whole: Link | None = None


def render(page: Page) -> str:
    """The page as HTML."""
    (plotly, plotly_hash), script, style = _plotly(), _own("script.js"), _own("style.css")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {plotly_hash} {_hash(script.encode())}",
            # plotly writes its styles at run time.
            "style-src 'unsafe-inline'",
            # Its button for a picture of a chart.
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    template = _environment().get_template("page.html.j2")
    return template.render(
        page=page,
        policy=policy,
        plotly=plotly,
        script=script,
        style=style,
        palette=inert({"light": styles.LIGHT, "dark": styles.DARK}),
    )


def inert(value: Any) -> str:
    """JSON that cannot end the block it stands in, whatever texts it holds."""
    written = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def visible(text: str) -> str:
    """A text in which characters that would not show, or turn others around, are written out.

    Line breaks stay, and so do the joiners that some scripts and emoji are written with.
    """
    return "".join(
        f"[U+{ord(c):04X}]" if unicodedata.category(c) in HIDDEN and c not in SHOWN else c
        for c in text.replace("\r\n", "\n")
    )


def _size(chart: Chart) -> str:
    """How high a chart is: as its rows are many, high, or as usual."""
    if isinstance(chart, RowChart):
        return "rows"
    return "high" if isinstance(chart, CubeChart | ParallelChart) or _axes(chart) else "usual"


def _axes(chart: Chart) -> str:
    """The axes for which the reader chooses objectives, a letter each; none where each objective has its own."""
    if not isinstance(chart, PairChart | CubeChart):
        return ""
    letters = "xy" if isinstance(chart, PairChart) else "xyz"
    return letters if len(chart.objectives) > len(letters) else ""


def _figure(chart: Chart) -> str:
    return inert(plotly_figure(chart))


def _hash(script: bytes) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(script).digest()).decode()}'"


def _own(name: str) -> str:
    return files("paretune.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _plotly() -> tuple[str, str]:
    """The compressed library as text, and the hash of the script that the page makes of it."""
    packed = files("paretune.report").joinpath(PLOTLY).read_bytes()
    return b64encode(packed).decode(), _hash(gzip.decompress(packed))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("paretune.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Any] = {"axes": _axes, "figure": _figure, "size": _size}
    environment.filters.update(filters)
    return environment


def _shown(value: object) -> object:
    """What is printed for a value: texts are made visible, save what the page itself marks as safe."""
    return visible(value) if type(value) is str else value
