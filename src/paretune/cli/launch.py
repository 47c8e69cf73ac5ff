"""Several processes: accelerate's launch flags, as ``trl grpo`` takes them."""

import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Collection, Sequence

from accelerate.commands.launch import launch_command_parser

from paretune.cli.bad_input import BadInputError


def split_launch_flags(argv: Sequence[str], own: Collection[str]) -> tuple[list[str], list[str]]:
    """Take accelerate's launch flags out of a command line.

    Args:
        argv: the command line.
        own: the command's own flags, which go first where a name is both's.

    Returns:
        The launch flags with their values, and what is left.

    Raises:
        BadInputError: if a launch flag lacks its value.
    """
    parser: ArgumentParser = launch_command_parser()
    launch: list[str] = []
    rest: list[str] = []
    arguments = iter(argv)
    for argument in arguments:
        name = argument.split("=", 1)[0]
        action = None if name in own else parser._option_string_actions.get(name)
        if not name.startswith("--") or action is None:
            rest.append(argument)
            continue
        launch.append(argument)
        if "=" not in argument and action.nargs != 0:
            value = next(arguments, None)
            if value is None:
                raise BadInputError(f"{name} needs a value.")
            launch.append(value)
    return launch, rest


def is_worker() -> bool:
    """Whether a launcher has started this process already."""
    return "LOCAL_RANK" in os.environ or "ACCELERATE_USE_CPU" in os.environ


def launch(flags: Sequence[str], command: Sequence[str]) -> int:
    """Start the command on every process; the exit status."""
    arguments = [sys.executable, "-m", "accelerate.commands.launch", *flags, "--module", "paretune.cli", *command]
    return subprocess.run(arguments, check=False).returncode
