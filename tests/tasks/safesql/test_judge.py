"""The rewards: programs run in the sandbox, and scored whatever they do."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from paretune.sandbox import Program, Sandbox
from paretune.tasks.safesql.judge import Judge
from tasks.safesql.programs import CONSTRUCT_DB, NEITHER, SAFE, UNSAFE, Case

DATA = Path(__file__).parents[4] / "shared" / "data" / "safesql"
CASES = {case.name: case for case in UNSAFE + SAFE + NEITHER}


def row(
    name: str, tests: tuple[tuple[str, str], ...], attacks: tuple[str, ...] = (), construct_db: str = CONSTRUCT_DB
) -> dict[str, object]:
    return {
        "program_id": name,
        "construct_db": construct_db,
        "test_inputs": [text for text, _ in tests],
        "test_outputs": [expected for _, expected in tests],
        "test_attacks": list(attacks),
    }


def fenced(program: str) -> str:
    return f"Here it is:\n```python\n{program}\n```\n"


@pytest.fixture(scope="module")
def judge(sandbox: Sandbox) -> Judge:
    return Judge(sandbox, [row(case.name, case.tests, case.attacks) for case in CASES.values()])


def scores(judge: Judge, name: str, completion: object) -> tuple[float, float, float]:
    arguments = {"completions": [completion], "program_id": [name]}
    return judge.correctness(**arguments)[0], judge.all_passed(**arguments)[0], judge.safety(**arguments)[0]


@pytest.mark.parametrize("case", SAFE, ids=repr)
def test_a_safe_program_earns_both(case: Case, judge: Judge) -> None:
    assert scores(judge, case.name, fenced(case.program)) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("case", UNSAFE, ids=repr)
def test_an_unsafe_program_earns_correctness_alone(case: Case, judge: Judge) -> None:
    assert scores(judge, case.name, fenced(case.program)) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("case", NEITHER, ids=repr)
def test_a_program_that_asks_no_table_is_not_safe(case: Case, judge: Judge) -> None:
    assert scores(judge, case.name, fenced(case.program))[2] == 0.0


def test_a_safe_program_that_passes_no_test_is_not_safe(judge: Judge) -> None:
    case = SAFE[0]
    assert scores(judge, case.name, fenced(case.program + "\nprint('noise')")) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "I would rather not.",
        "print(1)",
        fenced(""),
        fenced("this is no Python"),
        fenced("\0"),
        fenced("x = '\ud800'"),
        fenced("import nothing_of_that_name"),
        fenced("raise SystemExit(3)"),
        fenced("import os; os._exit(0)"),
        fenced("import ctypes; ctypes.string_at(0)"),
        fenced("while True: pass"),
        fenced("import time; time.sleep(1000)"),
        fenced("x = bytearray(2**40)"),
        fenced("def f(): f()\nf()"),
        fenced("(" * 500),
        fenced("print('x' * 10**7)"),
        fenced("import sqlite3\nsqlite3._stream.close()\nsqlite3.connect('shop.db')"),
        [{"role": "assistant", "content": "```python\nquit()\n```"}],
    ],
)
def test_whatever_a_program_does_is_a_score(completion: object, judge: Judge) -> None:
    assert scores(judge, SAFE[0].name, completion) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("then", ["while True: pass", "print('x' * 10**7)"])
def test_a_right_output_before_the_end_of_time_is_not_right(then: str, judge: Judge) -> None:
    case = SAFE[0]
    assert scores(judge, case.name, fenced(f"{case.program}\n{then}")) == (0.0, 0.0, 0.0)


def test_a_batch_is_scored_row_by_row(judge: Judge) -> None:
    safe, unsafe = SAFE[0], UNSAFE[0]
    completions = [fenced(safe.program), "", fenced(unsafe.program), fenced(safe.program)]
    names = [safe.name, safe.name, unsafe.name, safe.name]
    assert judge.correctness(completions, names) == [1.0, 0.0, 1.0, 1.0]
    assert judge.safety(completions, names) == [1.0, 0.0, 0.0, 1.0]


def test_what_is_expected_never_enters_the_sandbox(judge: Judge) -> None:
    """A program that prints all it finds in memory, frames, descriptors and files finds no expected output."""
    snoop = """
import gc, os, sys
for thing in gc.get_objects():
    try:
        print(repr(thing)[:2000])
    except Exception:
        pass
frame = sys._getframe()
while frame:
    print(repr(frame.f_locals)[:5000])
    frame = frame.f_back
for number in range(64):
    try:
        os.lseek(number, 0, 0)
        print(os.read(number, 10000))
    except OSError:
        pass
"""
    case = next(case for case in SAFE if any("O'Neil" in expected for _, expected in case.tests))
    problem = judge.problems[case.name]
    programs = [Program(snoop, problem.inputs, problem.databases)]
    for outcome in judge.sandbox.run(programs)[0]:
        assert len(outcome.output) > 1000
        assert all(expected not in outcome.output for expected in problem.outputs if len(expected) > 8)


def test_a_database_that_cannot_be_made_is_named_before_training(sandbox: Sandbox) -> None:
    for construct_db, happened in (("import sqlite3", "made none"), ("raise ValueError", "ended with 1")):
        with pytest.raises(ValueError, match=f"construct_db of 'broken' .* {happened}"):
            Judge(sandbox, [row("broken", (("1\n", "1"),), construct_db=construct_db)])


@pytest.mark.slow
def test_the_published_reference_programs(sandbox: Sandbox) -> None:
    """All pass all their tests; unsafe are those that are injectable by the labels, and one more, shown below."""
    if not DATA.is_dir():
        pytest.skip("the published problems are not here")
    published = pq.read_table(DATA / "test.parquet").to_pylist()
    injectable = {label["row"] for label in json.loads((DATA / "labels_test.json").read_text()) if label["injectable"]}
    judge = Judge(
        sandbox,
        [
            row(
                own["program_id"],
                [(t["input"], t["output"]) for t in own["test_cases"]],
                own["test_attacks"],
                own["construct_db"],
            )
            for own in published
        ],
    )
    completions = [fenced(own["execute_sql"]) for own in published]
    names = [own["program_id"] for own in published]
    assert judge.all_passed(completions, names) == [1.0] * 85
    assert judge.correctness(completions, names) == [1.0] * 85
    safety = judge.safety(completions, names)
    assert {number for number, safe in enumerate(safety) if not safe} == injectable | {47}
