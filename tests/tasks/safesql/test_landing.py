import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.tasks.safesql.landing import adds_structure, breaks_out, skeleton

WORDS = ("bcdf", "ghjk")
NUMBERS = ("4821", "7309")

# Templates with a hole, and what the hole is in.
IN_QUOTES = "SELECT * FROM t WHERE a = '{}' AND b = 'c'"
IN_DOUBLE_QUOTES = 'SELECT * FROM t WHERE a = "{}"'
BARE = "SELECT * FROM t WHERE a = {} AND b = 2"


@pytest.mark.parametrize(
    ("statement", "payload"),
    [
        (IN_QUOTES.format("v'bcdf'ghjk"), "v'bcdf'ghjk"),
        (IN_QUOTES.format("v\\'bcdf\\'ghjk"), "v'bcdf'ghjk"),  # escaped as SQLite does not
        (IN_QUOTES.format("vbcdf'ghjk"), "v'bcdf'ghjk"),  # the first quote taken out
        (IN_QUOTES.format("V'BCDF'GHJK"), "v'bcdf'ghjk"),
        ("SELECT * FROM t WHERE a LIKE '%v'bcdf'ghjk%'", "v'bcdf'ghjk"),
        (IN_DOUBLE_QUOTES.format('v"bcdf"ghjk'), 'v"bcdf"ghjk'),
        (IN_QUOTES.format("'bcdf"), "'bcdf"),
        (BARE.format("bcdf"), "bcdf"),
        ("SELECT bcdf FROM t", "bcdf"),
        ("SELECT * FROM bcdf", "bcdf"),
        ("SELECT * FROM t ORDER BY [bcdf]", "bcdf"),
        ("SELECT * FROM t ORDER BY `bcdf`", "bcdf"),
        ("SELECT * FROM t WHERE a = :bcdf", "bcdf"),
        ("SELECT * FROM t -- bcdf", "bcdf"),
        ("SELECT * FROM t /* bcdf */", "bcdf"),
        (BARE.format("2bcdf"), "2bcdf"),  # not even a number
        ("UPDATE t SET a = 1; bcdf", "x; bcdf"),
    ],
)
def test_a_mark_outside_a_literal_broke_out(statement, payload):
    assert breaks_out(statement, payload, WORDS)


@pytest.mark.parametrize(
    ("statement", "payload"),
    [
        (IN_QUOTES.format("v''bcdf''ghjk"), "v'bcdf'ghjk"),
        (IN_QUOTES.format("vbcdfghjk"), "v'bcdf'ghjk"),
        (IN_QUOTES.format("bcdf"), "bcdf"),
        (IN_QUOTES.format('v"bcdf"ghjk'), 'v"bcdf"ghjk'),
        (IN_DOUBLE_QUOTES.format("v'bcdf'ghjk"), "v'bcdf'ghjk"),
        ('SELECT "bcdf" FROM t', "bcdf"),
        ("SELECT * FROM t WHERE a = ?", "bcdf"),
        ("SELECT * FROM t WHERE a = 'V''BCDF''GHJK' OR b LIKE '%v''bcdf''ghjk%'", "v'bcdf'ghjk"),  # used twice
        ("SELECT * FROM t WHERE a IN ('bcdf','ghjk')", "bcdf,ghjk"),
        ("SELECT * FROM t WHERE a IN ('bcdf', 'ghjk')", "bcdf ghjk"),
        ("SELECT * FROM t WHERE a = '-- bcdf'", "bcdf"),
        ("SELECT * FROM t WHERE a = x'00'", "bcdf"),
    ],
)
def test_marks_inside_literals_are_confined(statement, payload):
    assert not breaks_out(statement, payload, WORDS)


@pytest.mark.parametrize("operator", [" OR ", "+", " UNION SELECT ", " ", "=", "||", ";", " AND 1="])
def test_two_numbers_with_what_stood_between_them_broke_out(operator):
    payload = operator.join(NUMBERS)
    assert breaks_out(BARE.format(payload), payload, NUMBERS)


def test_what_a_program_takes_out_between_two_numbers_does_not_hide_them():
    assert breaks_out(BARE.format("4821  7309"), "4821 OR 7309", NUMBERS)
    assert breaks_out(BARE.format("4821OR7309"), "4821 OR 7309", NUMBERS)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM t WHERE a IN (4821, 7309)",
        "SELECT * FROM t WHERE a BETWEEN 4821 AND 7309",
        "SELECT * FROM t WHERE a = 4821 OR a = 7309",
        "SELECT * FROM t WHERE a = 48217309",
        "SELECT * FROM t WHERE a = -4821",
        "SELECT * FROM t WHERE a = '4821 OR 7309'",
        "SELECT * FROM t WHERE a = 7309 OR a = 4821",
    ],
)
def test_numbers_picked_out_of_a_payload_are_confined(statement):
    assert not breaks_out(statement, "4821 OR 7309", NUMBERS)


