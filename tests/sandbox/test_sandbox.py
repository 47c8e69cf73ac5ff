"""What comes of running a program: its end, its output, its statements, and nothing from one run to the next."""

import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from paretune.sandbox import Limits, Outcome, Program, Sandbox, SandboxError


def outcome_of(sandbox: Sandbox, text: str, given: str = "", **options: object) -> Outcome:
    ((outcome,),) = sandbox.run([Program(text, [given], **options)])
    return outcome


def made(script: str) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.executescript(script)
    return connection.serialize()


def rows(database: bytes, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(database)
    return connection.execute(query).fetchall()


def test_how_programs_end(sandbox: Sandbox) -> None:
    ends = {
        "": 0,
        "import sys; sys.exit()": 0,
        "import sys; sys.exit(0)": 0,
        "import sys; sys.exit(3)": 3,
        "import sys; sys.exit(-1)": 255,
        "import sys; sys.exit(256)": 0,
        "import sys; sys.exit(True)": 1,
        "import sys; sys.exit('a message')": 1,
        "raise SystemExit": 0,
        "raise SystemExit(1.5)": 1,
        "raise SystemExit([])": 1,
        "exit()": 0,
        "quit(4)": 4,
        "try:\n    exit(5)\nexcept Exception:\n    pass": 5,
        "import os; os._exit(9)": 9,
        "1 / 0": 1,
        "raise BaseException": 1,
        "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})": 1,
        "def": 1,
        "x = '\ud800'": 1,
        "x\0": 1,
        "import nothing_of_this_name": 1,
        "import ctypes; ctypes.string_at(0)": -signal.SIGSEGV,
        "import sys; sys.stdout.close()": 0,
        "import sys; sys.stdout = sys.stderr = None; print(1)": 0,
        "import sys; sys.excepthook = None; 1 / 0": 1,
        "import atexit, os; atexit.register(os._exit, 6)": 6,
        "import sys; sys.modules.clear()": 0,
        "import gc, sys; sys.stdin.close(); gc.collect()": 0,
    }
    outcomes = sandbox.run([Program(text, [""]) for text in ends])
    assert {text: outcome.exit for text, (outcome,) in zip(ends, outcomes, strict=True)} == ends
    assert {outcome.status for (outcome,) in outcomes} == {"exited"}
    assert all(outcome.succeeded == (outcome.exit == 0) for (outcome,) in outcomes)


def test_what_programs_print(sandbox: Sandbox) -> None:
    printed = {
        "print(__name__, __file__.endswith('program.py'))": "__main__ True\n",
        "import sys; print(sys.argv, file=sys.stdout); print('no', file=sys.stderr)": "['program.py']\n",
        "print('Žluťoučký 🐎')": "Žluťoučký 🐎\n",
        "# -*- coding: latin-1 -*-\nprint('é')": "é\n".encode().decode("latin-1"),
        "print('\\ud800', '\\udcff')": "",  # the first cannot be encoded
        "print('\\udcff')": "\ufffd\n",
        "import sys; sys.stdout.buffer.write(b'\\xff\\n')": "\ufffd\n",
        "print('a\\r\\nb')": "a\r\nb\n",
        "print('before'); 1 / 0": "before\n",
        "import sys\nsys.stdout.write('no newline')": "no newline",
        "import io, sys\nprint(1)\nsys.stdout = io.StringIO()\nprint(2)": "1\n",
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'utf-8')\nprint('é')": "é\n",
        "import sys; print(1, file=sys.__stdout__)": "1\n",
        "import os; os.write(1, b'raw'); print('late', flush=True); os._exit(0)": "rawlate\n",
        "import atexit; atexit.register(print, 'last'); print('first')": "first\nlast\n",
        "import os; print('lost'); os._exit(0)": "",  # as in any Python
        "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A)": "True\n",
        "from __main__ import x as y": "",
        "x = 1\nfrom __main__ import x as y\nprint(y)": "1\n",
        "import asyncio\nasync def f(): return 5\nprint(asyncio.run(f()))": "5\n",
        "print(len({hash('a') for _ in range(3)}), hash('a') == hash('a'))": "1 True\n",
        "import tempfile, shutil, random, re, json, decimal, hashlib; print(random.Random(1).random())": "0.134"
        "36424411240122\n",
    }
    outcomes = sandbox.run([Program(text, [""]) for text in printed])
    assert {text: outcome.output for text, (outcome,) in zip(printed, outcomes, strict=True)} == printed


