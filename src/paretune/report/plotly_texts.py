"""Texts for plotly, which takes some of what it is given for HTML or a template: here every text stays a text."""

from collections.abc import Sequence
from textwrap import wrap

from paretune.record.entries import Objective
from paretune.record.figures import figure

LONGEST = 48
"""Letters of a label; what is longer is cut."""
LONGEST_LINE = 100
"""Letters of a line that shows on hovering."""


def label(text: str, longest: int = LONGEST) -> str:
    """A text that plotly shows as it is: no pseudo-HTML, no template, one line, not endless."""
    text = " ".join(text.split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "%\u200b{")


def plain_label(text: str) -> str:
    """A text for the axes of a cube, which know no entities: angle brackets give way to look-alikes."""
    return " ".join(text.split())[:LONGEST].replace("<", "‹").replace(">", "›")


def lines_of(lines: Sequence[str]) -> str:
    """Lines that show on hovering, the first in bold."""
    first, *rest = [label(line, LONGEST_LINE) for line in lines]
    return "<br>".join([f"<b>{first}</b>", *rest])


def wrapped(text: str) -> str:
    """A row's name in at most three short lines: on a phone names must leave room for the chart."""
    return "<br>".join(map(label, wrap(" ".join(text.split()), 24, max_lines=3, placeholder="…")))


def ends(objective: Objective) -> str:
    """An axis of the parallel chart: its name, and where it begins and ends."""
    assert objective.bounds is not None
    low, high = objective.bounds if objective.maximize else objective.bounds[::-1]
    return f"{label(objective.name)}<br>{figure(low, 1)} → {figure(high, 1)}"
