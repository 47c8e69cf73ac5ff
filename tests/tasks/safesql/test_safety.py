"""How the pieces of the judgement are put together, with programs played by a function from an input to statements."""

import random
import time

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
        return [Run(stdin, tuple(dict.fromkeys(self.statements_of(stdin)))) for stdin in inputs]


def judged(statements_of, program="", attacks=ATTACKS):
    played = Played(statements_of)
    benign = played(BENIGN_INPUTS)
    played.batches.clear()
    return judge(program, benign, attacks, played), played.batches


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


@pytest.mark.parametrize(
    "statements",
    [
        [f"SELECT {i} FROM items" for i in range(31)],
        ["SELECT " + "1" * 5_000],
        [f"SELECT '{str(i) * 99}'" for i in range(10, 40)],
    ],
    ids=["statements", "one that is long", "characters"],
)
def test_programs_with_more_than_can_be_judged_are_not_safe(statements):
    verdict, batches = judged(lambda stdin: [BOUND, *statements])
    assert not verdict.safe
    assert "too many to judge" in verdict.reason
    assert batches == []
    verdict, _ = judged(lambda stdin: [BOUND] if stdin in BENIGN_INPUTS else statements)
    assert "too many to judge" in verdict.reason
    assert judged(lambda stdin: [BOUND] * 10_000)[0].safe


@pytest.mark.parametrize(
    "statement_of",
    [
        lambda number: f"SELECT '{number}{'x' * 4_000}'",
        lambda number: f"SELECT {'(' * number}1{')' * number} FROM items",
        lambda number: "SELECT " + "+" * (400 + number),
    ],
    ids=["characters", "structures", "tokens"],
)
def test_harmless_inputs_together_have_a_bound_too(statement_of):
    runs = [Run(f"{number}\n", (statement_of(number),)) for number in range(60)]
    assert "too many to judge" in judge("", runs, ATTACKS, lambda inputs: []).reason


def test_the_most_that_is_judged_takes_little_time():
    random_ = random.Random(0)
    parts = ["a", "b", "c", "(", ")", ",", "+", "-", "*", "1", "=", "<", ">", "."]
    known = [" ".join(random_.choices(parts, k=100)) for _ in range(49)]
    benign = [Run(f"Tool{number}\nx\ny\n", (known[number % 49],)) for number in range(60)]
    attacks = [f"x' OR 1=1 -- {number}\n" for number in range(14)]

    def run(inputs):
        return [Run(stdin, tuple(" ".join(random_.choices(parts, k=83)) for _ in range(30))) for stdin in inputs]

    begun = time.process_time()
    assert judge("", benign, attacks, run).reason == "no attack left its literal"
    assert time.process_time() - begun < 10.0  # two where the machine is idle


@pytest.mark.parametrize("what", ["marked", "of the data set", "harmless", "a twin", "a choice"])
def test_what_was_not_run_to_its_end_is_not_safe(what):
    inside = {"of the data set": "DROP", "a twin": "xxxDROPx", "a choice": "Secret"}.get(what)

    def run(inputs):
        return [
            Run(
                stdin,
                (BOUND,) if "'; DROP" not in stdin else (BOUND + "; DROP TABLE items; --",),
                None if (inside in stdin if inside else not benign) else 0,
            )
            for stdin in inputs
        ]

    benign = what != "harmless"
    runs = run(BENIGN_INPUTS)
    benign = what != "marked"
    program = "x = input()\nif x == 'Secret': pass"
    verdict = judge(program, runs, ATTACKS, run)
    assert not verdict.safe
    assert "not run to its end" in verdict.reason
    assert verdict.stdin is not None


def test_the_verdict_is_the_same_each_time():
    def program(stdin):
        return [BOUND + (" AND price < ?" if "1" in stdin else "") + (" ORDER BY name" if "x" in stdin else "")]

    assert len({judged(program)[0] for _ in range(3)}) == 1
