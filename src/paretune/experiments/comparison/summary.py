"""What a comparison came to: every arm with its intervals, and whether they differ.

The primary figure is the hypervolume of a run's chosen policies, measured again on the test split. One contrast on it
was named beforehand; the others under the first algorithm are secondary, their p-values adjusted together (Holm); those
under further algorithms are exploratory. Pairs are of runs with the same seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from paretune.experiments.comparison.members import TUNING, Member, comparison_members, tuning_members
from paretune.experiments.comparison.outcome import Outcome, archive_of, judged
from paretune.experiments.comparison.plan import Arm, Plan
from paretune.experiments.comparison.sweep import sweep_of
from paretune.experiments.comparison.tuning import Tried, chosen, expected_best, tried
from paretune.experiments.null_spread import null_spread
from paretune.experiments.record import read_evaluations, read_run
from paretune.experiments.statistics import estimate, holm, paired

__all__ = ["SCHEMA", "configured_arms", "summarise", "target_of"]

SCHEMA = 1
NEAR = 0.9
"""The target is this share of what the best fixed weights' last policy came to on the tuning seeds."""

Kind = Literal["primary", "secondary", "exploratory"]
Figure = Callable[[Outcome], float]
Found = Mapping[str, Sequence[Tried | None]]
"""What the configurations of each tuned arm came to."""


def hypervolume(outcome: Outcome) -> float:
    """The primary figure."""
    return outcome.hypervolume["sampled"]


def hypervolume_greedy(outcome: Outcome) -> float:
    """The same under greedy decoding; NaN for a run that failed before it was measured."""
    return outcome.hypervolume.get("greedy", float("nan"))


FIGURES: dict[str, Figure] = {
    "hypervolume": hypervolume,
    "hypervolume_greedy": hypervolume_greedy,
    "final_hypervolume": lambda o: o.final_hypervolume["sampled"],
}


@dataclass
class _Group:
    """The runs of one arm under one algorithm.

    Attributes:
        label: in tables.
        arm: as its runs took it.
        algorithm: their advantage estimator.
        outcomes: by seed.
        directories: by seed.
        validation: mean hypervolume on the validation grid, by which the best of several fixed weights is told.
    """

    label: str
    arm: Arm
    algorithm: str
    outcomes: dict[int, Outcome]
    directories: dict[int, str]
    validation: float


def configured_arms(root: str | Path, plan: Plan) -> dict[str, Arm | None]:
    """Every arm as the comparison's runs take it, by name: the tuned ones with their best configuration.

    None stands for a tuned arm of which no configuration could be judged. Controls come as they are.
    """
    return _configured(plan, _found(root, plan))


def _found(root: str | Path, plan: Plan) -> Found:
    return {arm.name: tried(root, plan, arm) for arm in plan.arms if arm.configurations}


def _configured(plan: Plan, found: Found) -> dict[str, Arm | None]:
    arms: dict[str, Arm | None] = {arm.name: arm for arm in plan.arms}
    for name, configurations in found.items():
        best = _best(configurations)
        arms[name] = None if best is None else best.arm
    return arms


def _best(configurations: Sequence[Tried | None]) -> Tried | None:
    i = chosen(configurations)
    return None if i is None else configurations[i]


def target_of(root: str | Path, plan: Plan) -> float | None:
    """The hypervolume of a single policy that runs are timed to: the plan's, else from the tuning runs.

    From the tuning runs it is 0.9 of what the last policy of the best fixed weights came to, on average. None without
    either.
    """
    return _target(plan, _found(root, plan))


def _target(plan: Plan, found: Found) -> float | None:
    if plan.target is not None:
        return plan.target
    best = _best([one for name, configurations in found.items() if plan.arm(name).is_fixed for one in configurations])
    return None if best is None else NEAR * mean(o.final_hypervolume["sampled"] for o in best.runs.values())


