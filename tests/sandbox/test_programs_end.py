"""A program's end is its own: it waits for input for ever, has the kernel kill it, or is killed by a signal."""

import signal
import time

import pytest

from paretune.sandbox import Program, Sandbox

ASKS = {
    "input": "input()",
    "readline": "print(1 / len(sys.stdin.readline()))",
    "read": "int(sys.stdin.read())",
    "the buffer": "int(sys.stdin.buffer.readline())",
    "another way to the same end": "next(sys.stdin)",
}


@pytest.mark.parametrize("how", ASKS)
def test_who_waits_for_input_for_ever_ends_at_once(how: str, sandbox: Sandbox) -> None:
    text = f"""
import sqlite3, sys
print(input("Your name? "))
connection = sqlite3.connect("x.db")
while True:
    try:
        connection.execute("select 'asked'")
        {ASKS[how]}
        print("never")
        break
    except Exception:
        print("again")
"""
    begun = time.monotonic()
    ((outcome, other),) = sandbox.run([Program(text, ["Ada\n", "Bob"])])
    assert time.monotonic() - begun < 1.5
    assert (outcome.status, outcome.exit) == ("exited", 1)
    assert outcome.output.startswith("Ada\nagain\n")
    assert "never" not in outcome.output
    assert len(outcome.statements) > 10
    assert other.output.startswith("Bob\nagain\n")


def test_who_asks_a_few_times_too_often_goes_on(sandbox: Sandbox) -> None:
    text = """
import sys
for number in range(10):
    try:
        print(input())
    except EOFError:
        print(number)
sys.stdin.seek(0)
print(sys.stdin.read(), sys.stdin.read(), sys.stdin.readlines(), sys.stdin.mode)
"""
    ((outcome,),) = sandbox.run([Program(text, ["a\nb\n"])])
    assert (outcome.status, outcome.exit) == ("exited", 0)
    assert outcome.output == "a\nb\n" + "".join(f"{number}\n" for number in range(2, 10)) + "a\nb\n  [] r\n"


# Each is the program's end, by what the kernel does at its word.
ENDS = {
    "resource.setrlimit(resource.RLIMIT_CPU, (0, 0))": {-signal.SIGKILL, -signal.SIGXCPU},
    "resource.setrlimit(resource.RLIMIT_CPU, (0, 2))": {-signal.SIGXCPU},
    "signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(9)": {-signal.SIGALRM},
    "signal.setitimer(signal.ITIMER_PROF, 0.01)": {-signal.SIGPROF},
    "ctypes.string_at(0)": {-signal.SIGSEGV},
    "ctypes.CDLL(None).abort()": {-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGILL, -signal.SIGTRAP},
}


@pytest.mark.parametrize("act", ENDS)
def test_a_program_that_has_itself_killed_has_ended(act: str, sandbox: Sandbox) -> None:
    text = "import ctypes, resource, signal, sqlite3, time\nsqlite3.connect('x').execute('select 1')\n"
    text += f"print('said', flush=True)\n{act}\nwhile True: pass\n"
    begun = time.monotonic()
    ((outcome,),) = sandbox.run([Program(text, [""])])
    assert time.monotonic() - begun < 1.5
    assert outcome.status == "exited"
    assert outcome.exit in ENDS[act]
    assert outcome.output == "said\n"
    assert len(outcome.statements) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGXCPU, signal.SIGTERM, signal.SIGABRT])
@pytest.mark.turns
def test_without_a_sandbox_it_can_use_any_signal(number: int) -> None:
    sandbox = Sandbox("unsafe", slots=1)
    try:
        text = f"import os\nprint('said', flush=True)\nos.kill(os.getpid(), {number})"
        ((outcome,),) = sandbox.run([Program(text, [""])])
        assert (outcome.status, outcome.exit, outcome.output) == ("exited", -number, "said\n")
        ((outcome,),) = sandbox.run([Program("while True: pass", [""])])
        assert outcome.status == "timeout"
    finally:
        sandbox.close()
