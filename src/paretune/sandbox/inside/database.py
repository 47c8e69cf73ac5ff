"""The process that holds a program's databases, runs its statements, and writes them down first.

The program reaches it through a socket alone. What it writes down is therefore what the engine was handed, whatever
the program does to its own modules, and no statement is run that was not written down.
"""

import itertools
import os
import posixpath
import sqlite3
from collections.abc import Callable, Mapping
from io import BufferedIOBase
from typing import Any, cast
from urllib.parse import parse_qsl, quote, unquote

from .authoriser import Authoriser
from .wire import Declared, Text, receive, send

Handler = Callable[..., Any]


class Database:
    """Serves one program.

    Args:
        program: the socket to the program.
        record: where statements are written down.
        contents: the databases that exist from the start, as ``sqlite3`` serialises them, by file name.
    """

    def __init__(self, program: BufferedIOBase, record: BufferedIOBase, contents: Mapping[str, bytes]) -> None:
        self.program, self.record = program, record
        self.connections: dict[int, _Connection] = {}
        self.cursors: dict[int, sqlite3.Cursor] = {}
        self.reached: set[tuple[str, str]] = set()
        self.keys = itertools.count()
        # A database in memory lives while a connection to it is open.
        self.keepers: dict[str, sqlite3.Connection] = {}
        for name, content in contents.items():
            source = sqlite3.connect(":memory:")
            source.deserialize(content)
            source.backup(self._keeper(name))
        for name in ("date", "timestamp"):  # their defaults make objects that cannot be sent
            self.register_converter(name)

    def serve(self) -> None:
        """Do what the program asks until it is gone."""
        try:
            while True:
                self._answer(receive(self.program))
        except Exception:  # what it sent makes no sense, or was too much
            return

    def _answer(self, request: list[Any]) -> None:
        let_go, operation, *arguments = request
        for key in let_go:  # a statement or transaction ends with its object, as in the program's own process
            self.cursors.pop(key, None)
            if key in self.connections:
                self.connections.pop(key).close()
        if operation not in _OPERATIONS:
            raise ValueError(operation)
        handler: Handler = getattr(self, operation)
        try:
            answer = {"value": handler(*arguments)}
        except Exception as error:
            said = list(error.args) if isinstance(error, UnicodeError) else [str(error)]
            codes = [getattr(error, name, None) for name in ("sqlite_errorcode", "sqlite_errorname")]
            answer = {"error": type(error).__name__, "arguments": said, "codes": codes}
        send(self.program, answer)

    def contents(self) -> dict[str, bytes]:
        """The databases as they are now, by file name; what the program has not committed is rolled back."""
        self.cursors.clear()
        for connection in self.connections.values():
            connection.close()
        return {name: keeper.serialize() for name, keeper in self.keepers.items()}

    # --- what a program can ask for ---------------------------------------------------------------------------

    def connect(self, path: Any, options: dict[str, Any]) -> int:
        """Open a database; the number of the connection."""
        mode = ""
        options["cached_statements"] = 0  # a statement is compiled, and its tables are seen, each time it is run
        if options.pop("uri", False) and isinstance(path, str) and path.startswith("file:"):
            path, _, query = path[5:].partition("?")
            path, mode = unquote(path), dict(parse_qsl(query)).get("mode", "")
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if isinstance(path, str) and path not in ("", ":memory:") and mode != "memory":
            name = posixpath.basename(path)
            if mode in ("ro", "rw") and name not in self.keepers:
                sqlite3.connect("file:/does/not/exist?mode=ro", uri=True)  # to fail as the engine does
            self._keeper(name)
            connection = _Connection(_address(name, mode), uri=True, **options)
            connection.watch(name)
        else:
            connection = _Connection(":memory:" if mode == "memory" else path, **options)
            connection.watch(None)
        self.connections[key := next(self.keys)] = connection
        return key

    def method(self, connection: int, name: str, *arguments: Any) -> None:
        """One of a connection's methods without a value."""
        if name in ("commit", "rollback", "close", "interrupt"):
            getattr(self.connections[connection], name)(*arguments)

    def attribute(self, connection: int, name: str, *value: Any) -> Any:
        """Read one of a connection's attributes, or set it."""
        if value:
            if name == "isolation_level":
                self.connections[connection].isolation_level = value[0]
            elif name == "text_factory":
                self.connections[connection].text_factory = Text if value[0] else str
            return None
        return getattr(self.connections[connection], name) if name in _ATTRIBUTES else None

    def cursor(self, connection: int) -> int:
        """Make a cursor; its number."""
        made = self.connections[connection].cursor()
        self.cursors[key := next(self.keys)] = made
        return key

    def close_cursor(self, cursor: int) -> None:
        """Close a cursor."""
        self.cursors[cursor].close()

    def execute(self, method: str, cursor: int, statement: Any, *parameters: Any) -> dict[str, Any]:
        """Write a statement down, run it, and write down which tables it went to; what the cursor then shows."""
        if method not in _METHODS:
            raise ValueError(method)
        run = self.cursors[cursor]
        on = cast("_Connection", run.connection)
        if isinstance(statement, str):
            send(self.record, {"statement": statement})
        with on.authoriser.noting() as tables:
            getattr(run, method)(statement, *parameters)
        if method != "executemany" or parameters != ([],):  # without a row nothing is run
            self._note(on.name, tables())
        return {
            "description": None if run.description is None else [column[0] for column in run.description],
            "rowcount": run.rowcount,
            "lastrowid": run.lastrowid,
        }

    def fetch(self, cursor: int, count: Any) -> dict[str, Any]:
        """The next `count` rows, all that are left for None."""
        run = self.cursors[cursor]
        rows = run.fetchall() if count is None else run.fetchmany(count)
        return {"rows": rows, "rowcount": run.rowcount}

    def register_converter(self, name: str) -> None:
        """Let the program convert the values of columns of this type."""
        sqlite3.register_converter(name, lambda value: Declared(value, name.upper()))

    def create(
        self, connection: int, kind: str, arguments: list[Any], options: dict[str, Any], key: int | None
    ) -> None:
        """Register a function of the program's, which is called back under its key."""
        call: Any = None if key is None else self._callback(key)
        on = self.connections[connection]
        if kind == "create_function":
            on.create_function(*arguments, call, **options)  # type: ignore[call-arg, arg-type]
        elif kind == "create_aggregate":
            on.create_aggregate(*arguments, call and _aggregate(call))  # type: ignore[call-arg]
        elif kind == "create_collation":
            on.create_collation(*arguments, call)  # type: ignore[call-arg]
        elif kind == "set_authorizer":
            on.authoriser.theirs = call
            on.set_authorizer(on.authoriser)  # again, so that statements are compiled anew
        elif kind in ("set_trace_callback", "set_progress_handler"):
            getattr(on, kind)(call, *arguments)

    # ----------------------------------------------------------------------------------------------------------

    def _note(self, database: str | None, tables: set[str]) -> None:
        new = {(database, table) for table in tables if database is not None} - self.reached
        if new:
            self.reached |= new
            send(self.record, {"reached": sorted(new)})

    def _callback(self, key: int) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            send(self.program, {"call": key, "arguments": arguments})
            while isinstance(answer := receive(self.program), list):  # the function uses the database itself
                self._answer(answer)
            if "raised" in answer:
                raise RuntimeError(answer["raised"])
            return answer["value"]

        return call

    def _keeper(self, name: str) -> sqlite3.Connection:
        if name not in self.keepers:
            self.keepers[name] = sqlite3.connect(_address(name, "rwc"), uri=True)
        return self.keepers[name]


class _Connection(sqlite3.Connection):
    """A program's connection: the name of its database, if others can open it, and what it may do there."""

    name: str | None
    authoriser: Authoriser

    def watch(self, name: str | None) -> None:
        self.name, self.authoriser = name, Authoriser()
        self.set_authorizer(self.authoriser)


_OPERATIONS = {
    *("connect", "method", "attribute", "cursor", "close_cursor", "execute", "fetch", "register_converter", "create")
}
_METHODS = ("execute", "executemany", "executescript")
_ATTRIBUTES = ("in_transaction", "total_changes", "isolation_level")


def _address(name: str, mode: str) -> str:
    # SQLite's own file system in memory: connections to a name that begins with a slash share the database.
    return f"file:/{quote(name)}?vfs=memdb&mode={'ro' if mode == 'ro' else 'rwc'}"


def _aggregate(call: Callable[..., Any]) -> type:
    class Aggregate:
        def __init__(self) -> None:
            self.key = call("new")

        def step(self, *arguments: Any) -> None:
            call("step", self.key, *arguments)

        def finalize(self) -> Any:
            return call("finalize", self.key)

    return Aggregate
