"""A launcher without its noise: ``python -m paretune.cli.start_processes torchrun|accelerate FLAGS --module MODULE …``.

If a process fails, it says what went wrong in one line. Torch's and accelerate's launchers add a traceback of their own
and end with status 1. This one ends with the status of the process that failed first.
"""

import logging
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from accelerate.commands.launch import launch_command, launch_command_parser
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from paretune.cli.bad_input import BadInputError
from paretune.cli.main import BAD_INPUT, DONE, FAILED, INTERRUPTED


def main(argv: Sequence[str]) -> int:
    """Start the processes and wait for them; the exit status."""
    launcher, *flags = argv
    logging.disable(logging.ERROR)  # of this process, which does nothing else
    try:
        if launcher == "torchrun":
            torchrun.run(torchrun.parse_args(flags))
        else:
            launch_command(launch_command_parser().parse_args(flags))
    except ChildFailedError as error:
        return _status({rank: failure.exitcode for rank, failure in error.failures.items()})
    except subprocess.CalledProcessError as error:
        return _status({0: error.returncode})
    except (ValueError, ImportError, OSError) as error:  # launch flags that do not go together
        print(f"paretune: {BadInputError(error)} (`accelerate launch --help`)", file=sys.stderr)
        return BAD_INPUT
    except SignalException:
        return INTERRUPTED
    return DONE


def _status(codes: Mapping[int, int]) -> int:
    """What processes have ended with, by rank: the status of the one that began it.

    The others end after it: by the launcher's SIGTERM, or since they lack their peer. It notes them all at once.
    """
    if BAD_INPUT in codes.values():
        return BAD_INPUT
    for rank, code in codes.items():
        if code < 0 and code != -signal.SIGTERM:
            name = signal.Signals(-code).name  # it could not say so itself
            print(f"paretune: process {rank} was killed by {name}: --resume goes on from the newest checkpoint.",
                  file=sys.stderr)  # fmt: skip
            return FAILED
    return max(FAILED, *codes.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
