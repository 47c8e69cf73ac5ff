"""Work that is killed at a chosen moment, for real: a forked process that ends itself by SIGKILL."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOMENTS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "shutil.rmtree", "in.the.middle"}
PATIENCE = 120


def killed_before(moment: int, work: Callable[[], Any]) -> bool:
    """Do some work in a process that is killed before the n-th time that it changes a folder or opens a file.

    Returns:
        Whether that was before its end.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(PATIENCE)
            _kill_before(moment)
            work()
            status = 0
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
        finally:
            os._exit(status)
    ended = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(ended):
        assert os.WTERMSIG(ended) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(ended) == 0
    return False


def write_in_two_parts(path: Path, content: bytes) -> None:
    """Write a file, with a moment at which one half of it is there."""
    with path.open("wb", buffering=0) as file:
        file.write(content[: len(content) // 2])
        sys.audit("in.the.middle")
        file.write(content[len(content) // 2 :])


def _kill_before(moment: int) -> None:
    passed = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal passed
        del arguments
        if event in MOMENTS:
            if passed == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            passed += 1

    sys.addaudithook(watch)
