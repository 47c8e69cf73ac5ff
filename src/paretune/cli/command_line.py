"""Reading a command line, before anything is imported that takes long: one parse, and each YAML file read once."""

import os.path
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretune import tasks
from paretune.cli import described
from paretune.cli.bad_input import BadInputError
from paretune.cli.forms import FORMS
from paretune.cli.parser import StrictParser, make_parser
from paretune.named_objects import check_name, is_named


@dataclass(frozen=True)
class CommandLine:
    """What a command was told.

    Attributes:
        parser: makes the settings' objects.
        words: what stands before the first flag, as many words as the command takes.
        given: the settings by name, each of its type (:meth:`StrictParser.read`).
        argv: the command line without those words and without launch flags.
        launch: accelerate's launch flags, with their values.
    """

    parser: StrictParser
    words: Sequence[str]
    given: dict[str, Any]
    argv: Sequence[str]
    launch: Sequence[str]


def read(command: str, argv: Sequence[str]) -> CommandLine:
    """Read and check the command line of a command.

    Args:
        command: one of :data:`~paretune.cli.forms.FORMS`.
        argv: what follows the command's name.

    Raises:
        BadInputError: for an unknown flag, a value of another type or out of its range, a YAML file that is missing or
            wrong, and the name of a task or a rule that does not exist.
    """
    form, parser = FORMS[command], make_parser(f"paretune {command}")
    first_flag = next((i for i, argument in enumerate(argv) if argument.startswith("-")), len(argv))
    taken = first_flag if form.several else min(first_flag, form.least_words)
    words, others = argv[:taken], argv[taken:]
    if len(words) < form.least_words:
        raise BadInputError(form.lacking)
    for word in words:
        if form.no_folder and not os.path.isdir(word):
            raise BadInputError(form.no_folder.format(word))
    launch: list[str] = []
    if form.launches:
        launch, others = _split_launch_flags(others, parser)
    given = parser.read(others)
    _check_names(given)
    return CommandLine(parser, words, given, others, launch)


def _split_launch_flags(argv: Sequence[str], parser: StrictParser) -> tuple[list[str], list[str]]:
    """Take accelerate's launch flags out of a command line; where a name is the command's too, it is that."""
    known: Mapping[str, bool] = described.content()["launch_flags"]  # whether each takes a value
    launch: list[str] = []
    rest: list[str] = []
    arguments = iter(argv)
    for argument in arguments:
        name = argument.split("=", 1)[0]
        if name in parser.flags or name not in known:
            rest.append(argument)
            continue
        launch.append(argument)
        if "=" not in argument and known[name]:
            value = next(arguments, None)
            if value is None:
                raise BadInputError(f"{name} needs a value.")
            launch.append(value)
    return launch, rest


def _check_names(given: Mapping[str, Any]) -> None:
    """Whether the task and the rule exist; your own are looked for when they are loaded."""
    for kind, known in {"rule": described.rules, "task": tasks.names}.items():
        name = given.get(kind)
        try:
            if name is not None and not is_named(name):
                check_name(kind, name, known())
        except ValueError as error:
            raise BadInputError(f"--{kind}: {error}") from error
