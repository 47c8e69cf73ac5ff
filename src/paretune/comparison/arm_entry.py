"""What one arm came to: its figures over seeds, what it cost, and what its tuning found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from statistics import mean
from typing import Any

import numpy as np

from paretune.bounded_run import archive_of
from paretune.comparison.figures import FIGURES, WITH_KNOWN_FRONT
from paretune.comparison.groups import Group
from paretune.comparison.null_spread import null_spread
from paretune.comparison.outcome import Outcome
from paretune.comparison.plan import Arm, Plan
from paretune.comparison.statistics import estimate
from paretune.comparison.sweep import sweep_of
from paretune.comparison.tuning import Found, Tried, chosen, expected_best
from paretune.record.entries import Objective


def arm_entry(group: Group, objectives: Sequence[Objective], target: float | None) -> dict[str, Any]:
    """What stands in the summary of an arm under an algorithm: figures over seeds, single runs, cost."""
    outcomes, names = group.outcomes, [objective.name for objective in objectives]
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
        "hypervolume": _estimate([o.hypervolume["sampled"] for o in values]),
        "hypervolume_greedy": _estimate([o.hypervolume["greedy"] for o in values if "greedy" in o.hypervolume]),
        "final_hypervolume": _estimate([o.final_hypervolume["sampled"] for o in values]),
        "figures": {name: _figure(name, values) for name in FIGURES},
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
        "hypervolume": outcome.hypervolume["sampled"],
        "hypervolume_greedy": outcome.hypervolume.get("greedy"),
        "final_hypervolume": outcome.final_hypervolume["sampled"],
        "figures": outcome.figures,
        "final": outcome.final["sampled"],
        "final_greedy": outcome.final.get("greedy"),
        **asdict(outcome.cost),
        "time_to_target": None if outcome.reached is None else asdict(outcome.reached),
        "front_mean": outcome.front_mean,
        "steps_to_front": outcome.steps_to_front,
    }


def _estimate(values: Sequence[float]) -> dict[str, Any]:
    """An estimate from the runs that have the figure."""
    return asdict(estimate([value for value in values if isfinite(value)]))


def _figure(name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """An estimate of one of :data:`FIGURES`; without any value, why there is none."""
    found = _estimate([outcome.figures[name] for outcome in outcomes])
    if found["mean"] is None and name in WITH_KNOWN_FRONT:
        found["reason"] = "the true front is not known"
    return found


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


def _reproduction(outcomes: Sequence[Outcome], objectives: Sequence[Objective]) -> dict[str, Any]:
    """The paper's statistics over the runs, beside their spread for a policy that never changes."""
    means = [o.front_mean for o in outcomes if o.front_mean is not None]
    steps = [o.steps_to_front for o in outcomes if o.steps_to_front is not None]
    null_means, null_steps = _null_spread(outcomes, objectives)
    return {
        "front_mean": {name: _spread([m[name] for m in means], null_sd) for name, null_sd in null_means.items()},
        "steps_to_front": _spread(steps, null_steps),
    }


def _null_spread(
    outcomes: Sequence[Outcome], objectives: Sequence[Objective]
) -> tuple[dict[str, float | None], float | None]:
    """The standard deviation of both statistics for a policy that never changes: each mean's, and the steps'."""
    names, archive = [objective.name for objective in objectives], archive_of(objectives)
    known = [o for o in outcomes if len(o.grid) > 1 and all(map(isfinite, o.final["sampled"].values()))]
    if not known:
        return dict.fromkeys(names), None
    null = null_spread(
        [mean(o.final["sampled"][name] for o in known) for name in names],
        [mean(o.errors.get(name, 0.0) for o in known) for name in names],
        known[0].grid,
        archive.maximize,
        archive.bounds or [],
    )
    return dict(zip(names, null["front_mean"]["sd"], strict=True)), null["steps_to_front"]["sd"]


def _spread(values: Sequence[float], null_sd: float | None) -> dict[str, float | None]:
    found = estimate(values)
    return {"mean": found.mean, "sd": found.sd, "null_sd": null_sd}


def at_equal_cost(group: Group, fixed: Group | None, plan: Plan, found: Found) -> dict[str, Any] | None:
    """What one gets who spends the time of one of the arm's runs on a sweep of fixed weights instead.

    Of the tuned fixed weights' configurations some are drawn at random and the best of them is chosen on validation: as
    many as one of the arm's runs lasts runs with fixed weights (of the same seeds, made side by side; at least one).
    Between whole numbers it is what those come to who draw one more with the probability that spends the same on
    average.

    Args:
        group: the arm.
        fixed: the best fixed weights under its algorithm.
        plan: the comparison.
        found: its tuning.

    Returns:
        ``against`` (the fixed weights' label), ``runs`` (how many are drawn) and ``hypervolume`` (on the test split).
        None for fixed weights, for an algorithm under which none were tuned, and without a seed that both have.
    """
    if group.arm.is_fixed or fixed is None or group.algorithm != plan.algorithms[0]:
        return None
    lines = expected_best([one for one in found.get(fixed.arm.name, []) if one is not None])
    shared = set(group.outcomes) & set(fixed.outcomes)
    own, other = (sum(g.outcomes[seed].cost.seconds for seed in shared) for g in (group, fixed))
    if not lines or other <= 0:
        return None
    runs = min(max(1.0, own / other), float(len(lines)))
    values = [line["hypervolume"] for line in lines]
    volume = float(np.interp(runs, range(1, len(lines) + 1), values))
    return {"against": fixed.label, "runs": runs, "hypervolume": volume}


def tuning_entry(plan: Plan, arm: Arm, found: Found, objectives: Sequence[Objective]) -> dict[str, Any] | None:
    """What the search for the arm's configuration found."""
    if not arm.is_tuned:
        return None
    known = [one for one in found[arm.name] if one is not None]
    return {
        "configurations": [
            _configuration(settings, one)
            for settings, one in zip(plan.configurations_of(arm), found[arm.name], strict=True)
        ],
        "chosen": chosen(found[arm.name]),
        "chosen_by": arm.chosen_by,
        "expected_best": expected_best(known),
        "sweep": sweep_of(known, objectives),
    }


def _configuration(settings: Mapping[str, Any], one: Tried | None) -> dict[str, Any]:
    if one is None:
        return {"settings": settings, "hypervolume": None, "test": None}
    finals = [outcome.final["sampled"] for outcome in one.runs.values()]
    final = {name: mean(f[name] for f in finals) for name in finals[0]}
    return {"settings": settings, "hypervolume": one.validation, "test": one.test, "tokens": one.tokens, "final": final}
