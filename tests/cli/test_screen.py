"""What the commands show of names that anybody may have written."""

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st

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
