"""What a program's conditions say about the followed input."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from paretune.tasks.safesql.reading.calls import known_constant, unfollowed
from paretune.tasks.safesql.reading.values import Alternative, Constant, Items, LostError, Text, Value, tainted

__all__ = ["Condition", "condition"]

Evaluate: TypeAlias = Callable[[ast.expr], Value]


class Condition(NamedTuple):
    """A condition: whether it holds, where that is known, and where the followed input equals a constant.

    ``equal`` is True if the input is that constant where the condition holds, False if where it does not hold.
    """

    truth: bool | None = None
    equal: bool | None = None


def condition(node: ast.expr, value: Evaluate) -> Condition:
    """A condition. The followed input may be tested for being empty, or for equality with a constant.

    Args:
        node: The expression.
        value: Gives the value of an expression in it.

    Raises:
        LostError: If anything else is asked about the followed input: that is a check.
    """
    match node:
        case ast.UnaryOp(op=ast.Not()):
            truth, equal = condition(node.operand, value)
            return Condition(None if truth is None else not truth, None if equal is None else not equal)
        case ast.BoolOp():
            return _all_or_any(node, value)
        case ast.Compare(ops=[operator], comparators=[other]):
            return _comparison(node.left, operator, other, value)
        case ast.Compare():
            unfollowed(value(operand) for operand in (node.left, *node.comparators))
            return Condition()
    truths = {_truth(alternative) for alternative in value(node)}
    return Condition(truths.pop() if len(truths) == 1 else None)


def _all_or_any(node: ast.BoolOp, value: Evaluate) -> Condition:
    """``and`` and ``or``.

    ``x == "a" or x == "b"`` holds, and ``x != "a" and x != "b"`` fails, only where x is a constant. In mixtures with
    other conditions it may be one there, which is treated alike.
    """
    parts = [condition(part, value) for part in node.values]
    decisive = isinstance(node.op, ast.Or)  # the truth of one part that settles the whole
    truths = [part.truth for part in parts]
    truth = decisive if decisive in truths else (None if None in truths else not decisive)
    equal = {part.equal for part in parts if part.equal is not None}
    if len(equal) > 1:
        raise LostError
    return Condition(truth, equal.pop() if equal else None)


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr, value: Evaluate) -> Condition:
    match left, right:
        case ast.Call(func=ast.Name(id="len"), args=[measured]), ast.Constant(value=0):
            value(measured)  # len(x) > 0: whether it is empty
            return Condition()
    one, other = value(left), value(right)
    if not tainted(one) and not tainted(other):
        return Condition(_compared(one, operator, other))
    if other == (Constant(None),) and isinstance(operator, ast.Is | ast.IsNot):
        return Condition(isinstance(operator, ast.IsNot))
    known, constant = known_constant(other)
    if not isinstance(operator, ast.Eq | ast.NotEq) or not known or not isinstance(constant, str):
        raise LostError
    return Condition() if constant == "" else Condition(None, isinstance(operator, ast.Eq))


def _truth(alternative: Alternative) -> bool | None:
    match alternative:
        case Constant(value):
            return bool(value)
        case Text((spelling, *_), True) if not tainted((alternative,)):
            return bool(spelling)
        case Items(elements, False):
            return bool(elements)
    return None


def _compared(one: Value, operator: ast.cmpop, other: Value) -> bool | None:
    """Whether two constants are equal, where both are known."""
    (one_known, left), (other_known, right) = known_constant(one), known_constant(other)
    if not one_known or not other_known:
        return None
    equal = bool(left == right)
    if isinstance(operator, ast.Eq | ast.Is):
        return equal
    return not equal if isinstance(operator, ast.NotEq | ast.IsNot) else None
