"""What is seen of one run of a program."""

from __future__ import annotations

from typing import NamedTuple

from paretune.sandbox import Outcome


class Run(NamedTuple):
    """One run of a program on one standard input.

    Attributes:
        stdin: the whole standard input: one line for each ``input()``.
        statements: the different texts handed to execute, executemany and executescript, in order and before values
            are bound; those that failed are among them.
        exit: the exit status, or minus the signal. None for a run that was cut off or never begun: nobody knows what
            it would have done.
        reached: the tables that statements reached, each after its database's file name.
    """

    stdin: str
    statements: tuple[str, ...]
    exit: int | None = 0
    reached: frozenset[tuple[str, str]] = frozenset()

    def sharing(self, same: dict[str, str]) -> Run:
        """The run with statements that stand in `same` already, where they do; those that do not are put there."""
        return self._replace(statements=tuple(same.setdefault(statement, statement) for statement in self.statements))


def seen(stdin: str, outcome: Outcome) -> Run:
    """A run as the sandbox tells it."""
    return Run(
        stdin,
        tuple(dict.fromkeys(outcome.statements)),
        outcome.exit if outcome.status == "exited" else None,
        outcome.reached,
    )