def test_what_programs_read(sandbox: Sandbox) -> None:
    read = [
        ("print(input('Name? '))", "Ada\n", "Ada\n"),
        ("print(input('Name? '), input())", "Ada\nBob", "Ada Bob\n"),
        ("try:\n    input('?')\nexcept EOFError as error:\n    print(error)", "", "EOF when reading a line\n"),
        (
            "while True:\n    try: print(repr(input()))\n    except EOFError: break",
            "a\n\n b \nc",
            "'a'\n''\n' b '\n'c'\n",
        ),
        ("print(repr(input()))", "a\r\n", "'a\\r'\n"),
        ("import sys; print(repr(input()), repr(sys.stdin.read()))", "1\r\n2\n3", "'1\\r' '2\\n3'\n"),
        ("import sys; print(sys.stdin.readlines())", "1\n2\n", "['1\\n', '2\\n']\n"),
        ("for line in open(0): print(line, end='')", "1\n2\n", "1\n2\n"),
        ("print(ascii(input()))", "ž🐎\n", "'\\u017e\\U0001f40e'\n"),
        ("print(ascii(input()))", "\ud800\n", "'\\udced\\udca0\\udc80'\n"),
        ("print(ascii(input()))", "a\0b\n", "'a\\x00b'\n"),
        ("import sys; print(sys.stdin.isatty(), sys.stdin.fileno())", "", "False 0\n"),
        ("try:\n    input(1, 2)\nexcept TypeError:\n    print('as ever')", "", "as ever\n"),
        ("print(__builtins__.input is input, callable(input))", "", "True True\n"),
    ]
    outcomes = sandbox.run([Program(text, [given]) for text, given, _ in read])
    assert [outcome.output for (outcome,) in outcomes] == [expected for _, _, expected in read]


