import re
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.tasks.safesql.lexer import Kind, tokens

# Pieces that make interesting neighbours. A digit is never followed by "_": versions differ about 1_000.
PIECES = [
    *["'", "''", '"', "`", "[", "]", "--", "/*", "*/", "/", "*", "\n", " ", "\t", "\v", "\f", "\\", "%", "?", "?1"],
    *[":", "::", ":a", "@a", "$a", "$", "#1", "(", ")", "a", "select", "x'", "X'0f'", "x'0'", "0", "12", "1.5", ".5"],
    *[".", "1e", "1e5", "e-5", "0x1f", "0x", "->", "->>", "-", "<>", "<=", "<", "=", "==", "!", "!=", "|", "||", "&"],
    *["~", ";", ",", "é", "\ufeff", "漢", "€", "{", "}", "^"],
]
SQL = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def cut(sql):
    return [(token.kind, token.text) for token in tokens(sql) if token.kind is not Kind.SPACE]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("'it''s'", [(Kind.STRING, "'it''s'")]),
        ("'a\\' OR 1", [(Kind.STRING, "'a\\'"), (Kind.NAME, "OR"), (Kind.NUMBER, "1")]),
        ('"a""b"', [(Kind.DOUBLE_QUOTED, '"a""b"')]),
        ("`a`[b c]", [(Kind.QUOTED_NAME, "`a`"), (Kind.QUOTED_NAME, "[b c]")]),
        ("x'0F'X''", [(Kind.BLOB, "x'0F'"), (Kind.BLOB, "X''")]),
        ("x'0'1", [(Kind.ILLEGAL, "x'0'"), (Kind.NUMBER, "1")]),
        ("1 1.5 .5 1.e3 0xFf 2e-1", [(Kind.NUMBER, n) for n in ["1", "1.5", ".5", "1.e3", "0xFf", "2e-1"]]),
        ("12ab", [(Kind.ILLEGAL, "12ab")]),
        ("1e", [(Kind.ILLEGAL, "1e")]),
        ("? ?12 :a @a $a $a::b(c)", [(Kind.BIND, b) for b in ["?", "?12", ":a", "@a", "$a", "$a::b(c)"]]),
        ("a--b'\nc", [(Kind.NAME, "a"), (Kind.COMMENT, "--b'"), (Kind.NAME, "c")]),
        ("/*'*/a/*", [(Kind.COMMENT, "/*'*/"), (Kind.NAME, "a"), (Kind.OPERATOR, "/"), (Kind.OPERATOR, "*")]),
        ("a->>'$.b'", [(Kind.NAME, "a"), (Kind.OPERATOR, "->>"), (Kind.STRING, "'$.b'")]),
        ("-1", [(Kind.OPERATOR, "-"), (Kind.NUMBER, "1")]),
        ("größe$1", [(Kind.NAME, "größe$1")]),
    ],
)
def test_hand_cases(sql, expected):
    assert cut(sql) == expected


@pytest.mark.parametrize("sql", ["'a", "'a''", '"a', "`a", "[a", "/* a", "x'0", "$a(b"])
def test_what_does_not_end_runs_to_the_end_and_is_marked(sql):
    (token,) = tokens(sql)
    assert not token.closed


@pytest.mark.parametrize(
    "sql", ["'a'", "''", '"a"', "`a`", "[a]", "[]", "/* a */", "/**/", "-- a", "x'00'", "$a(b)", "a"]
)
def test_what_ends_is_not_marked(sql):
    (token,) = tokens(sql)
    assert token.closed


@given(st.one_of(SQL, st.text(max_size=60)))
def test_the_texts_of_the_tokens_give_the_input_back(sql):
    assert "".join(token.text for token in tokens(sql)) == sql


@settings(max_examples=200)
@given(SQL)
def test_the_engine_cuts_in_the_same_places(sql):
    rest = sql
    for token in tokens(sql):
        # Statements end at ";", and what follows is never looked at by one call.
        if token.text != ";" and token.kind not in (Kind.SPACE, Kind.COMMENT):
            refused = token.kind is Kind.ILLEGAL or not token.closed
            assert engine_first_token(rest) == ("unrecognized" if refused else "near", token.text)
        rest = rest[len(token.text) :]


@pytest.mark.parametrize(
    "sql", ["'" * 50_001, "/*" * 50_000, "(" * 100_000, "1" * 100_000 + "a", "$a(" + "b" * 100_000]
)
def test_long_texts_take_linear_time(sql):
    assert "".join(token.text for token in tokens(sql)) == sql


def engine_first_token(sql):
    """The first token of a text as SQLite names it: nothing may follow RELEASE and a name, so that it complains."""
    connection = sqlite3.connect(":memory:")
    with pytest.raises((sqlite3.Error, sqlite3.Warning)) as caught:
        connection.execute("RELEASE x/**/" + sql)
    connection.close()
    near = re.fullmatch(r'near "([\s\S]*)": syntax error', str(caught.value))
    if near:
        return "near", near.group(1)
    unrecognized = re.fullmatch(r'unrecognized token: "([\s\S]*)"', str(caught.value))
    return ("unrecognized", unrecognized.group(1)) if unrecognized else str(caught.value)
