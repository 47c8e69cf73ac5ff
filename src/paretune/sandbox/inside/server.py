"""The fork server: for each input a fresh process for the program, and one for its databases.

It is started once, inside the sandbox, and runs no line of a program itself. Programs are its children and keep
none of its descriptors. It learns from the kernel how they end. It keeps no time: the launcher does, from outside,
and ends the whole sandbox when a run is overdue. It dies with the launcher, and programs die with it.

Usage: ``-m inside.server DESCRIPTOR``, a socket (SOCK_SEQPACKET) to the launcher. A message is a JSON object, with five
descriptors: the program's text, its input, its output, the record of its statements, its databases.
"""

import base64
import ctypes
import fcntl
import gc
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from . import program
from .database import Database
from .wire import send

DESCRIPTORS = 5
_PR_SET_PDEATHSIG = 1
_LIBRARY = ctypes.CDLL(None)


def serve(launcher: socket.socket) -> None:
    """Run what the launcher sends until it is gone."""
    _die_with_parent()
    gc.freeze()
    untouched = _scratch()
    launcher.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(launcher, 65536, DESCRIPTORS)
        if len(descriptors) < DESCRIPTORS:
            return
        end = run(json.loads(message), descriptors)
        launcher.send(json.dumps({**end, "clean": _scratch() == untouched}).encode())


def run(job: Mapping[str, Any], descriptors: list[int]) -> dict[str, Any]:
    """Run a program on one input.

    Returns:
        ``exit``: its exit status, or minus the signal that ended it. ``timeout``: whether it, or a statement of its,
        took more processor time than it may. ``killed``: whether the process with its databases was killed for no such
        reason. It was from outside, while a program may have had itself killed: it can lower its own limits.
    """
    text, standard_input, output, record, contents = descriptors
    limits = job["limits"]
    to_program, to_database = socket.socketpair()
    holder = _child({to_program.fileno(): 3, record: 4, contents: 5}, limits, lambda: hold(keep=job["keep"]))
    runner = _child({standard_input: 0, output: 1, to_database.fileno(): 3, text: 4}, limits, program.run)
    for end in (to_program, to_database):
        end.close()
    for descriptor in descriptors:
        os.close(descriptor)
    status, timeout = _wait(runner, limits)
    # The program's end of the socket is closed now, so the process with its databases ends, too.
    holders_status, holders_timeout = _wait(holder, limits)
    killed = holders_status == -signal.SIGKILL and not holders_timeout
    return {"exit": status, "timeout": timeout or holders_timeout, "killed": killed}


def hold(*, keep: bool) -> None:
    """The database process: serve the program; if asked to, write down what the databases hold in the end."""
    with socket.socket(fileno=3) as connection, open(4, "wb") as record, open(5, "rb") as contents:
        given = {name: base64.b64decode(content) for name, content in json.load(contents).items()}
        database = Database(connection.makefile("rwb"), record, given)
        database.serve()
        if keep:
            send(record, {"databases": database.contents()})


def _child(descriptors: Mapping[int, int], limits: Mapping[str, Any], main: Callable[[], None]) -> int:
    """Fork a process that has these descriptors, under their new numbers, and /dev/null for input and output else."""
    server = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _die_with_parent()
        if os.getppid() != server:  # it is gone already
            os._exit(status)
        nothing = os.open(os.devnull, os.O_RDWR)
        wanted = {0: nothing, 1: nothing, 2: nothing} | {new: old for old, new in descriptors.items()}
        high = {new: fcntl.fcntl(old, fcntl.F_DUPFD, 64) for new, old in wanted.items()}
        for new, old in high.items():
            os.dup2(old, new)
        os.closerange(max(wanted) + 1, 1024)
        restrict(limits)
        main()
        status = 0
    finally:
        os._exit(status)


def restrict(limits: Mapping[str, Any]) -> None:
    """Set the kernel's limits on the current process, for good.

    It is the only process that they allow, so what bounds it bounds all: it can make neither processes nor threads.
    """
    for what, most in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["scratch"]),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(what, (most, most))
    # At the first of the two the kernel sends a signal of its own, SIGXCPU, at the second one that cannot be caught.
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_seconds"], limits["cpu_seconds"] + 1))


def _die_with_parent() -> None:
    """Have the kernel kill the current process when its parent is gone; the filter lets nobody take that back."""
    _LIBRARY.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait(pid: int, limits: Mapping[str, Any]) -> tuple[int, bool]:
    """Wait for a child; its exit status, or minus its signal, and whether it ended for want of processor time.

    The kernel counts that time in ticks, and `wait4` exactly, so half of the limit is taken for all of it. With less,
    the signal is the program's own doing.
    """
    _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    used_up = usage.ru_utime + usage.ru_stime >= limits["cpu_seconds"] / 2
    return code, used_up and code in (-signal.SIGXCPU, -signal.SIGKILL)


def _scratch() -> tuple[int, ...]:
    """What shows whether anything was made, or looked for, in the scratch folder, the current one.

    A file system counts the files that it ever made and dates what is done with its folders, so that one run could
    leave word for the next. A sandbox whose scratch folder was used is therefore not used again.
    """
    found = os.stat(".")
    return found.st_nlink, found.st_mtime_ns, found.st_ctime_ns, found.st_atime_ns


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
