"""The ``sqlite3`` that a program imports: Python's own interface, over a socket to the process with the database.

It does not offer blobs, backups, window functions, limits, extensions and (de)serialisation. Everything else behaves as
in the real module, because the real module answers; that module documents it.
"""
# ruff: noqa: D101, D102, D103

import builtins as _builtins
import sqlite3 as _engine
import sqlite3.dump as _dump
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BufferedIOBase
from typing import Any

from . import values as _values
from . import wire as _wire
from .values import Row as Row

# What holds nothing of a database is the engine's own: constants, exceptions, adapters, converters, DB-API's types.
globals().update({name: value for name, value in vars(_engine).items() if not name.startswith("_") and name != "Row"})
_RAISED = {**vars(_builtins), **vars(_engine)}  # by the names under which the database process tells them

_stream: BufferedIOBase = None  # type: ignore[assignment]  # the socket, set before the program starts
_functions: list[Callable[..., Any]] = []
_let_go: list[int] = []  # the keys of objects that the program has no more, to be told with the next request


def _ask(*request: Any) -> Any:
    """Have the database process do something; its answer."""
    let_go = [_let_go.pop() for _ in range(len(_let_go))]
    try:
        _wire.send(_stream, [let_go, *request])
        while "call" in (answer := _wire.receive(_stream)):
            _wire.send(_stream, _called(answer))
    except (EOFError, OSError, ValueError) as error:
        raise _engine.OperationalError("the database is gone") from error
    if "error" in answer:
        problem = _RAISED.get(answer["error"], _engine.Error)(*answer["arguments"])
        code, name = answer["codes"]
        if name is not None:
            problem.sqlite_errorcode, problem.sqlite_errorname = code, name
        try:
            raise problem
        finally:
            del problem  # a cycle with this frame would keep cursors, and so locks, alive
    return answer["value"]


def _called(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"value": _functions[request["call"]](*request["arguments"])}
    except Exception as error:
        return {"raised": str(error)}


def register_converter(name: str, converter: Callable[[bytes], Any], /) -> None:
    _engine.register_converter(name, converter)
    _ask("register_converter", name)


def enable_callback_tracebacks(flag: bool, /) -> None:
    """As in the real module; has no effect."""
    del flag


