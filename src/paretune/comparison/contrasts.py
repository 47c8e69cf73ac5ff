"""Which arms differ, and by how much.

One contrast was named beforehand. The others under the first algorithm are secondary, and their p-values are adjusted
together (Holm). Those under further algorithms are exploratory, and so are those in figures that show the same policies
from another side. Runs are paired by seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import isfinite, nan
from typing import Any, Literal

from paretune.comparison.figures import FIGURES, WITH_KNOWN_FRONT
from paretune.comparison.groups import Group
from paretune.comparison.outcome import Outcome
from paretune.comparison.plan import Plan
from paretune.comparison.statistics import holm, paired

Kind = Literal["primary", "secondary", "exploratory"]
Figure = Callable[[Outcome], float]


HYPERVOLUMES: dict[str, Figure] = {
    "hypervolume": lambda o: o.hypervolume["sampled"],
    "hypervolume_greedy": lambda o: o.hypervolume.get("greedy", nan),  # of a run that failed before it was measured
    "final_hypervolume": lambda o: o.final_hypervolume["sampled"],
}


def _figure(name: str) -> Figure:
    return lambda outcome: outcome.figures[name]


FIGURE_OF: dict[str, Figure] = {**HYPERVOLUMES, **{name: _figure(name) for name in FIGURES}}
"""Those that need the true front are contrasted only where the primary contrast names one: the front is the same for
both arms, so their contrasts say again what those of the geometric mean and of the expected utility say."""


def contrasts_of(
    groups: Sequence[Group], plan: Plan, best: Mapping[str, Group | None]
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The primary contrast, and all others: each arm and the best fixed weights, each control and its arm.

    The primary one is None only where none was named beforehand. One that cannot be made says why in ``reason``.
    """
    primary = _no_primary(groups, plan, best)
    others: list[dict[str, Any]] = []
    first = plan.algorithms[0]
    for group in groups:
        fixed = best[group.algorithm]
        kind: Kind = "secondary" if group.algorithm == first else "exploratory"
        if fixed is not None and fixed is not group:
            named = group.arm.name == plan.primary and group.algorithm == first
            if named:
                primary = _contrast(group, fixed, plan.primary_figure, "primary")
                beside = [figure for figure in FIGURE_OF if figure not in (plan.primary_figure, *WITH_KNOWN_FRONT)]
                others += [_contrast(group, fixed, f, kind if f in HYPERVOLUMES else "exploratory") for f in beside]
            else:
                others.append(_contrast(group, fixed, "hypervolume", kind))
        control_of = plan.arm(group.arm.name).of
        for source in groups:
            if source.arm.name == control_of and source.algorithm == group.algorithm:
                others.append(_contrast(source, group, "hypervolume", kind))
    secondary = [contrast for contrast in others if contrast["kind"] == "secondary"]
    for contrast, adjusted in zip(secondary, holm([c["p_t"] for c in secondary]), strict=True):
        contrast["p_holm"] = adjusted
    return primary, others


def _no_primary(groups: Sequence[Group], plan: Plan, best: Mapping[str, Group | None]) -> dict[str, Any] | None:
    """The contrast that was named beforehand as long as it is not made: without figures, but with a reason."""
    if plan.primary is None:
        return None
    algorithm = plan.algorithms[0]
    fixed = best[algorithm]
    group = next((g for g in groups if (g.arm.name, g.algorithm) == (plan.primary, algorithm)), None)
    if group is None:
        reason = f"{plan.primary} has no run that can be judged"
    elif fixed is None:
        reason = "no fixed weights are compared"
    else:
        reason = f"{group.label} is itself the best fixed"
    return {
        "rule": plan.primary if group is None else group.label,
        "against": None if fixed is None else fixed.label,
        "figure": plan.primary_figure,
        "kind": "primary",
        **asdict(paired([], [])),
        "reason": reason,
        "p_holm": None,
    }


def _contrast(a: Group, b: Group, figure: str, kind: Kind) -> dict[str, Any]:
    """Two arms over the seeds with which both have the figure."""
    of = FIGURE_OF[figure]
    pairs = [(of(a.outcomes[s]), of(b.outcomes[s])) for s in sorted(set(a.outcomes) & set(b.outcomes))]
    pairs = [pair for pair in pairs if all(map(isfinite, pair))]
    found = asdict(paired([x for x, _ in pairs], [y for _, y in pairs]))
    return {"rule": a.label, "against": b.label, "figure": figure, "kind": kind, **found, "p_holm": None}


def versus_best_fixed(group: Group, fixed: Group | None, contrasts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """An arm's contrast with the best fixed weights, or why there is none."""
    if fixed is None or fixed is group:
        reason = "no fixed weights are compared" if fixed is None else "it is the best fixed"
        return {"difference": None, "low": None, "high": None, "reason": reason}
    wanted = (group.label, fixed.label, "hypervolume")
    return next(c for c in contrasts if (c["rule"], c["against"], c["figure"]) == wanted)