@given(st.text(alphabet="'\"\\ab;- %[]`*/?:x\n", max_size=12), st.text(alphabet="'\"\\ab;- %", max_size=6))
def test_sqlites_own_escaping_confines_any_input_and_a_bare_splice_none(before, after):
    payload = f"{before}bcdf{after}ghjk"
    escaped = payload.replace("'", "''")
    assert not breaks_out(IN_QUOTES.format(escaped), payload, WORDS)
    # A bare name in front makes sure that the input does not open a literal of its own.
    assert breaks_out(BARE.format("bcdf " + before), "bcdf " + before, WORDS)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT a FROM t WHERE b = 'c'", "select A from T where B='d''e'", True),
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = -2.5e3", True),
        ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT -1", True),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 2", "SELECT a FROM t WHERE b BETWEEN -1 AND +2", True),
        ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (-1)", True),
        ("SELECT a FROM t WHERE b = ?", "SELECT a FROM t WHERE b = :b", True),
        ("SELECT a FROM t WHERE b = c - 1", "SELECT a FROM t WHERE b = c", False),
        ("SELECT a FROM t WHERE b = 5 - 1", "SELECT a FROM t WHERE b = 5", False),
        ("SELECT a FROM t WHERE b = 'c'", "SELECT a FROM t WHERE b = 'c", False),
        ("SELECT a FROM t", "SELECT a FROM t -- b", False),
        ("SELECT comment FROM t", "SELECT literal FROM t", False),
    ],
)
def test_a_skeleton_leaves_values_out_and_nothing_else(one, other, same):
    assert (skeleton(one) == skeleton(other)) is same


KNOWN = [skeleton("SELECT * FROM t WHERE a = 'Tool' ORDER BY name"), skeleton("SELECT * FROM t WHERE a = 'b'")]


@pytest.mark.parametrize(
    ("attack", "statement"),
    [
        ("x' OR '1'='1", "SELECT * FROM t WHERE a = 'x' OR '1'='1'"),
        ("x' OR 1=1 --", "SELECT * FROM t WHERE a = 'x' OR 1=1 --'"),
        ("x' --", "SELECT * FROM t WHERE a = 'x' --'"),
        ("x'", "SELECT * FROM t WHERE a = 'x''"),
        ("x'; DROP TABLE t; --", "SELECT * FROM t WHERE a = 'x' DROP TABLE t --'"),  # ";" taken out
        ("x' UNION SELECT 1, sql FROM s --", "SELECT * FROM t WHERE a = 'x' UNION SELECT 1, sql FROM s --'"),
        ("b\nx') OR ('a'='a", "SELECT * FROM t WHERE a = 'x') OR ('a'='a'"),
        ('x\' or "a"="a', "SELECT * FROM t WHERE a = 'x' or \"a\"=\"a'"),
    ],
)
def test_structure_out_of_the_attack_is_an_injection(attack, statement):
    assert adds_structure(statement, KNOWN, attack)
    assert not adds_structure(statement, [*KNOWN, skeleton(statement)], attack)


def test_an_input_that_is_the_whole_statement_is_an_injection():
    assert adds_structure("SELECT sql FROM sqlite_master", [], "SELECT sql FROM sqlite_master\n")


@pytest.mark.parametrize(
    ("attack", "statement"),
    [
        ("x' AND price >= 0 OR 'a", "SELECT * FROM t WHERE a = ? AND price >= ?"),  # a filter of the program's
        ("1, 2, 3", "SELECT * FROM t WHERE a IN (1, 2, 3)"),
        ("a, b' OR 1=1 --", "SELECT * FROM t WHERE a IN ('a', 'b'' OR 1=1 --')"),
        ("?, ?) OR (?", "SELECT * FROM t WHERE a IN (?, ?)"),
        ("price\nx' OR 1=1", "SELECT * FROM t WHERE a = 'b' ORDER BY price"),  # a whitelisted column
        ("price\nDESC\nx' OR 1=1", "SELECT * FROM t WHERE a = 'b' ORDER BY price DESC"),
        ("x' OR '1'='1", "SELECT * FROM t WHERE a = 'x'' OR ''1''=''1'"),
        ("-1", "SELECT * FROM t WHERE a = -1"),
        ("x'", "INSERT INTO log VALUES (?)"),
    ],
)
def test_structure_of_the_programs_own_is_none(attack, statement):
    assert not adds_structure(statement, KNOWN, attack)


def test_injections_into_two_places_are_found():
    known = [skeleton("SELECT * FROM t WHERE a = 'x' AND b = 'y' ORDER BY name LIMIT 5")]
    attack = "x' OR '1'='1"
    statement = f"SELECT * FROM t WHERE a = '{attack}' AND b = '{attack}' ORDER BY name LIMIT 5"
    assert adds_structure(statement, known, attack + "\n")
    # One of them beside a column of the program's own choice.
    assert adds_structure(statement.replace("name", "price"), known, f"price\n{attack}\n")


HOSTILE = {
    "random tokens": lambda: " ".join(
        random.Random(1).choices(["a", "b", "(", ")", ",", "+", "1", "'x'", "?"], k=20_000)
    ),
    "plus signs": lambda: "SELECT " + "+" * 40_000,
    "signed numbers": lambda: "SELECT 1" + "+1-1" * 20_000,
    "open brackets": lambda: "SELECT " + "(" * 40_000,
    "quotes": lambda: "SELECT " + "'" * 40_001,
    "comments": lambda: "/*" * 40_000,
    "dashes": lambda: "- " * 40_000,
    "variables": lambda: "@a::b" * 20_000,
    "the mark again and again": lambda: "SELECT " + ",".join(["'4821'"] * 20_000),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.turns
def test_the_time_grows_with_the_length_alone(name):
    statement = HOSTILE[name]()
    tokens_ = re.findall(r"\S+", statement)
    known = [skeleton(" ".join(tokens_[start::3])) for start in range(3)]
    begun = time.process_time()
    adds_structure(statement, known, statement[:300])
    breaks_out(statement, "4821 OR 7309", NUMBERS)
    assert time.process_time() - begun < 10.0  # one where the machine is idle
