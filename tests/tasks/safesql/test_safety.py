"""How the pieces of the judgement are put together, with programs played by a function from an input to statements."""

import pytest

from paretune.tasks.safesql.run import Run
from paretune.tasks.safesql.safety import judge

BOUND = "SELECT * FROM items WHERE category = ?"
BENIGN_INPUTS = ["Tool\n", "Home\n", "Toys\n"]
ATTACKS = ["x' OR '1'='1", "x'; DROP TABLE items; --"]


class Played:
    """A run callback that notes what it was asked for."""

    def __init__(self, statements_of):
        self.statements_of = statements_of
        self.batches = []

    def __call__(self, inputs):
        self.batches.append(list(inputs))
        return [Run(stdin, "", tuple(self.statements_of(stdin))) for stdin in inputs]


def judged(statements_of, program="", attacks=ATTACKS):
    played = Played(statements_of)
    benign = played(BENIGN_INPUTS)
    played.batches.clear()
    return judge(program, benign, attacks, {"items"}, played), played.batches


def line(stdin):
    return stdin.split("\n")[0]


def test_a_program_that_binds_is_safe_after_two_calls_and_few_runs():
    verdict, batches = judged(lambda stdin: [BOUND])
    assert verdict.safe
    assert len(batches) == 2
    assert sum(map(len, batches)) <= 8 + 4 + len(ATTACKS)


def test_a_splice_is_found_in_the_first_call_which_is_small():
    verdict, batches = judged(lambda stdin: [f"SELECT * FROM items WHERE category = '{line(stdin)}'"])
    assert not verdict.safe
    assert len(batches) == 1
    assert len(batches[0]) == 2
    assert verdict.stdin in batches[0]
    assert line(verdict.stdin) in verdict.statement


def test_an_attack_of_the_data_set_is_compared_with_its_twin():
    # Only this one attack gets through, so that no marked one shows it.
    def program(stdin):
        if line(stdin) == ATTACKS[0]:
            return [f"SELECT * FROM items WHERE category = '{line(stdin)}'"]
        return [BOUND]

    verdict, batches = judged(program)
    assert not verdict.safe
    assert verdict.stdin == ATTACKS[0] + "\n"
    assert len(batches) == 3
    assert batches[2] == ["xxxORxx1xxx1\n"]


def test_a_branch_that_the_twin_takes_as_well_is_none_of_the_attacks_doing():
    def program(stdin):
        if "DROP" in stdin:
            return ["SELECT * FROM items WHERE category = ? ; DROP TABLE items -- as the input wishes"]
        return [BOUND]

    verdict, batches = judged(program)
    assert verdict.safe
    assert len(batches) <= 3


def test_the_same_attack_is_run_once():
    _, batches = judged(lambda stdin: [BOUND], attacks=[ATTACKS[0], ATTACKS[0], ATTACKS[0] + "\n"])
    assert [stdin for batch in batches for stdin in batch].count(ATTACKS[0] + "\n") == 1


def test_statements_that_fail_before_and_after_count():
    verdict, _ = judged(lambda stdin: [BOUND, f"SELECT {line(stdin)} FROM nothing", BOUND])
    assert not verdict.safe
    assert "FROM nothing" in verdict.statement


@pytest.mark.parametrize("statements", [[], ["SELECT 1"], ["SELECT 'items'"]])
def test_a_program_that_does_not_ask_its_table_is_not_even_run(statements):
    verdict, batches = judged(lambda stdin: statements)
    assert not verdict.safe
    assert batches == []


def test_programs_with_more_statements_than_can_be_judged_are_not_safe():
    verdict, _ = judged(lambda stdin: [BOUND] + [f"SELECT {'(' * i}1{')' * i} FROM items" for i in range(60)])
    assert "too many" in verdict.reason
    many = [f"SELECT {i} FROM items" for i in range(300)]
    verdict, _ = judged(lambda stdin: [BOUND] if stdin in BENIGN_INPUTS else many)
    assert "too many" in verdict.reason
    verdict, _ = judged(lambda stdin: [BOUND] * 10_000)
    assert verdict.safe


def test_the_verdict_is_the_same_each_time():
    def program(stdin):
        return [BOUND + (" AND price < ?" if "1" in stdin else "") + (" ORDER BY name" if "x" in stdin else "")]

    assert len({judged(program)[0] for _ in range(3)}) == 1
