"""Each arm's best configuration, chosen on seeds and samples that the comparison does not use.

Configurations are ranked by a figure of their runs' policies, measured again on fresh samples of the *validation* split
and averaged over the tuning seeds: the hypervolume of the chosen ones, unless the arm names another. Their figures on
the test split decide nothing. They show what a search of so many configurations is worth, and at what cost (expected
best of m, Dodge et al., arXiv 1909.03004, here without replacement).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, isfinite
from pathlib import Path
from statistics import mean
from typing import Any

from paretune.bounded_run import Bounds
from paretune.comparison.figures import LESS_IS_BETTER
from paretune.comparison.members import tuning_members
from paretune.comparison.outcome import Outcome, judged
from paretune.comparison.plan import Arm, Plan


@dataclass(frozen=True)
class Tried:
    """A configuration and what its runs came to, averaged over the tuning seeds.

    Attributes:
        arm: the arm as configured.
        validation: hypervolume on the validation split.
        rank: by which it is ranked, the more the better: the figure on the validation split.
        test: hypervolume on the test split.
        tokens: generated in one of its runs.
        runs: by seed, the outcome on the test split.
    """

    arm: Arm
    validation: float
    rank: float
    test: float
    tokens: float
    runs: Mapping[int, Outcome]


Found = Mapping[str, Sequence[Tried | None]]
"""What the configurations of each tuned arm came to."""


def tried(root: str | Path, plan: Plan, arm: Arm, bounds: Bounds | None = None) -> list[Tried | None]:
    """What an arm's configurations came to, in their order; None for one without a single run to judge by.

    A run that failed counts with its last policies; one that cannot be judged is left out.
    """
    runs: dict[int | None, dict[int, tuple[Outcome, Outcome]]] = {}
    for member in tuning_members(plan):
        if member.arm.name == (arm.configurations_of or arm.name):
            directory = Path(root) / member.directory
            validation, test = (judged(directory, split=split, bounds=bounds) for split in ("validation", "test"))
            if isinstance(validation, Outcome) and isinstance(test, Outcome):
                runs.setdefault(member.configuration, {})[member.seed] = (validation, test)
    return [
        _tried(arm.configured(configuration), runs[i]) if i in runs else None
        for i, configuration in enumerate(plan.configurations_of(arm))
    ]


def _tried(arm: Arm, runs: Mapping[int, tuple[Outcome, Outcome]]) -> Tried:
    return Tried(
        arm=arm,
        validation=mean(validation.hypervolume["sampled"] for validation, _ in runs.values()),
        rank=mean(rank_of(validation, arm.chosen_by) for validation, _ in runs.values()),
        test=mean(test.hypervolume["sampled"] for _, test in runs.values()),
        tokens=mean(test.cost.tokens for _, test in runs.values()),
        runs={seed: test for seed, (_, test) in runs.items()},
    )


def rank_of(validation: Outcome, figure: str) -> float:
    """The figure by which a run on the validation split is ranked, the more the better whichever way it points."""
    value = validation.hypervolume["sampled"] if figure == "hypervolume" else validation.figures[figure]
    return -value if figure in LESS_IS_BETTER else value


def chosen(found: Sequence[Tried | None]) -> int | None:
    """Which configuration is best on the validation split; None if none could be judged."""
    ranked = [(one.rank, -i) for i, one in enumerate(found) if one is not None and isfinite(one.rank)]
    return -max(ranked)[1] if ranked else None


def expected_best(found: Sequence[Tried]) -> list[dict[str, Any]]:
    """For each m, what the best of m configurations drawn at random comes to: chosen on validation, measured on test.

    Of M configurations the i-th worst is the best of m with probability C(i, m − 1) / C(M, m), i from 0.

    Returns:
        Lines with ``configurations`` (m), ``hypervolume`` (on the test split) and ``tokens`` (of m runs).
    """
    ranked = sorted(found, key=lambda one: one.rank)
    total = len(ranked)
    tokens = mean(one.tokens for one in ranked) if ranked else 0.0
    return [
        {
            "configurations": m,
            "hypervolume": sum(comb(i, m - 1) * one.test for i, one in enumerate(ranked)) / comb(total, m),
            "tokens": m * tokens,
        }
        for m in range(1, total + 1)
    ]
