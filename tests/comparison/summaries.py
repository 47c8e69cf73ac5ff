"""Comparisons whose figures are known, for tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from comparison.runs import GREEDY, TEST, batch, make_run
from paretune.comparison.members import Member, comparison_members
from paretune.comparison.plan import Arm, Plan

FIXED, OTHER, MOVING = Arm("fixed", weights="0.5,0.5"), Arm("other", weights="0.9,0.1"), Arm("gradient", "gradient")
STEPS = [batch(step) for step in (5, 10, 15, 20)]


def make(root: Path, plan: Plan, figure: Callable[[Member], float], **fields: Any) -> None:
    """Make all runs of a comparison: `figure` is the hypervolume of their policies, half of it if greedy."""
    for member in comparison_members(plan):
        value = figure(member)
        measured = {TEST: {10: (0.5 * value, 1.0), 20: (value, 1.0)}, GREEDY: {20: (0.5 * value, 1.0)}}
        grid = {0: (0.1, 0.5), 10: (0.5 * value, 0.9), 20: (value, 0.8)}
        make_run(root / member.directory, **{"steps": STEPS, "measured": measured, "grid": grid, **fields})
