"""The runs of a comparison, gathered by arm and algorithm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from paretune.bounded_run import Bounds
from paretune.comparison.members import TUNING, Member, comparison_members, tuning_members
from paretune.comparison.outcome import Outcome, judged
from paretune.comparison.plan import Arm, Plan


@dataclass
class Group:
    """The runs of one arm under one algorithm.

    Attributes:
        label: in tables.
        arm: as its runs took it.
        algorithm: their advantage estimator.
        outcomes: by seed.
        directories: by seed.
    """

    label: str
    arm: Arm
    algorithm: str
    outcomes: dict[int, Outcome]
    directories: dict[int, str]

    @property
    def validation(self) -> float:
        """The mean hypervolume on the validation grid, by which the best of several fixed weights is told."""
        return mean(outcome.grid_hypervolume for outcome in self.outcomes.values())


def groups_of(
    root: Path, plan: Plan, arms: Mapping[str, Arm | None], target: float | None, bounds: Bounds | None = None
) -> tuple[list[Group], list[str]]:
    """All arms with a run to show, and a line about each run that has nothing to show, or failed."""
    groups: dict[str, Group] = {}
    remarks: list[tuple[Member, str]] = []
    measured: set[str] = set()
    for member in [*tuning_members(plan), *comparison_members(plan)]:
        arm = arms[member.arm.name] if member.configuration is None else member.arm
        if arm is None:
            continue
        outcome = judged(root / member.directory, target=target, bounds=bounds)
        if isinstance(outcome, str):
            remarks.append((member, outcome))
            continue
        measured = measured or set(outcome.final["sampled"])
        if measured != set(outcome.final["sampled"]):
            remarks.append((member, "it has other objectives than the runs before it."))
            continue
        if outcome.status == "failed":
            remarks.append((member, "failed; it counts with its last evaluated policies."))
        if member.configuration is None:
            label = arm.name if len(plan.algorithms) == 1 else f"{arm.name}-{member.algorithm}"
            group = groups.setdefault(label, Group(label, arm, member.algorithm, {}, {}))
            group.outcomes[member.seed], group.directories[member.seed] = outcome, member.directory
    incomplete = _lines(remarks)
    for name, arm in arms.items():
        if arm is None:
            incomplete.append(f"{name}: none of its configurations under {TUNING}/ could be judged.")
    return list(groups.values()), incomplete


def _lines(remarks: Sequence[tuple[Member, str]]) -> list[str]:
    """A line for each run; but one for all seeds of an arm of which the same is to be said, from three on."""
    groups: dict[tuple[str, str], list[Member]] = {}
    for member, remark in remarks:
        groups.setdefault((member.directory.removesuffix(f"-seed{member.seed}"), remark), []).append(member)
    lines = []
    for (runs, remark), members in groups.items():
        if len(members) < 3:
            lines += [f"{member.directory}: {remark}" for member in members]
        else:
            lines.append(f"{runs}, seeds {', '.join(str(member.seed) for member in members)}: {remark}")
    return lines


def best_fixed(groups: Sequence[Group], plan: Plan, algorithm: str) -> Group | None:
    """The arm with the best fixed weights.

    A tuned one if there is any, and one that was tuned by the figure of the primary contrast before others; of several
    the best on validation.
    """
    fixed = [group for group in groups if group.algorithm == algorithm and group.arm.is_fixed]
    tuned = [group for group in fixed if plan.arm(group.arm.name).is_tuned]
    rivals = [group for group in tuned if plan.arm(group.arm.name).chosen_by == plan.primary_figure]
    return max(rivals or tuned or fixed, key=lambda group: group.validation, default=None)
