"""Which rule wins? The figures and tables of docs/results.md, from the comparisons of recipes/comparisons/leaderboard/.

    python scripts/leaderboard.py results/leaderboard/* --to benchmarks/results/leaderboard.json --figure board.svg

Reads the summary of each comparison, whose folder has the name of its plan. Prints Markdown. The protocol is in
recipes/comparisons/leaderboard/README.md.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from statistics import mean
from typing import Any

from paretune.comparison.figures import LESS_IS_BETTER
from paretune.comparison.statistics import PairedDifference, holm, paired
from paretune.comparison.statistics import estimate as estimate_of
from paretune.record.figures import difference, estimate, figure, p_value
from paretune.record.json_files import read_json, write_json
from paretune.record.summary_entries import Estimate


@dataclass(frozen=True)
class Primary:
    """A contrast named beforehand.

    Attributes:
        rule: the rule.
        against: its rival.
        figure: what is compared.
        without_front: what is compared on a task whose true front is not known.
    """

    rule: str
    against: str
    figure: str
    without_front: str


PRIMARY = [
    Primary("nash", "best-fixed", "share_of_best", "geometric_mean"),
    Primary("tour", "best-fixed-front", "front_regret", "hypervolume"),
]
ESTIMATED = "arithmetic"
"""The task whose true front is known only from below."""
AKIN = ("treasure_convex", "arithmetic-60")
"""Of each pair of tasks that are akin, the one that is left out beside the mean of all."""


@dataclass(frozen=True)
class Task:
    """A comparison: by arm and seed what its runs came to."""

    name: str
    task: str
    summary: Mapping[str, Any]

    @classmethod
    def read(cls, directory: Path) -> "Task":
        """From a comparison's folder."""
        summary = read_json(directory / "summary.json")
        return cls(directory.name, summary["task"], summary)

    @property
    def arms(self) -> list[str]:
        """Those that have runs."""
        return list(self.summary["rules"])

    def values(self, arm: str, name: str) -> dict[int, float]:
        """A figure of each run of an arm, by seed; runs that lack it are left out."""
        runs = self.summary["rules"].get(arm, {}).get("runs", [])
        found = {run["seed"]: run[name] if name in run else run["figures"][name] for run in runs}
        return {seed: value for seed, value in found.items() if value is not None and isfinite(value)}

    def gain(self, arm: str, rival: str, name: str) -> PairedDifference:
        """How much better one arm is than another, over the seeds of both: above 0, whichever way the figure points."""
        own, other = self.values(arm, name), self.values(rival, name)
        sign = -1.0 if name in LESS_IS_BETTER else 1.0
        shared = sorted(set(own) & set(other))
        return paired([sign * own[seed] for seed in shared], [sign * other[seed] for seed in shared])


@dataclass(frozen=True)
class Overall:
    """A contrast over tasks: the t interval over the tasks' means, and the sign-flip test over tasks."""

    contrast: Primary
    tasks: Sequence[str]
    mean: Estimate
    p_t: float | None
    p_sign_flip: float | None
    apart: float | None
    """The mean without one of each pair of tasks that are akin."""


def overall(tasks: Sequence[Task], contrast: Primary) -> Overall:
    """A primary contrast over all tasks that have it."""
    found = {t.name: t.gain(contrast.rule, contrast.against, contrast.figure).difference for t in tasks}
    means = {name: value for name, value in found.items() if value is not None}
    against_none = paired(list(means.values()), [0.0] * len(means))
    distinct = [value for name, value in means.items() if name not in AKIN]
    return Overall(
        contrast, list(means), estimate_of(list(means.values())), against_none.p_t, against_none.p_sign_flip,
        mean(distinct) if distinct else None,
    )  # fmt: skip


def figure_of(task: Task, contrast: Primary) -> str:
    """The figure in which a task's own contrast is made."""
    return contrast.without_front if task.task == ESTIMATED else contrast.figure


def contrast_rows(tasks: Sequence[Task], contrast: Primary) -> list[list[str]]:
    """A row a task."""
    rows = []
    for task in tasks:
        name = figure_of(task, contrast)
        found = task.gain(contrast.rule, contrast.against, name)
        by, between = difference(found.difference, found.low, found.high)
        values = [estimate_of(list(task.values(arm, name).values())) for arm in (contrast.rule, contrast.against)]
        rows.append([task.name, name.replace("_", " "), *(figure(one.mean) for one in values), by, between,
                     p_value(found.p_t), str(found.n)])  # fmt: skip
    return rows


