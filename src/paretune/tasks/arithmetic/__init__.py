"""Sums of three to five numbers, with a small policy that comes with the package: nothing to download."""

from pathlib import Path

from datasets import Dataset

from paretune.objectives import Objective, completion_length
from paretune.tasks import Task, embedded
from paretune.tasks.arithmetic.front import front
from paretune.tasks.arithmetic.problems import splits
from paretune.tasks.arithmetic.scoring import TOKEN_BUDGET, accuracy, clarity, conciseness

DESCRIPTION = "sums, answered by an embedded policy; no download"

POLICY = Path(__file__).parent / "policy"

# What suits the embedded policy: 16 sums × 8 completions a step, on two CPU cores in about 2 s.
SETTINGS = {
    **embedded.SETTINGS,
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
    if data is not None:
        raise ValueError(f"The arithmetic task generates its own sums, got data {str(data)!r}: leave it out.")
    sets = {name: Dataset.from_list([problem.row for problem in problems]) for name, problems in splits().items()}
    return Task(
        name="arithmetic",
        description=DESCRIPTION,
        train=sets["train"],
        validation=sets["validation"],
        test=sets["test"],
        objectives=[
            Objective("accuracy", accuracy, bounds=(0.0, 1.0)),
            Objective(
                "conciseness",
                conciseness,
                metric=completion_length,
                maximize=False,
                bounds=(0.0, float(TOKEN_BUDGET)),
            ),
            Objective("clarity", clarity, bounds=(0.0, 1.0)),
        ],
        model=str(POLICY),
        mu=5e-4,
        settings=dict(SETTINGS),
        front=front,
    )
