"""The runs that a plan takes, and how far each of them is."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from paretune.comparison.plan import Arm, Plan
from paretune.record.final_evaluations import chosen_policies, is_measured
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader

TUNING = "tuning"
JUDGED_BY = (("test", ("sampled", "greedy")),)
TUNED_BY = (("validation", ("sampled",)), ("test", ("sampled",)))
"""Configurations are chosen on the validation split; what they come to on the test split is only reported."""


Status = Literal["waiting", "running", "finished", "failed"]


@dataclass(frozen=True)
class Member:
    """One run of a comparison.

    Attributes:
        arm: how its rewards are weighted.
        algorithm: its advantage estimator.
        seed: its seed.
        directory: its folder, from the comparison's.
        configuration: which of the arm's configurations it tries; None in the comparison proper.
    """

    arm: Arm
    algorithm: str
    seed: int
    directory: str
    configuration: int | None = None

    def settings(self, plan: Plan, own: Arm) -> dict[str, Any]:
        """What ``paretune train`` is told.

        Args:
            plan: the comparison.
            own: the arm as this run takes it: configured, and a control's weights filled in.
        """
        return {
            **plan.settings,
            **plan.task_settings,
            "rule": own.rule,
            **own.settings,
            "algorithm": self.algorithm,
            "seed": self.seed,
        }

    @property
    def evaluations(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The splits on which it is measured after training, with the decodings."""
        return JUDGED_BY if self.configuration is None else TUNED_BY


def comparison_members(plan: Plan) -> list[Member]:
    """The runs of the comparison proper: seed by seed, so that an early end leaves whole pairs."""
    return [
        Member(arm, algorithm, seed, f"{arm.name}-{algorithm}-seed{seed}")
        for seed in plan.seeds
        for algorithm in plan.algorithms
        for arm in plan.arms
        if seed in plan.seeds_of(arm, algorithm)
    ]


def tuning_members(plan: Plan) -> list[Member]:
    """The runs that try configurations. They are tried under the first algorithm, and serve all."""
    algorithm = plan.algorithms[0]
    return [
        Member(arm, algorithm, seed, f"{TUNING}/{arm.name}-{i}-{algorithm}-seed{seed}", configuration=i)
        for seed in plan.tuning_seeds
        for arm in plan.arms
        for i in range(len(arm.configurations))
    ]


@dataclass(frozen=True)
class Standing:
    """How far a run is: waiting, running (or left in the middle), finished or failed; optimiser steps done, and of."""

    status: Status
    step: int = 0
    max_steps: int | None = None


def standing(directory: Path) -> Standing:
    """How far the run in a folder is; waiting if there is none, or its record cannot be read."""
    try:
        run = RunReader(directory)
        header, batches = run.header, run.batches
    except (OSError, RecordError):
        return Standing("waiting")
    ended: dict[str, Status] = {"finished": "finished", "failed": "failed"}
    return Standing(ended.get(header.status, "running"), batches[-1].step if batches else 0, header.max_steps)


def is_done(root: Path, member: Member, prompts: Mapping[str, int]) -> bool:
    """Whether a run is finished and measured; its checkpoints may be gone by then.

    Args:
        root: the comparison's folder.
        member: the run.
        prompts: of each split, on how many it is to be measured.
    """
    directory = root / member.directory
    if standing(directory).status != "finished":
        return False
    try:
        policies = chosen_policies(directory)
        return all(
            is_measured(directory, policies, split, decodings, prompts[split])
            for split, decodings in member.evaluations
        )
    except (OSError, RecordError):
        return False


def same_runs(wanted: Sequence[tuple[Member, Arm]]) -> dict[str, str]:
    """Which runs would repeat another: those of an arm that chose the configuration of the arm it chooses from.

    A run is the same as another with its settings and seed, so that one is made and copied. Arms that were given the
    same settings by hand are each made: somebody may want to see how much two such runs differ.

    Args:
        wanted: runs, each with its arm as configured.

    Returns:
        By the folder of the run that would repeat another, the folder of the other.
    """
    by_key = {(m.arm.name, m.algorithm, m.seed): (m, arm) for m, arm in wanted}
    same = {}
    for member, arm in wanted:
        other = by_key.get((member.arm.configurations_of or "", member.algorithm, member.seed))
        if other is not None and (arm.rule, arm.settings) == (other[1].rule, other[1].settings):
            same[member.directory] = other[0].directory
    return same


def copy(source: Path, target: Path) -> None:
    """Make a run as a copy of another; there is all of it or nothing, whenever this ends.

    Args:
        source: the folder of the run to copy; it may have failed before it had one.
        target: the folder of the copy, which is not there yet.
    """
    if source.exists():
        beside = target.with_name(f".{target.name}")  # hidden, so that nobody takes it for a run
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(source, beside)
        beside.rename(target)


def clear(root: Path, member: Member) -> bool:
    """Remove a run that is to be made anew: one that did not finish, or of which nothing is left to measure.

    Whatever is no run's is left alone.

    Returns:
        Whether there is nothing in its place now.
    """
    directory = root / member.directory
    if (directory / "run.json").exists() and not _can_be_measured(directory):
        shutil.rmtree(directory)
    return not directory.exists()


def _can_be_measured(directory: Path) -> bool:
    try:
        _ = RunReader(directory).measured_again
        return standing(directory).status == "finished" and bool(chosen_policies(directory))
    except (OSError, RecordError):
        return False
