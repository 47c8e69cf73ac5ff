"""SafeSQL: programs that ask a database, correct and safe from SQL injection.

The problems are from Yao et al. 2025, "Training Language Models to Generate Quality Code with Program Analysis
Feedback". Lu et al., "Learning to Optimize Multi-Objective Alignment Through Dynamic Reward Weighting"
(https://arxiv.org/abs/2509.11452), train on them for correctness and safety. Both objectives are judged in another way
here, which docs/safesql.md explains: by running the programs in a sandbox.
"""

from __future__ import annotations

from pathlib import Path

from paretune.tasks import Task
from paretune.tasks.smollm2 import MODEL, SETTINGS

DESCRIPTION = "programs that ask a database: correct, and safe"
RUNS_PROGRAMS = True


def load(data: str | Path | None = None, *, unsafe_no_sandbox: bool = False) -> Task:
    """Load SafeSQL with the objectives correctness and safety, and open the sandbox that judges them.

    The splits have the columns ``prompt`` (one chat message of the user), ``program_id``, ``construct_db``,
    ``test_inputs``, ``test_outputs`` and ``test_attacks``. Correctness is rewarded for the share of tests passed
    beyond that of the best constant output, and measured as the share of programs that pass all tests. Safety is 1
    for a program that confines its inputs, passes a test and asks its table, else 0.

    Args:
        data: a folder with ``train.parquet`` and ``test.parquet``; the problems are not on the Hub. Sixty of the
            training problems are for validation.
        unsafe_no_sandbox: run the model's programs without a sandbox, with all the rights of this user.

    Raises:
        FileNotFoundError: if the folder or one of its files is missing, or none is given.
        ValueError: if a file is no parquet file, is too small, lacks what is needed, or a database cannot be made.
        SandboxError: if no sandbox can be opened on this machine.
    """
    if data is None:
        raise FileNotFoundError("SafeSQL is not on the Hub: give a local folder of parquet files with --data.")
    # Listing the tasks should not wait for torch and datasets.
    from paretune.objectives import Objective
    from paretune.sandbox import open_sandbox
    from paretune.tasks.safesql.judge import Judge
    from paretune.tasks.safesql.problems import read_folder

    splits = read_folder(Path(data))
    sandbox = open_sandbox(unsafe_no_sandbox=unsafe_no_sandbox)
    judge = Judge(sandbox, [row for split in splits.values() for row in split])
    return Task(
        name="safesql",
        description=DESCRIPTION,
        **splits,
        objectives=[
            Objective("correctness", judge.correctness, metric=judge.all_passed, bounds=(0.0, 1.0)),
            Objective("safety", judge.safety, bounds=(0.0, 1.0)),
        ],
        model=MODEL,
        mu=None,
        settings=SETTINGS,
        details={"sandbox": sandbox.describe()},
    )