def test_too_much_output_is_cut(sandbox: Sandbox) -> None:
    most = sandbox.limits.output
    outcome = outcome_of(sandbox, f"print('é' * {most})")
    assert outcome.status == "overflow"
    assert not outcome.succeeded
    assert outcome.output == "é" * (most // 2)
    assert outcome_of(sandbox, f"print('x' * {most - 1})").output == "x" * (most - 1) + "\n"
    assert outcome_of(sandbox, f"print('x' * {most - 1})").succeeded
    text = f"import sqlite3\nc = sqlite3.connect('x')\nc.execute('select 1')\nc.execute('select 2' + ' ' * {most})"
    outcome = outcome_of(sandbox, text)
    assert outcome.status == "overflow"
    assert list(outcome.statements) == ["select 1"]


def test_statements_are_recorded_as_handed_over(sandbox: Sandbox) -> None:
    outcome = outcome_of(
        sandbox,
        """
import sqlite3
from contextlib import suppress
connection = sqlite3.connect("x.db")
cursor = connection.cursor()
cursor.execute("create table t (a)")
cursor.execute("insert into t values (?)", ("bound",))
cursor.executemany("insert into t values (:a)", [{"a": 1}, {"a": 2}])
connection.executescript("insert into t values (3); select 1;  -- as a whole")
for wrong in ("select * from nothing", "selec\\n", "", "select '\\ud800'", "select 1; select 2", "select ?"):
    with suppress(Exception):
        cursor.execute(wrong)
for wrong in (None, b"select 1", 5):
    with suppress(TypeError):
        cursor.execute(wrong)
class Cursor(sqlite3.Cursor):
    pass
connection.cursor(Cursor).execute("select 'of a class of its own'")
connection.create_function("f", 0, lambda: cursor.execute("select 'inside'").fetchone()[0])
connection.execute("select f()").fetchall()
sqlite3.connect(":memory:").execute("select 'in memory'")
connection.commit()
with connection:
    pass
""",
    )
    assert outcome.exit == 0
    assert outcome.statements == (
        "create table t (a)",
        "insert into t values (?)",
        "insert into t values (:a)",
        "insert into t values (3); select 1;  -- as a whole",
        "select * from nothing",
        "selec\n",
        "",
        "select '\ud800'",
        "select 1; select 2",
        "select ?",
        "select 'of a class of its own'",
        "select f()",
        "select 'inside'",
        "select 'in memory'",
    )


def test_statements_are_there_for_a_program_that_is_cut_off(sandbox: Sandbox) -> None:
    text = "import sqlite3, time\nsqlite3.connect('x').execute('select 1')\nprint('so far', flush=True)\n"
    hanging = ("while True: pass", "time.sleep(60)")
    for (outcome,) in sandbox.run([Program(text + last, [""]) for last in hanging]):
        assert (outcome.status, outcome.output) == ("timeout", "so far\n")
        assert list(outcome.statements) == ["select 1"]


def test_each_input_has_a_fresh_process_and_fresh_databases(sandbox: Sandbox) -> None:
    text = """
import builtins, math, os, sqlite3
connection = sqlite3.connect("given.db")
print(connection.execute("select count(*) from t").fetchone(), sqlite3.connect("new.db").execute(
    "select count(*) from sqlite_master").fetchone(), hasattr(math, "left"), "LEFT" in os.environ, os.listdir("."))
connection.execute("delete from t")
connection.commit()
sqlite3.connect("new.db").execute("create table left (a)")
math.left = builtins.print = 1
os.environ["LEFT"] = "1"
os.chdir("/")
try:
    open("/scratch/left", "w").close()
except OSError:
    pass
"""
    database = made("create table t (a); insert into t values (1), (2)")
    (outcomes,) = sandbox.run([Program(text, [""] * 9, {"given.db": database})])
    assert {outcome.output for outcome in outcomes} == {"(2,) (0,) False False []\n"}
    assert rows(database, "select * from t") == [(1,), (2,)]


def test_databases_are_given_and_kept(sandbox: Sandbox) -> None:
    text = """
import sqlite3, sys
connection = sqlite3.connect("some folder/shop ž%20.db")
connection.execute("insert into t values (?)", (input(),))
connection.commit()
connection.execute("insert into t values ('not committed')")
sqlite3.connect("new.db").executescript("create table n (a)")
sqlite3.connect(":memory:").executescript("create table m (a)")
"""
    given = {
        "shop ž%20.db": made("create table t (a); insert into t values (1)"),
        "other.db": made("create table o (a)"),
    }
    ((first, second),) = sandbox.run([Program(text, ["x\n", "y\n"], given, keep=True)])
    for outcome, value in ((first, "x"), (second, "y")):
        assert outcome.databases is not None
        assert outcome.databases.keys() == {*given, "new.db"}
        assert rows(outcome.databases["shop ž%20.db"], "select * from t") == [(1,), (value,)]
        assert rows(outcome.databases["other.db"], "select name from sqlite_master") == [("o",)]
    assert outcome_of(sandbox, text, "x\n", databases=given).databases is None
    # They are there for a program that fails or crashes, not for one that is cut off.
    assert outcome_of(sandbox, text + "1 / 0", "x\n", databases=given, keep=True).databases is not None
    crash = "\nimport ctypes; ctypes.string_at(0)"
    assert outcome_of(sandbox, text + crash, "x\n", databases=given, keep=True).databases is not None
    assert outcome_of(sandbox, text + "while True: pass", "x\n", databases=given, keep=True).databases is None


def test_what_is_no_database(sandbox: Sandbox) -> None:
    outcome = outcome_of(sandbox, "import sqlite3; sqlite3.connect('x')", databases={"x": b"this is none" * 99})
    assert (outcome.status, outcome.exit) == ("exited", 1)


def test_nothing_to_run(sandbox: Sandbox) -> None:
    assert sandbox.run([]) == []
    assert sandbox.run([Program("print(1)", [])]) == [[]]


def test_many_programs_from_many_threads(sandbox: Sandbox) -> None:
    def run(thread: int) -> list[list[str]]:
        text = "import sqlite3\nc = sqlite3.connect('x.db')\nc.execute('create table t (a)')\n"
        programs = [Program(f"{text}print({thread}, {number}, input())", ["a", "b"]) for number in range(4)]
        return [[outcome.output for outcome in outcomes] for outcomes in sandbox.run(programs)]

    with ThreadPoolExecutor(8) as threads:
        for thread, outputs in enumerate(threads.map(run, range(8))):
            assert outputs == [[f"{thread} {number} {letter}\n" for letter in "ab"] for number in range(4)]


SOMETIMES = """
what = input()
if what == "hangs":
    while True:
        pass
if what == "talks":
    print("x" * 10**6)
print(what)
"""


def test_patience_ends_at_the_same_input_however_many_run_at_a_time() -> None:
    statuses = {
        "ends talks ends hangs ends ends": "exited overflow exited timeout timeout timeout",
        "talks talks ends": "overflow overflow timeout",
        "ends talks ends": "exited overflow exited",
    }
    found = []
    for slots in (1, 8):
        sandbox = Sandbox("unsafe", slots=slots, limits=Limits(patience=2))  # the launcher is the same for all
        try:
            found.append(sandbox.run([Program(SOMETIMES, inputs.split()) for inputs in statuses]))
        finally:
            sandbox.close()
    one_at_a_time, all_at_once = found
    assert [[outcome.status for outcome in own] for own in one_at_a_time] == [
        each.split() for each in statuses.values()
    ]
    assert one_at_a_time == all_at_once


def test_limits_are_positive_and_whole() -> None:
    for name in ("cpu_seconds", "seconds", "memory", "scratch", "output", "patience"):
        for wrong in (0, -1, float("inf"), float("nan"), None, "1"):
            with pytest.raises(ValueError, match=f"`{name}` of the sandbox's limits must be a positive"):
                Limits(**{name: wrong})
    with pytest.raises(ValueError, match=r"`cpu_seconds` .* must be a positive whole number, got 1.5"):
        Limits(cpu_seconds=1.5)  # type: ignore[arg-type]
    assert Limits(seconds=0.5).seconds == 0.5


def test_what_cannot_be_opened() -> None:
    with pytest.raises(ValueError, match="There is no sandbox 'chroot': choose among bubblewrap, landlock, unsafe"):
        Sandbox("chroot")
    with pytest.raises(ValueError, match="at least one slot, got 0"):
        Sandbox("unsafe", slots=0)
    with pytest.raises(SandboxError, match=r"does not run an empty program \(timeout, None\).*seconds=1e-06"):
        Sandbox("unsafe", slots=1, limits=Limits(seconds=1e-6))
