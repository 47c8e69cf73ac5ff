"""What is seen of one run of a program."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Run"]


class Run(NamedTuple):
    """One run of a program on one standard input.

    Attributes:
        stdin: The whole standard input: one line for each ``input()``.
        output: What the program printed, the prompts of ``input()`` left out.
        statements: The texts handed to execute, executemany and executescript, in order and before values are bound;
            those that failed are among them.
    """

    stdin: str
    output: str
    statements: tuple[str, ...]
