"""The self-test: it finds what leaks, and the choice of a back end goes by it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.sandbox import Sandbox, SandboxError, open_sandbox
from paretune.sandbox.selftest import ATTEMPTS, broken_promises
from sandbox.environments import run, without_packages

CANNOT = "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody can look into, as pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_no_promise_is_broken(sandbox: Sandbox) -> None:
    assert broken_promises(sandbox) == {}


def test_without_a_sandbox_they_are_and_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paretune.sandbox.choice.SAFE_BACKENDS", ("unsafe",))
    with pytest.raises(SandboxError, match=r"The sandbox \(unsafe\) leaks") as caught:
        open_sandbox()
    broken = {promise for promise in ATTEMPTS if f"not so that a program {promise}: " in str(caught.value)}
    assert {
        "reads only the interpreter's files",
        "writes only its scratch folder",
        "has no network",
        "neither sees nor signals other processes",
        "is bounded in file size",
    } <= broken
    # The kernel's limits hold without a sandbox, too.
    assert not {"is bounded in time", "is bounded in memory", "makes no processes"} & broken
    for folder in ("/", "/tmp", "/var/tmp", "/dev/shm", tempfile.gettempdir()):
        assert not (Path(folder) / "paretune-was-here").exists()


def test_the_first_that_keeps_its_promises_is_opened() -> None:
    try:
        sandbox = open_sandbox()
    except SandboxError as error:
        pytest.skip(f"not on this machine: {error}")
    sandbox.close()
    assert sandbox.backend in ("bubblewrap", "landlock")
    assert sandbox.tested == list(ATTEMPTS)
    assert sandbox.describe()["tested"] == list(ATTEMPTS)
    if sandbox.backend == "landlock":
        with pytest.raises(SandboxError):
            Sandbox("bubblewrap")


def test_landlock_where_bubblewrap_may_not_make_namespaces(folder: Path) -> None:
    text = without_packages(folder, ("sandlock",), programs={"bwrap": CANNOT})
    said = run(
        text
        + """
try:
    sandbox = open_sandbox()
    said["backend"] = sandbox.backend
    sandbox.close()
except SandboxError as error:
    said["backend"] = str(error)
"""
    )
    if "(landlock) does not run" in said["backend"]:
        pytest.skip(f"not on this machine: {said['backend']}")
    assert said["backend"] == "landlock"


def test_none_where_there_is_none_and_unsafe_only_if_asked(folder: Path) -> None:
    text = without_packages(folder, programs={"bwrap": CANNOT})
    said = run(
        text
        + """
try:
    open_sandbox()
except SandboxError as error:
    said["refused"] = str(error)
sandbox = open_sandbox(unsafe_no_sandbox=True)
said["backend"], said["tested"] = sandbox.backend, sandbox.tested
said["output"] = sandbox.run([Program("print(input())", ["still\\n"])])[0][0].output
sandbox.close()
"""
    )
    assert "(bubblewrap) does not run: bwrap: No permissions to create a new namespace" in said["refused"]
    assert "(landlock) does not run: the package sandlock is not installed" in said["refused"]
    assert "unsafe_no_sandbox" in said["refused"]
    assert (said["backend"], said["tested"], said["output"]) == ("unsafe", [], "still\n")
