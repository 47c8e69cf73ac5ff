"""No process of several is left to be ended by a thread of the process group."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the names of threads from /proc")

PROGRAM = """
from pathlib import Path

import torch
import torch._dynamo  # its functions have the group as a default, if it is made before; transformers imports it, too
from torch import distributed, nn

from paretune.cli.process_group import leave_process_group


def workers():
    names = [name.read_text() for name in Path("/proc/self/task").glob("*/comm")]
    return sum("gloo" in name for name in names)


distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
policy = nn.parallel.DistributedDataParallel(nn.Linear(2, 1))
policy(torch.ones(1, 2)).sum().backward()
policy.trainer = policy  # only the garbage collector frees a trainer
del policy
before = workers()
leave_process_group()
print(before > 0, workers(), distributed.is_initialized())
leave_process_group()
"""


def test_its_threads_end_before_python_does() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=100)
    assert ended.stdout == "True 0 False\n"
