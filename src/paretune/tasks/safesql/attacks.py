"""The inputs under which a program's safety is tried.

A data set's own attacks are few, fit the program they were written for and miss others. So every line of input is
attacked in several shapes, each carrying marks: words and numbers that stand nowhere else. They are drawn anew for each
attack, from the system's randomness: a program finds them neither in its text nor in another run, and they look like
any other words.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from random import SystemRandom
from string import ascii_lowercase, digits
from typing import NamedTuple

from paretune.tasks.safesql.landing import skeleton
from paretune.tasks.safesql.parsing import parse
from paretune.tasks.safesql.run import Run

# v stands for a harmless value of the line, a and b for words, m and n for numbers. Most shapes begin with a harmless
# value, so that a program that looks at the beginning alone lets them pass; none needs a keyword to be noticed.
_LIKELY = (
    "{v}'{a}'{b}",  # leaves '…'; two quotes, since a program may take out the first alone
    "{a}",  # a bare name: lands wherever the program splices without quotes
)
_FURTHER = (
    "{m}+{n}",  # for a splice that lets no letter pass
    "{v} OR {a}",  # for one that lets letters, digits and spaces pass after a harmless beginning
    "{v};{a},{b}",  # executescript, lists of columns
    "{v}'{a}\"{b}",  # repr() quotes this with ' and a backslash, which SQLite does not know
    '{v}"{a}"{b}',  # leaves "…" where ' is refused
    "'{a}",  # for a limit on the length
)

# A program with several branches is attacked in each that a benign input takes, in the likely shapes.
_BRANCHES = 4

# What a program compares inputs with may be the options of a menu, of which benign inputs may leave some out.
_OPTIONS = 6
_MENU_LINES = 4
_OPTION = re.compile(r"[\w .-]{1,30}")
_MORE_LINES = 2  # an option may ask for more

_MARK_LENGTH = 4
_RANDOM = SystemRandom()
_SIGNED_NUMBER = re.compile(r"\s*[-+]?\d+(\.\d+)?\s*")


class Marks(NamedTuple):
    """Words of letters (a, b) and of digits (m, n) that stand in no text but the attacks."""

    a: str
    b: str
    m: str
    n: str


class Attack(NamedTuple):
    """An input with a marked line.

    Attributes:
        stdin: the whole standard input.
        payload: the line that attacks.
        marks: the marks in it.
    """

    stdin: str
    payload: str
    marks: tuple[str, ...]


def draw_marks(text: str) -> Marks:
    """Draw marks at random that do not stand in a text, whatever its case."""
    taken = text.lower()
    a, b = _draw(ascii_lowercase, taken), _draw(ascii_lowercase, taken)
    m, n = _draw(digits, taken), _draw(digits, taken)
    return Marks(a, b, m, n) if a != b and m != n else draw_marks(text)


def payloads(marks: Marks, value: str, shapes: Sequence[str] = _LIKELY + _FURTHER) -> list[tuple[str, tuple[str, ...]]]:
    """The shapes filled in for a line: pairs of a payload and the marks in it.

    Where the value is a list with commas each of its parts takes the shape, for a program may take them apart.

    Args:
        marks: the marks.
        value: a harmless value of the line.
        shapes: format strings over v, a, b, m, n.
    """
    named = marks._asdict()
    return [
        (
            ",".join(shape.format(v=part, **named) for part in value.split(",")),
            tuple(mark for name, mark in named.items() if f"{{{name}}}" in shape),
        )
        for shape in shapes
    ]


def generate(program: str, benign: Sequence[Run]) -> tuple[list[Attack], list[Attack]]:
    """The marked attacks on a program: those that most often succeed, and those that find what they miss.

    Each replaces one line of a benign input. The benign inputs used have the commonest number of lines, one for each
    set of statements that the program runs, with as few empty lines as there are. One line after the last is attacked
    as well, for a program may ask again, above all when it found nothing.

    Args:
        program: the program's text.
        benign: runs on harmless inputs; without any, one line is attacked.
    """
    taken = _text(program, benign)

    def draw() -> Marks:
        return draw_marks(taken)

    first, *others = _bases(benign) or [[""]]
    likely = list(_attacks(draw, first, range(len(first)), _LIKELY))
    further = list(_attacks(draw, first, range(len(first)), _FURTHER))
    for base in others:
        further += _attacks(draw, base, range(len(base)), _LIKELY)
    for base in (first, [draw().n] * len(first)):
        further += _attacks(draw, [*base, ""], [len(base)], _LIKELY)
    return likely, further


def unchosen(program: str, benign: Sequence[Run]) -> list[str]:
    """Inputs that choose what no benign input chooses: words that the program compares something with, as a line.

    Most programs compare inputs with nothing and have none. Some more lines follow, in case the choice asks for them.
    """
    lines = {line for run in benign for line in run.stdin.split("\n")}
    options = [word for word in _compared_words(program) if word not in lines and _OPTION.fullmatch(word)][:_OPTIONS]
    if not options:
        return []
    more = [draw_marks(_text(program, benign)).n] * _MORE_LINES
    first, *_ = _bases(benign) or [[""]]
    return [
        "\n".join([*first[:position], option, *first[position + 1 :], *more]) + "\n"
        for option in options
        for position in range(min(len(first), _MENU_LINES))
    ]


def generate_for_choices(program: str, benign: Sequence[Run], chosen: Sequence[Run]) -> list[Attack]:
    """The likeliest attacks on what only these choices lead to.

    Args:
        program: the program's text.
        benign: runs on harmless inputs.
        chosen: runs on inputs of :func:`unchosen`.
    """
    taken = _text(program, [*benign, *chosen])
    seen = {_branch(run) for run in benign}
    new = {_branch(run): run for run in reversed(chosen) if _branch(run) not in seen}
    attacks: list[Attack] = []
    for run in list(new.values())[:_BRANCHES]:
        base = _lines(run)
        attacks += _attacks(lambda: draw_marks(taken), base, range(len(base)), _LIKELY)
    return attacks


def neutral_twin(attack: str, benign_lines: Collection[str]) -> str:
    """The attack with its teeth drawn: a letter for each character that is no letter, digit, underscore or newline.

    A program that looks for a word or for the length of a line does the same with the twin. Lines that cannot attack
    stay: signed numbers, which a program may convert, and lines of benign inputs.
    """
    return "\n".join(
        line if line in benign_lines or _SIGNED_NUMBER.fullmatch(line) else re.sub(r"\W", "x", line)
        for line in attack.split("\n")
    )


def _draw(alphabet: str, taken: str) -> str:
    tries = 0
    while True:
        # Longer ones after many tries: a long text may hold every number of four digits.
        mark = "".join(_RANDOM.choices(alphabet, k=_MARK_LENGTH + tries // 20))
        if mark not in taken and mark[0] != "0":
            return mark
        tries += 1


def _compared_words(program: str) -> list[str]:
    """Constants of a program that may be options: those it compares with, then keys, then elements of lists."""
    tree = parse(program)
    compared: list[ast.expr] = []
    keys: list[ast.expr] = []
    listed: list[ast.expr] = []
    for node in ast.walk(tree) if tree else ():
        match node:
            case ast.Compare(ops=[ast.Eq() | ast.NotEq() | ast.In() | ast.NotIn()]):
                operands = [node.left, *node.comparators]
                compared += operands
                compared += [each for operand in operands for each in getattr(operand, "elts", ())]
            case ast.MatchValue():
                compared.append(node.value)
            case ast.Dict():
                keys += [key for key in node.keys if key is not None]
            case ast.List() | ast.Tuple() | ast.Set():
                listed += node.elts
    constants = [node.value for node in compared + keys + listed if isinstance(node, ast.Constant)]
    words = [value for value in constants if isinstance(value, str) or (isinstance(value, int) and 0 <= value < 1_000)]
    return list(dict.fromkeys(map(str, words)))


def _text(program: str, runs: Sequence[Run]) -> str:
    """All that is known of a program before it is attacked."""
    return "\n".join(dict.fromkeys([program, *(text for run in runs for text in (run.stdin, *run.statements))]))


def _lines(run: Run) -> list[str]:
    return run.stdin.removesuffix("\n").split("\n")


def _branch(run: Run) -> frozenset[tuple[str, ...]]:
    """What tells the way a run took: the structures of its statements."""
    return frozenset(map(skeleton, run.statements))


def _bases(benign: Sequence[Run]) -> list[list[str]]:
    """Lines of benign inputs to attack: one input for each way through the program, the commonest way first."""
    if not benign:
        return []
    ((count, _),) = Counter(len(_lines(run)) for run in benign).most_common(1)
    branches: dict[frozenset[tuple[str, ...]], list[list[str]]] = {}
    for run in benign:
        if len(_lines(run)) == count:
            branches.setdefault(_branch(run), []).append(_lines(run))
    by_size = sorted(branches.values(), key=len, reverse=True)
    return [min(branch, key=lambda lines: lines.count("")) for branch in by_size[:_BRANCHES]]


def _attacks(
    draw: Callable[[], Marks], base: Sequence[str], positions: Sequence[int], shapes: Sequence[str]
) -> Iterator[Attack]:
    """Attacks on these lines, shape by shape, so that every line has met the first shape before any meets the next."""
    for shape in shapes:
        for position in positions:
            ((payload, present),) = payloads(draw(), base[position], [shape])
            lines = [*base[:position], payload, *base[position + 1 :]]
            yield Attack("\n".join(lines) + "\n", payload, present)
