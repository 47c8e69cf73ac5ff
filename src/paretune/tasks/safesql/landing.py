"""Confinement: whether an input landed in the text of a statement as more than the inside of one literal.

An input that is not confined is an injection here. The definition looks at the text handed to execute, executemany or
executescript, before values are bound, and does not ask whether the statement then fails, changes data or prints
secrets: whoever can place one token outside a literal can place others. A literal is a string, a number with or without
its sign, or a blob. ``"…"`` counts as one, because SQLite reads it as a string where no such name is known; ```…``` and
``[…]`` never do.

Two ways of seeing it:

* :func:`breaks_out` is for inputs made by us. They carry marks, which are words and digits that occur nowhere else, so
  one statement is enough to tell.
* :func:`adds_structure` is for inputs made by others. They carry no marks, so the statement is compared with those that
  the program runs on harmless inputs.

Both run in the trainer's process on texts that a program chose. The time of the first grows with the length of the
statement, and that of the second with the length times the number of known structures.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Sequence
from functools import lru_cache

from paretune.tasks.safesql.lexer import Kind, Token, tokens

_LITERALS = frozenset({Kind.STRING, Kind.DOUBLE_QUOTED, Kind.BLOB, Kind.NUMBER})

# After these a "-" is the sign of a number; after any other name it is a subtraction.
_BEFORE_AN_EXPRESSION = re.compile(
    "all|and|between|by|case|distinct|else|except|having|in|intersect|is|like|limit|match|not|offset|on|or|regexp|return"
    "|select|set|then|union|using|values|when|where"
)

# Elements of a skeleton that stand for any token of their sort. The space keeps them apart from names.
_LITERAL = " literal"
_UNCLOSED = " unclosed"
_COMMENT = " comment"
_BIND = "?"
_LIST_PUNCTUATION = frozenset({_LITERAL, ",", "(", ")"})


def breaks_out(statement: str, payload: str, marks: Sequence[str]) -> bool:
    """Whether a marked payload landed in a statement as more than the inside of one literal.

    A mark in a token that is no literal, or in a literal that the text leaves open, broke out. So did two marks in two
    literals with nothing between them that the payload does not have between these marks (``7 OR 8``). Two marks with
    text of the program's own between them are two landings, each inside its literal: a value used twice, or digits
    picked out of the payload and listed in ``IN (7, 8)``. Commas count as the program's own.

    Upper and lower case are one; characters that the program took out or doubled change nothing.

    Args:
        statement: text handed to sqlite3.
        payload: the line of input. What stands outside its outermost marks is not looked for in the statement, so
            that a payload needs a mark wherever it might land.
        marks: words of letters or digits in lower case that are in the payload and nowhere else.
    """
    payload = payload.lower()
    between = ""
    end_of_last: int | None = None
    for token in _significant(statement):
        text = token.text.lower()
        landed = sorted((text.index(mark), payload.index(mark), len(mark)) for mark in marks if mark in text)
        if not landed:
            between += text
            continue
        if token.kind not in _LITERALS or not token.closed:
            return True
        start = landed[0][1]
        if (
            end_of_last is not None
            and end_of_last <= start
            and (not between or between.strip(","))
            and _is_subsequence(between, payload[end_of_last:start])
        ):
            return True
        end_of_last = landed[-1][1] + landed[-1][2]
        between = ""
    return False


@lru_cache(maxsize=256)
def skeleton(statement: str) -> tuple[str, ...]:
    """The structure of a statement: its tokens in lower case, every literal and bound parameter alike.

    Two statements with one skeleton differ in values alone. A literal or comment that the text leaves open is a
    structure of its own.
    """
    return tuple(element for element, _ in _elements(statement))


def adds_structure(statement: str, known: Collection[tuple[str, ...]], attack: str) -> bool:
    """Whether an attack without marks gave a statement structure out of its own text.

    The statement is compared with the nearest known skeleton. What it has beyond that must be something that no
    program makes out of values: a comment, a literal left open, or two tokens and more that are not just a list of
    literals. And all of it must stand, in this order, in one line of the attack. A filter that the program adds by
    itself (``AND price >= ?``), a column from its whitelist or a longer ``IN (?, ?)`` has something the attack lacks.

    Args:
        statement: text handed to sqlite3 under the attack.
        known: skeletons of the statements under benign inputs and under the attack's neutral twin.
        attack: the attack's standard input.
    """
    elements = _elements(statement)
    structure = tuple(element for element, _ in elements)
    if structure in known:
        return False
    lines = attack.lower().splitlines()
    added = _added(structure, known)
    return any(_is_telling(structure[start:stop]) for start, stop in added) and all(
        any(_stands_in(elements[start:stop], line) for line in lines) for start, stop in added
    )


def _significant(statement: str) -> list[Token]:
    return [token for token in tokens(statement) if token.kind is not Kind.SPACE]


def _is_subsequence(part: str, whole: str) -> bool:
    characters = iter(whole)
    return all(character in characters for character in part)


def _elements(statement: str) -> list[tuple[str, str]]:
    """Pairs of an element of the skeleton and its text in lower case; a sign belongs to its number."""
    elements: list[tuple[str, str]] = []
    for token in _significant(statement):
        text = token.text.lower()
        signed = len(elements) > 0 and elements[-1][0] in ("-", "+")
        if token.kind is Kind.COMMENT:
            elements.append((_COMMENT, text))
        elif token.kind in _LITERALS:
            if token.kind is Kind.NUMBER and signed and _is_sign(elements[-2:-1]):
                text = elements.pop()[1] + text
            elements.append((_LITERAL if token.closed else _UNCLOSED, text))
        elif token.kind is Kind.BIND:
            elements.append((_BIND, text))
        else:
            elements.append((text if token.closed else _UNCLOSED, text))
    return elements


def _is_sign(before: Sequence[tuple[str, str]]) -> bool:
    """Whether a "-" after these elements is a sign: only a value before it makes it a subtraction."""
    if not before:
        return True
    element = before[-1][0]
    if element[0].isalnum() or element[0] in "_`[":
        return _BEFORE_AN_EXPRESSION.fullmatch(element) is not None
    return element not in (_LITERAL, _BIND, ")")


def _added(structure: tuple[str, ...], known: Collection[tuple[str, ...]]) -> list[tuple[int, int]]:
    """Where the structure has more than the known one that is nearest to it: slices of it."""
    size = len(structure)
    positions = _positions(structure)
    mirrored = _positions(structure[::-1])
    nearest: list[int] = []
    best = 0.0
    for other in known:
        from_the_end = [size - 1 - position for position in _common(mirrored, other[::-1])][::-1]
        common = max(_common(positions, other), from_the_end, key=len)
        likeness = len(common) / (size + len(other))
        if likeness > best:
            best, nearest = likeness, common
    edges = zip([-1, *nearest], [*nearest, size], strict=True)
    return [(before + 1, after) for before, after in edges if before + 1 < after]


def _positions(structure: tuple[str, ...]) -> dict[str, list[int]]:
    """Where each element stands, from the first place on."""
    found: dict[str, list[int]] = {}
    for position, element in enumerate(structure):
        found.setdefault(element, []).append(position)
    return found


def _common(positions: dict[str, list[int]], other: tuple[str, ...]) -> list[int]:
    """Positions of elements that another structure has in the same order: each at the first place that is left.

    All elements of the other one are found if the structure is that one with more put in between. Those that are not
    there are passed over.
    """
    common: list[int] = []
    start = 0
    for element in other:
        places = positions.get(element, [])
        place = bisect_left(places, start)
        if place < len(places):
            common.append(places[place])
            start = places[place] + 1
    return common


def _is_telling(added: Sequence[str]) -> bool:
    """Whether added tokens are more than a whitelisted word, or than a list that grew."""
    if _COMMENT in added or _UNCLOSED in added:
        return True
    return len(added) > 1 and not set(added) <= _LIST_PUNCTUATION


def _stands_in(added: Sequence[tuple[str, str]], line: str) -> bool:
    """Whether the tokens stand in this line, in their order."""
    position = 0
    for element, text in added:
        if element == _BIND:
            return False  # the program's own: nobody attacks with question marks
        if text == "\\":
            continue  # a program that escapes as if SQLite knew the backslash
        spellings = [text]
        if element == _COMMENT:
            spellings = [text[:2]]  # it swallowed what the program has to say after the input
        elif element in (_LITERAL, _UNCLOSED) and text[0] in "'\"":
            spellings = [text, text[:-1], text[1:]]  # one of its quotes may be the program's
            if element == _UNCLOSED:
                spellings.append(text[1:-1])
        ends = [start + len(s) for s in spellings if s and (start := line.find(s, position)) >= 0]
        if not ends:
            return False
        position = min(ends)
    return True
