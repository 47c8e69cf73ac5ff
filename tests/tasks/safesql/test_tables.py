import pytest

from paretune.tasks.safesql.tables import created_tables, reaches


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("CREATE TABLE items (a INTEGER)", {"items"}),
        ("create temp table if not exists Items(a)", {"items"}),
        ('CREATE TABLE "My Items" (a)', {"my items"}),
        ("CREATE TABLE [items] (a)", {"items"}),
        ("CREATE TABLE main.items (a)", {"items"}),
        ("CREATE /* x */ VIEW v AS SELECT 1", {"v"}),
        ("CREATE TABLE a (x); CREATE TABLE b (y)", {"a", "b"}),
        ("CREATE INDEX i ON items (a)", set()),
        ("INSERT INTO items VALUES ('CREATE TABLE x')", set()),
        ("CREATE TABLE", set()),
        ("CREATE", set()),
        ("CREATE TABLE IF", set()),
    ],
)
def test_the_tables_a_script_creates(statement, expected):
    assert created_tables([statement]) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM items",
        "select * from ITEMS where a = 1",
        'SELECT * FROM "items"',
        "SELECT * FROM [items]",
        "SELECT * FROM 'items'",
        "SELECT * FROM main.items",
        "SELECT * FROM other, items",
        "SELECT * FROM other JOIN items ON 1",
        "SELECT * FROM (SELECT * FROM (items))",
        "SELECT (SELECT COUNT(*) FROM/**/items)",
        "WITH x AS (SELECT * FROM items) SELECT 1",
        "INSERT INTO items VALUES (1)",
        "REPLACE INTO items VALUES (1)",
        "UPDATE items SET a = 1",
        "UPDATE OR IGNORE items SET a = 1",
        "DELETE FROM items",
    ],
)
def test_a_statement_that_reaches_a_table(statement):
    assert reaches(statement, {"items"})


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "SELECT 'items'",
        "SELECT 1 AS items",
        "SELECT 1 -- FROM items",
        "SELECT ' FROM items'",
        "SELECT name FROM sqlite_master WHERE name = 'items'",
        "SELECT name FROM sqlite_master WHERE name IN ('items', 'items')",
        "PRAGMA table_info(items)",
        "SELECT * FROM items_old",
        "SELECT 1, items",
        "items",
        ", items",
        "(items",
        "",
    ],
)
def test_a_statement_that_does_not(statement):
    assert not reaches(statement, {"items"})
