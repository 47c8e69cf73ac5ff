"""Figures for the page: what plotly is handed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.report import comparison_charts, comparison_page, read_records, run_page
from paretune.report.charts import Chart, Group, PairChart
from paretune.report.comparisons import Comparison
from paretune.report.page import Block, Fold, Page, inert
from paretune.report.plotly_axes import axis
from paretune.report.plotly_figures import plotly_figure
from paretune.report.plotly_texts import LONGEST, label, plain_label


def charts(page: Page) -> list[Chart]:
    """All charts of a page."""

    def inside(blocks: Any) -> Iterator[Chart]:
        block: Block
        for block in blocks:
            if isinstance(block, Group):
                yield from block.charts
            elif isinstance(block, Fold):
                yield from inside(block.blocks)

    return [chart for section in page.sections for chart in inside(section.blocks)]


def page_of(directory: Path) -> Page:
    records = read_records(directory)
    return comparison_page(records) if isinstance(records, Comparison) else run_page(records)


@pytest.fixture(params=["run", "comparison"])
def page(request: pytest.FixtureRequest) -> Page:
    return page_of(request.getfixturevalue(request.param))


def test_every_chart_has_a_figure_and_a_name_of_its_own(page: Page) -> None:
    drawn = charts(page)
    assert len({chart.name for chart in drawn}) == len(drawn) > 8
    for chart in drawn:
        figure = plotly_figure(chart)
        assert {"data", "layout"} <= set(figure) <= {"data", "layout", "choice"}
        assert figure["data"]
        json.dumps(figure, allow_nan=False)


def test_colours_are_names_that_the_script_knows(page: Page) -> None:
    def colours(value: Any, key: str = "") -> Iterator[str]:
        if isinstance(value, dict):
            for name, entry in value.items():
                yield from colours(entry, name)
        elif isinstance(value, list):
            for entry in value:
                yield from colours(entry, key)
        elif key in ("color", "fillcolor"):
            yield value

    found = {colour for chart in charts(page) for colour in colours(plotly_figure(chart))}
    assert found
    assert all(c[1:].partition("/")[0] in ("ink", "paper", "muted", *"0123456789") for c in found)


def test_better_is_up_and_right(run: Path) -> None:
    for chart in charts(page_of(run)):
        if isinstance(chart, PairChart):
            for axis, objective in zip(plotly_figure(chart)["choice"]["options"], chart.objectives, strict=True):
                assert (axis.get("autorange") == "reversed") is not objective.maximize


@given(st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=6), st.booleans())
def test_an_axis_on_which_nothing_changes_says_so(values: list[float | None], reverse: bool) -> None:
    found = axis("metric", values, reverse=reverse)
    known = [value for value in values if value is not None]
    constant = len(known) > 1 and len(set(known)) == 1
    assert (found["title"]["text"] == "metric: constant") is constant
    if constant:
        low, high = found["range"]
        assert len(found["tickvals"]) == 1
        assert min(low, high) < known[0] < max(low, high)
        assert (low > high) is reverse


def test_an_arm_has_one_colour_and_one_group(comparison: Path) -> None:
    records = read_records(comparison)
    assert isinstance(records, Comparison)
    for group in comparison_charts.objective_curves(records) + comparison_charts.hypervolume(records):
        for chart in group.charts:
            lines = [trace for trace in plotly_figure(chart)["data"] if "fill" not in trace]
            assert [(t["name"], t["legendgroup"], t["line"]["color"]) for t in lines] == [
                (arm.label, f"arm-{arm.number}", f"${arm.number}") for arm in records.arms
            ]


def test_labels_are_texts() -> None:
    assert (
        label('<a href="javascript:x">\n <b>&amp;</b>') == '&lt;a href="javascript:x"&gt; &lt;b&gt;&amp;amp;&lt;/b&gt;'
    )
    assert "%{" not in label("%{x}")
    assert len(label("x" * 1000)) == LONGEST
    assert plain_label("<b>a & b</b>") == "‹b›a & b‹/b›"


def test_embedded_json_cannot_end_its_block() -> None:
    written = inert({"</script>": ["<!--", "<script>", "&lt;", "\u2028", "\ud800"]})
    assert not set("<>&\u2028") & set(written)
    written.encode()
    assert json.loads(written) == {"</script>": ["<!--", "<script>", "&lt;", "\u2028", "\ud800"]}
