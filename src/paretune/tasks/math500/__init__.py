r"""MATH-500: 500 competition problems with short answers, solved in \boxed{}.

The problems are from Lightman et al. 2023, "Let's Verify Step by Step" (https://arxiv.org/abs/2305.20050),
a selection of MATH (Hendrycks et al. 2021, https://arxiv.org/abs/2103.03874). The objectives, the instruction
and the sizes of the splits are those of Lu et al., "Learning to Optimize Multi-Objective Alignment Through
Dynamic Reward Weighting" (https://arxiv.org/abs/2509.11452).
"""

from __future__ import annotations

from pathlib import Path

from paretune.tasks import Task
from paretune.tasks.competition_math import competition_math

DESCRIPTION = "MATH-500 problems: correct, short, clear solutions"


def load(data: str | Path | None = None) -> Task:
    """Load MATH-500 with the objectives accuracy, conciseness and clarity.

    The splits have the columns ``prompt`` (one chat message of the user), ``answer`` (the ground truth),
    ``level`` (1 to 5) and ``subject``.

    Args:
        data: a folder with ``train.parquet``, ``val.parquet`` and ``test.parquet``, such as the split with
            which the paper trained. Without it the problems come from the Hub, where that split is not
            published: they are then split 300/100/100 in an order of our own, the same on every machine.

    Raises:
        FileNotFoundError: if the folder or one of its files is missing, or the Hub cannot be reached.
        ValueError: if a file is no parquet file, is empty or lacks what is needed.
    """
    # Listing the tasks should not wait for datasets.
    from paretune.tasks.math500.problems import COLUMNS, read_hub
    from paretune.tasks.math_problems import read_folder

    splits = read_hub() if data is None else read_folder(Path(data), title="MATH-500", columns=COLUMNS)
    return competition_math("math500", DESCRIPTION, splits)