class Cursor:
    def __init__(self, connection: "Connection", /) -> None:
        self.connection = connection
        self.row_factory = connection.row_factory
        self.description: tuple[tuple[Any, ...], ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1
        self._key = _ask("cursor", connection._key)

    def __del__(self) -> None:
        if hasattr(self, "_key"):
            _let_go.append(self._key)

    def execute(self, sql: str, parameters: Any = (), /) -> "Cursor":
        return self._run("execute", sql, _values.bound(parameters))

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> "Cursor":
        rows, problem = [], None
        try:
            for row in parameters:
                rows.append(_values.bound(row))
        except Exception as error:
            if not rows:
                raise
            problem = error
        self._run("executemany", sql, rows)
        if problem is not None:  # the rows before it are there
            try:
                raise problem
            finally:
                del problem
        return self

    def executescript(self, sql_script: str, /) -> "Cursor":
        return self._run("executescript", sql_script)

    def _run(self, method: str, statement: Any, *parameters: Any) -> "Cursor":
        shown = _ask("execute", method, self._key, statement, *parameters)
        names = shown["description"]
        self.description = None if names is None else tuple((name, *(None,) * 6) for name in names)
        self.rowcount, self.lastrowid = shown["rowcount"], shown["lastrowid"]
        return self

    def fetchone(self) -> Any:
        rows = self._fetch(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return self._fetch(self.arraysize if size is None else size)

    def fetchall(self) -> list[Any]:
        return self._fetch(None)

    def _fetch(self, count: int | None) -> list[Any]:
        fetched = _ask("fetch", self._key, count)
        self.rowcount = fetched["rowcount"]
        text = self.connection.text_factory
        rows = [tuple(_values.column(value, text) for value in row) for row in fetched["rows"]]
        factory = self.row_factory
        return rows if factory is None else [factory(self, row) for row in rows]

    def close(self) -> None:
        _ask("close_cursor", self._key)

    def setinputsizes(self, sizes: Any, /) -> None:
        """Required by DB-API; has no effect."""

    def setoutputsize(self, size: Any, column: Any = None, /) -> None:
        """Required by DB-API; has no effect."""

    def __iter__(self) -> "Cursor":
        return self

    def __next__(self) -> Any:
        rows = self._fetch(1)
        if not rows:
            raise StopIteration
        return rows[0]


class Connection:
    Warning, Error, InterfaceError = _engine.Warning, _engine.Error, _engine.InterfaceError
    DatabaseError, DataError, OperationalError = _engine.DatabaseError, _engine.DataError, _engine.OperationalError
    IntegrityError, InternalError = _engine.IntegrityError, _engine.InternalError
    ProgrammingError, NotSupportedError = _engine.ProgrammingError, _engine.NotSupportedError

    def __init__(
        self,
        database: Any,
        timeout: float = 5.0,
        detect_types: int = 0,
        isolation_level: str | None = "",
        check_same_thread: bool = True,
        factory: Any = None,
        cached_statements: int = 128,
        uri: bool = False,
    ) -> None:
        del check_same_thread, factory, cached_statements
        self.row_factory: Any = None
        self._text_factory: Callable[[bytes], Any] = str
        options = {"timeout": timeout, "detect_types": detect_types, "isolation_level": isolation_level, "uri": uri}
        self._key = _ask("connect", getattr(database, "__fspath__", lambda: database)(), options)

    def __del__(self) -> None:
        if "_key" in vars(self):
            _let_go.append(self._key)

    def cursor(self, factory: Callable[["Connection"], Any] = Cursor) -> Any:
        made = factory(self)
        if not isinstance(made, Cursor):
            raise TypeError(f"factory must return a cursor, not {type(made).__name__}")
        return made

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        return Cursor(self).execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        return Cursor(self).executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> Any:
        return Cursor(self).executescript(sql_script)

    def iterdump(self) -> Iterator[str]:
        return iter(_dump._iterdump(self))  # type: ignore[attr-defined]

    def commit(self) -> None:
        _ask("method", self._key, "commit")

    def rollback(self) -> None:
        _ask("method", self._key, "rollback")

    def close(self) -> None:
        _ask("method", self._key, "close")

    def interrupt(self) -> None:
        _ask("method", self._key, "interrupt")

    @property
    def in_transaction(self) -> bool:
        return bool(_ask("attribute", self._key, "in_transaction"))

    @property
    def total_changes(self) -> int:
        return int(_ask("attribute", self._key, "total_changes"))

    @property
    def isolation_level(self) -> str | None:
        level: str | None = _ask("attribute", self._key, "isolation_level")
        return level

    @isolation_level.setter
    def isolation_level(self, level: str | None) -> None:
        _ask("attribute", self._key, "isolation_level", level)

    @property
    def text_factory(self) -> Callable[[bytes], Any]:
        return self._text_factory

    @text_factory.setter
    def text_factory(self, factory: Callable[[bytes], Any]) -> None:
        self._text_factory = factory
        _ask("attribute", self._key, "text_factory", factory is not str)

    def create_function(self, name: str, narg: int, func: Any, *, deterministic: bool = False) -> None:
        self._create("create_function", func, name, narg, deterministic=deterministic)

    def create_aggregate(self, name: str, n_arg: int, aggregate_class: Any) -> None:
        running: list[Any] = []

        def call(what: str, key: int = 0, *arguments: Any) -> Any:
            if what == "new":
                running.append(aggregate_class())
                return len(running) - 1
            return getattr(running[key], what)(*arguments)

        self._create("create_aggregate", aggregate_class and call, name, n_arg)

    def create_collation(self, name: str, callback: Any, /) -> None:
        self._create("create_collation", callback, name)

    def set_trace_callback(self, trace_callback: Any) -> None:
        self._create("set_trace_callback", trace_callback)

    def set_authorizer(self, authorizer_callback: Any) -> None:
        self._create("set_authorizer", authorizer_callback)

    def set_progress_handler(self, progress_handler: Any, n: int) -> None:
        self._create("set_progress_handler", progress_handler, n)

    def _create(self, kind: str, function: Any, *arguments: Any, **options: Any) -> None:
        if function is not None:
            if not callable(function):
                raise TypeError("parameter must be callable")
            _functions.append(function)
        _ask("create", self._key, kind, arguments, options, None if function is None else len(_functions) - 1)

    def __getattr__(self, name: str) -> Any:
        if hasattr(_engine.Connection, name):
            raise _engine.NotSupportedError(f"Connection.{name} is not offered in this sandbox")
        raise AttributeError(f"'sqlite3.Connection' object has no attribute {name!r}")

    def __call__(self, sql: str, /) -> Any:
        """Statements are not prepared by hand."""
        raise _engine.NotSupportedError("Connection() is not offered in this sandbox")

    def __enter__(self) -> "Connection":
        self.total_changes  # noqa: B018 (fails for a connection that is closed)
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is not None:
            self.rollback()
            return
        try:
            self.commit()
        except _engine.Error:
            self.rollback()
            raise


def connect(database: Any, *arguments: Any, **options: Any) -> Any:
    factory = arguments[4] if len(arguments) > 4 else options.pop("factory", Connection)
    return factory(database, *arguments, **options)
