"""``paretune pick DIR``: choose a checkpoint from the front of a run, or from those of a comparison."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from paretune.choosing.model_card import model_card
from paretune.choosing.model_folder import ExportError, check_free, export
from paretune.choosing.pick import (
    Choice,
    Condition,
    PickError,
    Point,
    Wish,
    at_least,
    choose,
    read_fronts,
)
from paretune.cli.bad_input import BadInputError
from paretune.cli.bounds import bounds_for
from paretune.cli.named_numbers import check_names, check_once, named_bounds, named_numbers
from paretune.cli.pick_table import ROWS, print_front
from paretune.cli.screen import Screen
from paretune.record.entries import Objective
from paretune.record.parsing import RecordError

PROG = "paretune pick DIR"
DESCRIPTION = """\
Choose a checkpoint from the Pareto front of a run, or of all runs in a comparison's directory.

The choice is made by the metrics on the validation set. Among the checkpoints that meet all --at-least and --at-most,
the one with the largest weighted mean of gains is chosen; a gain is 0 at the worst bound of an objective and 1 at the
best. Without --prefer it is the one with the largest product of gains.

Of a steerable run it is the last policy that is taken. The settings of its dial, measured on the validation set, are
chosen among in the same way."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message} (`paretune pick --help` lists the settings)")


def run(argv: list[str]) -> int:
    """Choose, show the candidates, and copy the choice; the exit status."""
    parser = _make_parser()
    if "-h" in argv or "--help" in argv:
        parser.print_help()
        return 0
    if not argv or argv[0].startswith("-"):
        raise BadInputError("which run? `paretune pick DIR [--prefer NAME=WEIGHT,...] [--at-least NAME=VALUE]`")
    check_once(argv, ["--prefer", "--bounds"])
    arguments = parser.parse_args(argv)
    output = None if arguments.output_dir is None else Path(arguments.output_dir)
    screen = Screen()
    try:
        if output is not None:
            check_free(output)
        given = None if arguments.bounds is None else named_bounds(arguments.bounds)
        fronts = read_fronts(arguments.directory, bounds_for(arguments.directory, given))
        choice = choose(fronts, _wish(arguments, fronts.objectives))
        _print_choice(choice, screen)
        if output is None:
            output = _folder_of(choice, Path(arguments.directory))
            if output.exists():
                screen.say(f"model: {output}, as it was picked before")
                return 0
        export(_checkpoint(choice.point), output, model_card(choice, output.resolve().name))
        screen.say(f"model: {output}")
    except (PickError, ExportError, RecordError, OSError) as error:
        raise BadInputError(error) from error
    return 0


def _make_parser() -> _Parser:
    parser = _Parser(
        PROG, description=DESCRIPTION, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", metavar="DIR", help="the folder of a run, or one that holds those of several")
    parser.add_argument("--prefer", metavar="NAME=WEIGHT,...", help="how much each objective counts; 0 if left out")
    parser.add_argument(
        "--at-least", metavar="NAME=VALUE", action="append", default=[],
        help="at least as good as this, in the metric's own units: that or more, or, of a metric that is minimised, "
        "that or less; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--at-most", metavar="NAME=VALUE", action="append", default=[],
        help="a metric of this or less, whichever direction is better; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--bounds", metavar="NAME=LOW:HIGH,...",
        help="bounds of metrics, in place of those recorded; the front is then computed anew",
    )  # fmt: skip
    parser.add_argument(
        "--output_dir", metavar="DIR", help="a new folder for the model and its card; picked-step-N in DIR by default"
    )
    return parser


def _folder_of(choice: Choice, directory: Path) -> Path:
    """Where a choice goes that has no folder of its own: beside the records, named by its run and step."""
    run = "" if choice.point.run.resolve() == directory.resolve() else f"{choice.point.run.name}-"
    return directory / f"picked-{run}step-{choice.point.step}"


def _wish(arguments: Any, objectives: Sequence[Objective]) -> Wish:
    by_name = {objective.name: objective for objective in objectives}
    preference = {}
    if arguments.prefer is not None:
        preference = _pairs("--prefer", arguments.prefer, by_name)
        if any(weight < 0 for weight in preference.values()) or not any(preference.values()):
            raise BadInputError(f"--prefer {arguments.prefer}: weights must be 0 or more, and not all 0.")
    conditions = []
    for text in arguments.at_least:
        found = _pairs("--at-least", text, by_name)
        conditions += [at_least(by_name[name], value) for name, value in found.items()]
    for text in arguments.at_most:
        conditions += [Condition(name, "≤", value) for name, value in _pairs("--at-most", text, by_name).items()]
    return Wish(preference, conditions)


def _pairs(flag: str, text: str, known: dict[str, Objective]) -> dict[str, float]:
    pairs = named_numbers(flag, text)
    check_names(f"{flag} {text}", pairs, known)
    return pairs


def _print_choice(choice: Choice, screen: Screen) -> None:
    for line in choice.fronts.left_out:
        screen.say(f"left out: {line}")
    print_front(choice, screen)
    rule = "the weighted mean of gains" if choice.wish.preference else "the product of gains"
    weights = ", ".join(f"{name} {weight:g}" for name, weight in choice.wish.preference.items())
    screen.say(f"score: {rule}, each 0 at the worst bound and 1 at the best{weights and '; weights ' + weights}")
    for point in choice.better[:ROWS]:
        name = f"{point.run.name} step {point.step}" if choice.fronts.several else f"step {point.step}"
        gone = "its checkpoint was not kept" if point.step else "it is the policy before training"
        screen.say(f"{name} scores higher, but {gone}")
    if (setting := choice.point.setting) and choice.wish.conditions:
        meeting = [point.setting for point in choice.candidates if point.priorities and not choice.wish.unmet(point)]
        screen.say(f"priorities that meet the conditions on the validation set: {'; '.join(meeting)}")
    screen.say(f"picked: {_checkpoint(choice.point)}{setting and ', at priorities ' + setting}")


def _checkpoint(point: Point) -> Path:
    assert point.checkpoint is not None
    return point.checkpoint
