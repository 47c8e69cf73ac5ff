"""A launcher of runs for which a test needs no processes."""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from paretune.cli import compare, compare_worker, main
from paretune.comparison.launchers import Job


def in_this_process(jobs: Sequence[Job], at_once: int, tick: Callable[[], None]) -> Generator[tuple[Job, bool]]:
    """Do one run after the other."""
    del at_once, tick
    for job in jobs:
        compare_worker.work(Path(job.task["directory"]), job.task["settings"], job.task["evaluations"])
        yield job, True


def with_runs_in_this_process(argv: list[str]) -> int:
    """A command whose runs need no processes."""
    compare.LAUNCHERS["local"] = in_this_process
    return main(argv)
