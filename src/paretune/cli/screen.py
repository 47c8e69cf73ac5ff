"""What the commands show: lines and tables of figures, and the bar of a slow work."""

from collections.abc import Collection
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from paretune.cli.bad_input import printable

UNBOUNDED = 10_000
"""Columns of a terminal that every table fits into."""


class Screen(Console):
    """A console that shows texts as they are: names come from records and files, and nothing in them is markup.

    Args:
        **settings: of ``rich.console.Console``.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **settings)

    def say(self, line: str) -> None:
        """Print a line, unbroken however long it is."""
        self.print(line, soft_wrap=True)

    def show(self, figures: Table) -> None:
        """Print a table with a column for each objective; beyond the screen where figures would be cut to fit in."""
        needed = Measurement.get(self, self.options.update(max_width=UNBOUNDED), figures)
        figures.width = needed.maximum if needed.minimum > self.width else None
        self.print(figures, crop=False)

    def render_str(self, text: str, **settings: Any) -> Text:  # type: ignore[override]
        """Rich's; nothing in the text steers the terminal."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **settings)


def table(title: str | None, *columns: str, left: Collection[str]) -> Table:
    """An empty table of figures.

    Args:
        title: above it.
        *columns: their headings.
        left: the columns whose texts begin on the left; figures end on the right.
    """
    made = Table(title=title, title_justify="left", caption_justify="left")
    for column in columns:
        made.add_column(column, justify="left" if column in left else "right")
    return made


def bar(of: str, screen: Screen) -> Progress:
    """How many of some things are done, and what is being done; on a terminal alone, and gone when it is left."""
    shown = (MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    return Progress(TextColumn(of), *shown, console=screen, transient=True, disable=not screen.is_terminal)
