"""What the commands show of names that anybody may have written."""

from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fronts import run
from paretune.cli import evaluate
from paretune.cli.screen import Screen, table

NAMES = st.one_of(
    st.sampled_from(["[bold]", "[/]", "[link=http://x]y[/link]", ":smile:", "\x1b[31m", "\a\r"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
)


@given(NAMES)
def test_a_name_is_shown_as_it_is_and_steers_nothing(name: str) -> None:
    file = StringIO()
    screen = Screen(file=file, width=200)
    shown = table(name, name, "figure", left=[name])
    shown.add_row(name, "1")
    screen.say(name)
    screen.print(shown)
    text = file.getvalue()
    assert all(c.isprintable() or c == "\n" for c in text)
    if name.isprintable() and name.isascii() and name.strip() == name:
        assert text.count(name) >= 4


def test_figures_of_many_objectives_stay_whole() -> None:
    file = StringIO()
    names = [f"objective-{k}" for k in range(12)]
    shown = table("a run", "step", *names, left=[])
    shown.add_row("1", *(f"0.{k:03d} ± 0.001" for k in range(12)))
    Screen(file=file, width=80).show(shown)
    text = file.getvalue()
    assert all(name in text for name in names)
    assert all(f"0.{k:03d} ± 0.001" in text for k in range(12))
    assert text.count("\n") == 6


def test_an_objective_that_never_applied_is_shown_without_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate._print_run(run(tmp_path / "run", tested={10: (0.5, float("nan"))}), "test")
    assert "conciseness" in (said := capsys.readouterr().out)
    assert "– │" in said
