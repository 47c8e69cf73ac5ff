"""Programs run, and scored by what was seen of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from paretune.sandbox import Outcome, Program, Sandbox
from paretune.tasks.safesql.correctness import beyond_constant, passed, program_of
from paretune.tasks.safesql.run import Run
from paretune.tasks.safesql.safety import judge
from paretune.tasks.safesql.tables import created_tables

__all__ = ["Judge", "Problem"]

_REMEMBERED = 1024  # programs


@dataclass(frozen=True)
class Problem:
    """What the programs for one row are scored by.

    Attributes:
        databases: By file name, as the row's ``construct_db`` leaves them.
        tables: Those that it creates.
        inputs: The standard input of each test.
        outputs: What each test expects. It never enters the sandbox.
        attacks: The data set's malicious inputs.
    """

    databases: Mapping[str, bytes]
    tables: frozenset[str]
    inputs: Sequence[str]
    outputs: Sequence[str]
    attacks: Sequence[str]


@dataclass(frozen=True)
class _Tested:
    """What a program did on the tests: which it passed, and the statements it ran (outputs are not kept)."""

    passes: list[bool]
    runs: list[Run]


class Judge:
    """Runs programs in a sandbox and scores them.

    The rewards and the metrics ask for the same runs, so what they showed is remembered for a while.

    Args:
        sandbox: Where programs are run.
        rows: The problems of all splits.

    Raises:
        ValueError: If the database of a problem cannot be made.
    """

    def __init__(self, sandbox: Sandbox, rows: Iterable[Mapping[str, Any]]) -> None:
        self.sandbox = sandbox
        self.problems = _problems(sandbox, list(rows))
        self._tested: dict[tuple[str, str], _Tested] = {}
        self._safe: dict[tuple[str, str], bool] = {}

    def correctness(self, completions: Sequence[Any], program_id: Sequence[str], **_: Any) -> list[float]:
        """The reward: the share of tests passed, beyond what the best constant output earns; 0 without a program.

        Args:
            completions: N strings or chats.
            program_id: The problem of each.

        Returns:
            N numbers from 0 to 1, as :func:`beyond_constant` says.
        """
        passes = self._passes(completions, program_id)
        return [
            beyond_constant(own, self.problems[name].outputs) if own else 0.0
            for own, name in zip(passes, program_id, strict=True)
        ]

    def all_passed(self, completions: Sequence[Any], program_id: Sequence[str], **_: Any) -> list[float]:
        """The metric of correctness: 1 for a program that passes all tests, else 0."""
        return [float(all(own) and bool(own)) for own in self._passes(completions, program_id)]

    def safety(self, completions: Sequence[Any], program_id: Sequence[str], **_: Any) -> list[float]:
        """The reward and metric: 1 for a program that confines its inputs, passes a test and asks its table, else 0."""
        programs = [program_of(completion) for completion in completions]
        self._run_tests(programs, program_id)
        asked = {(name, text) for name, text in zip(program_id, programs, strict=True) if text is not None}
        new = sorted(asked - self._safe.keys())
        with ThreadPoolExecutor(max_workers=self.sandbox.slots) as threads:
            for key, safe in zip(new, threads.map(self._is_safe, new), strict=True):
                self._safe[key] = safe
        return [
            0.0 if text is None else float(self._safe[name, text])
            for name, text in zip(program_id, programs, strict=True)
        ]

    def _passes(self, completions: Sequence[Any], program_id: Sequence[str]) -> list[list[bool]]:
        """Whether each program passed each test; an empty list without a program."""
        programs = [program_of(completion) for completion in completions]
        self._run_tests(programs, program_id)
        return [
            [] if text is None else self._tested[name, text].passes
            for name, text in zip(program_id, programs, strict=True)
        ]

    def _run_tests(self, programs: Sequence[str | None], program_id: Sequence[str]) -> None:
        if len(self._tested) > _REMEMBERED:
            self._tested.clear()
            self._safe.clear()
        asked = {(name, text) for name, text in zip(program_id, programs, strict=True) if text is not None}
        new = sorted(asked - self._tested.keys())
        wanted = [Program(text, self.problems[name].inputs, self.problems[name].databases) for name, text in new]
        for key, program, outcomes in zip(new, wanted, self.sandbox.run(wanted), strict=True):
            # What a program said before it was stopped depends on when that was.
            passes = [
                outcome.status == "exited" and passed(outcome.output, expected)
                for outcome, expected in zip(outcomes, self.problems[key[0]].outputs, strict=True)
            ]
            runs = [run._replace(output="") for run in _seen(program.inputs, outcomes)]
            self._tested[key] = _Tested(passes, runs)

    def _is_safe(self, key: tuple[str, str]) -> bool:
        name, text = key
        problem = self.problems[name]

        def run(inputs: Sequence[str]) -> list[Run]:
            (outcomes,) = self.sandbox.run([Program(text, inputs, problem.databases)])
            return _seen(inputs, outcomes)

        tested = self._tested[key]
        if not any(tested.passes):
            return False
        return judge(text, tested.runs, problem.attacks, problem.tables, run).safe


def _problems(sandbox: Sandbox, rows: Sequence[Mapping[str, Any]]) -> dict[str, Problem]:
    """Make every problem's databases, now rather than in the middle of training."""
    made = sandbox.run([Program(row["construct_db"], [""], keep=True) for row in rows])
    problems = {}
    for row, (outcome,) in zip(rows, made, strict=True):
        tables = created_tables(statement.text for statement in outcome.statements)
        if not outcome.succeeded or not outcome.databases or not tables:
            raise ValueError(
                f"construct_db of {row['program_id']!r} should make a database with a table, but it "
                f"{_what_happened(outcome)}: mend it in the data."
            )
        problems[row["program_id"]] = Problem(
            outcome.databases, tables, row["test_inputs"], row["test_outputs"], row["test_attacks"]
        )
    return problems


def _what_happened(outcome: Outcome) -> str:
    if outcome.succeeded:
        return "made none"
    return f"ended with {outcome.exit}" if outcome.status == "exited" else f"ended by {outcome.status}"


def _seen(inputs: Sequence[str], outcomes: Sequence[Outcome]) -> list[Run]:
    return [
        Run(text, outcome.output, tuple(statement.text for statement in outcome.statements))
        for text, outcome in zip(inputs, outcomes, strict=True)
    ]
