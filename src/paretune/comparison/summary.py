"""What a comparison came to: every arm with its intervals, and whether they differ.

The primary figure is the hypervolume of a run's chosen policies, measured again on the test split.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from paretune.bounded_run import BoundedRun, Bounds
from paretune.comparison.arm_entry import arm_entry, at_equal_cost, tuning_entry
from paretune.comparison.contrasts import contrasts_of, versus_best_fixed
from paretune.comparison.dial_entry import dial_entry
from paretune.comparison.groups import best_fixed, groups_of
from paretune.comparison.plan import Arm, Plan
from paretune.comparison.tuning import Found, Tried, chosen, tried

SCHEMA = 1
NEAR = 0.9
"""The target is this share of what the best fixed weights' last policy came to on the tuning seeds."""


def configured_arms(root: str | Path, plan: Plan) -> dict[str, Arm | None]:
    """Every arm as the comparison's runs take it, by name: the tuned ones with their best configuration.

    None stands for a tuned arm of which no configuration could be judged. Controls come as they are.
    """
    return _configured(plan, _found(root, plan))


def _found(root: str | Path, plan: Plan, bounds: Bounds | None = None) -> Found:
    return {arm.name: tried(root, plan, arm, bounds) for arm in plan.arms if arm.is_tuned}


def _configured(plan: Plan, found: Found) -> dict[str, Arm | None]:
    arms: dict[str, Arm | None] = {arm.name: arm for arm in plan.arms}
    for name, configurations in found.items():
        best = _best(configurations)
        arms[name] = None if best is None else best.arm
    return arms


def _best(configurations: Sequence[Tried | None]) -> Tried | None:
    i = chosen(configurations)
    return None if i is None else configurations[i]


def target_of(plan: Plan, found: Found) -> float | None:
    """The hypervolume of a single policy that runs are timed to: the plan's, else from the tuning runs.

    From the tuning runs it is 0.9 of what the last policy of the best fixed weights came to, on average. None without
    either.
    """
    if plan.target is not None:
        return plan.target
    best = _best([one for name, configurations in found.items() if plan.arm(name).is_fixed for one in configurations])
    return None if best is None else NEAR * mean(o.final_hypervolume["sampled"] for o in best.runs.values())


def summarise(root: str | Path, plan: Plan, jobs: int | None = None, bounds: Bounds | None = None) -> dict[str, Any]:
    """The content of ``summary.json``.

    Args:
        root: the comparison's folder.
        plan: the comparison.
        jobs: how many runs were side by side, where it is known.
        bounds: of objectives, in place of those that the runs have recorded.
    """
    found = _found(root, plan, bounds)
    target = target_of(plan, found)
    groups, incomplete = groups_of(Path(root), plan, _configured(plan, found), target, bounds)
    if not groups:
        return {"schema": SCHEMA, "task": plan.task, "rules": {}, "incomplete": incomplete}
    header = BoundedRun(Path(root) / next(iter(groups[0].directories.values())), bounds=bounds).header
    objectives = header.objectives
    best = {algorithm: best_fixed(groups, plan, algorithm) for algorithm in plan.algorithms}
    primary, others = contrasts_of(groups, plan, best)
    contrasts = [primary, *others] if primary else others
    rules = {
        group.label: {
            **arm_entry(group, objectives, target),
            "dial": dial_entry(group, groups, objectives),
            "versus_best_fixed": versus_best_fixed(group, best[group.algorithm], contrasts),
            "at_equal_cost": at_equal_cost(group, best[group.algorithm], plan, found),
            "tuning": tuning_entry(plan, plan.arm(group.arm.name), found, objectives),
        }
        for group in groups
    }
    return {
        "schema": SCHEMA,
        "task": plan.task,
        "model": header.content.get("model"),
        "max_steps": header.content.get("max_steps"),
        "versions": header.content.get("versions"),
        "algorithms": list(plan.algorithms),
        "seeds": list(plan.seeds),
        "objectives": [
            {"name": o.name, "maximize": o.maximize, "bounds": o.bounds and list(o.bounds)} for o in objectives
        ],
        "protocol": {
            "split": "test",
            "samples": plan.test_samples,
            "temperature": header.evaluation.get("temperature"),
            "grid": header.evaluation.get("every"),
            "threads": header.content.get("threads"),
            "jobs": jobs,
            "tuning_seeds": list(plan.tuning_seeds),
            "configurations": plan.configurations or None,
            "target": target,
            "settings": dict(plan.settings),
        },
        "best_fixed": {algorithm: group.label if group else None for algorithm, group in best.items()},
        "primary": primary,
        "contrasts": others,
        "rules": rules,
        "incomplete": incomplete,
    }
