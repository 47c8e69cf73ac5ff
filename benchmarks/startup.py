"""How much CPU time commands take that need no model: texts, and command lines that are wrong.

    python benchmarks/startup.py [SOURCE ...]

Prints a table with a column for each source tree (the folder that holds ``paretune``; this repository's by default):
seconds of user and system time, the median of three runs, the trees in turn.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

REPEATS = 3
OWN = str(Path(__file__).resolve().parents[1] / "src")
COMMANDS = (
    "--help", "list", "train --help", "compare --help", "train --lerning_rate 1", "train --rule magic",
    "evaluate nowhere", "report nowhere",
)  # fmt: skip


def seconds(command: str, source: str, folder: str) -> float:
    """User and system time of a command and of what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": source}
    subprocess.run(
        [sys.executable, "-m", "paretune.cli", *command.split()],
        cwd=folder, env=environment, capture_output=True, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    sources = sys.argv[1:] or [OWN]
    print("| `paretune …` |" + "".join(f" {source} |" for source in sources))
    print("|---|" + "---:|" * len(sources))
    with TemporaryDirectory() as folder:
        for command in COMMANDS:
            taken: list[list[float]] = [[] for _ in sources]
            for _ in range(REPEATS):
                for source, times in zip(sources, taken, strict=True):
                    times.append(seconds(command, source, folder))
            print(f"| `{command}` |" + "".join(f" {median(times):.2f} |" for times in taken), flush=True)


if __name__ == "__main__":
    main()
