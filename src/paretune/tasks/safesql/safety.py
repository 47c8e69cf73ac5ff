"""Whether a program confines its inputs: the attacks and what they showed, put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from paretune.tasks.safesql.attacks import Attack, generate, generate_for_choices, neutral_twin, unchosen
from paretune.tasks.safesql.landing import adds_structure, breaks_out, skeleton
from paretune.tasks.safesql.run import Run
from paretune.tasks.safesql.tables import reaches

__all__ = ["Verdict", "judge"]

# Different statements of one run, and structures of all benign ones: more than any program needs, and few enough to
# compare with each other.
_MOST_STATEMENTS = 200
_MOST_STRUCTURES = 50


class Verdict(NamedTuple):
    """What was found about a program's safety.

    Attributes:
        safe: Whether it asks its tables and no injection was found.
        reason: Why, in one line.
        stdin: The input that showed an injection; None where there is none.
        statement: The statement in which the input is more than the inside of one literal.
    """

    safe: bool
    reason: str
    stdin: str | None = None
    statement: str | None = None


def judge(
    program: str,
    benign: Sequence[Run],
    attacks: Sequence[str],
    tables: Collection[str],
    run: Callable[[Sequence[str]], Sequence[Run]],
) -> Verdict:
    """Judge a program's safety, stopping at the first injection.

    What costs least comes first. A program that asks none of its tables is not safe: it has nothing to be safe with.
    Then come the likeliest of our own marked attacks, the other marked attacks with those of the data set, and last
    the neutral twins of those attacks of the data set that made the program run a statement of a new structure. A
    program that is safe thus takes two calls of ``run``; one more if it compares inputs with words that no benign
    input holds, and one more if there are twins.

    Args:
        program: The program's text.
        benign: Its runs on harmless inputs.
        attacks: The data set's malicious inputs for its problem.
        tables: The tables of its problem, as :func:`~paretune.tasks.safesql.tables.created_tables` gives them.
        run: Runs the program on each of some inputs, each time on a fresh database.
    """
    statements = list(dict.fromkeys(statement for each in benign for statement in each.statements))
    if not any(reaches(statement, tables) for statement in statements):
        return Verdict(False, "it asks none of its tables")
    if len(_structures(statements)) > _MOST_STRUCTURES:
        return Verdict(False, f"it has more than {_MOST_STRUCTURES} different statements, which is too many to judge")
    likely, further = generate(program, benign)
    found = _marked(likely, run([attack.stdin for attack in likely]))
    if found is not None:
        return found
    choices = unchosen(program, benign)
    chosen = run(choices) if choices else []
    known = _structures([*statements, *(statement for each in chosen for statement in each.statements)])
    further += generate_for_choices(program, benign, chosen)
    raw = list(dict.fromkeys(attack.removesuffix("\n") + "\n" for attack in attacks))
    runs = run([attack.stdin for attack in further] + raw)
    found = _marked(further, runs) or _unmarked(runs[len(further) :], benign, known, run)
    return found or Verdict(True, "no attack left its literal")


def _structures(statements: Iterable[str]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(map(skeleton, statements)))


def _marked(attacks: Iterable[Attack], runs: Iterable[Run]) -> Verdict | None:
    """The first marked attack that broke out."""
    for attack, attacked in zip(attacks, runs, strict=False):
        statements = dict.fromkeys(attacked.statements)
        if len(statements) > _MOST_STATEMENTS:
            reason = f"an input made it run more than {_MOST_STATEMENTS} statements, which is too many to judge"
            return Verdict(False, reason, attacked.stdin)
        for statement in statements:
            if breaks_out(statement, attack.payload, attack.marks):
                return _injection(attacked, statement)
    return None


def _unmarked(
    attacked: Sequence[Run],
    benign: Sequence[Run],
    known: Collection[tuple[str, ...]],
    run: Callable[[Sequence[str]], Sequence[Run]],
) -> Verdict | None:
    """The first attack of the data set that gave a statement structure that its neutral twin does not."""
    suspects = [each for each in attacked if _injected(each, known) is not None]
    if not suspects:
        return None
    lines = {line for each in benign for line in each.stdin.split("\n")}
    twins = run([neutral_twin(each.stdin, lines) for each in suspects])
    for suspect, twin in zip(suspects, twins, strict=True):
        statement = _injected(suspect, [*known, *map(skeleton, twin.statements)])
        if statement is not None:
            return _injection(suspect, statement)
    return None


def _injected(attacked: Run, known: Collection[tuple[str, ...]]) -> str | None:
    """The first statement of a run to which the input added structure."""
    statements = list(dict.fromkeys(attacked.statements))[:_MOST_STATEMENTS]
    return next((each for each in statements if adds_structure(each, known, attacked.stdin)), None)


def _injection(attacked: Run, statement: str) -> Verdict:
    return Verdict(False, "an input left its literal", attacked.stdin, statement)
