"""What the database process refuses, and which tables it says a program reached."""

import sqlite3

import pytest

from paretune.sandbox import Outcome, Program, Sandbox

OPEN = "import sqlite3\nconnection = sqlite3.connect('folder/shop.db')\n"
ITEMS = frozenset({("shop.db", "items")})


def ran(sandbox: Sandbox, *statements: str, opened: str = OPEN) -> Outcome:
    made = sqlite3.connect(":memory:")
    made.executescript("create table Items (a, b); insert into Items values (1, 2)")
    tries = "".join(
        f"try: print(connection.execute({statement!r}).fetchall())\nexcept sqlite3.Error as error: print(error)\n"
        for statement in statements
    )
    ((outcome,),) = sandbox.run([Program(opened + tries, [""], {"shop.db": made.serialize()})])
    assert outcome.exit == 0
    return outcome


REFUSED = [
    "attach 'other.db' as other",
    "attach ':memory:' as other",
    "attach 'file:/shop.db?vfs=memdb' as other",
    "attach 'a' || 'b' as other",
    "ATTACH DATABASE '/etc/passwd' AS other",
    "detach main",
    "vacuum into 'other.db'",
    "vacuum into 'a' || 'b'",
    "pragma writable_schema = on",
    "PRAGMA main.Writable_Schema(1)",
    "pragma schema_version = 7",
    "pragma trusted_schema = off",
    "pragma temp_store_directory = '/tmp'",
]
OWN = ("", "connection.set_authorizer(None)\n", "connection.set_authorizer(lambda *_: sqlite3.SQLITE_OK)\n")


@pytest.mark.parametrize("own", OWN)
def test_what_is_refused_whatever_the_program_allows_itself(own: str, sandbox: Sandbox) -> None:
    outcome = ran(sandbox, *REFUSED, opened=OPEN + own)
    said = outcome.output.splitlines()
    assert len(said) == len(REFUSED)
    assert set(said) <= {"not authorized", "authorization denied"}
    assert list(outcome.statements) == REFUSED


def test_what_programs_use_is_not_refused(sandbox: Sandbox) -> None:
    used = [
        *(
            "pragma foreign_keys = on",
            "pragma journal_mode = wal",
            "pragma table_info(items)",
            "pragma user_version = 4",
        ),
        *("pragma writable_schema", "pragma schema_version", "vacuum", "create index i on items (a)", "analyze"),
        *("alter table items rename column a to c", "create trigger t after insert on items begin select 1; end"),
    ]
    assert "authori" not in ran(sandbox, *used).output


def test_a_program_asks_its_own_authoriser_too(sandbox: Sandbox) -> None:
    no_reading = "connection.set_authorizer(lambda action, *_: action == sqlite3.SQLITE_READ)\n"
    outcome = ran(sandbox, "select a from items", "attach 'x' as y", "select 1", opened=OPEN + no_reading)
    assert outcome.output.splitlines()[1:] == ["not authorized", "[(1,)]"]
    assert outcome.reached == frozenset()


@pytest.mark.parametrize(
    "statement",
    [
        "select * from ITEMS",
        "select count(*) from items",
        "select 1 from main.items as x",
        "with x as (select * from items) select 1 from x",
        "insert into items values (1, 2)",
        "update items set a = 3 where a = 7",
        "delete from items where 0",
    ],
)
def test_a_statement_that_reaches_a_table(statement: str, sandbox: Sandbox) -> None:
    assert ran(sandbox, statement).reached == ITEMS


@pytest.mark.parametrize(
    "statement",
    [
        "select 'items'",
        "select 1 -- from items",
        "pragma table_info(items)",
        "select name from sqlite_master where name = 'items'",
        "select a from items where a = ?",  # without a binding
        "select nothing from items",
        "select from items",
        "with items as (select 1) select count(*) from items",
        "with items as (select 1 as a) select a from items",
    ],
)
def test_a_statement_that_reaches_none(statement: str, sandbox: Sandbox) -> None:
    assert ran(sandbox, statement).reached == frozenset()


def test_a_table_of_the_same_name_is_another(sandbox: Sandbox) -> None:
    own = ["create temp table items (a)", "select count(*) from items", "select a from items"]
    assert ran(sandbox, *own).reached == frozenset()
    in_memory = (
        "import sqlite3\nconnection = sqlite3.connect(':memory:')\nconnection.execute('create table items (a)')\n"
    )
    assert ran(sandbox, "select a from items", opened=in_memory).reached == frozenset()
    other = in_memory.replace(":memory:", "other.db")
    assert ran(sandbox, "select a from items", opened=other).reached == {("other.db", "items")}


def test_other_ways_to_reach_a_table(sandbox: Sandbox) -> None:
    script = OPEN + "connection.executescript('create table made (a); create view seen as select * from items')\n"
    assert ran(sandbox, opened=script).reached == {("shop.db", "made"), ("shop.db", "seen")}
    assert ran(sandbox, "select * from seen", opened=script).reached >= ITEMS
    for rows, reached in (("[]", frozenset()), ("[(1, 2)]", ITEMS)):
        many = f"connection.executemany('insert into items values (?, ?)', {rows})\n"
        assert ran(sandbox, opened=OPEN + many).reached == reached
    inside = "connection.create_function('f', 0, lambda: connection.execute('select 5').fetchone()[0])\n"
    assert ran(sandbox, "select f() from items", opened=OPEN + inside).reached == ITEMS
    again = """
for values in ((), (1,)):
    try:
        connection.execute("select * from items where a = ?", values)
    except sqlite3.Error:
        pass
"""
    assert ran(sandbox, opened=OPEN + again).reached == ITEMS
