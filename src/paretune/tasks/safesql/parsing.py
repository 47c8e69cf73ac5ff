"""Parsing programs that nobody vouches for, in the trainer's own process."""

from __future__ import annotations

import ast
import re
import warnings
from itertools import accumulate

# CPython's parser and its conversion of the tree recurse in C. A hundred thousand nested minus signs end in an
# exception where the stack is large, but threads may have small ones, and there they end the process. Longer or deeper
# programs than these are not parsed.
_LONGEST = 20_000
_DEEPEST_BRACKETS = 40
_MOST_NESTING = 1_000
_NESTING = re.compile(r"[-+~*/%@&|^.(\[{,:]|\b(?:not|lambda|else|elif|await|and|or|if)\b")
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}

# Warnings about a program's text, of escapes such as "\d" say, are nobody's concern. One filter for good, because
# setting filters for a while is not safe with threads.
_FILE = "<program>"
warnings.filterwarnings("ignore", module=_FILE)


def parse(program: str) -> ast.Module | None:
    """The syntax tree of a program; None if it has none, or is too long or too deep to be parsed safely."""
    if len(program) > _LONGEST or len(_NESTING.findall(program)) > _MOST_NESTING:
        return None
    if max(accumulate(_BRACKETS.get(character, 0) for character in program), default=0) > _DEEPEST_BRACKETS:
        return None
    try:
        return ast.parse(program, _FILE)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
