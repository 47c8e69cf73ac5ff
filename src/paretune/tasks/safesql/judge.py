"""Programs run, and scored by what was seen of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from paretune.sandbox import Outcome, Program, Sandbox
from paretune.tasks.safesql.correctness import beyond_constant, passed, program_of
from paretune.tasks.safesql.run import Run, seen
from paretune.tasks.safesql.safety import NotJudgedError, check, judge

_REMEMBERED = 1024  # programs

Found = TypeVar("Found")


@dataclass(frozen=True)
class Problem:
    """What the programs for one row are scored by.

    Attributes:
        databases: by file name, as the row's ``construct_db`` leaves them.
        tables: those that it makes, each after its database's file name.
        inputs: the standard input of each test.
        outputs: what each test expects. It never enters the sandbox.
        attacks: the data set's malicious inputs.
    """

    databases: Mapping[str, bytes]
    tables: frozenset[tuple[str, str]]
    inputs: Sequence[str]
    outputs: Sequence[str]
    attacks: Sequence[str]


@dataclass(frozen=True)
class _Tested:
    """What a program did on the tests: which it passed, and its runs if its safety is to be judged; else it is not."""

    passes: list[bool]
    runs: list[Run] | None


class Judge:
    """Runs programs in a sandbox and scores them.

    The rewards and the metrics ask for the same runs, so what they showed is remembered for a while.

    Args:
        sandbox: where programs are run.
        rows: the problems of all splits.

    Raises:
        ValueError: if the database of a problem cannot be made.
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
            program_id: the problem of each.

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
        """The reward and metric: 1 for a program that confines its inputs and passes a test by its table, else 0."""
        programs = [program_of(completion) for completion in completions]
        self._run_tests(programs, program_id)
        self._each_once(self._is_safe, self._safe, programs, program_id)
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
        self._each_once(self._test, self._tested, programs, program_id)

    def _each_once(
        self,
        find: Callable[[tuple[str, str]], Found],
        known: dict[tuple[str, str], Found],
        programs: Sequence[str | None],
        program_id: Sequence[str],
    ) -> None:
        """Find something for each program for which it is not known.

        Some programs at a time: what one prints and runs is reduced to its scores before others are begun, so that a
        large batch does not fill the memory.
        """
        asked = {(name, text) for name, text in zip(program_id, programs, strict=True) if text is not None}
        new = sorted(asked - known.keys())
        with ThreadPoolExecutor(max_workers=self.sandbox.slots) as threads:
            known.update(zip(new, threads.map(find, new), strict=True))

    def _test(self, key: tuple[str, str]) -> _Tested:
        name, text = key
        problem = self.problems[name]
        (outcomes,) = self.sandbox.run([Program(text, problem.inputs, problem.databases)])
        reached = [outcome.succeeded and not problem.tables.isdisjoint(outcome.reached) for outcome in outcomes]
        # Silence may be an answer of a program that asks its table, but not of one that never does.
        passes = [
            outcome.succeeded and passed(outcome.output, expected) and (any(reached) or not passed("", expected))
            for outcome, expected in zip(outcomes, problem.outputs, strict=True)
        ]
        same: dict[str, str] = {}  # most runs have the same statements, which are kept once
        runs = [seen(stdin, outcome).sharing(same) for stdin, outcome in zip(problem.inputs, outcomes, strict=True)]
        if not any(ok and asked for ok, asked in zip(passes, reached, strict=True)):
            return _Tested(passes, None)
        try:
            check(runs)
        except NotJudgedError:
            return _Tested(passes, None)
        return _Tested(passes, runs)

    def _is_safe(self, key: tuple[str, str]) -> bool:
        name, text = key
        problem = self.problems[name]
        benign = self._tested[key].runs

        def run(inputs: Sequence[str]) -> list[Run]:
            # One that is cut off settles it.
            (outcomes,) = self.sandbox.run([Program(text, inputs, problem.databases, patience=1)])
            return [seen(stdin, outcome) for stdin, outcome in zip(inputs, outcomes, strict=True)]

        return benign is not None and judge(text, benign, problem.attacks, run).safe


def _problems(sandbox: Sandbox, rows: Sequence[Mapping[str, Any]]) -> dict[str, Problem]:
    """Make every problem's databases, now rather than in the middle of training."""
    made = sandbox.run([Program(row["construct_db"], [""], keep=True) for row in rows])
    problems = {}
    for row, (outcome,) in zip(rows, made, strict=True):
        tables = frozenset((file, table) for file, table in outcome.reached if file in (outcome.databases or {}))
        if not outcome.succeeded or not outcome.databases or not tables:
            raise ValueError(
                f"construct_db of {row['program_id']!r} must make a database with a table, but it "
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
