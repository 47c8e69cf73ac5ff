"""Programs of this folder, run on two real processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
PATIENCE = 900
ON_CPUS = {"ACCELERATE_USE_CPU": "true"}


def on_two(program: str, *arguments: Any, environment: dict[str, str] = ON_CPUS) -> str:
    """Run a program on two processes, as torchrun starts them; what it says on the standard error."""
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    ended = subprocess.run(
        [*launcher, str(TESTS / "trainer" / program), *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stderr
