"""Programs of this folder, run on two real processes."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch.multiprocessing.spawn import start_processes

from paretune.cli.process_group import leave_process_group
from warm import PROCESSES

PATIENCE = 900
ON_CPUS = {"ACCELERATE_USE_CPU": "true"}


def on_two(program: Callable[..., None], *arguments: Any, environment: dict[str, str] = ON_CPUS) -> str:
    """Run a program on two processes with the variables that torchrun sets; what they say on the standard error."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1", **environment,
    }  # fmt: skip
    with TemporaryDirectory() as folder:
        said = Path(folder) / "stderr"
        told = (said, variables, program, arguments)
        pair = start_processes(_one_of_two, told, 2, join=False, start_method=PROCESSES.get_start_method())
        try:
            deadline = time.monotonic() + PATIENCE
            while not pair.join(timeout=1):  # one that fails ends the other, and raises here
                assert time.monotonic() < deadline, said.read_text()[-3000:]
        finally:
            for process in pair.processes:
                process.kill()
        return said.read_text()


def _one_of_two(
    rank: int, said: Path, variables: dict[str, str], program: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    with said.open("ab") as errors:
        os.dup2(errors.fileno(), 2)
    os.environ.update(variables, RANK=str(rank), LOCAL_RANK=str(rank))
    program(*arguments)
    leave_process_group()