def board(tasks: Sequence[Task], name: str) -> dict[str, dict[str, Estimate]]:
    """A figure of every arm on every task: the best arm by its mean over tasks first."""
    arms = dict.fromkeys(arm for task in tasks for arm in task.arms)
    found = {arm: {t.name: estimate_of(list(v.values())) for t in tasks if (v := t.values(arm, name))} for arm in arms}
    sign = 1 if name in LESS_IS_BETTER else -1
    most = max((len(row) for row in found.values()), default=0)

    def place(arm: str) -> tuple[bool, float]:
        values = [one.mean for one in found[arm].values() if one.mean is not None]
        return len(values) < most, sign * mean(values) if values else 0.0

    return {arm: found[arm] for arm in sorted(found, key=place) if found[arm]}


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print Markdown."""
    print(f"\n### {title}\n")
    for cells in [columns, ["---"] * len(columns), *rows]:
        print("| " + " | ".join(cells) + " |")


def print_tables(tasks: Sequence[Task], found: Sequence[Overall]) -> None:
    """Every table of the page."""
    rows = []
    for one, adjusted in zip(found, holm([one.p_t for one in found]), strict=True):
        by, between = difference(one.mean.mean, one.mean.low, one.mean.high)
        c = one.contrast
        rows.append([f"{c.rule} against {c.against}", c.figure.replace("_", " "), by, between, p_value(one.p_t),
                     p_value(adjusted), p_value(one.p_sign_flip), figure(one.apart), str(len(one.tasks))])  # fmt: skip
    columns = ["contrast", "figure", "better by", "95 % interval", "p", "p (Holm)", "p (sign flips)", "apart", "tasks"]
    table("Over all tasks", columns, rows)
    for contrast in PRIMARY:
        columns = ["task", "figure", contrast.rule, contrast.against, "better by", "95 % interval", "p", "seeds"]
        table(f"{contrast.rule} against {contrast.against}", columns, contrast_rows(tasks, contrast))
    for name, title in (("share_of_best", "Last policy: share of the best"), ("front_regret", "Front: regret")):
        standing = board(tasks, name)
        cells = {
            arm: [estimate(e.mean, e.low, e.high) if (e := row.get(t.name)) else "–" for t in tasks]
            for arm, row in standing.items()
        }
        table(title, ["arm", *(t.name for t in tasks)], [[arm, *row] for arm, row in cells.items()])


def draw(tasks: Sequence[Task], path: Path, name: str = "share_of_best") -> None:
    """The leaderboard as a figure: a panel a task, a row an arm, with intervals."""
    from matplotlib.figure import Figure

    standing = board(tasks, name)
    arms = list(standing)[::-1]
    page = Figure(figsize=(1.6 + 1.5 * len(tasks), 0.9 + 0.2 * len(arms)), layout="constrained")
    every = page.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    for axes, task in zip(every, tasks, strict=True):
        rival = standing.get("best-fixed", {}).get(task.name)
        if rival is not None and rival.mean is not None:
            axes.axvline(rival.mean, color="0.6", linewidth=0.8)
        for height, arm in enumerate(arms):
            one = standing[arm].get(task.name)
            if one is None or one.mean is None:
                continue
            dark = "C0" if arm in {c.rule for c in PRIMARY} else "0.35"
            axes.plot(one.mean, height, "o", color=dark, markersize=3.5)
            if one.low is not None and one.high is not None:
                axes.hlines(height, one.low, one.high, color=dark, linewidth=1.0)
        axes.set_title(task.name, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(axis="x", color="0.92")
        axes.set_yticks(range(len(arms)), arms)
    page.supxlabel(name.replace("_", " "), fontsize=8)
    page.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparisons", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, help="write every figure to this JSON file")
    parser.add_argument("--figure", type=Path, help="draw the leaderboard: .svg, .pdf or .png")
    args = parser.parse_args()
    missing = [str(folder) for folder in args.comparisons if not (folder / "summary.json").is_file()]
    if missing:
        parser.error(f"{', '.join(missing)} has no summary.json: let `paretune compare` end first.")
    tasks = [Task.read(folder) for folder in args.comparisons]
    found = [overall(tasks, contrast) for contrast in PRIMARY]
    print_tables(tasks, found)
    if args.to:
        told = {
            "overall": [asdict(one) for one in found],
            "contrasts": {
                c.rule: {t.name: t.gain(c.rule, c.against, figure_of(t, c)).to_dict() for t in tasks} for c in PRIMARY
            },
            "arms": {
                name: {arm: {t: asdict(one) for t, one in row.items()} for arm, row in board(tasks, name).items()}
                for name in ("share_of_best", "front_regret", "hypervolume")
            },
        }
        write_json(args.to, json.loads(json.dumps(told)))
    if args.figure:
        draw(tasks, args.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
