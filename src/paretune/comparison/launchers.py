"""Runs started side by side: as processes of this machine, or as tasks of a Ray cluster.

Either way a run is the same command with the same number of threads, so its figures are the same.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

WORKER = (sys.executable, "-P", "-m", "paretune.cli.compare_worker")  # -P: the current folder shadows no module
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
POLL = 0.2
PATIENCE = 20.0
"""Seconds that a run has to note its interruption."""


class LauncherError(RuntimeError):
    """Runs cannot be started in the way that was asked for."""


@dataclass(frozen=True, eq=False)
class Job:
    """One run to be made.

    Attributes:
        name: for messages.
        log: the file that takes its output.
        task: what the worker is told, as plain JSON values.
        threads: of the run.
    """

    name: str
    log: Path
    task: Mapping[str, Any]
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        """The worker's environment: this process's, with its threads pinned."""
        pinned = {name: str(self.threads) for name in THREADS}
        return {**os.environ, **pinned, "TOKENIZERS_PARALLELISM": "false"}


def local(jobs: Sequence[Job], at_once: int, tick: Callable[[], None]) -> Generator[tuple[Job, bool]]:
    """Run jobs as processes of this machine.

    A worker ends when this process does, however that ends: it watches the pipe that is its standard input.

    Args:
        jobs: what to run, in this order.
        at_once: how many side by side.
        tick: called several times a second while waiting.

    Yields:
        Each job as it ends, and whether it came to a good end.
    """
    waiting, running = list(jobs), dict[Job, subprocess.Popen[bytes]]()
    with ExitStack() as stack:
        stack.callback(_stop, running)
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                running[job] = start(job)
            time.sleep(POLL)
            tick()
            for job, process in list(running.items()):
                if process.poll() is not None:
                    del running[job]
                    _hang_up(process)
                    yield job, process.returncode == 0


def start(job: Job) -> "subprocess.Popen[bytes]":
    """Start a worker and tell it its job."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        process = subprocess.Popen(
            WORKER,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=job.environment,
            start_new_session=True,  # an interruption of this process is passed on by it, once
        )
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it died at once; its log says why
        process.stdin.write((dumps(dict(job.task)) + "\n").encode())
        process.stdin.flush()
    return process


def _hang_up(process: "subprocess.Popen[bytes]") -> None:
    """Close a worker's standard input, which tells it to end if it still runs."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # of what it was told and did not read
        process.stdin.close()


def _stop(running: Mapping[Job, "subprocess.Popen[bytes]"]) -> None:
    """End what still runs."""
    for process in running.values():
        _hang_up(process)
    deadline = time.monotonic() + PATIENCE
    for process in running.values():
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ray(jobs: Sequence[Job], at_once: int, tick: Callable[[], None]) -> Generator[tuple[Job, bool]]:
    """Run jobs as tasks of the Ray cluster that is running (``RAY_ADDRESS``), or of one on this machine.

    Every node needs paretune, and the comparison's folder in the same place. A task takes as many CPUs as a run has
    threads, and no more than `at_once` are under way. See :func:`local` for arguments and what is yielded.

    Raises:
        LauncherError: if Ray is not installed.
    """
    try:
        import ray as cluster
    except ImportError as error:
        raise LauncherError('Ray is not installed: `pip install "paretune[ray]"`.') from error

    owns = not cluster.is_initialized()
    if owns:
        cluster.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    remote = cluster.remote(_run_to_the_end)
    waiting, running = list(jobs), dict[Any, Job]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                running[remote.options(num_cpus=job.threads, max_retries=0).remote(job)] = job
            done, _ = cluster.wait(list(running), timeout=POLL)
            tick()
            for reference in done:
                job = running.pop(reference)
                try:
                    ended_well = cluster.get(reference)
                except cluster.exceptions.RayError:  # its worker or node died
                    ended_well = False
                yield job, ended_well
    finally:
        for reference in running:
            cluster.cancel(reference, force=True)
        if owns:
            cluster.shutdown()


def _run_to_the_end(job: Job) -> bool:
    process = start(job)
    try:
        return process.wait() == 0
    finally:
        _hang_up(process)
