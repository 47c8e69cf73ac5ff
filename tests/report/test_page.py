"""The page as a file: self-contained, inert, written at once, and honest about what is missing."""

import base64
import gzip
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from paretune.report import read_records, write_report
from paretune.report.next_steps import after_run
from paretune.report.page import Code, Text, visible
from paretune.report.runs import Run
from report.records import ARMS, HOSTILE, Arm, write_comparison, write_run


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.in_script = False
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        self.in_script = tag == "script" and "type" not in dict(attributes)
        if self.in_script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.scripts[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def page(comparison: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    return write_report(comparison, path).path.read_text(encoding="utf-8")


def test_nothing_is_fetched(page: str) -> None:
    elements = Elements(page)
    for _, attributes in elements.found:
        assert not {"src", "srcset", "action", "formaction", "background", "poster", "data"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    addresses = [link["href"] or "" for link in elements.named("a")]
    assert all(re.fullmatch(r"#[\w-]+|([\w.%-]+/)?report\.html", address) for address in addresses), addresses
    assert not {"link", "iframe", "object", "embed", "form", "base", "img"} & {tag for tag, _ in elements.found}


def test_only_our_scripts_may_run(page: str) -> None:
    elements = Elements(page)
    [policy] = [m["content"] for m in elements.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    [packed] = [a for a in elements.named("script") if a.get("type") == "application/gzip"]
    library = page.partition(f'id="{packed["id"]}">')[2].partition("</script>")[0]
    scripts = [gzip.decompress(base64.b64decode(library)), *(script.encode() for script in elements.scripts)]
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts}
    assert rules["default-src"] == "'none'"
    assert set(rules["script-src"].split()) == hashes
    assert len(hashes) == 2
    assert "connect-src" not in rules


def test_headings_tables_and_charts_have_names(page: str) -> None:
    elements = Elements(page)
    tags = [tag for tag, _ in elements.found]
    assert tags.count("h1") == 1
    assert tags.count("caption") == tags.count("table") > 5
    assert tags.count("main") == 1
    ids = [a["id"] for _, a in elements.found if "id" in a]
    assert len(set(ids)) == len(ids)
    assert all(f"#{section}" for section in ids)
    for plot in elements.named("div"):
        if plot.get("class") == "plot":
            assert plot["aria-label"]
    within = {link["href"] for link in elements.named("a") if (link["href"] or "").startswith("#")}
    assert within == {f"#{section}" for section in ids} & within
    assert len(within) > 8


def test_a_run_of_a_thousand_steps_fits_into_two_megabytes(tmp_path: Path) -> None:
    assert write_report(write_run(tmp_path / "run", ARMS[2], steps=1000)).path.stat().st_size < 2_000_000


def test_thirty_runs_of_a_hundred_steps_fit_into_two_megabytes(tmp_path: Path) -> None:
    arms = [*ARMS, *(Arm(f"{arm.name}-{i}", arm.rule, arm.end, arm.settings) for i in (1, 2) for arm in ARMS)]
    directory = write_comparison(tmp_path / "large", arms=arms[:10], seeds=3, steps=100)
    assert write_report(directory).path.stat().st_size < 2_000_000


def test_what_is_missing_stands_on_the_page_too(run: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(run, tmp_path / "run")
    (directory / "completions.jsonl").unlink()
    (directory / "steps.jsonl").write_bytes((directory / "steps.jsonl").read_bytes()[:-20])
    report = write_report(directory)
    assert report.path == directory / "report.html"
    assert report.notes == [
        "run/steps.jsonl was cut off while its last line was written: that line is left out.",
        "run/completions.jsonl is missing: no sample completions.",
    ]
    page = report.path.read_text(encoding="utf-8")
    for note in report.notes:
        assert f"<li>{note}</li>" in page


def test_a_comparison_and_its_runs_lead_to_each_other(tmp_path: Path) -> None:
    arms = [*ARMS, Arm("javascript:x", "gradient", ARMS[2].end)]
    directory = write_comparison(tmp_path / "compared", arms=arms, seeds=2, steps=10)
    of_run = write_report(directory / "javascript:x-grpo-seed0").path
    of_all = write_report(directory).path
    [up] = [a["href"] for a in Elements(of_run.read_text()).named("a") if (a["href"] or "").endswith(".html")]
    assert (of_run.parent / (up or "")).resolve() == of_all
    [down] = [a["href"] for a in Elements(of_all.read_text()).named("a") if (a["href"] or "").endswith(".html")]
    assert down is not None
    assert urlsplit(down).scheme == ""
    assert directory / unquote(down) == of_run  # the other runs have no page


def test_what_to_do_next_are_commands_that_work(run: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(run, tmp_path / "the run")
    page = read_records(directory)
    assert isinstance(page, Run)
    [code] = after_run(page)
    assert isinstance(code, Code)
    commands = [shlex.split(line) for line in code.text.splitlines() if line and not line.startswith("#")]
    assert [command[:3] for command in commands] == [
        ["paretune", "pick", str(directory)],
        ["paretune", "pick", str(directory)],
        ["paretune", "evaluate", str(directory)],
    ]
    assert commands[1][3:] == ["--prefer", "accuracy=2,conciseness=1,clarity=1"]
    without = replace(page, objectives=[replace(o, bounds=None) for o in page.objectives])
    [code] = after_run(without)
    assert isinstance(code, Code)
    assert "--bounds accuracy=LOW:HIGH,conciseness=LOW:HIGH,clarity=LOW:HIGH" in code.text
    [note] = after_run(replace(page, evaluations=[replace(e, checkpoint=None) for e in page.evaluations]))
    assert isinstance(note, Text)
    assert "save_steps" in note.text


def test_a_page_is_replaced_at_once(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = shutil.copytree(run, tmp_path / "run")
    (directory / "report.html").write_text("the old one")
    before = sorted(directory.iterdir())

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk is full"):
            write_report(directory)
    assert (directory / "report.html").read_text() == "the old one"
    assert sorted(directory.iterdir()) == before
    write_report(directory)
    assert (directory / "report.html").stat().st_size > 500_000


def test_the_same_records_make_the_same_page(run: Path, tmp_path: Path) -> None:
    one, two = (write_report(run, tmp_path / name).path.read_bytes() for name in ("one.html", "two.html"))
    assert one == two


def test_hostile_texts_are_texts(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", answer=HOSTILE)
    header = json.loads((directory / "run.json").read_text())
    for key in ("task", "model", "algorithm", "status", "error", "started"):
        header[key] = HOSTILE
    header["rule"]["name"] = header["objectives"][0]["name"] = header["settings"]["learning_rate"] = HOSTILE
    (directory / "run.json").write_text(json.dumps(header))
    page = write_report(directory).path.read_text(encoding="utf-8")
    elements = Elements(page)
    assert not elements.named("img")
    assert not elements.named("b")
    assert len(elements.scripts) == 1
    body = page[: page.index('<script type="application/json" id="palette">')]
    assert "&lt;script&gt;window.pwned" in body
    assert "{{ 7 * 7 }}" in body
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", body)


def test_an_empty_answer_is_shown_as_one(tmp_path: Path) -> None:
    page = write_report(write_run(tmp_path / "run", answer="")).path.read_text(encoding="utf-8")
    assert "(an empty answer)" in page
    assert '<pre dir="auto"></pre>' not in page


def test_characters_that_do_not_show_are_written_out() -> None:
    assert visible("a\x00b\u202ec\r\n\td\x1b") == "a[U+0000]b[U+202E]c\n\td[U+001B]"
    assert visible("\ud800") == "[U+D800]"
    assert visible("größer 大 🙂 👩\u200d👧") == "größer 大 🙂 👩\u200d👧"


def test_it_starts_without_the_trainer() -> None:
    script = "import sys, paretune.report, paretune.cli.report; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "paretune.report.page" in loaded
    assert not {"torch", "transformers", "trl.trainer", "paretune.trainer", "matplotlib"} & loaded
