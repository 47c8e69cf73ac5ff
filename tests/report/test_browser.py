"""The page in a real browser: drawn without a network, inert, in the dark and on a phone."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from paretune.report import write_report
from paretune.report.styles import LIGHT
from report.records import ARMS, HOSTILE, STEERABLE, write_comparison, write_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Quiet: no calls home. WebGL in software, for the charts in three dimensions.
FLAGS = [
    "--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
]  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
WAIT = 60_000


@dataclass
class Opened:
    """A page, and what happened on it."""

    page: "Page"
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def drawn(self, scheme: str) -> None:
        """Wait until every chart is drawn in that scheme."""
        script = "s => [...document.querySelectorAll('.plot')].every(p => p.dataset.drawn === s)"
        self.page.wait_for_function(script, arg=scheme, timeout=WAIT)

    def evaluate(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with sync_api.sync_playwright() as playwright:
        system = next(filter(None, map(shutil.which, NAMES)), None)
        if system is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip(f"there is no Chromium: none of {', '.join(NAMES)}, nor playwright's own")
        started = playwright.chromium.launch(executable_path=system, args=FLAGS)
        yield started
        started.close()


def opened(browser: "Browser", path: Path) -> Opened:
    found = Opened(browser.new_page(viewport=DESKTOP, color_scheme="light"))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    found.page.on("console", lambda said: found.errors.append(said.text) if said.type == "error" else None)
    found.page.goto(path.as_uri())
    found.page.wait_for_selector("html[data-ready=yes]", state="attached", timeout=WAIT)
    return found


@pytest.fixture(scope="module")
def comparison(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A comparison whose sample answers are hostile."""
    directory = write_comparison(
        tmp_path_factory.mktemp("comparisons") / "arithmetic",
        arms=[*ARMS, STEERABLE],
        seeds=3,
        steps=20,
        answer=HOSTILE,
    )
    return opened(browser, write_report(directory).path)


