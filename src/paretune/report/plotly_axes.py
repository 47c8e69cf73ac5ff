"""Axes of plotly figures: titles, ticks in plain numbers, and a word where nothing changes."""

from collections.abc import Sequence
from typing import Any

from paretune.record.figures import figure
from paretune.report.charts import only_value
from paretune.report.plotly_texts import label

FEW = 8
"""Whole numbers of which each has a tick."""


def rounded(values: Sequence[float | None]) -> list[float | None]:
    """Five significant digits are more than a screen shows."""
    return [None if value is None else float(f"{value:.5g}") for value in values]


def axis(
    title: str, values: Sequence[float | None], around: Sequence[float | None] = (), *, reverse: bool = False
) -> dict[str, Any]:
    """An axis for values; where all of them are the same it has one tick, and its title says so.

    Args:
        title: what the values are.
        values: all that are drawn along it.
        around: the ends of their bars and bands.
        reverse: whether it is turned.
    """
    known = [value for value in values if value is not None]
    only = only_value(known)
    if only is not None:
        room = max(abs(only) / 2 or 1.0, *(1.1 * abs(end - only) for end in around if end is not None), 0.0)
        ends = [only + room, only - room] if reverse else [only - room, only + room]
        told = f"{title}: constant" if len(known) > 1 else title
        return {"title": {"text": label(told)}, "tickvals": rounded([only]), "ticktext": [figure(only)], "range": ends}
    found: dict[str, Any] = {"title": {"text": label(title)}, "exponentformat": "none"}
    if reverse:
        found["autorange"] = "reversed"
    if known and all(value == round(value) for value in known) and max(known) - min(known) <= FEW:
        found |= {"tick0": 0, "dtick": 1}
    return found
