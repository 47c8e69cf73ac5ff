"""Whether a run can leave word for the next one in the same sandbox, or for one beside it."""

from collections.abc import Iterator

import pytest

from paretune.sandbox import Limits, Program, Sandbox, SandboxError


@pytest.fixture(scope="module", params=["bubblewrap", "landlock"])
def single(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One sandbox, in which one run follows the other."""
    try:
        opened = Sandbox(request.param, slots=1, limits=Limits(seconds=60.0))
    except SandboxError as error:
        pytest.skip(f"not on this machine: {error}")
    yield opened
    opened.close()


# What leaves word, and what looks for it: the second says the same whether or not the first was run before it.
WORD = {
    "files that are counted": (
        "for number in range(300):\n    open('x', 'w').close(); os.unlink('x')",
        "open('mine', 'w').close(); print(os.stat('mine').st_ino, os.stat('.').st_nlink)",
    ),
    "files without a name": (
        "for number in range(300):\n    os.close(os.open('.', os.O_TMPFILE | os.O_RDWR))",
        "open('mine', 'w').close(); print(os.stat('mine').st_ino)",
    ),
    "folders": (
        "os.mkdir('x'); os.rmdir('x')",
        "os.mkdir('mine'); print(os.stat('mine').st_ino, os.listdir('.'))",
    ),
    "a folder that was listed": ("os.listdir('.')", "print(os.stat('.').st_atime_ns > os.stat('.').st_mtime_ns)"),
    "a file that was read": (
        "open(os.path.join(os.path.dirname(os.__file__), 'this.py')).read()",
        "print(os.stat(os.path.join(os.path.dirname(os.__file__), 'this.py')).st_atime_ns)",
    ),
    "a folder of the interpreter that was listed": (
        "os.listdir(os.path.join(os.path.dirname(os.__file__), 'json'))",
        "print(os.stat(os.path.join(os.path.dirname(os.__file__), 'json')).st_atime_ns)",
    ),
}


@pytest.mark.parametrize("name", WORD)
@pytest.mark.turns
def test_no_word_is_left_for_the_next_run(name: str, single: Sandbox) -> None:
    start = "import os\nfrom contextlib import suppress\nwith suppress(OSError):\n    "
    leaves, looks = (start + text.replace("\n", "\n    ") for text in WORD[name])
    found = []
    for before in ("", leaves, ""):
        for text in (before, looks):
            ((outcome,),) = single.run([Program(text, [""])])
            assert outcome.exit == 0
        found.append(outcome.output)
    assert found[1] == found[0] == found[2]


def test_runs_side_by_side_cannot_lock(sandbox: Sandbox) -> None:
    text = """
import fcntl, os, struct
with open(os.__file__) as file:
    for lock in (
        lambda: fcntl.flock(file, fcntl.LOCK_SH),
        lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB),
        lambda: fcntl.lockf(file, fcntl.LOCK_SH),
        lambda: fcntl.fcntl(file, fcntl.F_GETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)),
        lambda: fcntl.fcntl(file, 37, struct.pack("hhqqi", fcntl.F_RDLCK, 0, 0, 0, 0)),
        lambda: fcntl.fcntl(file, 1024, fcntl.F_RDLCK),
        lambda: os.open("/", os.O_PATH),
    ):
        try:
            lock()
            print("escaped")
        except PermissionError:
            print("refused")
"""
    ((outcome,),) = sandbox.run([Program(text, [""])])
    assert outcome.output == "refused\n" * 7
