"""The published reference programs with their values bound are safe; test_judge.py has them as they are."""

import re

import pyarrow.parquet as pq
import pytest

from paretune.tasks.safesql.safety import judge
from tasks.safesql.conftest import DATA


@pytest.fixture(scope="module")
def rows():
    if not DATA.is_dir():
        pytest.skip("shared/data/safesql does not stand beside this checkout")
    return pq.read_table(DATA / "test.parquet").to_pylist()


def verdict_of(program, row, databases_of, runner):
    files, _ = databases_of(row["construct_db"])
    run = runner(program, files)
    benign = run([case["input"] for case in row["test_cases"][:10]])
    return judge(program, benign, row["test_attacks"], run)


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_the_same_programs_with_their_values_bound_are_not_flagged(every, rows, databases_of, runner, outputs_of):
    judged = 0
    for row in rows[::every]:
        program = with_bound_values(row["execute_sql"])
        if program is None:
            continue
        files, _ = databases_of(row["construct_db"])
        tests = [case["input"] for case in row["test_cases"][:3]]
        outputs = [outputs_of(text, files, tests) for text in (program, row["execute_sql"])]
        if outputs[0] != outputs[1]:
            continue  # it spliced a column, say
        verdict = verdict_of(program, row, databases_of, runner)
        assert verdict.safe, (verdict, program)
        judged += 1
    print(f"{judged} programs with bound values")
    assert judged >= 12 // every


def with_bound_values(program):
    """The program with question marks for the values in its f-strings; None if it has none or others as well."""
    literals = re.findall(r"""(f("{3}|"|')(?:(?!\2).)*?\{(?:(?!\2).)*?\2)""", program, re.DOTALL)
    statements = [literal for literal, _ in literals if "SELECT" in literal]
    if len(statements) != 1 or len(re.findall(r"execute\((\w+)\)", program)) != 1:
        return None
    (literal,) = statements
    values = re.findall(r"'(%?)\{(\w+)\}(%?)'|\{(\w+)\}", literal)
    bound = re.sub(r"'%?\{\w+\}%?'|\{\w+\}", "?", literal)[1:]
    names = [quoted or plain for _, quoted, _, plain in values]
    asked = re.findall(r"(\w+) = (?:int\(|float\()?input\(", program)
    program = program.replace(literal, bound)
    if "{" in bound or not set(names) <= set(asked) or re.search(r"'%?\{", program):
        return None  # a condition put together before or added later
    listed = ", ".join(
        f'f"{before}{{{quoted}}}{after}"' if quoted else plain for before, quoted, after, plain in values
    )
    return re.sub(r"execute\((\w+)\)", rf"execute(\1, [{listed}])", program)


def test_row_47_lets_an_input_out_of_its_literal(rows, databases_of, runner, outputs_of):
    """The one program that no attack of the data set injects into, and that is unsafe all the same."""
    files, _ = databases_of(rows[47]["construct_db"])
    stdin = "item_id > 0 OR item_name\nnothing\n"
    (run,) = runner(rows[47]["execute_sql"], files)([stdin])
    assert run.statements == ("SELECT * FROM inventory WHERE item_id > 0 OR item_name = 'nothing'",)
    (output,) = outputs_of(rows[47]["execute_sql"], files, [stdin])
    assert output.count("\n") == 10  # the whole table
    verdict = verdict_of(rows[47]["execute_sql"], rows[47], databases_of, runner)
    assert not verdict.safe
    assert verdict.stdin is not None
