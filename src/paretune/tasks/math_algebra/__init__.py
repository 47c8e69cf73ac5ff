r"""MATH algebra: 2,931 competition problems in algebra, solved in \boxed{}.

The problems are the algebra part of MATH (Hendrycks et al. 2021, "Measuring Mathematical Problem Solving With the MATH
Dataset", https://arxiv.org/abs/2103.03874). The objectives, the instruction and the sizes of the splits are those of
Lu et al., "Learning to Optimize Multi-Objective Alignment Through Dynamic Reward Weighting"
(https://arxiv.org/abs/2509.11452).
"""

from __future__ import annotations

from pathlib import Path

from paretune.tasks import Task
from paretune.tasks.competition_math import competition_math

DESCRIPTION = "the algebra of MATH: correct, short, clear solutions"


def load(data: str | Path | None = None) -> Task:
    """Load the algebra problems of MATH with the objectives accuracy, conciseness and clarity.

    The splits have the columns ``prompt`` (one chat message of the user), ``answer`` (the ground truth),
    ``level`` ("Level 1" to "Level 5") and ``type`` ("Algebra").

    Args:
        data: a folder with ``train.parquet``, ``val.parquet`` and ``test.parquet``, such as the split with
            which the paper trained. Without it the problems come from the Hub: its 1,744 for training, and its
            1,187 for testing split 593/594 in an order of our own, the same on every machine. The paper splits
            them in the same proportion, but which went where is not published there.

    Raises:
        FileNotFoundError: if the folder or one of its files is missing, or the Hub cannot be reached.
        ValueError: if a file is no parquet file, is empty or lacks what is needed.
    """
    # Listing the tasks should not wait for datasets.
    from paretune.tasks.math_algebra.problems import COLUMNS, read_hub
    from paretune.tasks.math_problems import read_folder

    splits = read_hub() if data is None else read_folder(Path(data), title="MATH algebra", columns=COLUMNS)
    return competition_math("math_algebra", DESCRIPTION, splits)
