"""Sums of three to five numbers, with a small policy that comes with the package: nothing to download."""

from pathlib import Path

from paretune.objectives import Objective, completion_length
from paretune.tasks import Task
from paretune.tasks.arithmetic.front import front
from paretune.tasks.arithmetic.problems import splits
from paretune.tasks.arithmetic.scoring import TOKEN_BUDGET, accuracy, clarity, conciseness
from paretune.tasks.embedded import embedded_task

DESCRIPTION = "sums, answered by an embedded policy; no download"

POLICY = Path(__file__).parent / "policy"

# What suits the embedded policy: 16 sums × 8 completions a step, on two CPU cores in about 2 s.
SETTINGS = {
    "learning_rate": 1.5e-4,
    "max_steps": 60,
    "max_completion_length": TOKEN_BUDGET,
    "eval_samples": 192,
}


def load(data: str | Path | None = None) -> Task:
    """The task with its data sets, objectives and the path of the embedded policy.

    The data sets have the columns ``prompt`` (a plain string), ``answer`` (the sum, a string) and ``numbers``
    (the terms). Objectives: accuracy in [0, 1], conciseness (rewarded as 1 − tokens / 60, judged by the mean
    length in tokens, minimised, in [0, 60]) and clarity in [0, 1].

    Raises:
        ValueError: ``data`` is given; the sums are generated.
    """
    lengths = (0.0, float(TOKEN_BUDGET))
    objectives = [
        Objective("accuracy", accuracy, bounds=(0.0, 1.0)),
        Objective("conciseness", conciseness, metric=completion_length, maximize=False, bounds=lengths),
        Objective("clarity", clarity, bounds=(0.0, 1.0)),
    ]
    return embedded_task(
        "arithmetic", DESCRIPTION, splits(), objectives, POLICY, data=data, front=front, settings=SETTINGS, mu=5e-4
    )
