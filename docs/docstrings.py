"""Docstrings as Sphinx reads them: a bar is text, and a table in Markdown is a table.

The commands print the same docstrings (`paretune train --help rule NAME`), so these hold plain text, not directives.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_ROW = re.compile(r"^\s*\|(.*)\|\s*$")
_RULE = re.compile(r"^[\s|:-]+$")
_LITERAL = re.compile(r"(``.*?``)")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _table(rows: list[str]) -> list[str]:
    """A Markdown table as a list-table, indented as its first row is."""
    indent = rows[0][: len(rows[0]) - len(rows[0].lstrip())]
    lines = ["", ".. list-table::", "   :header-rows: 1", ""]
    for row in (_cells(row) for row in rows if not _RULE.match(row)):
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return [indent + line if line else "" for line in [*lines, ""]]


def _escaped(line: str) -> str:
    """The line with bars that stand outside literals escaped, for |x| would be a substitution."""
    parts = _LITERAL.split(line)
    return "".join(part if i % 2 else part.replace("|", r"\|") for i, part in enumerate(parts))


def rewrite(lines: list[str]) -> list[str]:
    r"""The lines of a docstring in reStructuredText.

    >>> rewrite(["the norm |x|, the type ``int | None``"])
    ['the norm \\|x\\|, the type ``int | None``']
    >>> rewrite(["| a | b |", "|---|---|", "| 1 | 2 |"])[4:]
    ['   * - a', '     - b', '   * - 1', '     - 2', '']
    """
    written: list[str] = []
    rows: list[str] = []
    for line in [*lines, ""]:
        if _ROW.match(line):
            rows.append(line)
            continue
        written += _table(rows) if rows else []
        rows = []
        written.append(_escaped(line))
    return written[:-1]


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = rewrite(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite each docstring before napoleon reads it."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _process, priority=100)
    return {"parallel_read_safe": True}
