"""The documentation points at what there is."""

import importlib
import re
import shlex
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from paretune.cli.command_line import read
from paretune.cli.parser import make_parser
from paretune.cli.settings import make_rule
from paretune.tasks import load
from paretune.weighting import RULES

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PAPER = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")

FENCED = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)(?: \"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
FILE = re.compile(r"(?<![\w./-])(?:src|tests|recipes|scripts|benchmarks|docs)/[\w./+*-]*")
COMMAND = re.compile(r"paretune train (--rule [^`\n]*)")
DOTTED = re.compile(r"`(paretune(?:\.\w+)+)`")


def prose(text: str) -> str:
    """The text without its fenced blocks, in which brackets and hash signs are code."""
    return FENCED.sub("", text)


def links(text: str) -> list[str]:
    """The targets of a page's links that are no addresses on the web."""
    without_code = re.sub(r"`[^`\n]*`", "", prose(text))
    return [target for target in LINK.findall(without_code) if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in HEADING.findall(prose(text)):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    wrong = []
    for target in links(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        found = there.exists()
        if found and anchor:
            found = there.suffix == ".md" and anchor in anchors(there.read_text(encoding="utf-8"))
        wrong += [] if found else [target]
    return wrong


def resolve(name: str) -> Any:
    """What a dotted name stands for: a module, or an attribute of one, of any depth."""
    package, *parts = name.split(".")
    found: Any = importlib.import_module(package)
    for part in parts:
        # A module comes before an attribute of its name: a function `accuracy` hides the module that it is from.
        inside = f"{found.__name__}.{part}" if hasattr(found, "__path__") else ""
        found = importlib.import_module(inside) if inside and find_spec(inside) else getattr(found, part)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_files_named_on_the_papers_page_exist() -> None:
    named = {path.rstrip(".") for path in FILE.findall(PAPER)}
    assert len(named) > 30
    assert sorted(path for path in named if not any(ROOT.glob(path))) == []


@pytest.mark.parametrize("name", sorted(set(DOTTED.findall(PAPER))))
def test_names_on_the_papers_page_exist(name: str) -> None:
    resolve(name)


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A `title`, (twice)\n## Part\n## Part\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[`a`](other.md) [b](other.md#a-title-twice) [c](other.md#part-1) [d](#here) [e](https://x.org/#y)\n"
        "[f](none.md) [g](other.md#part-2) ![h](none.svg) [i](#there) `[j](none.md)`\n"
        "```\n# There\n[k](none.md)\n```\n"
    )
    assert broken(page) == ["none.md", "other.md#part-2", "none.svg", "#there"]


@pytest.mark.parametrize("name", ["paretune.none", "paretune.pareto.ParetoArchive.none", "paretune.pareto.none.deeper"])
def test_a_name_that_is_not_there_is_found(name: str) -> None:
    with pytest.raises(AttributeError):
        resolve(name)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_site_shows_every_page() -> None:
    shown: set[Path] = set()
    for index in (ROOT / "docs" / "index.md", ROOT / "docs" / "reference" / "index.md"):
        for contents in re.findall(r"^```\{toctree\}\n(.*?)^```", index.read_text(encoding="utf-8"), re.S | re.M):
            shown |= {index.parent / f"{line}.md" for line in contents.split("\n") if line and not line.startswith(":")}
    assert {*(ROOT / "docs").rglob("*.md")} - {ROOT / "docs" / "index.md"} == shown


@pytest.mark.parametrize("name", RULES)
def test_the_index_of_rules_has_every_rule(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["scale-up", "trl", "faq", "write-a-task", "steering"])
def test_the_commands_of_a_page_can_be_read(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^(?: {4})?(?:RAY_ADDRESS=auto )?paretune (train|check|compare) (.*)$", text, re.MULTILINE)
    assert commands
    for command, words in commands:
        read(command, shlex.split(words, comments=True))


def test_the_commands_about_rules_are_taken() -> None:
    pages = [ROOT / "docs" / "choosing-a-rule.md", *(ROOT / "docs" / "rules").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    commands = [line for line in COMMAND.findall(text) if "my_rule.py" not in line and "--help" not in line]
    assert len(commands) > 15
    parser, task = make_parser("paretune train"), load("arithmetic")
    for command in commands:
        [run, *_] = parser.make(parser.read(shlex.split(command, comments=True)))
        assert make_rule(run, task).name == run.rule
