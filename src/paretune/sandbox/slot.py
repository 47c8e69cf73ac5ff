"""One sandbox with its fork server, seen from outside: started, used for one run at a time, watched, replaced."""

import base64
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from paretune.sandbox import image
from paretune.sandbox.backends import BACKENDS
from paretune.sandbox.limits import Limits

START_SECONDS = 30.0
ATTEMPTS = 3
_SNAPSHOT = 64 * 2**20  # bytes of databases that a run may leave


class LostError(Exception):
    """A sandbox did not start, or died; the run it was for has no outcome."""


def without_end(status: str) -> dict[str, Any]:
    """The outcome of a run of which nothing is known but this."""
    return {"status": status, "exit": None, "output": "", "statements": [], "reached": [], "databases": None}


class Slot:
    """A place for one sandbox.

    Args:
        backend: one of :data:`~paretune.sandbox.backends.BACKENDS`.
        folder: where the back end was prepared.
        scratch: a folder that is made for this slot.
        limits: of every run.
    """

    def __init__(self, backend: str, folder: Path, scratch: Path, limits: Limits) -> None:
        self.backend, self.folder, self.scratch, self.limits = backend, folder, scratch, limits
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket

    def run(self, text: str, standard_input: str, databases: Mapping[str, str], *, keep: bool) -> dict[str, Any]:
        """Run a program on one input; its outcome, as :class:`~paretune.sandbox.Outcome` has it.

        A sandbox that dies is replaced and the run repeated. Where all :data:`ATTEMPTS` die and yet a sandbox runs
        an empty program, the program is what kills them, and that is its outcome. So it is with a program that is
        killed alone: once may be somebody outside, a kernel short of memory say; a second time it is its own end.

        Raises:
            LostError: if no sandbox can be started.
            OSError: likewise, for want of descriptors, memory or processes.
        """
        killed = False
        for _ in range(ATTEMPTS):
            try:
                outcome = self._run(text, standard_input, databases, keep=keep)
            except (LostError, OSError):
                self.stop()
                continue
            if killed or outcome["exit"] != -signal.SIGKILL or outcome["status"] == "timeout":
                return outcome
            killed = True
        self._run("", "", {}, keep=False)
        return without_end("lost")

    def start(self) -> None:
        """Start the sandbox, if it is not running.

        Raises:
            LostError: if it does not start; the message says why.
        """
        if self.process is not None:
            return
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        image.date(self.scratch)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, open(os.memfd_create("said"), "w+b", buffering=0) as said:
            start = BACKENDS[self.backend](self.folder, self.scratch, self.limits, theirs.fileno())
            try:
                self.process = subprocess.Popen(
                    start.command,
                    env=start.environment,
                    cwd=self.scratch,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    pass_fds=(theirs.fileno(), *start.descriptors),
                    start_new_session=True,
                )
            finally:
                for descriptor in start.descriptors:
                    os.close(descriptor)
            theirs.close()  # it has its own, and is heard to end
            self.control.settimeout(START_SECONDS)
            try:
                ready = self.control.recv(64) == b"ready"
            except OSError:
                ready = False
            if not ready:
                self.stop()
                said.seek(0)
                reason = " ".join(said.read().decode(errors="replace").split())[-300:]
                raise LostError(reason or "it ended without a word")

    def kill(self) -> None:
        """End the sandbox and all in it, from any thread."""
        process = self.process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a session of its own, which nobody in it can leave

    def stop(self) -> None:
        """End the sandbox and all in it, and clear up."""
        if self.process is None:
            return
        self.control.close()
        self.kill()
        self.process.wait()
        with suppress(ChildProcessError):
            while True:  # those whose parent is gone have become the launcher's
                os.waitpid(-self.process.pid, 0)
        self.process = None
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _run(self, text: str, standard_input: str, databases: Mapping[str, str], *, keep: bool) -> dict[str, Any]:
        self.start()
        output, program_output = os.pipe()
        record, database_record = os.pipe()
        theirs = [
            _file(text.encode(errors="surrogatepass")),
            _file(standard_input.encode(errors="surrogatepass")),
            program_output,
            database_record,
            _file(json.dumps(databases).encode()),
        ]
        try:
            job = json.dumps({"limits": asdict(self.limits), "keep": keep}).encode()
            socket.send_fds(self.control, [job], theirs)
        except OSError:
            os.close(output)
            os.close(record)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        most = {output: self.limits.output, record: _SNAPSHOT if keep else self.limits.output}
        end, said, overflow = self._follow(most)
        if end is not None and end["killed"]:
            raise LostError("the process with its databases was killed")
        if end is None or not end["clean"]:
            self.stop()
        statements, reached, left = _read_record(said[record])
        status = "timeout" if end is None or end["timeout"] else "overflow" if overflow else "exited"
        return {
            "status": status,
            "exit": None if end is None else end["exit"],
            "output": said[output].decode(errors="replace"),
            "statements": statements,
            "reached": reached,
            "databases": left if status == "exited" else None,
        }

    def _follow(self, most: Mapping[int, int]) -> tuple[dict[str, Any] | None, dict[int, bytes], bool]:
        """Read what a run says: how it ended (None: it did not in time), what it said, whether that was too much."""
        said = {descriptor: bytearray() for descriptor in most}
        open_ = set(most)
        poll = select.poll()
        for descriptor in (*most, self.control.fileno()):
            poll.register(descriptor, select.POLLIN)
        end: dict[str, Any] | None = None
        overflow = False
        deadline = time.monotonic() + self.limits.seconds
        try:
            while end is None or open_:
                ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
                if not ready:
                    return None, {descriptor: bytes(part) for descriptor, part in said.items()}, overflow
                for descriptor, _ in ready:
                    if descriptor == self.control.fileno():
                        end = self._end()
                        poll.unregister(descriptor)
                        continue
                    part = os.read(descriptor, 65536)
                    said[descriptor] += part
                    too_much = len(said[descriptor]) > most[descriptor]
                    overflow |= too_much
                    if too_much or not part:
                        poll.unregister(descriptor)
                        open_.remove(descriptor)
                        os.close(descriptor)
        finally:
            for descriptor in open_:
                os.close(descriptor)
        return end, {descriptor: bytes(part[: most[descriptor]]) for descriptor, part in said.items()}, overflow

    def _end(self) -> dict[str, Any]:
        message = self.control.recv(4096)
        if not message:
            raise LostError("the fork server is gone")
        end: dict[str, Any] = json.loads(message)
        return end


def _file(content: bytes) -> int:
    """A file in memory, to be read from its beginning; who writes to it changes nobody else's."""
    descriptor = os.memfd_create("paretune")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _read_record(record: bytes) -> tuple[list[str], list[list[str]], dict[str, str] | None]:
    """The statements, the tables that they reached, and the databases that were left, in base64.

    A torn last line is the one at which the run ended. So is one that says something else: it would be written by a
    database engine that a program has got hold of.
    """
    statements: list[str] = []
    reached: list[list[str]] = []
    for line in record.split(b"\n")[:-1]:
        try:
            entry = json.loads(line)
            match entry:
                case {"statement": str(statement)}:
                    statements.append(statement)
                case {"reached": list(tables)}:
                    reached += [[str(name), str(table)] for name, table in tables]
                case {"databases": dict(left)}:
                    contents = {name: base64.b64decode(content["of"], validate=True) for name, content in left.items()}
                    return (
                        statements,
                        reached,
                        {name: base64.b64encode(part).decode() for name, part in contents.items()},
                    )
                case _:
                    break
        except (ValueError, TypeError, KeyError, RecursionError):
            break
    return statements, reached, None
