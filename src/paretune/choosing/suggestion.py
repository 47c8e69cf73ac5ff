"""Which rule a check suggests, and why: docs/choosing-a-rule.md, applied to what was seen."""

from __future__ import annotations

from paretune.choosing.check import SAME, Check


def suggestion(check: Check, *, thresholds: bool) -> str:
    """A rule for these objectives, with the reason, in one line.

    Args:
        check: what was measured.
        thresholds: whether thresholds or an objective to maximise were given.
    """
    if len(check.names) == 1:
        return "suggested rule: fixed. There is one objective, so there is nothing to weigh."
    alive = [name for k, name in enumerate(check.names) if _varies(check, k)]
    if len(alive) < 2:
        what = f"only {alive[0]} gives a gradient" if alive else "no objective gives a gradient"
        return f"no rule can help yet: {what}. Mend the other rewards first."
    if thresholds:
        return "suggested rule: lagrangian. You gave thresholds, and it raises one objective within them."
    reasons = ["It puts more weight where more is missing, and costs nothing."]
    dead = [name for name in check.names if name not in alive]
    if dead:
        reasons.append(f"What never varies gets no weight: {', '.join(dead)}.")
    if not any(pair.opposed for pair in check.pairs):
        reasons.append("No gradients oppose each other here, so equal weights may do as well.")
    if any(limits is None for limits in check.bounds):
        reasons.append("Declare bounds first (--bounds): they say what is missing.")
    return " ".join(["suggested rule: nash; tour for a front to choose from.", *reasons])


def _varies(check: Check, k: int) -> bool:
    of = check.rewards[k]
    return of.missing < 1 and of.high - of.low > SAME and check.silent[k] < 1
