r"""The launcher: one process that keeps the sandboxes, and watches over them from outside.

``paretune.sandbox.Sandbox`` starts it as a program of its own, so that nothing of the trainer (its memory, threads,
GPU context, descriptors) is in it. It ends when the trainer does. It ignores SIGTERM, SIGINT and SIGHUP: a scheduler
sends them to all processes of a job, and the trainer may want to save its state first.

The arguments are a descriptor, a socket to the trainer, and the settings. Both sides send JSON values
(:mod:`paretune.sandbox.channel`). The trainer sends programs::

    {"id": 7, "text": "print(input())", "inputs": ["1\n", "2\n"], "databases": {NAME: BASE64}, "keep": false,
     "patience": 2}

and gets ``{"id": 7, "outcomes": [...]}`` when all inputs were run, or ``{"failed": REASON}`` when nothing can be run.
"""

import ctypes
import os
import queue
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from paretune.sandbox.backends import prepare
from paretune.sandbox.channel import read, write
from paretune.sandbox.limits import Limits
from paretune.sandbox.slot import Slot, without_end

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LAST_SECONDS = 5.0
_NOT_RUN = without_end("timeout")


class _Program:
    """A program on its way through the slots."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.request, self.patience = request, int(request["patience"])
        self.outcomes: list[dict[str, Any] | None] = [None] * len(request["inputs"])
        self.running = 0
        self.held_back: list[tuple[int, int]] = []  # inputs that wait for a run to end, as the queue has them

    def given_up(self, index: int) -> bool:
        """Whether the inputs before this one took all the patience there is."""
        return self._failures(index) >= self.patience

    def holds_back(self) -> bool:
        """Whether the next input waits for one that is running: once one has failed, each may be the last."""
        return self.running > 0 and self._failures(len(self.outcomes)) > 0

    def _failures(self, index: int) -> int:
        before = [outcome for outcome in self.outcomes[:index] if outcome is not None]
        return len([outcome for outcome in before if outcome["status"] in ("timeout", "overflow")])

    def done(self) -> list[dict[str, Any]] | None:
        """All outcomes, once they are there: the same, whichever inputs were run side by side."""
        if any(outcome is None for outcome in self.outcomes):
            return None
        for index in range(len(self.outcomes)):
            if self.given_up(index):
                self.outcomes[index:] = [_NOT_RUN] * (len(self.outcomes) - index)
                break
        return [outcome for outcome in self.outcomes if outcome is not None]


class Launcher:
    """Hands inputs out to the slots, and outcomes back to the trainer.

    Args:
        trainer: the channel to it.
        folder: where the back end was prepared.
        backend: its name.
        slots: sandboxes that run side by side.
        limits: of every run.
    """

    def __init__(self, trainer: Connection, folder: Path, backend: str, slots: int, limits: Limits) -> None:
        self.trainer, self.limits = trainer, limits
        self.lock = threading.Lock()
        # First the first inputs of all programs, so that one which hangs does not hold up the others.
        self.waiting: queue.PriorityQueue[tuple[int, int, _Program]] = queue.PriorityQueue()
        self.slots = [Slot(backend, folder, folder / "scratch" / str(number), limits) for number in range(slots)]

    def serve(self) -> None:
        """Take programs until the trainer is gone."""
        for slot in self.slots:
            threading.Thread(target=self._work, args=(slot,), daemon=True).start()
        try:
            number = 0
            while True:
                program = _Program(read(self.trainer))
                for index in range(len(program.outcomes)):
                    self.waiting.put((index, number := number + 1, program))
        except (EOFError, OSError):
            return

    def _work(self, slot: Slot) -> None:
        while True:
            index, number, program = self.waiting.get()
            request = program.request
            with self.lock:
                if program.holds_back():
                    program.held_back.append((index, number))
                    continue
                program.running += 1
            try:
                outcome = _NOT_RUN
                if not program.given_up(index):
                    outcome = slot.run(
                        request["text"], request["inputs"][index], request["databases"], keep=request["keep"]
                    )
            except Exception as error:  # whatever it is: the trainer would wait for this answer for ever
                self._answer({"failed": str(error) or type(error).__name__})
                continue
            with self.lock:
                program.outcomes[index] = outcome
                program.running -= 1
                for held in program.held_back:
                    self.waiting.put((*held, program))
                program.held_back.clear()
                outcomes = program.done()
            if outcomes is not None:
                self._answer({"id": request["id"], "outcomes": outcomes})

    def _answer(self, message: Mapping[str, Any]) -> None:
        with self.lock, suppress(OSError):  # it is gone, and `serve` ends
            write(self.trainer, message)


def main(descriptor: int, settings: Mapping[str, Any]) -> int:
    """Prepare the back end, serve the trainer in a child without privileges, and clear up; the exit status.

    Args:
        descriptor: the socket to the trainer.
        settings: ``folder``, an empty one, ``backend``, ``slots`` and ``limits``.
    """
    trainer = Connection(descriptor)
    folder = Path(settings["folder"])
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # to be ignored here, but not by the programs, who would inherit that
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        folder.chmod(0o755)
        prepare(settings["backend"], folder)
        user = _scratch_owner(folder / "scratch")
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            _serve(trainer, folder, user, settings, parent)
    except Exception as error:
        with suppress(OSError):
            write(trainer, {"failed": str(error) or type(error).__name__})
        shutil.rmtree(folder, ignore_errors=True)
        return 1
    try:
        trainer.close()
        os.waitpid(child, 0)
        _reap()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _scratch_owner(scratch: Path) -> int | None:
    """Make the folder of the scratch folders; the user that root becomes, one that nobody else is, who owns it."""
    scratch.mkdir()
    if os.geteuid() != 0:
        return None
    user = 61184 + os.getpid() % 4000  # of the range that systemd keeps for users without a name
    try:
        os.chown(scratch, user, user)
    except OSError as error:
        raise OSError(f"root cannot become another user here ({error}): run as an ordinary user") from error
    return user


def _reap() -> None:
    """Wait until the sandboxes are gone: all in them dies with the process that served them."""
    deadline = time.monotonic() + _LAST_SECONDS
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)


def _serve(trainer: Connection, folder: Path, user: int | None, settings: Mapping[str, Any], parent: int) -> None:
    """The child: never returns."""
    status = 1
    library = ctypes.CDLL(None)
    try:
        if user is not None:  # the kernel does not bound root's processes
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # who kills the one kills the other
        if os.getppid() != parent:
            os._exit(status)
        library.prctl(_PR_SET_CHILD_SUBREAPER, 1)  # a container's first process may leave zombies
        launcher = Launcher(trainer, folder, settings["backend"], settings["slots"], Limits(**settings["limits"]))
        launcher.serve()
        for slot in launcher.slots:
            slot.kill()
        status = 0
    finally:
        os._exit(status)
