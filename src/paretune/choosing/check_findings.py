"""The figures of a check in words: what stands out in them, and nothing that was not measured."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from paretune.choosing.check import SAME, Check, Cost, Spread
from paretune.record.figures import correlation, percent, span

ALIKE = 0.95
"""Rewards of a larger correlation are nearly one."""
MOSTLY = 0.95
"""A larger share of completions at one end counts as nearly all."""
MANY_SILENT = 0.5
"""An objective without signal in a larger share of groups is worth a line."""
SOME_SILENT = 0.1
"""The same for the weighted sum, without which a group is lost for all objectives."""
MOSTLY_NOISE = 0.5
"""A larger share of noise in a batch's influence is worth a line."""
SOME_TRUNCATED = 0.05
"""A larger share of truncated completions is worth a line."""


def findings(check: Check) -> list[str]:
    """What the figures say, a line each, what matters most first."""
    dead, quiet = _dead(check)
    lines = [*dead, *_lost_groups(check), *_conflicts(check), *quiet]
    if check.truncated >= SOME_TRUNCATED:
        lines.append(f"{percent(check.truncated)} of the completions are truncated at max_completion_length.")
    lines += [*_bounds(check), *_alike(check)]
    if check.noise_of_sum > MOSTLY_NOISE:
        lines.append(
            f"noise makes {percent(check.noise_of_sum)} of the influence that a batch shows; the influence methods "
            "crossed and crossed-exact leave it out."
        )
    if not lines:
        lines = ["every reward varies, no gradients oppose each other, and the bounds hold what was seen."]
    return [*lines, *_costs(check.costs)]


def _dead(check: Check) -> tuple[list[str], list[str]]:
    """Lines about rewards that give no gradient, and about those that seldom do."""
    dead, quiet = [], []
    for name, of, silent in zip(check.names, check.rewards, check.silent, strict=True):
        if of.missing == 1:
            dead.append(f"{name} applies to none of {of.count} completions: it gives no gradient.")
            continue
        if of.high - of.low <= SAME:
            dead.append(f"{name} never varies: its reward is always {of.low:.4g}, and it gives no gradient.")
            continue
        if silent == 1:
            dead.append(f"{name} never varies within a {check.unit}: it gives no gradient; {_range(of)}.")
            continue
        if silent > MANY_SILENT:
            quiet.append(f"{name} varies within only {percent(1 - silent)} of the {check.units}; {_range(of)}.")
        elif max(of.at_low, of.at_high) > MOSTLY:
            end, share = ("lowest", of.at_low) if of.at_low > of.at_high else ("highest", of.at_high)
            quiet.append(f"{name} has its {end} reward in {percent(share)} of the completions; {_range(of)}.")
        if of.missing > 0:
            quiet.append(f"{name} does not apply to {percent(of.missing)} of the completions.")
    return dead, quiet


def _range(of: Spread) -> str:
    return f"its rewards go from {of.low:.4g} to {of.high:.4g}, mean {of.mean:.4g}"


def _lost_groups(check: Check) -> list[str]:
    if check.silent_sum < SOME_SILENT:
        return []
    weights = ", ".join(f"{name} {weight:.3g}" for name, weight in zip(check.names, check.weights, strict=True))
    return [
        f"{percent(check.silent_sum)} of the {check.units} give no gradient: no spread in the weighted sum ({weights})."
    ]


def _conflicts(check: Check) -> list[str]:
    lines = []
    for pair in sorted((p for p in check.pairs if p.opposed), key=lambda p: p.cosine):
        line = f"{pair.a} and {pair.b} oppose each other: gradient cosine {correlation(pair.cosine)}"
        if len(pair.cosines) > 1:
            low, high = min(pair.cosines), max(pair.cosines)
            line += f" ({correlation(low)} to {correlation(high)} in {len(pair.cosines)} batches)"
        lines.append(f"{line}.")
    return lines


def _bounds(check: Check) -> list[str]:
    lines = []
    unbounded = [k for k, limits in enumerate(check.bounds) if limits is None]
    for k, (name, limits, of) in enumerate(zip(check.names, check.bounds, check.metrics, strict=True)):
        if limits is None:
            continue
        if check.beyond[k] > 0:
            share, seen = percent(check.beyond[k]), f"its metric was seen from {of.low:.4g} to {of.high:.4g}"
            lines.append(f"{name} leaves its bounds {span(*limits)} in {share} of the completions: {seen}.")
        mean = of.mean if check.validation is None else check.validation[k]
        low, high = limits
        if mean <= low if check.maximize[k] else mean >= high:
            lines.append(
                f"{name} starts at the worst end of its bounds {span(*limits)}, mean {mean:.4g}: such a policy "
                "adds nothing to the hypervolume."
            )
    if unbounded:
        line = f"no hypervolume without bounds of {', '.join(check.names[k] for k in unbounded)}"
        held = [(check.names[k], limits) for k in unbounded if (limits := check.proposed[k])]
        proposed = ",".join(f"{name}={low:.12g}:{high:.12g}" for name, (low, high) in held)
        told = f"; the values seen fit into --bounds {quote(proposed)} (for train, compare, report and pick)"
        constant = ", ".join(check.names[k] for k in unbounded if not check.proposed[k])
        alone = f"; {constant} showed a single value: add such bounds yourself"
        lines.append(f"{line}{told if proposed else ''}{alone if constant else ''}.")
    return lines


def _alike(check: Check) -> list[str]:
    return [
        f"{p.a} and {p.b} are nearly one reward: correlation {correlation(p.correlation)} within a {check.unit}."
        for p in check.pairs
        if p.correlation > ALIKE
    ]


def _costs(found: Sequence[Cost]) -> list[str]:
    told = [f"{cost.relative:.2f} times with {_of(cost.name)}" for cost in found if cost.name and cost.relative]
    if not told:
        return []
    return [f"a plain training step takes {found[0].seconds:.3g} s; {', '.join(told)}."]


def _of(name: str) -> str:
    return "an evaluation in every batch" if name == "evaluation" else f"the {name} influence"
