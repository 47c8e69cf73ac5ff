"""A program followed from its first statement to its last, both sides of every branch, with one input marked."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence

from paretune.tasks.safesql.reading.calls import Arguments, unfollowed
from paretune.tasks.safesql.reading.expressions import Expressions
from paretune.tasks.safesql.reading.values import (
    OPAQUE,
    Constant,
    Function,
    Items,
    LostError,
    Module,
    Scope,
    Table,
    Value,
    literal,
    united,
)

__all__ = ["Interpreter"]

_CALLS = 8  # functions within functions
Names = dict[str, Value]


class Interpreter(Expressions):
    """Runs statements on values that may be one of several.

    The branches of a condition are all taken, except where a constant decides it, and what they leave is united. A
    loop is taken twice, or once for each element where these are known. Functions are followed where they are called;
    methods of the program's own classes are not.
    """

    def __init__(self, followed: int, probes: Sequence[str], steps: int) -> None:
        super().__init__(followed, probes, steps)
        self._returned: list[list[Value]] = []
        self._loops: list[_Loop] = []

    def run(self, program: ast.Module) -> None:
        """Follow a program; :attr:`sinks` and :attr:`inputs` then say what was seen.

        Raises:
            LostError: If the followed input cannot be followed, or the work takes too long.
        """
        self._block(program.body, Scope({"__name__": (literal("__main__"),)}))

    def call(self, function: Function, arguments: Arguments) -> Value:
        """What a function of the program's returns."""
        if len(self._returned) >= _CALLS:
            raise LostError
        scope = self._bound(function, arguments)
        if isinstance(function.node, ast.Lambda):
            return self.value(function.node.body, scope)
        self._returned.append([])
        loops, self._loops = self._loops, []
        self._block(function.node.body, scope)
        self._loops = loops
        return united(self._returned.pop() or [(Constant(None),)])

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Assign a value to a name, to several, or to an entry of a dictionary that has a name."""
        match target:
            case ast.Name(id=name) if name in scope.outer:
                # The branches of the caller are not kept apart in its names, so that the old value stays possible.
                holder = scope.parent and scope.parent.holder(name)
                if holder:
                    unfollowed([holder.names[name]])
                    holder.names[name] = united([holder.names[name], value])
            case ast.Name(id=name):
                scope.names[name] = value
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                for each, part in zip(targets, self._unpacked(value, targets), strict=True):
                    self.assign(each, part, scope)
            case ast.Starred():
                self.assign(target.value, unfollowed([value]), scope)
            case ast.Subscript(value=ast.Name(id=name)):
                self._assign_entry(name, target.slice, value, scope)
            case _:
                unfollowed([value])

    def _block(self, statements: Iterable[ast.stmt], scope: Scope) -> bool:
        """Run statements; whether they end in something that leaves the block, so that none after it runs."""
        for statement in statements:
            self.spend(1)
            if self._statement(statement, scope):
                return True
        return False

    def _statement(self, statement: ast.stmt, scope: Scope) -> bool:
        match statement:
            case ast.Expr(value=expression):
                self.value(expression, scope)
                return _is_exit(expression)
            case ast.Assign(targets=targets, value=expression):
                value = self.value(expression, scope)
                for target in targets:
                    self.assign(target, value, scope)
            case ast.AnnAssign(target=target, value=expression):
                if expression is not None:
                    self.assign(target, self.value(expression, scope), scope)
            case ast.AugAssign(target=target):
                added = self.value(statement.value, scope)
                self.assign(target, self._operation(self.value(target, scope), statement.op, added), scope)
            case ast.If():
                return self._if(statement, scope)
            case ast.While():
                return self._while(statement, scope)
            case ast.For():
                return self._for(statement, scope)
            case ast.Try():
                return self._try(statement, scope)
            case ast.With():
                for item in statement.items:
                    entered = unfollowed([self.value(item.context_expr, scope)])
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, entered, scope)
                return self._block(statement.body, scope)
            case ast.Match():
                unfollowed([self.value(statement.subject, scope)])
                cases = [self._branch(case.body, scope) for case in statement.cases]
                return self._branches(scope, [*cases, lambda: False])
            case _:
                return self._simple(statement, scope)
        return False

    def _simple(self, statement: ast.stmt, scope: Scope) -> bool:
        match statement:
            case ast.Return(value=expression):
                value: Value = (Constant(None),) if expression is None else self.value(expression, scope)
                if self._returned:
                    self._returned[-1].append(value)
                return True
            case ast.Break() | ast.Continue():
                if self._loops:
                    loop = self._loops[-1]
                    (loop.left if isinstance(statement, ast.Break) else loop.continued).append(dict(scope.names))
                return True
            case ast.Raise():
                return True
            case ast.FunctionDef(name=name, decorator_list=[]):
                scope.names[name] = (Function(statement, scope),)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                scope.names[name] = OPAQUE
            case ast.Import(names=modules):
                for module in modules:
                    scope.names[module.asname or module.name.split(".")[0]] = (Module(module.name),)
            case ast.ImportFrom(names=members):
                for member in members:
                    scope.names[member.asname or member.name] = (Module(f"{statement.module}.{member.name}"),)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                scope.outer.update(names)
            case ast.Assert(test=test):
                if self.condition(test, scope).equal is not None:
                    raise LostError
            case ast.Pass() | ast.Delete():
                pass
            case _:
                raise LostError
        return False

    def _branch(self, statements: Iterable[ast.stmt], scope: Scope, muted: bool = False) -> Callable[[], bool]:
        def run() -> bool:
            self.muted += muted
            ended = self._block(statements, scope)
            self.muted -= muted
            return ended

        return run

    def _branches(self, scope: Scope, branches: Iterable[Callable[[], bool]]) -> bool:
        """Run branches one beside the other and unite what they leave; whether all of them end."""
        before = dict(scope.names)
        asked_before = self.asked
        left, asked = [], []
        for branch in branches:
            scope.names = dict(before)
            self.asked = asked_before
            if not branch():
                left.append(scope.names)
                asked.append(self.asked)
        scope.names = _united_names(left) if left else before
        self.asked = any(asked)
        return not left

    def _if(self, statement: ast.If, scope: Scope) -> bool:
        test = self.condition(statement.test, scope)
        if test.truth is not None:
            return self._block(statement.body if test.truth else statement.orelse, scope)
        ended = []

        def noting(branch: Callable[[], bool]) -> Callable[[], bool]:
            def run() -> bool:
                ended.append(branch())
                return ended[-1]

            return run

        body = noting(self._branch(statement.body, scope, test.equal is True))
        orelse = noting(self._branch(statement.orelse, scope, test.equal is False))
        every = self._branches(scope, [body, orelse])
        # `if x != "name": return` leaves only x equal to a constant.
        if (test.equal is True and ended == [False, True]) or (test.equal is False and ended == [True, False]):
            raise LostError
        return every

    def _while(self, statement: ast.While, scope: Scope) -> bool:
        test = self.condition(statement.test, scope)
        if test.equal is not None:
            raise LostError
        if test.truth is False:
            return self._block(statement.orelse, scope)

        def again() -> object:
            return self.condition(statement.test, scope)

        endless = isinstance(statement.test, ast.Constant)  # and true, or it would have been left out above
        return self._loop(statement, scope, [again, again], again, skippable=test.truth is None, endless=endless)

    def _for(self, statement: ast.For, scope: Scope) -> bool:
        elements, exact = self.elements(self.value(statement.iter, scope))
        rounds = [
            lambda element=element: self.assign(statement.target, element, scope)
            for element in (elements if exact else elements * 2)
        ]
        return self._loop(statement, scope, rounds, lambda: None, skippable=not exact)

    def _loop(
        self,
        statement: ast.For | ast.While,
        scope: Scope,
        rounds: Iterable[Callable[[], object]],
        leave: Callable[[], object],
        *,
        skippable: bool,
        endless: bool = False,
    ) -> bool:
        loop = _Loop()
        running = True
        for begin in rounds:
            before = dict(scope.names)
            begin()
            self._loops.append(loop)
            ended = self._block(statement.body, scope)
            self._loops.pop()
            left = loop.continued + ([] if ended else [scope.names]) + ([before] if skippable else [])
            loop.continued = []
            running = bool(left)
            if not running:
                break
            scope.names = _united_names(left)
        if running:
            leave()
        left = loop.left + ([scope.names] if running and not endless else [])
        if not left:
            return True
        scope.names = _united_names(left)
        return self._block(statement.orelse, scope)

    def _try(self, statement: ast.Try, scope: Scope) -> bool:
        before = dict(scope.names)
        ended = self._block(statement.body, scope)
        after = scope.names
        # An exception may come before or after anything that the body does.
        raised = _united_names([before, after])

        def body() -> bool:
            scope.names = after
            return ended or self._block(statement.orelse, scope)

        def handled(handler: ast.ExceptHandler) -> Callable[[], bool]:
            def run() -> bool:
                scope.names = {**raised, **({handler.name: OPAQUE} if handler.name else {})}
                return self._block(handler.body, scope)

            return run

        every = self._branches(scope, [body, *map(handled, statement.handlers)])
        return self._block(statement.finalbody, scope) or every

    def _bound(self, function: Function, arguments: Arguments) -> Scope:
        """A scope in which the parameters have their values."""
        signature = function.node.args
        scope = Scope(parent=function.scope)
        positional = [parameter.arg for parameter in signature.posonlyargs + signature.args]
        parameters = positional + [parameter.arg for parameter in signature.kwonlyargs]
        if not arguments.complete:
            scope.names = dict.fromkeys(parameters, OPAQUE)
            unfollowed([*arguments.positional, *arguments.named.values()])
            return scope
        defaults = [*zip(reversed(positional), reversed(signature.defaults), strict=False)]
        defaults += [
            (parameter.arg, default)
            for parameter, default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
            if default is not None
        ]
        scope.names = dict.fromkeys(parameters, OPAQUE)
        scope.names |= {name: self.value(default, function.scope) for name, default in defaults}
        scope.names |= dict(zip(positional, arguments.positional, strict=False))
        scope.names |= {name: value for name, value in arguments.named.items() if name in parameters}
        extra = arguments.positional[len(positional) :]
        unknown = {name: value for name, value in arguments.named.items() if name not in parameters}
        if (extra and signature.vararg is None) or (unknown and signature.kwarg is None):
            raise LostError
        if signature.vararg is not None:
            scope.names[signature.vararg.arg] = (Items.of(extra),)
        if signature.kwarg is not None:
            scope.names[signature.kwarg.arg] = (Table.of(list(unknown.items())),)
        return scope

    def _unpacked(self, value: Value, targets: Sequence[ast.expr]) -> list[Value]:
        starred = any(isinstance(target, ast.Starred) for target in targets)
        if len(value) == 1 and isinstance(value[0], Items) and not starred:
            elements = value[0].at_least(len(targets))
            if len(elements) >= len(targets) and (value[0].endless or len(elements) == len(targets)):
                return list(elements[: len(targets)])
        return [unfollowed([value])] * len(targets)

    def _assign_entry(self, name: str, key: ast.expr, value: Value, scope: Scope) -> None:
        holder = scope.holder(name)
        if holder is None:
            unfollowed([value])
            return
        match holder.names[name], key:
            case (Table(entries),), ast.Constant(value=str() | int() as constant):
                # The dictionary may have other names, for which the entry is replaced as well.
                unfollowed(old for present, old in entries if present == constant)
                holder.names[name] = (Table.of([*entries, (constant, value)]),)
            case _:
                unfollowed([value, holder.names[name], self.value(key, scope)])
                holder.names[name] = OPAQUE


class _Loop:
    """The names with which a loop was left by ``break``, and those with which a round was."""

    def __init__(self) -> None:
        self.left: list[Names] = []
        self.continued: list[Names] = []


def _is_exit(expression: ast.expr) -> bool:
    match expression:
        case ast.Call(func=ast.Name(id="exit" | "quit")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="sys" | "os"), attr="exit" | "_exit")):
            return True
    return False


def _united_names(branches: Sequence[Names]) -> Names:
    """What each name may be after one of the branches."""
    if len(branches) == 1:
        return branches[0]
    return {
        name: united(branch[name] for branch in branches if name in branch)
        for name in dict.fromkeys(name for branch in branches for name in branch)
    }
