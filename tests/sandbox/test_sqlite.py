"""The sandbox's sqlite3 does what Python's does: the same programs print the same."""

import functools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from paretune.sandbox import Limits, Program, Sandbox, SandboxError
from sandbox.sqlite_programs import PROGRAMS, START

NOT_OFFERED = """
import sqlite3
connection = sqlite3.connect("x.db")
other = sqlite3.connect(":memory:")
for act in (
    lambda: connection.blobopen("t", "a", 1), lambda: connection.backup(other), lambda: connection.serialize(),
    lambda: connection.deserialize(b""), lambda: connection.create_window_function("f", 1, None),
    lambda: connection.getlimit(1), lambda: connection.setlimit(1, 1), lambda: connection("select 1"),
):
    try:
        act()
        print("offered")
    except sqlite3.NotSupportedError as error:
        print(error)
try:
    connection.nothing_of_this_name
except AttributeError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def patient() -> Iterator[Sandbox]:
    """A sandbox that does not mind a busy machine: the first there is, for the databases are the same in all."""
    for backend in ("bubblewrap", "landlock", "unsafe"):
        with suppress(SandboxError):
            opened = Sandbox(backend, slots=2, limits=Limits(cpu_seconds=10, seconds=60.0))
            break
    yield opened
    opened.close()


@functools.cache
def by_itself(text: str) -> tuple[str, int]:
    """What a program prints in an empty folder, and how it ends."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "program.py").write_text(text, encoding="utf-8")
        command = [sys.executable, "-X", "utf8", "program.py"]
        ended = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
        return ended.stdout.decode(), ended.returncode


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_does_as_the_real_one(name: str, patient: Sandbox) -> None:
    text = START + PROGRAMS[name]
    ((outcome,),) = patient.run([Program(text, [""])])
    assert (outcome.output, outcome.exit) == by_itself(text)
    assert outcome.output


def test_what_is_not_offered_says_so(patient: Sandbox) -> None:
    ((outcome,),) = patient.run([Program(NOT_OFFERED, [""])])
    lines = outcome.output.splitlines()
    assert len(lines) == 9
    assert all(line.endswith("is not offered in this sandbox") for line in lines[:-1])
    assert lines[-1] == "'sqlite3.Connection' object has no attribute 'nothing_of_this_name'"


def test_two_connections_and_a_transaction(patient: Sandbox) -> None:
    # SQLite's file system in memory locks the database as a whole, where files let others read.
    text = """
import sqlite3
one, other = (sqlite3.connect("x.db", timeout=0.05) for _ in range(2))
one.execute("create table t (a)")
one.commit()
one.execute("insert into t values (1)")
try:
    print(other.execute("select * from t").fetchall())
except sqlite3.OperationalError as error:
    print(error)
one.commit()
print(other.execute("select * from t").fetchall())
"""
    ((outcome,),) = patient.run([Program(text, [""])])
    assert outcome.output == "database is locked\n[(1,)]\n"
    assert by_itself(text) == ("[]\n[(1,)]\n", 0)


def test_databases_are_no_files(patient: Sandbox) -> None:
    text = """
import os, sqlite3
sqlite3.connect("a/x.db").execute("create table t (a)")
print(os.path.exists("x.db"), sqlite3.connect("b/x.db").execute("select name from sqlite_master").fetchall())
"""
    ((outcome,),) = patient.run([Program(text, [""])])
    assert outcome.output == "False [('t',)]\n"
