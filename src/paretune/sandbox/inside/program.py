"""The process of one program: it becomes the program, as if Python had been started with it."""

import atexit
import builtins
import io
import os
import site
import socket
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import client

_HERE = Path(__file__).parent
_WAITS = 20


for _class in vars(client).values():  # a program shows an error as sqlite3's
    if isinstance(_class, type) and _class.__module__.startswith(f"{__package__}."):
        _class.__module__ = "sqlite3"


def run() -> None:
    """Run the program on descriptor 4, with its input and output on 0 and 1 and its databases behind 3.

    ``input()`` writes its prompt nowhere, so that the output is what the program says by itself. A program that reads
    on when its input has ended, :data:`_WAITS` times, waits for input for ever: it ends with status 1.
    """
    with open(4, "rb") as file:
        text = file.read()
    client._stream = socket.socket(fileno=3).makefile("rwb")
    main = types.ModuleType("__main__")
    for name in [name for name in sys.modules if name.split(".")[0] in (__package__, "_sqlite3")]:
        del sys.modules[name]
    client.__name__ = client.__package__ = "sqlite3"
    client.dbapi2 = client  # type: ignore[attr-defined]
    sys.modules.update({"__main__": main, "sqlite3": client, "sqlite3.dbapi2": client})
    sys.path.remove(str(_HERE.parent))
    sys.argv = ["program.py"]
    main.__file__ = os.path.abspath("program.py")
    main.__builtins__ = builtins  # type: ignore[attr-defined]
    stdin = io.TextIOWrapper(io.BufferedReader(_Input(0)), "utf-8", "surrogateescape", newline="\n")
    stdin.mode = "r"  # type: ignore[misc]
    stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", newline="\n")  # noqa: SIM115 (open to the end)
    stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", newline="\n")  # noqa: SIM115
    for name, stream in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    builtins.input = _input
    site.setquit()
    status = 0
    try:
        exec(compile(text, "program.py", "exec", dont_inherit=True), main.__dict__)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        stdout.flush()  # the program may have put another in its place
    finally:
        os._exit(status & 0xFF)


class _Input(io.FileIO):
    """Standard input, which ends a program that goes on reading after its end."""

    _waited = 0

    def readinto(self, buffer: Any, /) -> int | None:
        count = super().readinto(buffer)
        self._note(count)
        return count

    def readall(self) -> bytes:
        content = super().readall()
        self._note(len(content))
        return content

    def _note(self, count: int | None) -> None:
        self._waited = 0 if count else self._waited + 1
        if self._waited > _WAITS:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(1)


def _input(prompt: object = "", /) -> str:
    del prompt
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line.removesuffix("\n")
