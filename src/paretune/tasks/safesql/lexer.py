r"""The tokens of an SQL text as SQLite's own tokenizer sees them (tokenize.c, version 3.40).

Whether an input stayed inside a literal is a question about tokens, and a judge that cuts the text otherwise than the
engine does has a hole. sqlglot raises on unterminated text, which attacks produce; sqlparse takes a backslash for an
escape, which SQLite does not: ``'a\' OR 1 --'`` is a literal to it and an injection to the engine. So paretune has a
small lexer of its own, tested against the engine token by token.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a token is."""

    SPACE = "white space, or a byte order mark"
    COMMENT = "-- to the end of the line, or /* */"
    STRING = "'…'"
    DOUBLE_QUOTED = '"…", a name, or a string where no such name is known'
    QUOTED_NAME = "`…` or […]"
    BLOB = "x'…'"
    NUMBER = "an integer, a hexadecimal integer or a float"
    NAME = "an identifier or a keyword"
    BIND = "? ?1 :a @a $a"
    OPERATOR = "an operator or punctuation"
    ILLEGAL = "what the tokenizer refuses, such as 12ab, a backslash or x'1'"


class Token(NamedTuple):
    """A stretch of an SQL text.

    Attributes:
        kind: what it is.
        text: its characters, quotes included; the texts of all tokens together are the SQL text.
        closed: False if the text ended before the token's closing quote, bracket or ``*/``.
    """

    kind: Kind
    text: str
    closed: bool = True


# Every character from U+0080 on may stand in an identifier: SQLite looks at bytes and takes all those above 0x7f.
_ID = r"[A-Za-z0-9_$\x80-\U0010ffff]"
_HEX = r"0[xX][0-9a-fA-F]++"
_DECIMAL = r"(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?"

# The order matters. Possessive quantifiers keep the time linear whatever the text.
_TOKEN = re.compile(
    rf"""
    (?P<SPACE>          [ \t\n\f\r][ \t\n\v\f\r]*+ | \ufeff )    # a vertical tab is space, but cannot begin it
  | (?P<COMMENT>        --[^\n]*+ | /\*(?=[\s\S])(?:[^*]++|\*(?!/))*+(?:\*/)? )  # a final "/*" is two operators
  | (?P<STRING>         '(?:[^']++|'')*+'? )
  | (?P<DOUBLE_QUOTED>  "(?:[^"]++|"")*+"? )
  | (?P<QUOTED_NAME>    `(?:[^`]++|``)*+`? | \[[^\]]*+\]? )
  | (?P<BLOB>           [xX]'[^']*+'? )
  | (?P<NUMBER>         {_HEX} | {_DECIMAL}{_ID}*+ )
  | (?P<NAME>           [A-Za-z_\x80-\U0010ffff]{_ID}*+ )
  | (?P<BIND>           \?[0-9]*+ | [$@\#:](?:::)*+{_ID}(?:{_ID}|::)*+(?:\([^\s)]*+\)?)?+ )
  | (?P<OPERATOR>       ->>? | == | <= | <> | << | >= | >> | != | \|\|? | [-+*/%=<>&~(),;.] )
  | (?P<ILLEGAL>        [$@\#:](?:::)*+ | [\s\S] )
    """,
    re.VERBOSE | re.ASCII,
)
_NUMBER = re.compile(f"{_HEX}|{_DECIMAL}")
_BLOB = re.compile(r"[xX]'(?:[0-9a-fA-F]{2})*+'")


def tokens(sql: str) -> list[Token]:
    """Cut an SQL text into tokens; their texts joined give the text back.

    Unterminated literals and comments run to the end. Later versions of SQLite also take 1_000 for a number; here it
    is illegal. Python hands no text with a NUL character to SQLite, so that it has no meaning of its own here.
    """
    found = []
    for match in _TOKEN.finditer(sql):
        # The pattern takes any character, so that one of its groups always matched.
        found.append(_token(Kind[match.lastgroup or "ILLEGAL"], match.group()))
    return found


def _token(kind: Kind, text: str) -> Token:
    """The token with what the pattern leaves open: whether it is closed, and numbers and blobs gone wrong."""
    if kind in (Kind.STRING, Kind.DOUBLE_QUOTED) or text[0] == "`":
        return Token(kind, text, text.count(text[0]) % 2 == 0)
    if kind is Kind.QUOTED_NAME:
        return Token(kind, text, text.endswith("]"))
    if kind is Kind.COMMENT and text.startswith("/*"):
        return Token(kind, text, len(text) > 3 and text.endswith("*/"))
    if kind is Kind.BLOB and not _BLOB.fullmatch(text):
        return Token(Kind.ILLEGAL, text, len(text) > 2 and text.endswith("'"))
    if kind is Kind.NUMBER and not _NUMBER.fullmatch(text):
        return Token(Kind.ILLEGAL, text)
    if kind is Kind.BIND and "(" in text and not text.endswith(")"):
        return Token(Kind.ILLEGAL, text, False)
    return Token(kind, text)
