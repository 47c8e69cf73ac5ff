"""``paretune COMMAND …``: finds the command, and turns its end into an exit status."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from paretune import __version__
from paretune.cli.bad_input import BadInputError, printable
from paretune.cli.failure import FailedError
from paretune.named_objects import hint, place_of, reason_of

COMMANDS = {
    "check": "before training: ranges, conflicts, dead rewards, what each rule costs",
    "train": "train a policy against several rewards",
    "compare": "rules × algorithms × seeds: did it help?",
    "report": "one page to look at, for a run or a comparison",
    "pick": "a checkpoint of the front, as a model folder",
    "evaluate": "measure a checkpoint's objectives, or those of a run's front",
    "steer": "a steerable policy's answers at several priorities",
    "divergence": "how far the policies of several runs have moved apart",
    "list": "the rules, tasks and algorithms",
}
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0 done, 1 failed, 2 bad input (code of the user's that raises is that, too), 130 interrupted. A
        failure of ours that nobody has foreseen raises (status 1 with its traceback).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Nothing about a user's run goes to anyone, unless they ask for it.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    return exit_status(lambda: _run(arguments))


def exit_status(work: Callable[[], int]) -> int:
    """Do the work of a command; its exit status, with one line where it does not come to a good end."""
    try:
        return work()
    except BadInputError as error:
        print(f"paretune: {error}", file=sys.stderr)
        return BAD_INPUT
    except FailedError as error:
        print(f"paretune: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("paretune: interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as error:  # no work of ours ends so
        print(
            f"paretune: the command was cut short: a callback, an environment or a model's own code called "
            f"sys.exit({error.code!r}); let it raise an error instead.",
            file=sys.stderr,
        )
        return FAILED
    except Exception as error:
        if not place_of(error):
            raise
        print(f"paretune: code of yours raised {printable(reason_of(error))}: mend it.", file=sys.stderr)
        return BAD_INPUT


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return DONE
    if arguments[0] == "--version":
        print(__version__)
        return DONE
    name, *argv = arguments
    if name not in COMMANDS:
        what = hint(name, COMMANDS, f"choose one of {', '.join(COMMANDS)}.")
        raise BadInputError(f"unknown command {name!r}: {what}")
    from paretune.cli.forms import FORMS

    told = _read(name, argv) if name in FORMS else argv
    if told is None:
        return DONE
    # Only now: torch and TRL take seconds to import.
    status: int = import_module(f"paretune.cli.{name}").run(told)
    return status


def _read(name: str, argv: list[str]) -> Any:
    """What the command was told; None if that was to show its help."""
    if "-h" in argv or "--help" in argv:
        from paretune.cli.help import help_of

        print(help_of(name, argv))
        return None
    from paretune.cli.command_line import read

    return read(name, argv)


def _usage() -> str:
    lines = [f"  {name:<12}{text}" for name, text in COMMANDS.items()]
    return "\n".join(["usage: paretune COMMAND [options]    (paretune COMMAND --help for its options)", "", *lines])