def summarise(root: str | Path, plan: Plan, jobs: int | None = None) -> dict[str, Any]:
    """The content of ``summary.json``.

    Args:
        root: the comparison's folder.
        plan: the comparison.
        jobs: how many runs were side by side, where it is known.
    """
    found = _found(root, plan)
    target = _target(plan, found)
    groups, incomplete = _groups(Path(root), plan, _configured(plan, found), target)
    if not groups:
        return {"schema": SCHEMA, "task": plan.task, "rules": {}, "incomplete": incomplete}
    header = read_run(Path(root) / next(iter(groups[0].directories.values())))
    objectives = header["objectives"]
    best = {algorithm: _best_fixed(groups, plan, algorithm) for algorithm in plan.algorithms}
    primary, others = _contrasts(groups, plan, best)
    contrasts = [primary, *others] if primary else others
    rules = {
        group.label: {
            **_rule(group, objectives, target),
            "versus_best_fixed": _versus(group, best[group.algorithm], contrasts),
            "at_equal_cost": _at_equal_cost(group, plan, found),
            "tuning": _tuning(plan.arm(group.arm.name), found, objectives),
        }
        for group in groups
    }
    return {
        "schema": SCHEMA,
        "task": plan.task,
        "model": header["model"],
        "max_steps": header["max_steps"],
        "versions": header["versions"],
        "algorithms": list(plan.algorithms),
        "seeds": list(plan.seeds),
        "objectives": objectives,
        "protocol": {
            "split": "test",
            "samples": plan.test_samples,
            "temperature": header["evaluation"]["temperature"],
            "grid": header["evaluation"]["every"],
            "threads": header["threads"],
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


def _groups(
    root: Path, plan: Plan, arms: Mapping[str, Arm | None], target: float | None
) -> tuple[list[_Group], list[str]]:
    """All arms with a run to show, and a line about each run that has nothing to show, or failed."""
    groups: dict[str, _Group] = {}
    remarks: list[tuple[Member, str]] = []
    for member in [*tuning_members(plan), *comparison_members(plan)]:
        arm = arms[member.arm.name] if member.configuration is None else member.arm
        if arm is None:
            continue
        outcome = judged(root / member.directory, target=target)
        if isinstance(outcome, str):
            remarks.append((member, outcome))
            continue
        if outcome.status == "failed":
            remarks.append((member, "failed; it counts with its last evaluated policies."))
        if member.configuration is None:
            label = arm.name if len(plan.algorithms) == 1 else f"{arm.name}-{member.algorithm}"
            group = groups.setdefault(label, _Group(label, arm, member.algorithm, {}, {}, validation=0.0))
            group.outcomes[member.seed], group.directories[member.seed] = outcome, member.directory
    incomplete = _lines(remarks)
    for name, arm in arms.items():
        if arm is None:
            incomplete.append(f"{name}: none of its configurations under {TUNING}/ could be judged.")
    for group in groups.values():
        group.validation = mean(_grid_hypervolume(root / directory) for directory in group.directories.values())
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


def _grid_hypervolume(directory: Path) -> float:
    """What a run's front came to on the validation split, as its record has it."""
    grid = [line for line in read_evaluations(directory) if line["purpose"] == "grid"]
    return float(grid[-1]["hypervolume"] or 0.0) if grid else 0.0


def _best_fixed(groups: Sequence[_Group], plan: Plan, algorithm: str) -> _Group | None:
    """The arm with the best fixed weights: a tuned one if there is any; of several the best on validation."""
    fixed = [group for group in groups if group.algorithm == algorithm and group.arm.is_fixed]
    tuned = [group for group in fixed if plan.arm(group.arm.name).configurations]
    return max(tuned or fixed, key=lambda group: group.validation, default=None)


def _contrasts(
    groups: Sequence[_Group], plan: Plan, best: Mapping[str, _Group | None]
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The primary contrast, and all others: each arm and the best fixed weights, each control and its arm."""
    primary: dict[str, Any] | None = None
    others: list[dict[str, Any]] = []
    first = plan.algorithms[0]
    for group in groups:
        fixed = best[group.algorithm]
        kind: Kind = "secondary" if group.algorithm == first else "exploratory"
        if fixed is not None and fixed is not group:
            named = group.arm.name == plan.primary and group.algorithm == first
            contrast = _contrast(group, fixed, "hypervolume", "primary" if named else kind)
            if named:
                primary = contrast
                others += [_contrast(group, fixed, figure, kind) for figure in FIGURES if figure != "hypervolume"]
            else:
                others.append(contrast)
        control_of = plan.arm(group.arm.name).of
        for source in groups:
            if source.arm.name == control_of and source.algorithm == group.algorithm:
                others.append(_contrast(source, group, "hypervolume", kind))
    secondary = [contrast for contrast in others if contrast["kind"] == "secondary"]
    for contrast, adjusted in zip(secondary, holm([c["p_t"] for c in secondary]), strict=True):
        contrast["p_holm"] = adjusted
    return primary, others


def _contrast(a: _Group, b: _Group, figure: str, kind: Kind) -> dict[str, Any]:
    """Two arms over the seeds with which both have the figure."""
    of = FIGURES[figure]
    pairs = [(of(a.outcomes[s]), of(b.outcomes[s])) for s in sorted(set(a.outcomes) & set(b.outcomes))]
    pairs = [pair for pair in pairs if all(map(isfinite, pair))]
    found = paired([x for x, _ in pairs], [y for _, y in pairs]).to_dict()
    return {"rule": a.label, "against": b.label, "figure": figure, "kind": kind, **found, "p_holm": None}


def _versus(group: _Group, fixed: _Group | None, contrasts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """An arm's contrast with the best fixed weights, or why there is none."""
    if fixed is None or fixed is group:
        reason = "no fixed weights are compared" if fixed is None else "it is the best fixed"
        return {"difference": None, "low": None, "high": None, "reason": reason}
    wanted = (group.label, fixed.label, "hypervolume")
    return next(c for c in contrasts if (c["rule"], c["against"], c["figure"]) == wanted)


def _rule(group: _Group, objectives: Sequence[Mapping[str, Any]], target: float | None) -> dict[str, Any]:
    outcomes, names = group.outcomes, [objective["name"] for objective in objectives]
    values = list(outcomes.values())
    greedy = [o for o in values if "greedy" in o.final]
    return {
        "arm": group.arm.name,
        "rule": group.arm.rule,
        "settings": group.arm.settings,
        "algorithm": group.algorithm,
        "control": group.arm.control,
        "seeds": sorted(outcomes),
        "failed": [seed for seed, outcome in sorted(outcomes.items()) if outcome.status == "failed"],
        "runs": [_run(seed, group.directories[seed], outcome) for seed, outcome in sorted(outcomes.items())],
        "hypervolume": _estimate([hypervolume(o) for o in values]),
        "hypervolume_greedy": _estimate([hypervolume_greedy(o) for o in values]),
        "final_hypervolume": _estimate([o.final_hypervolume["sampled"] for o in values]),
        "objectives": {name: _estimate([o.final["sampled"][name] for o in values]) for name in names},
        "objectives_greedy": {name: _estimate([o.final["greedy"][name] for o in greedy]) for name in names},
        "cost": {
            name: _estimate([getattr(o.cost, name) for o in values])
            for name in ("tokens", "forward", "backward", "seconds")
        },
        "time_to_target": None if target is None else _time_to_target(values, target),
        "reproduction": _reproduction(values, objectives),
    }


def _run(seed: int, directory: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "seed": seed,
        "directory": directory,
        "status": outcome.status,
        "hypervolume": hypervolume(outcome),
        "hypervolume_greedy": outcome.hypervolume.get("greedy"),
        "final_hypervolume": outcome.final_hypervolume["sampled"],
        "final": outcome.final["sampled"],
        "final_greedy": outcome.final.get("greedy"),
        **asdict(outcome.cost),
        "time_to_target": None if outcome.reached is None else asdict(outcome.reached),
        "front_mean": outcome.front_mean,
        "steps_to_front": outcome.steps_to_front,
    }


def _estimate(values: Sequence[float]) -> dict[str, Any]:
    """An estimate from the runs that have the figure."""
    return estimate([value for value in values if isfinite(value)]).to_dict()


def _time_to_target(outcomes: Sequence[Outcome], target: float) -> dict[str, Any]:
    """The share of runs that reached the target, and when those that did got there."""
    times = [o.reached for o in outcomes if o.reached is not None]
    return {
        "target": target,
        "reached": len(times) / len(outcomes),
        "n": len(outcomes),
        "step": _estimate([t.step for t in times]),
        "tokens": _estimate([t.tokens for t in times if t.tokens is not None]),
        "seconds": _estimate([t.seconds for t in times]),
    }


def _reproduction(outcomes: Sequence[Outcome], objectives: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The paper's statistics over the runs, beside their spread for a policy that never changes."""
    means = [o.front_mean for o in outcomes if o.front_mean is not None]
    steps = [o.steps_to_front for o in outcomes if o.steps_to_front is not None]
    null_means, null_steps = _null_spread(outcomes, objectives)
    return {
        "front_mean": {name: _spread([m[name] for m in means], null_sd) for name, null_sd in null_means.items()},
        "steps_to_front": _spread(steps, null_steps),
    }


def _null_spread(
    outcomes: Sequence[Outcome], objectives: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, float | None], float | None]:
    """The standard deviation of both statistics for a policy that never changes: each mean's, and the steps'."""
    names, archive = [objective["name"] for objective in objectives], archive_of(objectives)
    known = [o for o in outcomes if len(o.grid) > 1 and all(map(isfinite, o.final["sampled"].values()))]
    if not known:
        return dict.fromkeys(names), None
    null = null_spread(
        [mean(o.final["sampled"][name] for o in known) for name in names],
        [mean(o.errors[name] or 0.0 for o in known) for name in names],
        known[0].grid,
        archive.maximize,
        archive.reference,
        archive.bounds or [],
    )
    if null["front_mean"] is None:
        return dict.fromkeys(names), None
    return dict(zip(names, null["front_mean"]["sd"], strict=True)), null["steps_to_front"]["sd"]


def _spread(values: Sequence[float], null_sd: float | None) -> dict[str, float | None]:
    found = estimate(values)
    return {"mean": found.mean, "sd": found.sd, "null_sd": null_sd}


def _at_equal_cost(group: _Group, plan: Plan, found: Found) -> dict[str, Any] | None:
    """What one gets who spends the seconds of one of the arm's runs on a sweep of fixed weights instead.

    That many of the fixed configurations, at least one, drawn at random, the best of them chosen on validation. None
    for fixed weights themselves, and where no fixed weights were tuned.
    """
    if group.arm.is_fixed:
        return None
    for name, configurations in found.items():
        lines = expected_best([one for one in configurations if one is not None])
        if plan.arm(name).is_fixed and lines and lines[0]["seconds"] > 0:
            seconds = mean(outcome.cost.seconds for outcome in group.outcomes.values())
            affordable = min(max(1, int(seconds / lines[0]["seconds"])), len(lines))
            return {"against": name, **lines[affordable - 1]}
    return None


def _tuning(arm: Arm, found: Found, objectives: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What the search for the arm's configuration found."""
    if not arm.configurations:
        return None
    known = [one for one in found[arm.name] if one is not None]
    return {
        "configurations": [
            _configuration(settings, one) for settings, one in zip(arm.configurations, found[arm.name], strict=True)
        ],
        "chosen": chosen(found[arm.name]),
        "expected_best": expected_best(known),
        "sweep": sweep_of(known, objectives),
    }


def _configuration(settings: Mapping[str, Any], one: Tried | None) -> dict[str, Any]:
    if one is None:
        return {"settings": settings, "hypervolume": None, "test": None}
    finals = [outcome.final["sampled"] for outcome in one.runs.values()]
    final = {name: mean(f[name] for f in finals) for name in finals[0]}
    return {"settings": settings, "hypervolume": one.validation, "test": one.test, "tokens": one.tokens, "final": final}
