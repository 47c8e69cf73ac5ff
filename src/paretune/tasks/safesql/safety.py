"""Whether a program confines its inputs: the attacks and what they showed, put together.

The statements of a program are judged in the trainer's process, so their number and length are bounded. A program that
goes beyond the bounds, or that was not run to its end, is not known to be safe, and counts as unsafe.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from paretune.tasks.safesql.attacks import Attack, generate, generate_for_choices, neutral_twin, unchosen
from paretune.tasks.safesql.landing import adds_structure, breaks_out, skeleton
from paretune.tasks.safesql.run import Run

_LEFT = "an input left its literal"

# More than any program needs: the longest of the published ones hands over 3 statements of 235 characters in a run.
_MOST_STATEMENTS = 30  # different ones in a run
_MOST_TEXT = 5_000  # characters of the different statements of a run
_MOST_BENIGN_TEXT = 50_000  # characters of the different statements of all runs on harmless inputs
_MOST_STRUCTURES = 50  # of all harmless statements, for others are compared with each
_MOST_TOKENS = 5_000  # of all those structures together


class NotJudgedError(Exception):
    """What a program does is not known, or too much to be judged."""

    def __init__(self, reason: str, stdin: str | None = None) -> None:
        super().__init__(reason)
        self.stdin = stdin


class Verdict(NamedTuple):
    """What was found about a program's safety.

    Attributes:
        safe: whether all that it did is known and no injection was found.
        reason: why, in one line.
        stdin: the input that showed an injection, or on which the program was not run to its end; None else.
        statement: the statement in which the input is more than the inside of one literal.
    """

    safe: bool
    reason: str
    stdin: str | None = None
    statement: str | None = None


def check(benign: Sequence[Run]) -> None:
    """Check that runs on harmless inputs can be judged, and need not be kept otherwise.

    Raises:
        NotJudgedError: if a run was cut off, or the statements are too many or too long.
    """
    for each in benign:
        _check(each)
    statements = {statement for each in benign for statement in each.statements}
    if sum(map(len, statements)) > _MOST_BENIGN_TEXT:
        raise NotJudgedError(f"its statements have more than {_MOST_BENIGN_TEXT} characters, too many to judge")
    _structures(benign)


def judge(
    program: str, benign: Sequence[Run], attacks: Sequence[str], run: Callable[[Sequence[str]], Sequence[Run]]
) -> Verdict:
    """Judge whether a program confines its inputs, stopping at the first injection.

    What costs least comes first: the likeliest of our own marked attacks, then the other marked attacks with those of
    the data set, and last the neutral twins of those attacks of the data set that made the program run a statement of
    a new structure. A program that is safe thus takes two calls of ``run``; one more if it compares inputs with words
    that no benign input holds, and one more if there are twins.

    Args:
        program: the program's text.
        benign: its runs on harmless inputs.
        attacks: the data set's malicious inputs for its problem.
        run: runs the program on each of some inputs, each time on a fresh database.
    """

    def checked(inputs: Sequence[str]) -> Sequence[Run]:
        runs = run(inputs)
        for each in runs:
            _check(each)
        return runs

    try:
        check(benign)
        return _injection(program, benign, attacks, checked) or Verdict(True, "no attack left its literal")
    except NotJudgedError as error:
        return Verdict(False, str(error), error.stdin)


def _check(run: Run) -> None:
    if run.exit is None:
        raise NotJudgedError("it was not run to its end on an input", run.stdin)
    if len(run.statements) > _MOST_STATEMENTS or sum(map(len, run.statements)) > _MOST_TEXT:
        reason = f"an input made it run more than {_MOST_STATEMENTS} statements or {_MOST_TEXT} characters of them"
        raise NotJudgedError(reason + ", too many to judge", run.stdin)


def _injection(
    program: str, benign: Sequence[Run], attacks: Sequence[str], run: Callable[[Sequence[str]], Sequence[Run]]
) -> Verdict | None:
    likely, further = generate(program, benign)
    found = _marked(likely, run([attack.stdin for attack in likely]))
    if found is not None:
        return found
    choices = unchosen(program, benign)
    chosen = run(choices) if choices else []
    known = _structures([*benign, *chosen])
    further += generate_for_choices(program, benign, chosen)
    raw = list(dict.fromkeys(attack.removesuffix("\n") + "\n" for attack in attacks))
    runs = run([attack.stdin for attack in further] + raw)
    return _marked(further, runs) or _unmarked(runs[len(further) :], benign, known, run)


def _structures(runs: Iterable[Run]) -> list[tuple[str, ...]]:
    structures = list(dict.fromkeys(skeleton(statement) for each in runs for statement in each.statements))
    if len(structures) > _MOST_STRUCTURES or sum(map(len, structures)) > _MOST_TOKENS:
        reason = f"its statements have more than {_MOST_STRUCTURES} structures or {_MOST_TOKENS} tokens in them"
        raise NotJudgedError(reason + ", too many to judge")
    return structures


def _marked(attacks: Iterable[Attack], runs: Iterable[Run]) -> Verdict | None:
    """The first marked attack that broke out."""
    for attack, attacked in zip(attacks, runs, strict=False):
        for statement in attacked.statements:
            if breaks_out(statement, attack.payload, attack.marks):
                return Verdict(False, _LEFT, attacked.stdin, statement)
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
            return Verdict(False, _LEFT, suspect.stdin, statement)
    return None


def _injected(attacked: Run, known: Collection[tuple[str, ...]]) -> str | None:
    """The first statement of a run to which the input added structure."""
    return next((each for each in attacked.statements if adds_structure(each, known, attacked.stdin)), None)
