"""The table of fitness, on a comparison by hand."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from comparison.runs import OBJECTIVES, TEST, VALIDATION, make_run
from paretune.comparison.members import Member, comparison_members, tuning_members
from paretune.comparison.plan import Arm, Plan, write_plan
from paretune.comparison.summary import summarise
from paretune.record.json_files import write_json
from paretune.record.known_front import append_known_front
from scripted import script

ARMS = [
    Arm("best-fixed", configurations=[{"weights": w} for w in ("0.8,0.2", "0.5,0.5", "0.2,0.8")]),
    Arm("equal", weights="1,1"), Arm("only-1", weights="1,0"), Arm("only-2", weights="0,1"),
    Arm("random", "random"),
]  # fmt: skip
ENDS: dict[str, tuple[float, float]] = {
    "best-fixed": (0.6, 0.6), "equal": (0.5, 0.5), "only-1": (0.9, 0.1), "only-2": (0.2, 0.9),
    "random": (0.4, 0.4),
}  # fmt: skip
SEARCHED = [(0.9, 0.3), (0.6, 0.6), (0.3, 0.9)]
COLUMNS = ("task", "objectives", "moved", "apart", "equal", "best", "random", "alone", "initial", "agree", "seconds",
           "missing")  # fmt: skip


@pytest.fixture(scope="module")
def fitness() -> ModuleType:
    return script("fitness")


def row(root: Path, fitness: ModuleType, start: tuple[float, float] = (0.3, 0.3), **ends: Any) -> dict[str, str]:
    """The row of a comparison whose last policies have these gains, and all whose evaluations have errors of 0.01."""
    plan = Plan("made-up", ARMS, seeds=(0, 1), tuning_seeds=(1000, 1001))
    write_plan(root, plan)

    def end(member: Member) -> tuple[float, float]:
        if member.configuration is None:
            return {**ENDS, **ends}[member.arm.name]
        return ends.get(f"seed{member.seed}", SEARCHED)[member.configuration]

    for member in [*tuning_members(plan), *comparison_members(plan)]:
        gains = end(member)
        splits = (TEST,) if member.configuration is None else (TEST, VALIDATION)
        grid = {0: start, 20: gains}
        run = make_run(root / member.directory, grid=grid, measured={split: {20: gains} for split in splits})
        for split, _ in splits:
            best = {"value": 0.75, "gains": [0.75, 0.75], "gap": 0.0}
            weights = [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
            gains_of_best = [[0.3, 1.0], [0.75, 0.75], [1.0, 0.3]]
            told = {"split": split, "prompts": 64, "objectives": OBJECTIVES, "weights": weights}
            append_known_front(run, {**told, "gains": gains_of_best, "best_geometric_mean": best})
    write_json(root / "summary.json", summarise(root, plan))
    return dict(zip(COLUMNS, fitness.row_of(root), strict=True))


def test_a_fit_task_misses_nothing(tmp_path: Path, fitness: ModuleType) -> None:
    found = row(tmp_path / "fit", fitness)
    assert found["missing"] == ""
    # From 0.2 to 0.9 of accuracy and from 0.1 to 0.9 of length, over √2 · 0.01 / √2.
    assert found["moved"] == "70.0 (accuracy)"
    assert (found["apart"], found["equal"], found["best"]) == ("3", "0.67", "0.80")
    assert (found["random"], found["alone"]) == ("0.53", "0.57")  # √(0.2 · 0.9) / 0.75
    # At equal weights 0.75 − 0.3; the error of the mean of six runs is 0.5 · √2 · 0.01 / √6.
    assert found["initial"] == "0.45 (156)"
    assert found["agree"] == "hypervolume yes, geometric mean yes"


def test_what_makes_a_task_unfit_is_named(tmp_path: Path, fitness: ModuleType) -> None:
    found = row(
        tmp_path / "unfit", fitness, start=(0.75, 0.75), random=(0.6, 0.6), equal=(0.7, 0.7),
        **{"only-2": (0.9, 0.1), "seed1001": [(0.9, 0.9), (0.9, 0.3), (0.8, 0.2)]},
    )  # fmt: skip
    missing = found["missing"].split("; ")
    assert missing == [
        "accuracy is moved by 0.0 SE", "1 weightings apart", "equal weights are good",
        "the initial policy is on the front", "a wrong rule is not seen", "searches disagree",
    ]  # fmt: skip
