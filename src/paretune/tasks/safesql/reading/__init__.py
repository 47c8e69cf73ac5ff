"""Injections found by reading a program: for paths that no run takes.

A menu option that no benign input chooses, or a question asked only when a first search found nothing, is not reached
by running the program. So its text is read: each input in turn is replaced by probes, texts that would break out of
any literal, and followed through assignments, string operations and the program's own functions into the statements
handed to sqlite3.

The answer is "unsafe" or nothing at all. It is "unsafe" only where the input reaches a statement through operations
that are known exactly, lands there outside a literal, and meets no check anywhere in the program: one
``x.isdigit()``, one ``x in COLUMNS``, one ``int(x)``, one earlier statement that looks it up, and the reading leaves
the decision to the runs. Scanners that flag every statement built from parts (bandit's B608 and its like) are of no
use here: they flag safe whitelists.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

from paretune.tasks.safesql.attacks import marks_for, payloads
from paretune.tasks.safesql.landing import breaks_out
from paretune.tasks.safesql.parsing import parse
from paretune.tasks.safesql.reading.expressions import SINKS
from paretune.tasks.safesql.reading.interpreter import Interpreter
from paretune.tasks.safesql.reading.values import PROBES, UNKNOWN, LostError, Text

__all__ = ["Splice", "find_splice"]

_NAMES_BY_TEXT = frozenset({"exec", "eval", "compile", "globals", "locals", "vars", "setattr", "__import__"})

_MOST_INPUTS = 12
_STEPS = 20_000
_SHAPES = ("{v}'{a}'{b}", '{v}"{a}"{b}', "{a}", "{m}+{n}")
assert len(_SHAPES) == PROBES


class Splice(NamedTuple):
    """An input that a program puts into a statement.

    Attributes:
        line: The line of the program that hands the statement to sqlite3.
        statement: The statement with a probe in place of the input.
    """

    line: int
    statement: str


def find_splice(program: str) -> Splice | None:
    """A place where a program certainly lets an input out of its literal; None where reading alone cannot say.

    Never raises: what cannot be parsed, is too long, too deeply nested or takes too many steps is None as well.
    """
    tree = parse(program)
    if tree is None:
        return None
    if any(map(_misleads, ast.walk(tree))):
        return None
    chosen = payloads(marks_for(program), "v", _SHAPES)
    probes = [payload for payload, _ in chosen]
    steps = _STEPS
    inputs = 0
    # The first pass follows no input and so cannot lose it: it counts them.
    for followed in range(-1, _MOST_INPUTS):
        if followed >= inputs:
            break
        interpreter = Interpreter(followed, probes, steps)
        try:
            interpreter.run(tree)
        except (LostError, RecursionError):
            interpreter.sinks.clear()
        steps = interpreter.steps
        inputs = max(inputs, interpreter.inputs)
        for line, text in interpreter.sinks:
            statement = _broken(text, chosen)
            if statement is not None:
                return Splice(line, statement)
    return None


def _misleads(node: ast.AST) -> bool:
    """Whether names may mean something else than they seem to: an execute of the program's own, or names by text."""
    if isinstance(node, ast.FunctionDef):
        return node.name in SINKS
    return isinstance(node, ast.Name) and node.id in _NAMES_BY_TEXT


def _broken(text: Text, probes: list[tuple[str, tuple[str, ...]]]) -> str | None:
    """The statement of a probe that breaks out, whatever stands in the parts of the text that are not known."""
    found = None
    for unknown in ("", "x", "'", '"') if UNKNOWN in text.spellings[0] else ("",):
        statements = [spelling.replace(UNKNOWN, unknown) for spelling in text.spellings]
        found = next(
            (
                statement
                for statement, (payload, marks) in zip(statements, probes, strict=True)
                if breaks_out(statement, payload, marks)
            ),
            None,
        )
        if found is None:
            return None
    return found
