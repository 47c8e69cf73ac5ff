"""Several processes: accelerate's launch flags, as ``trl grpo`` takes them."""

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Collection, Sequence
from contextlib import suppress
from types import FrameType

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
    """Start the command on every process; the exit status.

    SIGINT and SIGTERM go to all of them, and this process waits until the last has ended: accelerate's own launcher
    leaves a single process behind, and ``subprocess`` kills it.
    """
    arguments = [sys.executable, "-m", "accelerate.commands.launch", *flags, "--module", "paretune.cli", *command]
    launcher = subprocess.Popen(arguments, start_new_session=True)
    interrupted = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        del frame
        interrupted.append(number)
        with suppress(ProcessLookupError):
            os.killpg(launcher.pid, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = launcher.wait()
        while _has_members(launcher.pid):
            time.sleep(0.1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted:
        raise KeyboardInterrupt
    return status


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
