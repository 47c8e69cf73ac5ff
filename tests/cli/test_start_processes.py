"""The launcher of several processes says no more than they do."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("shell", "status", "said"),
    [
        ("[ $RANK = 0 ] || exit 2; sleep 60", 2, ""),
        ("[ $RANK = 0 ] || exit 1; sleep 60", 1, ""),
        (
            "[ $RANK = 0 ] && sleep 0.2 && exit 1; kill -KILL $$$$",  # the first one lacks its peer; $$ is torchrun's $
            1,
            "paretune: process 1 was killed by SIGKILL: --resume goes on from the newest checkpoint.\n",
        ),
    ],
)
def test_it_ends_as_the_process_did_that_ended_it(shell: str, status: int, said: str) -> None:
    flags = ["--standalone", "--nproc_per_node", "2", "--no-python", "sh", "-c", shell]
    command = [sys.executable, "-m", "paretune.cli.start_processes", "torchrun", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (ended.returncode, ended.stderr) == (status, said)


def test_flags_that_do_not_go_together_are_one_line() -> None:
    command = [sys.executable, "-m", "paretune.cli.start_processes", "accelerate", "--multi_gpu", "--tpu", "script"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert ended.returncode == 2
    [said] = ended.stderr.splitlines()
    assert said.startswith("paretune: You can only use one of `--cpu`, `--multi_gpu`")
