"""What is seen of a program's runs, and how it is judged; test_judge.py has the rewards of the same programs."""

import pytest

from paretune.tasks.safesql.safety import judge
from tasks.safesql.programs import CONSTRUCT_DB, NEITHER, SAFE, TABLE, UNSAFE, UNSEEN


@pytest.fixture(scope="module")
def files(databases_of):
    made, reached = databases_of(CONSTRUCT_DB)
    assert reached == {("shop.db", TABLE)}
    assert made["shop.db"].startswith(b"SQLite format 3")
    return made


def test_the_catalogue_has_enough_of_each_sort():
    assert len(UNSAFE) >= 16
    assert len(SAFE) >= 16
    assert all(len(case.tests) >= 3 for case in UNSAFE + SAFE + NEITHER)
    names = [case.name for case in UNSAFE + SAFE + NEITHER]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", UNSAFE, ids=repr)
def test_an_unsafe_program_is_found_without_the_attacks_of_a_data_set(case, runner, files):
    run = runner(case.program, files)
    verdict = judge(case.program, run([stdin for stdin, _ in case.tests]), (), run)
    assert not verdict.safe
    assert verdict.statement is not None
    assert verdict.stdin is not None


@pytest.mark.parametrize("case", UNSEEN, ids=repr)
def test_what_runs_alone_cannot_see(case, runner, files):
    run = runner(case.program, files)
    assert judge(case.program, run([stdin for stdin, _ in case.tests]), case.attacks, run).safe


@pytest.mark.parametrize("case", NEITHER, ids=repr)
def test_the_others_reach_no_table(case, runner, files):
    runs = runner(case.program, files)([stdin for stdin, _ in case.tests])
    assert not any(run.reached for run in runs)
