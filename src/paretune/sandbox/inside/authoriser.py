"""What a connection may do, and which tables its statements go to: SQLite asks before it compiles each part of one.

https://www.sqlite.org/c3ref/set_authorizer.html
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Callback = Callable[[int, str | None, str | None, str | None, str | None], int]

_TOUCHES = {
    *(sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE),
    *(sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_VIEW, sqlite3.SQLITE_CREATE_VTABLE),
}
_TEMPORARY = {sqlite3.SQLITE_CREATE_TEMP_TABLE, sqlite3.SQLITE_CREATE_TEMP_VIEW}
_PRAGMAS = {"writable_schema", "schema_version", "trusted_schema", "temp_store_directory", "data_store_directory"}


@dataclass
class _Noted:
    """The names that the parts of some statements go to."""

    tables: set[str] = field(default_factory=set)
    unplaced: set[str] = field(default_factory=set)  # read without a column: SQLite does not say of which database
    inner: set[str] = field(default_factory=set)  # of views and of WITH


class Authoriser:
    """The authoriser of one connection.

    It refuses ATTACH and DETACH, and with them VACUUM INTO, and to set a pragma that changes the catalogue behind the
    engine's back or where files go. The engine itself refuses functions that load code. An empty name may be
    attached, for VACUUM does that: it is a database of the connection's own, as ``connect("")`` gives.
    """

    def __init__(self) -> None:
        self.theirs: Callback | None = None  # the program's own, which is asked as well
        self._noted = _Noted()
        self._temporary: set[str] = set()  # names of temporary tables, which go before others

    @contextmanager
    def noting(self) -> Iterator[Callable[[], set[str]]]:
        """Note the tables and views of the connection's main database that are gone to; gives what was noted."""
        outer, self._noted = self._noted, _Noted()  # a function of the program's may run statements, too
        noted = self._noted
        try:
            yield lambda: noted.tables | (noted.unplaced - noted.inner - self._temporary)
        finally:
            self._noted = outer

    def __call__(
        self, action: int, first: str | None, second: str | None, database: str | None, inner: str | None
    ) -> int:
        """SQLite's question; the program is asked only about what is not refused anyway."""
        if _is_refused(action, first, second):
            return sqlite3.SQLITE_DENY
        self._note(action, (first or "").lower(), database, inner)
        return sqlite3.SQLITE_OK if self.theirs is None else self.theirs(action, first, second, database, inner)

    def _note(self, action: int, name: str, database: str | None, inner: str | None) -> None:
        if action == sqlite3.SQLITE_SELECT and inner is not None:
            self._noted.inner.add(inner.lower())
        elif action == sqlite3.SQLITE_READ and database is None:
            self._noted.unplaced.add(name)
        elif action in _TEMPORARY:
            self._temporary.add(name)
        elif database == "main" and action in _TOUCHES and not name.startswith("sqlite_"):
            self._noted.tables.add(name)


def _is_refused(action: int, first: str | None, second: str | None) -> bool:
    match action:
        case sqlite3.SQLITE_ATTACH:
            return first != ""
        case sqlite3.SQLITE_DETACH:
            return True
        case sqlite3.SQLITE_PRAGMA:
            return second is not None and (first or "").lower() in _PRAGMAS
        case _:
            return False
