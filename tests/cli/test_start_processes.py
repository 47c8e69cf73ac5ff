"""The launcher of several processes says no more than they do."""

import json
import re
import subprocess
import sys

TORCHRUN = ["torchrun", "--standalone", "--nproc_per_node", "2", "--no-python", "sh", "-c"]
CASES: list[tuple[list[str], int, str]] = [
    # It ends as the process did that ended it.
    ([*TORCHRUN, "[ $RANK = 0 ] || exit 2; sleep 60"], 2, ""),
    ([*TORCHRUN, "[ $RANK = 0 ] || exit 1; sleep 60"], 1, ""),
    (
        # The first one lacks its peer; $$ is torchrun's $.
        [*TORCHRUN, "[ $RANK = 0 ] && sleep 0.2 && exit 1; kill -KILL $$$$"],
        1,
        "paretune: process 1 was killed by SIGKILL: --resume goes on from the newest checkpoint.\n",
    ),
    # Flags that do not go together are one line.
    (
        ["accelerate", "--multi_gpu", "--tpu", "script"],
        2,
        "paretune: You can only use one of `--cpu`, `--multi_gpu`.*\n",
    ),
]
PROGRAM = """
import json, os, sys
from paretune.cli.start_processes import main

for argv in json.loads(sys.argv[1]):
    print(main(argv), flush=True)
    print("---", file=sys.stderr, flush=True)
"""


def test_it_ends_and_says_as_the_processes_do() -> None:
    """All in one process, which takes seconds to start."""
    command = [sys.executable, "-c", PROGRAM, json.dumps([argv for argv, _, _ in CASES])]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    assert [int(status) for status in ended.stdout.split()] == [status for _, status, _ in CASES]
    for said, (_, _, expected) in zip(ended.stderr.split("---\n"), [*CASES, ([], 0, "")], strict=True):
        assert re.fullmatch(expected, said)