@pytest.fixture(scope="module")
def run(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A run in which every text is hostile."""
    directory = write_run(tmp_path_factory.mktemp("runs") / "<b>run", ARMS[3], answer=HOSTILE)
    objective, text = json.dumps(f"<a href='javascript:pwned=4'>{HOSTILE}"), json.dumps(HOSTILE)
    for path in directory.iterdir():
        content = path.read_text().replace('"accuracy"', objective)
        path.write_text(
            content.replace('"arithmetic"', text).replace('"some/model"', text).replace("+30=?", text[1:-1])
        )
    return opened(browser, write_report(directory).path)


@pytest.fixture(params=["comparison", "run"])
def report(request: pytest.FixtureRequest) -> Opened:
    return request.getfixturevalue(request.param)


def test_nothing_but_the_file_is_asked_for_and_nothing_fails(report: Opened) -> None:
    assert report.errors == []
    assert report.requests == [report.page.url]
    assert report.page.url.startswith("file:")


def test_every_chart_is_drawn(report: Opened) -> None:
    report.drawn("light")
    shown = report.evaluate(
        """() => [...document.querySelectorAll(".plot")].map(p => ({
            id: p.id, traces: p.querySelectorAll(".trace path, .point path, .points path").length,
            canvas: p.querySelectorAll("canvas").length, width: p.getBoundingClientRect().width }))"""
    )
    assert len(shown) > 9
    for plot in shown:
        assert plot["canvas"] if plot["id"].endswith("-3d") else plot["traces"], plot
        assert plot["width"] > 200


def test_three_dimensions_show_their_colours(comparison: Opened) -> None:
    picture = comparison.page.locator("#plot-front-3d").screenshot()
    with Image.open(io.BytesIO(picture)) as image:
        seen = {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}
    assert {tuple(bytes.fromhex(colour[1:])) for colour in LIGHT[:3]} <= seen


def test_texts_are_inert(report: Opened) -> None:
    assert report.evaluate("() => typeof window.pwned") == "undefined"
    assert report.page.locator("img, main b, a[href^=javascript]").count() == 0
    assert report.page.locator("svg a").count() == 0  # plotly makes links of what looks like one
    answer = report.page.locator(".answer pre").first.inner_text()
    assert answer.startswith("</script><script>window.pwned = 1</script><img src=x onerror='pwned = 2'>")
    assert "{{ 7 * 7 }} %{x} [U+202E]gnissem [U+0000]" in answer
    assert answer.endswith("http://example.invalid/x.png")


def test_hostile_names_are_drawn_as_they_are(run: Opened) -> None:
    title = run.page.locator("#plot-objective-1 .ytitle").text_content()
    assert title is not None
    assert title.startswith("<a href='javascript:pwned=4'></script>")


@pytest.mark.parametrize(
    ("plot", "trace", "expected"),
    [
        ("front-3", "1", ["step ", "conciseness ", " ± 1.1"]),
        ("objective-2", "0", ["conciseness", "optimiser steps", " ± 1.1"]),
        ("hypervolume-tokens", "0", ["each policy alone", "tokens generated"]),
    ],
)
def test_a_point_tells_what_it_is(run: Opened, plot: str, trace: str, expected: list[str]) -> None:
    label = hover(run, plot, trace)
    assert all(part in label for part in expected), label


def test_a_band_tells_its_interval(comparison: Opened) -> None:
    label = hover(comparison, "objective-1", "1")
    assert "mean of 3 seeds" in label
    assert " to " in label


def hover(report: Opened, plot: str, trace: str) -> str:
    """What shows with the mouse over the second point of a trace."""
    target = report.page.locator(f"#plot-{plot}")
    target.scroll_into_view_if_needed()
    place = report.evaluate(
        """([id, trace]) => {
            const plot = document.getElementById(id), box = plot.getBoundingClientRect();
            const { xaxis, yaxis, margin } = plot._fullLayout, { x, y } = plot._fullData[trace];
            const i = Math.min(1, x.length - 1);
            return [box.left + xaxis._offset + xaxis.d2p(x[i]), box.top + yaxis._offset + yaxis.d2p(y[i])];
        }""",
        [f"plot-{plot}", int(trace)],
    )
    report.page.mouse.move(*place)
    label = target.locator(".hoverlayer .hovertext").first
    label.wait_for(timeout=10_000)
    text = label.text_content()
    report.page.mouse.move(0, 0)
    return text or ""


def test_the_reader_chooses_the_axes(browser: "Browser", tmp_path: Path) -> None:
    names = [f"metric {i}" for i in range(5)]
    objectives = [{"name": name, "maximize": i != 1, "bounds": [0.0, 1.0]} for i, name in enumerate(names)]
    directory = write_run(tmp_path / "run", objectives=objectives)
    lines = [json.loads(line) for line in (directory / "evaluations.jsonl").read_text().splitlines()]
    for step, line in enumerate(lines):
        line["metrics"] = {name: (step + 1) * (i + 1) / 50 for i, name in enumerate(names)}
    (directory / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (directory / "pareto.json").unlink()
    shown = opened(browser, write_report(directory).path)
    told = """id => { const plot = document.getElementById(id), { layout, data } = plot, home = layout.scene || layout;
        const last = data.at(-1);
        return [home.xaxis.title.text, home.yaxis.title.text, [...last.x], [...last.y]]; }"""
    first, second, *_ = shown.evaluate(told, "plot-front-pair")
    assert (first, second) == ("metric 0", "metric 1 (less is better)")
    shown.page.locator("figure:has(#plot-front-pair) select").nth(1).select_option("metric 4")
    shown.page.wait_for_function(f"() => ({told})('plot-front-pair')[1] === 'metric 4'", timeout=WAIT)
    assert shown.evaluate(told, "plot-front-pair")[2:] == [[0.02], [0.1]]  # the initial policy
    shown.page.locator("figure:has(#plot-front-pair) select").nth(0).select_option("metric 4")
    shown.page.wait_for_function(f"() => ({told})('plot-front-pair')[0] === 'metric 4'", timeout=WAIT)
    assert shown.evaluate(told, "plot-front-pair")[1:] == ["metric 0", [0.1], [0.02]]  # they change places
    assert len(shown.page.locator("figure:has(#plot-front-3d) select").all()) == 3
    assert shown.errors == []
    shown.page.close()


def test_steps_stand_beside_their_points_and_cover_each_other_nowhere(browser: "Browser", tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run")
    lines = [json.loads(line) for line in (directory / "evaluations.jsonl").read_text().splitlines()]
    for step, line in enumerate(lines):  # so close that labels above all points would run together
        close = {"accuracy": 0.5 + 0.002 * step, "conciseness": 30 + 0.002 * step, "clarity": 0.5 - 0.002 * step}
        line["metrics"] = {**close, "accuracy": 0.1} if step == 0 else close
    (directory / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (directory / "pareto.json").unlink()
    shown = opened(browser, write_report(directory).path)
    covered = """() => [...document.querySelectorAll(".plot")].map(plot => {
        const boxes = [...plot.querySelectorAll(".textpoint text")].map(text => text.getBoundingClientRect());
        const over = (a, b) => a.left < b.right && b.left < a.right && a.top + 4 < b.bottom && b.top + 4 < a.bottom;
        return [boxes.length, boxes.filter((a, i) => boxes.some((b, k) => k > i && over(a, b))).length]; })"""
    labels = [found for found in shown.evaluate(covered) if found[0]]
    assert labels
    assert [over for _, over in labels] == [0] * len(labels)
    shown.page.close()


def test_names_in_a_table_are_whole(comparison: Opened) -> None:
    comparison.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
    rows = """() => [...document.querySelectorAll("thead th, tbody th")].filter(cell => {
        const text = document.createRange();
        text.selectNodeContents(document.createTreeWalker(cell, NodeFilter.SHOW_TEXT).nextNode() || cell);
        const lines = new Set([...text.getClientRects()].map(box => Math.round(box.top))).size;
        return lines > cell.textContent.trim().split(/[\\s-]+/).length; }).map(cell => cell.textContent)"""
    assert comparison.evaluate(rows) == []


def test_charts_are_written_as_the_page_is(report: Opened) -> None:
    family = "e => getComputedStyle(e).fontFamily"
    of_page = report.page.locator("body").evaluate(family)
    assert report.page.locator("#plot-objective-1 .xtick text").first.evaluate(family) == of_page


def test_ticks_are_plain_numbers(run: Opened) -> None:
    texts = run.page.locator(".xtick text, .ytick text").all_text_contents()
    assert texts
    assert [text for text in texts if not re.fullmatch(r"−?[\d\u202f]+(\.\d+)?%?|.*→.*|.*ms.*", text)] == []
    assert "100\u202f000" in texts


def test_an_unticked_rule_is_hidden_everywhere(comparison: Opened) -> None:
    visible = """() => [...document.querySelectorAll(".plot")].flatMap(p => p.data)
        .filter(t => t.legendgroup === "arm-2" && t.visible).length"""
    before = comparison.evaluate(visible)
    assert before > 10
    box = comparison.page.locator("[data-arm=arm-2]")
    box.uncheck()
    comparison.page.wait_for_function(f"() => ({visible})() === 0", timeout=WAIT)
    box.check()
    comparison.page.wait_for_function(f"() => ({visible})() === {before}", timeout=WAIT)


def test_in_the_dark(comparison: Opened) -> None:
    page = comparison.page
    ink = "() => getComputedStyle(document.querySelector('#plot-objective-1 .xtick text')).fill"
    light = comparison.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    comparison.drawn("dark")
    assert comparison.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert (light, comparison.evaluate(ink)) == ("rgb(29, 33, 38)", "rgb(232, 234, 236)")
    page.emulate_media(color_scheme="light")
    comparison.drawn("light")
    assert comparison.evaluate(ink) == light


def test_on_a_phone_only_tables_scroll_sideways(report: Opened) -> None:
    report.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    report.page.wait_for_function(
        "() => [...document.querySelectorAll('.plot .main-svg')].every(s => s.getBoundingClientRect().right <= 360)",
        timeout=WAIT,
    )
    report.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert report.evaluate("() => document.documentElement.scrollWidth") == 360
    wide = """() => [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > 361
        && !e.closest(".scroll, .keys, .plot, .unseen")).map(e => e.outerHTML.slice(0, 80))"""
    assert report.evaluate(wide) == []
    hidden = """() => [...document.querySelectorAll(".scroll")].filter(e =>
        (e.scrollWidth > e.clientWidth) !== (getComputedStyle(e.querySelector(".hint")).display !== "none"))
        .map(e => e.textContent.trim().slice(0, 60))"""
    report.page.wait_for_function(f"() => ({hidden})().length === 0", timeout=WAIT)
    report.page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
