"""What the expressions of a program come to when an input is followed through them.

Whatever is done to the followed input must be known to leave it as it is, or to change it in a known way; it may also
be printed, bound to a parameter and tested for being empty. Everything else, above all every check, ends the reading:
:class:`LostError`.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from paretune.tasks.safesql.reading.calls import (
    Arguments,
    builtin,
    constant,
    entry,
    method,
    module_function,
    percent,
    unfollowed,
)
from paretune.tasks.safesql.reading.conditions import Condition, condition
from paretune.tasks.safesql.reading.values import (
    OPAQUE,
    Alternative,
    Constant,
    Function,
    Items,
    LostError,
    Module,
    Number,
    Opaque,
    Scope,
    Table,
    Text,
    Value,
    choices,
    joined,
    literal,
    spelled,
    tainted,
    united,
)

__all__ = ["SINKS", "Expressions", "Sink"]

SINKS = frozenset({"execute", "executemany", "executescript"})

_DEEPEST = 60
_LINES_OF_STDIN = 6  # in a text that holds all of it


class Sink(NamedTuple):
    """A text handed to sqlite3 in which the followed input shows."""

    line: int
    text: Text


class Expressions(ABC):
    """Values of expressions, with one input followed.

    Args:
        followed: Which input is replaced by the probes, counted in the order in which they are read; -1 for none.
        probes: One input for each spelling.
        steps: How much work may be done.
    """

    def __init__(self, followed: int, probes: Sequence[str], steps: int) -> None:
        self.followed = followed
        self.probes = tuple(probes)
        self.steps = steps
        self.inputs = 0
        self.sinks: list[Sink] = []
        # Inside a branch taken only where the input equals a constant it must not be used.
        self.muted = 0
        # Whether a statement was given the input: what follows may depend on what the database said to it.
        self.asked = False
        self._depth = 0

    @abstractmethod
    def call(self, function: Function, arguments: Arguments) -> Value:
        """What a function of the program's returns."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Assign a value to a target."""

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """What an expression may come to.

        Raises:
            LostError: If the followed input cannot be followed, or the work takes too long.
        """
        self._depth += 1
        if self._depth > _DEEPEST:
            raise LostError
        result = self._value(node, scope)
        self._depth -= 1
        self.spend(1 + sum(len(each.spellings[0]) for each in result if isinstance(each, Text)) // 100)
        return result

    def spend(self, steps: int) -> None:
        """Count work done.

        Raises:
            LostError: If it is too much.
        """
        self.steps -= steps
        if self.steps < 0:
            raise LostError

    def condition(self, node: ast.expr, scope: Scope) -> Condition:
        """A condition, as :func:`~paretune.tasks.safesql.reading.conditions.condition` says."""
        return condition(node, lambda part: self.value(part, scope))

    def elements(self, value: Value) -> tuple[list[Value], bool]:
        """What a loop runs over, and whether these are its rounds: otherwise there may be any number of such."""
        if len(value) == 1:
            match value[0]:
                case Items(elements, False) if len(elements) <= 20:
                    return list(elements), True
                case Table(entries) if len(entries) <= 20:
                    return [constant(key) for key, _ in entries], True
                case Module("sys.stdin"):
                    return [self._read("{}\n")], False
        every = [element for each in value if isinstance(each, Items) for element in each.elements]
        if every:
            return [united(every)], False
        if tainted(value):
            raise LostError
        return [OPAQUE], False

    def _value(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Constant():
                return constant(node.value)
            case ast.Name():
                holder = scope.holder(node.id)
                value = holder.names[node.id] if holder else OPAQUE
                if self.muted and tainted(value):
                    raise LostError
                return value
            case ast.JoinedStr():
                return united(
                    (joined(map(spelled, parts)),)
                    for parts in choices(*(self.value(part, scope) for part in node.values))
                )
            case ast.FormattedValue():
                return self._formatted_value(node, scope)
            case ast.BinOp():
                return self._operation(self.value(node.left, scope), node.op, self.value(node.right, scope))
            case ast.BoolOp():
                # `x or "default"`: either operand.
                return united(self.value(operand, scope) for operand in node.values)
            case ast.UnaryOp(op=ast.Not()) | ast.Compare():
                test = self.condition(node, scope)
                if test.equal is not None:
                    raise LostError
                return OPAQUE if test.truth is None else (Constant(test.truth),)
            case ast.IfExp():
                return self._conditional(node, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.Attribute():
                owner = self.value(node.value, scope)
                return united((self._attribute(alternative, node.attr),) for alternative in owner)
            case ast.Subscript():
                return self._subscript(node, scope)
            case ast.List() | ast.Tuple() | ast.Set():
                if any(isinstance(element, ast.Starred) for element in node.elts):
                    return unfollowed([self.value(_unstarred(element), scope) for element in node.elts])
                return (Items.of(self.value(element, scope) for element in node.elts),)
            case ast.Dict():
                return self._dict(node, scope)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                return self._comprehension(node, scope)
            case ast.Lambda():
                return (Function(node, scope),)
            case ast.NamedExpr():
                value = self.value(node.value, scope)
                self.assign(node.target, value, scope)
                return value
            case ast.UnaryOp():
                return unfollowed([self.value(node.operand, scope)])
        # Slices of slices, yield, await, dictionary comprehensions: rare, and not followed even without the input,
        # for what they contain is not looked into.
        raise LostError

    def _read(self, shape: str = "{}") -> Value:
        """A new input; those that are not followed are a harmless word that the program does not determine."""
        number = self.inputs
        self.inputs += 1
        if number == self.followed:
            return (Text(tuple(shape.format(probe) for probe in self.probes), known=False),)
        return (literal(shape.format("neutral"), known=False),)

    def _formatted_value(self, node: ast.FormattedValue, scope: Scope) -> Value:
        value = self.value(node.value, scope)
        specification = (literal(""),) if node.format_spec is None else self.value(node.format_spec, scope)
        if tainted(value) and specification != (literal(""),):
            raise LostError
        unfollowed([specification])
        conversion = "s" if node.conversion == -1 else chr(node.conversion)
        return united((spelled(alternative, conversion),) for alternative in value)

    def _operation(self, left: Value, operator: ast.operator, right: Value) -> Value:
        return united(self._operated(one, operator, other) for one, other in choices(left, right))

    def _operated(self, left: Alternative, operator: ast.operator, right: Alternative) -> Value:
        match left, operator, right:
            case (Text(), ast.Mod(), _):
                return percent(left, right)
            case (Text(), ast.Add(), Text()):
                return (joined([left, right]),)
            case (Text(), ast.Add(), Opaque()) | (Opaque(), ast.Add(), Text()):
                return (joined([spelled(left), spelled(right)]),)
            case (Items(endless=False), ast.Add(), Items(endless=False)):
                return (Items.of(left.elements + right.elements),)
            case (Items(elements=[element]), ast.Mult(), _):
                return unfollowed([(right,)], (Items.of([element], endless=True),))
            case (Number() | Constant(), _, Number() | Constant()):
                return (Number(),)
        return unfollowed([(left,), (right,)])

    def _conditional(self, node: ast.IfExp, scope: Scope) -> Value:
        test = self.condition(node.test, scope)
        values = []
        for taken, branch in ((True, node.body), (False, node.orelse)):
            if test.truth is not (not taken):
                self.muted += test.equal is taken
                values.append(self.value(branch, scope))
                self.muted -= test.equal is taken
        return united(values)

    def _attribute(self, owner: Alternative, name: str) -> Alternative:
        if isinstance(owner, Module):
            return Module(f"{owner.name}.{name}")
        unfollowed([(owner,)])
        return Opaque()

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Value:
        owner = self.value(node.value, scope)
        if isinstance(node.slice, ast.Slice):
            if node.slice.step is not None:
                raise LostError
            bounds = slice(_integer(node.slice.lower), _integer(node.slice.upper))
            return united((self._sliced(alternative, bounds),) for alternative in owner)
        key = self.value(node.slice, scope)
        unfollowed([key])
        return united(entry(alternative, each) for alternative, each in choices(owner, key))

    def _sliced(self, owner: Alternative, bounds: slice) -> Alternative:
        if isinstance(owner, Text):
            return Text(tuple(spelling[bounds] for spelling in owner.spellings), owner.known)
        if isinstance(owner, Items):
            return owner if owner.endless else Items.of(owner.elements[bounds])
        return Opaque()

    def _dict(self, node: ast.Dict, scope: Scope) -> Value:
        entries: list[tuple[object, Value]] = []
        for key, element in zip(node.keys, node.values, strict=True):
            value = self.value(element, scope)
            if isinstance(key, ast.Constant) and isinstance(key.value, str | int):
                entries.append((key.value, value))
            else:
                unfollowed([value, OPAQUE if key is None else self.value(key, scope)])
        return (Table.of(entries),) if len(entries) == len(node.keys) else OPAQUE

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, scope: Scope) -> Value:
        if len(node.generators) > 1:
            raise LostError
        (generator,) = node.generators
        rounds, exact = self.elements(self.value(generator.iter, scope))
        inner = Scope(parent=scope)
        results = []
        for element in rounds:
            self.assign(generator.target, element, inner)
            tests = [self.condition(condition, inner) for condition in generator.ifs]
            if any(test.equal is not None for test in tests):
                raise LostError
            if all(test.truth is not False for test in tests):
                results.append(self.value(node.elt, inner))
        return (Items.of(results, endless=not exact and len(results) == 1),)

    def _arguments(self, node: ast.Call, scope: Scope) -> Arguments:
        positional: list[Value] = []
        named: dict[str, Value] = {}
        complete = True
        for argument in node.args:
            value = self.value(_unstarred(argument), scope)
            if isinstance(argument, ast.Starred):
                complete = False
                unfollowed([value])
            else:
                positional.append(value)
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg is not None:
                named[keyword.arg] = value
            elif len(value) == 1 and isinstance(value[0], Table):
                named |= {key: element for key, element in value[0].entries if isinstance(key, str)}
            else:
                complete = False
                unfollowed([value])
        return Arguments(positional, named, complete)

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in SINKS:
            return self._execute(node, function, scope)
        if isinstance(function, ast.Attribute):
            owner = self.value(function.value, scope)
            arguments = self._arguments(node, scope)
            if function.attr in ("append", "add", "extend", "insert") and isinstance(function.value, ast.Name):
                return self._grow(function.value, function.attr, owner, arguments, scope)
            if owner == (Module("sys.stdin"),):
                return self._read_stdin(function.attr)
            return united(method(alternative, function.attr, arguments) for alternative in owner)
        if isinstance(function, ast.Name) and scope.holder(function.id) is None:
            arguments = self._arguments(node, scope)
            return self._read() if function.id == "input" else builtin(function.id, arguments)
        callees = self.value(function, scope)
        arguments = self._arguments(node, scope)
        return united(self._called(callee, arguments) for callee in callees)

    def _called(self, callee: Alternative, arguments: Arguments) -> Value:
        if isinstance(callee, Function):
            return self.call(callee, arguments)
        if isinstance(callee, Module):
            return module_function(callee.name, arguments)
        return unfollowed([(callee,), *arguments.values()])

    def _read_stdin(self, name: str) -> Value:
        if name == "readline":
            return self._read("{}\n")
        if name == "read":
            return self._read("{0}\n" * _LINES_OF_STDIN)
        return (Items.of([self._read("{}\n")], endless=True),) if name == "readlines" else OPAQUE

    def _execute(self, node: ast.Call, function: ast.Attribute, scope: Scope) -> Value:
        """A statement. Values may be bound, but then the answer may be a check of them, against a table say."""
        unfollowed([self.value(function.value, scope)])
        arguments = self._arguments(node, scope)
        sql = arguments.positional[0] if arguments.positional else arguments.named.get("sql", OPAQUE)
        for alternative in sql:
            if tainted((alternative,)):
                if not isinstance(alternative, Text):
                    raise LostError
                if not self.asked:
                    self.sinks.append(Sink(node.lineno, alternative))
        self.asked = self.asked or any(map(tainted, arguments.values()))
        return OPAQUE

    def _grow(self, name: ast.Name, method: str, owner: Value, arguments: Arguments, scope: Scope) -> Value:
        """A list with a name that gets another element: the name then stands for the longer list."""
        if not arguments.positional or any(not isinstance(each, Items) or each.endless for each in owner):
            return unfollowed([*arguments.positional])
        added = arguments.positional[-1]
        grown = []
        for items, element in choices(owner, (Opaque(),) if method != "extend" else added):
            if not isinstance(items, Items):
                raise LostError
            if method != "extend":
                grown.append(Items.of([*items.elements, added]))
            elif isinstance(element, Items) and not element.endless:
                grown.append(Items.of([*items.elements, *element.elements]))
            else:
                unfollowed([owner, added])
                grown.append(Items.of([OPAQUE], endless=True))
        holder = scope.holder(name.id)
        if holder is not None:
            holder.names[name.id] = united((items,) for items in grown)
        return (Constant(None),)


def _unstarred(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Starred) else node


def _integer(node: ast.expr | None) -> int | None:
    match node:
        case None:
            return None
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
    raise LostError
