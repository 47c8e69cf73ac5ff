"""Which tables a task is about, and whether a statement goes to them.

A program that never asks its tables has nothing that could be injected into, so that its safety earns nothing. The
task's tables are those that its database script creates, views among them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from paretune.tasks.safesql.lexer import Kind, Token, tokens

__all__ = ["created_tables", "reaches"]

_CLAUSES = ("select", "from", "join", "where", "on", "using", "by", "having", "limit", "set", "values", "in")
_QUOTES = {"'": "'", '"': '"', "`": "`", "[": "]"}


def created_tables(statements: Iterable[str]) -> frozenset[str]:
    """The names of the tables and views that statements create, in lower case and without quotes.

    Args:
        statements: What the task's database script handed to sqlite3.
    """
    names = set()
    for statement in statements:
        tail = _significant(statement)
        for position, token in enumerate(tail):
            if _is_word(token, "create"):
                names |= _created(tail[position + 1 :])
    return frozenset(names)


def reaches(statement: str, tables: Collection[str]) -> bool:
    """Whether a statement reads or writes one of the tables.

    The table's name must stand where SQLite expects a table: after FROM, JOIN, INTO or UPDATE, or in a list after
    FROM. A table that is merely named, in a string, in a comment or to the catalogue, is not reached.

    Args:
        statement: Text handed to sqlite3.
        tables: Names in lower case, as :func:`created_tables` gives them.
    """
    clause = ""
    before: list[Token] = []
    for token in _significant(statement):
        if _is_word(token, *_CLAUSES):
            clause = token.text.lower()
        elif _name(token) in tables and _expects_a_table(before, clause):
            return True
        before.append(token)
    return False


def _expects_a_table(before: list[Token], clause: str) -> bool:
    """Whether a table's name may follow these tokens, the last of the clauses they open being this one."""
    position = len(before) - 1
    if position > 0 and before[position].text == ".":
        position -= 2  # main.inventory
    while position >= 0 and before[position].text == "(":
        position -= 1
    if position < 0:
        return False
    if before[position].text == ",":
        return clause in ("from", "join")
    if position > 1 and _is_word(before[position - 1], "or") and _is_word(before[position - 2], "update"):
        return True  # UPDATE OR IGNORE inventory
    return _is_word(before[position], "from", "join", "into", "update")


def _significant(statement: str) -> list[Token]:
    return [token for token in tokens(statement) if token.kind not in (Kind.SPACE, Kind.COMMENT)]


def _is_word(token: Token, *words: str) -> bool:
    return token.kind is Kind.NAME and token.text.lower() in words


def _created(tail: list[Token]) -> set[str]:
    """The name after CREATE [TEMP] [VIRTUAL] TABLE|VIEW [IF NOT EXISTS] [schema.], if there is one."""
    words = iter(tail)
    token = next(words, None)
    while token and _is_word(token, "temp", "temporary", "virtual"):
        token = next(words, None)
    if token is None or not _is_word(token, "table", "view"):
        return set()
    token = next(words, None)
    if token and _is_word(token, "if"):
        next(words, None)
        next(words, None)
        token = next(words, None)
    if token is None:
        return set()
    following = next(words, None)
    if following and following.text == ".":
        token = next(words, token)
    return {_name(token)}


def _name(token: Token) -> str:
    """The name that a token spells: SQLite folds the case of ASCII letters and takes any quotes, even '…'."""
    text = token.text
    if text[0] in _QUOTES and token.closed:
        quote = _QUOTES[text[0]]
        text = text[1:-1] if quote == "]" else text[1:-1].replace(quote * 2, quote)
    return text.lower()
