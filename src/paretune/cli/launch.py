"""Several processes: accelerate's launch flags, as ``trl grpo`` takes them."""

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from accelerate.utils import DistributedType, is_deepspeed_available

from paretune.cli.bad_input import BadInputError
from paretune.cli.regular_files import read_regular
from paretune.cli.yaml_files import document_in
from paretune.setting_ranges import NOT_NEGATIVE, PORT, at_most, complaint

MOST_ON_CPUS = 256
RANGES = {
    **dict.fromkeys(("num_processes", "num_machines"), at_most(100_000)),
    "num_cpu_threads_per_process": at_most(1024, NOT_NEGATIVE),
    "main_process_port": PORT,
}
"""Those of accelerate's own flags."""


def _parsed(flags: Sequence[str]) -> Namespace:
    """The flags as accelerate reads them; wrong ones it would answer with all of its usage."""

    def refuse(message: str) -> NoReturn:
        raise BadInputError(f"{message} (`accelerate launch --help` lists these)")

    parser: ArgumentParser = launch_command_parser()
    parser.error = refuse  # type: ignore[method-assign]
    told = parser.parse_args([*flags, "script"])
    for name, value in vars(told).items():
        if name in RANGES and value is not None and (wrong := complaint(name, value, RANGES)):
            raise BadInputError(f"--{name} {wrong}")
    kind = _distributed_type(told.config_file) if told.config_file is not None else None
    if (told.use_fsdp or kind == DistributedType.FSDP) and not torch.accelerator.is_available():
        raise BadInputError("FSDP shards over accelerators, and there is none here: leave it out.")
    if (told.use_deepspeed or kind == DistributedType.DEEPSPEED) and not is_deepspeed_available():
        raise BadInputError("DeepSpeed is not installed: `pip install 'paretune[deepspeed]'`.")
    return told


def _distributed_type(config_file: str) -> Any:
    """What accelerate's own file asks for; accelerate would answer a broken one with a traceback."""
    if not os.path.exists(config_file):
        raise BadInputError(f"--config_file {config_file}: there is no such file.")
    content = read_regular(Path(config_file), f"--config_file {config_file}")
    try:
        if not config_file.endswith(".json"):
            document_in(content, Path(config_file))  # accelerate sets no bounds to what it reads
        return load_config_from_file(config_file).distributed_type
    except (BadInputError, OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadInputError(
            f"--config_file {config_file} is no configuration of accelerate: {error} (`accelerate config` makes one)"
        ) from error


def is_worker() -> bool:
    """Whether a launcher has started this process already."""
    return "LOCAL_RANK" in os.environ or "ACCELERATE_USE_CPU" in os.environ


def launch(flags: Sequence[str], command: Sequence[str]) -> int:
    """Start the command on every process; the exit status. Raises :class:`BadInputError` for a wrong flag.

    SIGINT and SIGTERM go to all of them, and this process waits until the last has ended: accelerate's own launcher
    leaves a single process behind, and ``subprocess`` kills it.
    """
    launcher, environment = _launcher(flags)
    processes = subprocess.Popen(
        [sys.executable, "-m", "paretune.cli.start_processes", *launcher, "--module", "paretune.cli", *command],
        start_new_session=True,
        # What lies in the current folder must not stand in for a module of the same name; rewards are found there all
        # the same.
        env={**os.environ, **environment, "PYTHONSAFEPATH": "1"},
    )
    interrupted = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        del frame
        interrupted.append(number)
        with suppress(ProcessLookupError):
            os.killpg(processes.pid, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = processes.wait()
        while _has_members(processes.pid):
            time.sleep(0.1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted:
        raise KeyboardInterrupt
    return status


def _launcher(flags: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """A launcher with its flags, and what it wants in the environment.

    It is accelerate's, except for several processes on CPUs, of which that starts but one unless there is an MPI.
    """
    told = _parsed(flags)
    on_cpus = told.cpu or not torch.accelerator.is_available()
    if on_cpus and (told.num_processes or 1) > 1 and not told.mpirun_hostfile:
        if told.num_processes > MOST_ON_CPUS:
            raise BadInputError(f"--num_processes must be at most {MOST_ON_CPUS} on CPUs, got {told.num_processes}.")
        if (told.num_machines or 1) > 1:
            raise BadInputError("--num_machines: several machines without accelerators need --mpirun_hostfile.")
        count = str(told.num_processes)
        return ["torchrun", "--standalone", "--nproc_per_node", count], {"ACCELERATE_USE_CPU": "true"}
    return ["accelerate", *flags], {}


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
