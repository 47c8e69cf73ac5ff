"""A program's text is parsed in the trainer's process: none ends it, or takes long."""

import subprocess
import sys

import pytest

from paretune.tasks.safesql.parsing import parse

DEEP = {
    "brackets": '"(" * 100_000 + "1" + ")" * 100_000',
    "open brackets": '"(" * 100_000',
    "lists": '"[" * 199 + "]" * 199',
    "minus": '"-" * 100_000 + "1"',
    "not": '"not " * 100_000 + "1"',
    "lambda": '"lambda:" * 100_000 + "1"',
    "lambda in the limit of length": '"lambda:" * 2_800 + "1"',
    "plus": '"1" + "+1" * 100_000',
    "plus in the limit of length": '"1" + "+1" * 9_000',
    "power": '"1" + "**1" * 5_000',
    "attributes": '"a" + ".a" * 100_000',
    "calls": '"f" + "()" * 9_000',
    "subscripts": '"a" + "[0]" * 6_000',
    "else": '"1" + " if a else 1" * 100_000',
    "elif": '"if a:\\n pass\\n" + "elif a:\\n pass\\n" * 1_200',
    "comparisons": '"1" + "<1" * 9_000',
    "strings": "\"'a'\" * 6_000",
    "blocks": '"".join(" " * depth + "if a:\\n" for depth in range(150))',
    "assignments": '"a=" * 9_000 + "1"',
    # As deep as is parsed at all.
    "allowed minus": '"-" * 1_000 + "1"',
    "allowed not": '"not " * 1_000 + "1"',
    "allowed lambda": '"lambda:" * 500 + "1"',
    "allowed power": '"1" + "**1" * 500',
    "allowed plus": '"1" + "+1" * 1_000',
    "allowed attributes": '"a" + ".a" * 1_000',
    "allowed else": '"1" + " if a else 1" * 500',
    "allowed elif": '"if a:\\n pass\\n" + "elif a:\\n pass\\n" * 480',
    "allowed brackets": '"[{(" * 13 + "1" + ")}]" * 13',
    "allowed open brackets": '"[{(" * 13',
    "allowed comprehensions": '"[a for a in " * 39 + "b" + "]" * 39',
    "allowed calls": '"f(" * 39 + "input()" + ")" * 39',
    "allowed braces with colons": '"{a:" * 39',
    "allowed strings in strings": '"f\'{" * 39 + "}\'" * 39',
    "a long program": '"x = input()\\n" * 10_000',
    "a null character": '"a\\0b"',
    "a lone surrogate": "\"a = '\\ud800'\"",
    "a long number": '"a = " + "1" * 19_000',
    "a syntax error": '"if x"',
    "a bad escape": "\"a = '\\\\d'\"",
    "nothing": '""',
}


@pytest.mark.parametrize("stack", [256, 8192], ids=["small stack", "large stack"])
def test_no_program_ends_the_process_or_takes_long(stack: int) -> None:
    # In a process of its own: what is tested is that it survives, in a thread as small as musl and macOS make them.
    code = f"""
import threading, time, warnings
from paretune.tasks.safesql.attacks import unchosen
warnings.simplefilter("default")
def parse_all():
    for name, program in {{{", ".join(f"{name!r}: {text}" for name, text in DEEP.items())}}}.items():
        begun = time.process_time()
        unchosen(program, [])
        assert time.process_time() - begun < 2, name
    print("survived")
threading.stack_size({stack} * 1024)
thread = threading.Thread(target=parse_all)
thread.start()
thread.join()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout == "survived\n", run.stderr[-2000:]
    assert run.returncode == 0


def test_what_is_too_long_or_too_deep_is_not_parsed() -> None:
    assert parse("x = 1") is not None
    for program in ("x = 1\n" * 10_000, "(" * 50 + ")" * 50, "x = " + "-" * 2_000 + "1", "if x"):
        assert parse(program) is None
