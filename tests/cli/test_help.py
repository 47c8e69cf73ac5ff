"""The help of commands, and `paretune list`."""

import inspect
import re
from pathlib import Path

import pytest

from paretune.cli import main
from paretune.cli.forms import FORMS
from paretune.cli.help import GROUPS
from paretune.cli.list import NEEDS
from paretune.cli.parser import make_parser
from paretune.weighting import RULES

Printed = pytest.CaptureFixture[str]

RULE = '''
from paretune.weighting import Scalarization, WeightingRule


class Mine(WeightingRule):
    """One weight for all.

    Nothing moves.

    Args:
        size: how large it is, with a text
            over two lines.
        order: of what.

    Raises:
        ValueError: never.
    """

    name = "mine"
    description = "one weight for all"

    def __init__(self, size: float, *, order: list[str] | None = None) -> None:
        self.size = size

    def update(self, batch):
        return Scalarization(self.initial_weights(len(batch.names)))
'''


def page(printed: Printed, *argv: str) -> str:
    assert main(list(argv)) == 0
    return printed.readouterr().out


def flags_of(text: str) -> list[str]:
    return re.findall(r"^  (--\w+)", text, flags=re.MULTILINE)


def test_every_setting_of_training_stands_on_one_page(capsys: Printed) -> None:
    first = page(capsys, "train", "--help")
    pages = [first.partition("\nmore\n")[0], *(page(capsys, "train", "--help", group) for group in GROUPS)]
    shown = [flag for text in pages for flag in flags_of(text)]
    hidden = FORMS["train"].hidden
    known = {f"--{action.dest}" for action in make_parser()._actions if action.dest not in ("help", *hidden)}
    assert len(shown) == len(set(shown))
    assert {flag.replace("--resume", "--resume_from_checkpoint") for flag in shown} == known
    assert set(flags_of(page(capsys, "train", "--help", "all"))) >= set(shown)


def test_the_first_page_is_short_and_says_how_to_see_the_rest(capsys: Printed) -> None:
    text = page(capsys, "train", "--help")
    assert len(text.splitlines()) <= 48
    for group in ("rule NAME", *GROUPS, "all"):
        assert f"--help {group}" in text
    assert flags_of(text)[:2] == ["--task", "--rule"]


def test_one_setting(capsys: Printed) -> None:
    assert flags_of(page(capsys, "train", "--help", "warmup_steps")) == ["--warmup_steps"]
    assert flags_of(page(capsys, "train", "--help", "--warmup_steps")) == ["--warmup_steps"]


@pytest.mark.parametrize("command", FORMS)
def test_no_line_is_wider_than_a_terminal(command: str, capsys: Printed) -> None:
    for line in page(capsys, command, "--help").splitlines():
        assert len(line) <= 80, line


@pytest.mark.parametrize("name", RULES)
def test_a_rules_page_has_every_setting_of_its_signature_with_its_text(name: str, capsys: Printed) -> None:
    text = page(capsys, "train", "--help", "rule", name)
    assert RULES[name].description in " ".join(text.split())
    for setting, parameter in inspect.signature(RULES[name]).parameters.items():
        found = re.search(rf"^  {setting}: (.+)\n      \S", text, flags=re.MULTILINE)
        assert found, setting
        default = "needed" if parameter.default is parameter.empty else f"default {parameter.default!r}"
        assert found[1].endswith(default)


@pytest.mark.parametrize("given", ["my_helped_rule:Mine", "my_helped_rule.py:Mine"])
def test_a_rule_of_ones_own(given: str, capsys: Printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_helped_rule.py").write_text(RULE)
    monkeypatch.chdir(tmp_path)
    text = page(capsys, "train", "--help", "rule", given)
    assert text.startswith(f"{given}: one weight for all\n\nOne weight for all.\n\nNothing moves.\n")
    assert "  size: a number; needed\n      how large it is, with a text over two lines.\n" in text
    assert "  order: a list; default None\n      of what.\n" in text
    assert "never" not in text


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["train", "--help", "rule", "nsh"], "unknown rule 'nsh': did you mean nash?"),
        (["train", "--help", "rule", "none.py:Mine"], "there is no file"),
        (["train", "--help", "rules"], "has no part 'rules': give a setting or one of rule NAME, paretune, trl"),
        (["report", "--help", "trl"], "has no part 'trl': give a setting."),
    ],
)
def test_parts_that_are_not_there(argv: list[str], expected: str, capsys: Printed) -> None:
    assert main(argv) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert expected in line


def test_rules_are_listed_by_what_they_need(capsys: Printed) -> None:
    text = page(capsys, "list")
    assert all(len(line) <= 80 for line in text.splitlines())
    section, found = "", {}
    for line in text.splitlines():
        if line.startswith("  ") and line.split()[0] in RULES:
            assert line.split()[0] not in found
            found[line.split()[0]] = section
        section = section if line.startswith("  ") else line
    assert set(found) == set(RULES)
    for name, needs in {
        "fixed": "rewards",
        "nash": "gains",
        "hypervolume": "evaluations",
        "gradient": "influence",
    }.items():
        assert found[name] == NEEDS[needs]
