"""No process of several is left to be ended by a thread of the process group."""

from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from paretune.cli.process_group import leave_process_group
from warm import PROCESSES

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the names of threads from /proc")


def workers() -> int:
    names = [name.read_text() for name in Path("/proc/self/task").glob("*/comm")]
    return sum("gloo" in name for name in names)


def leave(said: Path) -> None:
    # transformers has imported torch._dynamo, whose functions would have the group as a default if it were made before.
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    policy = nn.parallel.DistributedDataParallel(nn.Linear(2, 1))
    policy(torch.ones(1, 2)).sum().backward()
    policy.trainer = policy  # only the garbage collector frees a trainer
    del policy
    before = workers()
    leave_process_group()
    said.write_text(f"{before > 0} {workers()} {distributed.is_initialized()}")
    leave_process_group()


def test_its_threads_end_before_python_does(tmp_path: Path) -> None:
    process = PROCESSES.Process(target=leave, args=(tmp_path / "said",))
    process.start()
    process.join(100)
    assert process.exitcode == 0
    assert (tmp_path / "said").read_text() == "True 0 False"
