"""Real processes that begin with everything imported: forks of a server that has imported it once, and does no more."""

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from paretune.cli import main

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["paretune.cli.train", "paretune.tasks.arithmetic", "trl.trainer.grpo_trainer"])


def started(folder: Path, *argv: Any, run: Any = main) -> BaseProcess:
    """Start a command in a folder, where `output.log` gets what it says.

    Args:
        folder: where the user is.
        *argv: the command line, without `paretune`.
        run: what runs it and returns its status; a function of a module.
    """
    process: BaseProcess = PROCESSES.Process(target=_command, args=(folder, [str(a) for a in argv], run))
    process.start()
    return process


def _command(folder: Path, argv: list[str], run: Any) -> None:
    os.chdir(folder)
    with open("output.log", "ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.exit(run(argv))
