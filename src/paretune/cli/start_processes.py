"""A launcher without its noise: ``python -m paretune.cli.start_processes torchrun|accelerate FLAGS --module MODULE …``.

Torch's and accelerate's launchers answer a process that has failed with a traceback of their own and status 1, below
the line in which the process has said what went wrong. This ends with the status of the process that failed first.
"""

import logging
import signal
import subprocess
import sys
from collections.abc import Sequence

from accelerate.commands.launch import launch_command, launch_command_parser
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from paretune.cli.main import DONE, FAILED, INTERRUPTED


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
        # A process that was killed takes the others down with it, who then lack their peer.
        killed = [(rank, failure) for rank, failure in error.failures.items() if failure.exitcode < 0]
        rank, failure = min(killed, default=error.get_first_failure(), key=lambda one: one[1].timestamp)
        return _status(failure.exitcode, f"process {rank}")
    except subprocess.CalledProcessError as error:
        return _status(error.returncode, "the process")
    except SignalException:
        return INTERRUPTED
    return DONE


def _status(code: int, process: str) -> int:
    """What a process has ended with; one that was killed could not say so itself."""
    if code >= 0:
        return code
    name = signal.Signals(-code).name
    print(f"paretune: {process} was killed by {name}: --resume goes on from the newest checkpoint.", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
