"""Running programs that a model wrote."""

import atexit
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from paretune.sandbox.backends import BACKENDS
from paretune.sandbox.channel import read, write
from paretune.sandbox.limits import Limits

# Apart from the user's environment, but with the modules that are found here, wherever they are installed.
_LAUNCH = (
    "import json, sys; descriptor, settings = map(json.loads, sys.argv[1:]); sys.path[:] = settings['path'];"
    "from paretune.sandbox.launcher import main; sys.exit(main(descriptor, settings))"
)


class SandboxError(RuntimeError):
    """Programs cannot be run here, or no longer."""


@dataclass(frozen=True)
class Program:
    """A program to run, once for each input.

    Args:
        text: Python source.
        inputs: what each run finds on standard input.
        databases: the SQLite databases that each run finds anew, by file name, as ``Connection.serialize`` gives them.
        keep: whether the databases are wanted as a run leaves them.
        patience: as in :class:`Limits`, whose patience it has by default.
    """

    text: str
    inputs: Sequence[str]
    databases: Mapping[str, bytes] = field(default_factory=dict)
    keep: bool = False
    patience: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of one run. There is one for every program and input, whatever the program does.

    Args:
        status: ``"exited"`` (by itself or by a signal), ``"timeout"``, ``"overflow"`` (it said too much) or ``"lost"``
            (it brought down every sandbox it was run in).
        exit: the exit status, minus the signal, or None where there is none.
        output: what it printed, without the prompts of ``input()``.
        statements: those handed to its databases, in order, as they were before values are bound; whether or not they
            could be run.
        reached: the tables and views, in lower case after their database's file name, that a statement read, wrote or
            made that did not fail. SQLite itself says so. Databases without a file name do not count.
        databases: as it left them, if they were to be kept and it was not cut off.
    """

    status: Literal["exited", "timeout", "overflow", "lost"]
    exit: int | None
    output: str
    statements: tuple[str, ...]
    reached: frozenset[tuple[str, str]] = frozenset()
    databases: dict[str, bytes] | None = field(default=None, repr=False)

    @property
    def succeeded(self) -> bool:
        """Whether the program came to its end without an error."""
        return self.status == "exited" and self.exit == 0


class Sandbox:
    """Runs programs side by side, each run in a fresh process of a sandbox, with fresh databases.

    The launcher is started at once, as a process of its own; start it before a GPU is touched. It ends with this
    process, or with :meth:`close`.

    Args:
        backend: ``"bubblewrap"``, ``"landlock"``, or ``"unsafe"``, which shuts nothing in.
        slots: sandboxes side by side; by default four for each processor that this process may use, since a program
            that waits takes up a slot but no processor.
        limits: of each run.

    Raises:
        SandboxError: if the back end cannot be started here; the message says why.
        ValueError: for a back end that there is not, or less than one slot.
    """

    def __init__(self, backend: str = "bubblewrap", *, slots: int | None = None, limits: Limits | None = None) -> None:
        self.backend = backend
        self.limits = Limits() if limits is None else limits
        self.tested: list[str] = []
        if backend not in BACKENDS:
            raise ValueError(f"There is no sandbox {backend!r}: choose among {', '.join(BACKENDS)}.")
        if slots is not None and slots < 1:
            raise ValueError(f"A sandbox needs at least one slot, got {slots}.")
        if sys.platform != "linux":
            raise SandboxError(f"Programs are run on Linux alone, not on {sys.platform}.")
        self.slots = _slots() if slots is None else slots
        try:
            self._start()
        except OSError as error:
            raise SandboxError(f"The sandbox ({backend}) does not start: {error}.") from error
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[list[Outcome]]] = {}
        self._number = 0
        self._failure: str | None = None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        atexit.register(self.close)
        try:
            ((outcome,),) = self.run([Program("", [""])])
            if not outcome.succeeded:
                raise SandboxError(
                    f"The sandbox ({backend}) does not run an empty program ({outcome.status}, {outcome.exit}): "
                    f"is it too little that it may use? {self.limits}."
                )
        except SandboxError:
            self.close()
            raise

    @property
    def launcher_pid(self) -> int:
        """The process that keeps the sandboxes."""
        return self._launcher.pid

    def describe(self) -> dict[str, Any]:
        """The back end, its limits and the promises that it was tested for, for a run's record."""
        return {"backend": self.backend, "slots": self.slots, "limits": asdict(self.limits), "tested": self.tested}

    def run(self, programs: Sequence[Program]) -> list[list[Outcome]]:
        """Run programs; may be called from several threads.

        Returns:
            For each program, the outcome on each of its inputs.

        Raises:
            SandboxError: if the sandboxes cannot be started any more.
        """
        futures = [self._submit(program) for program in programs]
        return [future.result() for future in futures]

    def close(self) -> None:
        """End the launcher, the sandboxes and all in them."""
        if os.getpid() != self._owner:  # a fork of the trainer, a data loader's worker say
            return
        atexit.unregister(self.close)
        self._failure = self._failure or "it was closed"
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._launcher.wait()
        self._listener.join()
        self._channel.close()
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)  # if the launcher was killed

    def _start(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="paretune-sandbox-")
        settings = {
            "path": [*sys.path, str(Path(__file__).parents[2])],
            "folder": self._folder,
            "backend": self.backend,
            "slots": self.slots,
            "limits": asdict(self.limits),
        }
        self._socket, theirs = socket.socketpair()
        self._channel = Connection(os.dup(self._socket.fileno()))
        with theirs:
            self._launcher = subprocess.Popen(
                [sys.executable, "-I", "-c", _LAUNCH, str(theirs.fileno()), json.dumps(settings)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt at the terminal is for the trainer
            )

    def _submit(self, program: Program) -> "Future[list[Outcome]]":
        future: Future[list[Outcome]] = Future()
        databases = {name: base64.b64encode(content).decode() for name, content in program.databases.items()}
        if os.getpid() != self._owner:
            raise SandboxError("A sandbox belongs to the process that opened it: open another one in this fork of it.")
        with self._lock:
            if self._failure is not None:
                raise SandboxError(f"The sandbox ({self.backend}) is gone: {self._failure}.")
            self._number += 1
            if not program.inputs:
                future.set_result([])
                return future
            self._waiting[self._number] = future
            request = {
                "id": self._number,
                "text": program.text,
                "inputs": list(program.inputs),
                "databases": databases,
                "keep": program.keep,
                "patience": self.limits.patience if program.patience is None else program.patience,
            }
            with suppress(OSError):  # the listener notices, and says why
                write(self._channel, request)
        return future

    def _listen(self) -> None:
        failure = "its launcher ended"
        try:
            while "failed" not in (message := read(self._channel)):
                with self._lock:
                    future = self._waiting.pop(message["id"])
                future.set_result([_outcome(outcome) for outcome in message["outcomes"]])
            failure = message["failed"]
        except (EOFError, OSError):
            pass
        except Exception as error:  # nobody may wait for ever
            failure = f"its launcher's answer makes no sense ({error!r})"
        with self._lock:
            self._failure = self._failure or failure
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_exception(SandboxError(f"The sandbox ({self.backend}) does not run: {self._failure}."))


def _outcome(message: Mapping[str, Any]) -> Outcome:
    left = message["databases"]
    return Outcome(
        status=message["status"],
        exit=message["exit"],
        output=message["output"],
        statements=tuple(message["statements"]),
        reached=frozenset((name, table) for name, table in message["reached"]),
        databases=None if left is None else {name: base64.b64decode(content) for name, content in left.items()},
    )


def _slots() -> int:
    """Four a processor, which the processes of this machine that train together share; not more than 64."""
    processors = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(max(4, 4 * processors), 64)
