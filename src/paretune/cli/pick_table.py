"""The front that ``paretune pick`` chooses from, as a table that fits into the terminal."""

from collections.abc import Sequence
from itertools import zip_longest

from rich.measure import Measurement
from rich.table import Table

from paretune.choosing.model_card import standing
from paretune.choosing.pick import Choice, Point
from paretune.cli.screen import UNBOUNDED, Screen, table
from paretune.record.entries import Evaluation, Objective
from paretune.record.figures import figure, with_error

ROWS = 20
"""Points of the front that are shown."""
TITLE = "Pareto front on the validation set ± standard error"


def print_front(choice: Choice, screen: Screen) -> None:
    """Print the candidates, the best first: a policy a line, or an objective a line where that is too wide.

    Args:
        choice: what was chosen, and from which candidates.
        screen: where to print.
    """
    # Of the fronts of many runs the best are enough.
    shown = [point for i, point in enumerate(choice.candidates) if i < ROWS or point is choice.point]
    decoding = min((d for point in shown for d in point.test), key=lambda d: d != "sampled", default="")
    front = _policy_a_line(choice, shown, decoding)
    if Measurement.get(screen, screen.options.update(max_width=UNBOUNDED), front).maximum > screen.width:
        front = _objective_a_line(choice, shown, decoding)
    screen.print(front)
    if len(shown) < len(choice.candidates):
        screen.say(f"and {len(choice.candidates) - len(shown)} more on the front")
    if decoding:
        screen.say(f"test: measured again on the test set ({decoding}); it decides nothing")


def _policy_a_line(choice: Choice, points: Sequence[Point], decoding: str) -> Table:
    """A column for each objective, the metric on the test set below that on the validation set."""
    objectives, several = choice.fronts.objectives, choice.fronts.several
    steered = any(point.priorities for point in points)
    columns = [*(["run"] if several else []), "step", *(["priorities"] if steered else [])]
    columns += [*map(_heading, objectives), "score", ""]
    front = table(TITLE, *columns, left=["run", "priorities", ""])
    for point in points:
        test = point.test.get(decoding)
        front.add_row(
            *([point.run.name] if several else []),
            f"{_arrow(choice, point)}{point.step}",
            *([point.setting.replace(",", "\n")] if steered else []),
            *(_validation(point, o) + (f"\ntest {_test(test, o)}" if test else "") for o in objectives),
            _score(choice, point),
            _remark(choice, point),
            style=_style(choice, point),
        )
    return front


def _objective_a_line(choice: Choice, points: Sequence[Point], decoding: str) -> Table:
    """A line for each objective of a policy; what is known of the policy itself stands beside them."""
    objectives = choice.fronts.objectives
    headings = ["validation", *(["test"] if decoding else [])]
    front = table(TITLE, "policy", "objective", *headings, left=["policy", "objective"])
    for column in front.columns:
        # Names may be of any length, and figures stay whole.
        column.overflow, column.no_wrap = "fold", column.header in headings
    for point in points:
        test = point.test.get(decoding)
        policy = [
            f"{_arrow(choice, point)}step {point.step}",
            *([point.run.name] if choice.fronts.several else []),
            *(point.setting.split(",") if point.priorities else []),
            f"score {_score(choice, point)}",
            *filter(None, [_remark(choice, point)]),
        ]
        measured = [(_heading(o), _validation(point, o), *([_test(test, o)] if decoding else [])) for o in objectives]
        # What is missing of the shorter list is no cell.
        for line, cells in zip_longest(policy, measured, fillvalue=""):
            front.add_row(line, *cells, style=_style(choice, point))
        front.add_section()
    return front


def _arrow(choice: Choice, point: Point) -> str:
    return "→ " if point is choice.point else ""


def _heading(objective: Objective) -> str:
    return f"{objective.name} {'↑' if objective.maximize else '↓'}"


def _validation(point: Point, objective: Objective) -> str:
    return with_error(point.metrics[objective.name], point.errors.get(objective.name))


def _test(test: Evaluation | None, objective: Objective) -> str:
    return "" if test is None else with_error(test.metrics.get(objective.name), test.errors.get(objective.name))


def _score(choice: Choice, point: Point) -> str:
    return figure(choice.wish.score(choice.fronts.objectives, point.metrics), 4)


def _remark(choice: Choice, point: Point) -> str:
    """Why a policy is or is not the choice, in a few words."""
    unmet = choice.wish.unmet(point)
    return "picked" if point is choice.point else f"not {unmet[0]}" if unmet else standing(point)


def _style(choice: Choice, point: Point) -> str | None:
    return "bold" if point is choice.point else None
