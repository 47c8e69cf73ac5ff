"""Programs that try to get out find nothing, change nothing and leave nothing behind, and are scored all the same."""

import os
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from paretune.sandbox import Program, Sandbox
from sandbox.hostile import PROGRAMS, START

STATUS = {
    "an endless loop": {"timeout"},
    "waits for ever": {"timeout"},
    "catches every signal and goes on": {"timeout"},
    "an endless statement": {"timeout"},
    "endless output": {"overflow", "timeout"},
    "endless statements": {"overflow", "timeout"},
    "many files": {"exited", "timeout"},
    "a memory bomb": {"exited", "timeout"},  # its pages are filled at the speed that a busy machine has left
    "a memory bomb in the database": {"exited", "timeout"},
}


def processes(sandbox: Sandbox) -> int:
    """How many there are below the launcher or, if it has become another user, of that user."""
    children = psutil.Process(sandbox.launcher_pid).children()
    user = children[0].uids().real
    if user == os.getuid():
        return len(children[0].children(recursive=True))
    of_user = 0
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            of_user += process.uids().real == user
    return of_user - 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_is_contained(name: str, sandbox: Sandbox) -> None:
    folder = Path("/tmp")  # where anybody may read and write, if only he gets there
    secret = folder / f"paretune-secret-{os.getpid()}"
    secret.write_text("SECRET-CONTENT")
    secret.chmod(0o666)
    values = f"SECRET = {str(secret)!r}\nTRAINER = {os.getpid()}\nLAUNCHER = {sandbox.launcher_pid}\n"
    text = START + values + PROGRAMS[name] if name != "is no Python" else PROGRAMS[name]
    allowed = STATUS.get(name, {"exited"})
    try:
        # What goes on until a limit ends it does so once: that takes a second of the processor each time.
        inputs = ["\n"] if "timeout" in allowed else ["\n", "OTHER-INPUT\n"]
        (outcomes,) = sandbox.run([Program(text, inputs)])
        assert secret.read_text() == "SECRET-CONTENT"
    finally:
        secret.unlink()
    assert not (folder / "paretune-escaped").exists()
    assert len(outcomes) == len(inputs)
    for each in outcomes:
        assert "escaped" not in each.output
        assert "SECRET-CONTENT" not in each.output
        assert each.status in allowed
    outcome = outcomes[0]
    if name.startswith("forges"):
        assert outcome.exit == 7
        assert outcome.statements == ()
    if name.startswith("becomes"):
        assert outcome.output == "not even so\n"
    ((after,),) = sandbox.run([Program("import os; print(input(), os.listdir('.'))", ["still here\n"])])
    assert after.output == "still here []\n"
    # Nothing is left but the fork servers, each with its bubblewrap.
    assert processes(sandbox) <= sandbox.slots * (2 if sandbox.backend == "bubblewrap" else 1)


def test_what_is_recorded_cannot_be_switched_off(sandbox: Sandbox) -> None:
    text = START + PROGRAMS["switches the recorder off"]
    ((outcome,),) = sandbox.run([Program(text, [""])])
    assert list(outcome.statements) == ["select 'noted'"]


def test_a_huge_input_is_read(sandbox: Sandbox) -> None:
    text = "import sys\nn = 0\nfor line in sys.stdin:\n    n += len(line)\nprint(n)"
    ((outcome,),) = sandbox.run([Program(text, [("x" * 99 + "\n") * 300_000])])
    assert outcome.output == "30000000\n"
