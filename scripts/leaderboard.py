"""Which rule wins? The figures and tables of docs/results.md, from the comparisons of recipes/comparisons/leaderboard/.

    python scripts/leaderboard.py records/leaderboard/*.tar.xz --page docs/results.md --figures docs

`make leaderboard` runs this, with the tasks in the order of the plan.
Takes folders of comparisons or their packed records; each has the name of its plan. Prints Markdown, or puts it into
the page between its two markers. The protocol is in recipes/comparisons/leaderboard/README.md.
"""

import argparse
import json
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

from leaderboard_figures import COLOURS, Front, Panel, draw_board, draw_fronts

from paretune.comparison.figures import LESS_IS_BETTER, last_figures
from paretune.comparison.members import tuning_members
from paretune.comparison.plan import read_plan
from paretune.comparison.statistics import PairedDifference, holm, paired
from paretune.comparison.statistics import estimate as estimate_of
from paretune.comparison.together import front_together
from paretune.record.figures import difference, estimate, figure, p_value
from paretune.record.json_files import read_json, write_json, write_whole
from paretune.record.known_front import front_on
from paretune.record.reader import RunReader
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
UNSEARCHED = [
    Primary("nash", "equal", "share_of_best", "geometric_mean"),
    Primary("tour", "equal", "front_regret", "hypervolume"),
]
"""Contrasts with the rival that costs no search. They were not in the plan."""
SINGLE, ALONE = "only-", "best of only-k"
"""How the names of arms on one objective begin, and the row that stands for all of them."""
STEERABLE = "steerable"
"""The arm whose one policy is measured at many priorities."""
MARKERS = ("<!-- what scripts/leaderboard.py prints -->", "<!-- end of what it prints -->")
"""The lines of the page between which its tables stand."""
BOARDS = {
    "share_of_best": "Last policy: share of the best",
    "front_regret": "Front: regret",
    "hypervolume": "Front: hypervolume",
}
"""Figures of which every arm has its row, and the titles of these tables."""
HELD = 0.95
"""The share of what the best fixed weights end at, on the validation split, that a run must reach and hold."""
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
    directory: Path

    @classmethod
    def read(cls, directory: Path) -> "Task":
        """From a comparison's folder."""
        summary = read_json(directory / "summary.json")
        return cls(directory.name, summary["task"], summary, directory)

    @property
    def arms(self) -> list[str]:
        """Those that have runs."""
        return list(self.summary["rules"])

    def values(self, arm: str, name: str) -> dict[int, float]:
        """A figure of each run of an arm, by seed; runs that lack it are left out."""
        runs = self.summary["rules"].get(arm, {}).get("runs", [])
        found = {run["seed"]: run[name] if name in run else run["figures"][name] for run in runs}
        return {seed: value for seed, value in found.items() if value is not None and isfinite(value)}

    def gain(self, arm: str, rival: str, name: str, *, of: "Task | None" = None) -> PairedDifference:
        """How much better one arm is than another, over the seeds of both: above 0, whichever way the figure points.

        The rival may be of another comparison on the same task.
        """
        own, other = self.values(arm, name), (of or self).values(rival, name)
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
    """A row for each task on which both arms share a seed."""
    rows = []
    for task in tasks:
        name = figure_of(task, contrast)
        found = task.gain(contrast.rule, contrast.against, name)
        if not found.n:
            continue
        by, between = difference(found.difference, found.low, found.high)
        values = [estimate_of(list(task.values(arm, name).values())) for arm in (contrast.rule, contrast.against)]
        rows.append([task.name, name.replace("_", " "), *(figure(one.mean) for one in values), by, between,
                     p_value(found.p_t), str(found.n)])  # fmt: skip
    return rows


@cache
def means_on_the_grid(directory: Path) -> list[tuple[int, int | None, float]]:
    """Step, tokens and geometric mean of a run's policies on the validation split, as measured in training."""
    reader = RunReader(directory)
    return [
        (e.step, e.tokens, last_figures(reader.header.objectives, e.metrics, None)["geometric_mean"])
        for e in reader.grid
    ]


def before_training(task: Task) -> float | None:
    """The share of the best geometric mean that the initial policy has, on the validation split; None if not known."""
    shares = []
    for run in task.summary["rules"].get("nash", {}).get("runs", []):
        best = front_on(RunReader(task.directory / run["directory"]).known_fronts, "test")
        grid = means_on_the_grid(task.directory / run["directory"])
        if best is not None and grid and grid[0][0] == 0:
            shares.append(grid[0][2] / best.best_mean)
    return mean(shares) if shares else None


def time_rows(task: Task) -> list[list[str]]:
    """A row an arm: the share of its runs that reach and hold the target, and the medians of when they do."""
    arms = {arm: told for arm, told in task.summary["rules"].items() if not arm.startswith(SINGLE)}
    grids = {
        arm: [means_on_the_grid(task.directory / run["directory"]) for run in told["runs"]]
        for arm, told in arms.items()
    }
    target = HELD * mean(grid[-1][2] for grid in grids["best-fixed"])
    rows = []
    for arm, runs in grids.items():
        below = [max((i for i, (_, _, value) in enumerate(grid) if value < target), default=-1) for grid in runs]
        there = [grid[i + 1] for grid, i in zip(runs, below, strict=True) if i + 1 < len(grid)]
        columns = zip(*((step, tokens or 0) for step, tokens, _ in there), strict=True)
        when = [f"{median(column):.0f}" for column in columns]
        rows.append([task.name, arm, f"{len(there)} of {len(runs)}", *(when or ["–", "–"])])
    return rows


def board(tasks: Sequence[Task], name: str) -> dict[str, dict[str, Estimate]]:
    """A figure of every arm on every task: the best arm by its mean over tasks first.

    Of the runs on one objective each task shows its best arm. An arm that lacks half of the tasks stands last.
    """
    sign = 1 if name in LESS_IS_BETTER else -1
    found = dict[str, dict[str, Estimate]]()
    for task in tasks:
        for arm in task.arms:
            values = list(task.values(arm, name).values())
            row = found.setdefault(ALONE if arm.startswith(SINGLE) else arm, {})
            if values and (task.name not in row or sign * mean(values) < sign * (row[task.name].mean or 0.0)):
                row[task.name] = estimate_of(values)

    def place(arm: str) -> tuple[bool, float]:
        values = [one.mean for one in found[arm].values() if one.mean is not None]
        return 2 * len(values) < len(tasks), sign * mean(values) if values else 0.0

    return {arm: found[arm] for arm in sorted(found, key=place) if found[arm]}


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(cells) + " |" for cells in [columns, ["---"] * len(columns), *rows]]
    return "\n".join([f"### {title}", "", *lines])


def tables(tasks: Sequence[Task], found: Sequence[Overall], tours: Sequence[Task] = ()) -> str:
    """Every table of the page. The searched tours are comparisons of their own, each with the name of its task."""
    rows = []
    for one, adjusted in zip(found, holm([one.p_t for one in found]), strict=True):
        by, between = difference(one.mean.mean, one.mean.low, one.mean.high)
        c = one.contrast
        rows.append([f"{c.rule} against {c.against}", c.figure.replace("_", " "), by, between, p_value(one.p_t),
                     p_value(adjusted), p_value(one.p_sign_flip), figure(one.apart), str(len(one.tasks))])  # fmt: skip
    columns = ["contrast", "figure", "better by", "95 % interval", "p", "p (Holm)", "p (sign flips)", "apart", "tasks"]
    parts = [table("Over all tasks", columns, rows)]
    for contrast in [*PRIMARY, *UNSEARCHED]:
        columns = ["task", "figure", contrast.rule, contrast.against, "better by", "95 % interval", "p", "seeds"]
        beside = "" if contrast in PRIMARY else " (not in the plan)"
        parts.append(
            table(f"{contrast.rule} against {contrast.against}{beside}", columns, contrast_rows(tasks, contrast))
        )
    for name, title in BOARDS.items():
        standing = board(tasks, name)
        cells = {
            arm: [estimate(e.mean, e.low, e.high) if (e := row.get(t.name)) else "–" for t in tasks]
            for arm, row in standing.items()
        }
        if name == "share_of_best":
            cells["before training"] = [figure(before_training(t)) for t in tasks]
        parts.append(table(title, ["arm", *(t.name for t in tasks)], [[arm, *row] for arm, row in cells.items()]))
    columns = ["task", "figure", STEERABLE, "tour", "best-fixed-front", "ten fixed runs together", "ahead of tour by",
               "ahead of best-fixed-front by", "seeds"]  # fmt: skip
    steering = table("One steerable policy", columns, [row for task in tasks for row in steering_rows(task)])
    columns = ["task", "objective", "rank correlation", "monotone steps", "share of the range"]
    dials = table("Does the dial work?", columns, [row for task in tasks for row in dial_rows(task)])
    parts += [steering, dials] if any(STEERABLE in task.arms for task in tasks) else []
    by_name = {one.name: one for one in tours}
    columns = ["task", "form", "figure", "searched tour", "tour", "best-fixed-front", "ahead of tour by",
               "ahead of best-fixed-front by", "seeds"]  # fmt: skip
    wider = [row for task in tasks if task.name in by_name for row in wider_tour_rows(by_name[task.name], task)]
    parts += [table("A wider tour (exploratory)", columns, wider)] if wider else []
    columns = ["task", "arm", "runs that hold the target", "batches (median)", "tokens (median)"]
    parts.append(table("Time to target", columns, [row for task in tasks for row in time_rows(task)]))
    return "\n\n".join(parts)


def steering_rows(task: Task) -> list[list[str]]:
    """A row a figure: the front of one steerable policy, turned, beside its rivals; no row without such runs."""
    if STEERABLE not in task.arms:
        return []
    plan, rows = read_plan(task.directory), []
    searched = [one for one in tuning_members(plan) if one.arm.name == "best-fixed"]
    sets = [[task.directory / one.directory for one in searched if one.seed == seed] for seed in plan.tuning_seeds]
    together = [front_together(directories) for directories in sets]
    for name in ("front_regret", "hypervolume"):
        rivals = ("tour", "best-fixed-front")
        values = [estimate_of(list(task.values(arm, name).values())) for arm in (STEERABLE, *rivals)]
        gains = [task.gain(STEERABLE, rival, name) for rival in rivals]
        ahead = [" (".join(difference(one.difference, one.low, one.high)) + ")" for one in gains]
        rows.append([task.name, name.replace("_", " "), *(figure(one.mean) for one in values),
                     " and ".join(figure(one[name]) for one in together), *ahead, str(gains[0].n)])  # fmt: skip
    return rows


def wider_tour_rows(searched: Task, alone: Task) -> list[list[str]]:
    """A row a figure: the tour with searched settings beside the rivals of the task's primary contrasts."""
    rows, [arm] = [], searched.arms
    settings = searched.summary["rules"][arm]["settings"]["rule_settings"]
    form = ", ".join(f"{name} {value}" for name, value in settings.items())
    for name in ("front_regret", "hypervolume"):
        rivals = ("tour", "best-fixed-front")
        values = [estimate_of(list(searched.values(arm, name).values()))]
        values += [estimate_of(list(alone.values(rival, name).values())) for rival in rivals]
        gains = [searched.gain(arm, rival, name, of=alone) for rival in rivals]
        ahead = [" (".join(difference(one.difference, one.low, one.high)) + ")" for one in gains]
        rows.append([alone.name, form, name.replace("_", " "), *(figure(one.mean) for one in values), *ahead,
                     str(gains[0].n)])  # fmt: skip
    return rows


def dial_rows(task: Task) -> list[list[str]]:
    """A row an objective: how it follows its own priority."""
    dial = task.summary["rules"].get(STEERABLE, {}).get("dial") or {}
    return [
        [task.name, name, *(figure(told[one]["mean"]) for one in ("correlation", "monotone", "covered"))]
        for name, told in dial.items()
    ]


def with_tables(page: str, text: str) -> str:
    """A page whose part between the markers is this text."""
    begin, end = MARKERS
    return f"{page.split(begin)[0]}{begin}\n\n{text}\n\n{end}{page.split(end)[1]}"


def panel_of(task: Task, rivals: Mapping[str, Estimate]) -> Panel:
    """A task's panel of the leaderboard."""
    rival = rivals.get(task.name)
    return Panel(task.name, None if rival is None else rival.mean, before_training(task))


def front_of(task: Task) -> Front:
    """What a task allows, and the chosen policies of all seeds, on the test split."""
    best, chosen = None, dict[str, list[list[Any]]]()
    for arm in COLOURS:
        for run in task.summary["rules"].get(arm, {}).get("runs", []):
            reader = RunReader(task.directory / run["directory"])
            best = best or front_on(reader.known_fronts, "test")
            again = [e.metrics for e in reader.measured_again if (e.split, e.decoding) == ("test", "sampled")]
            gains = [[one.gain(metrics[one.name]) for one in reader.header.objectives] for metrics in again]
            chosen.setdefault(arm, []).extend(gains)
    names = [objective["name"] for objective in task.summary["objectives"]]
    return Front(task.name, names, [] if best is None else best.gains, chosen)


@contextmanager
def comparisons(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The folders of comparisons; packed records are unpacked for as long as they are read."""
    with TemporaryDirectory() as scratch:
        folders = []
        for place, path in enumerate(paths):  # two plans on one task have folders of the same name
            folders.append(Path(scratch, str(place), path.name.removesuffix(".tar.xz")) if path.is_file() else path)
            if path.is_file():
                with tarfile.open(path) as archive:
                    archive.extractall(Path(scratch, str(place)), filter="data")
        yield folders


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparisons", nargs="+", type=Path)
    parser.add_argument("--tours", nargs="*", default=[], type=Path, help="comparisons of the searched tour, by task")
    parser.add_argument("--page", type=Path, help="put the tables into this page instead of printing them")
    parser.add_argument("--to", type=Path, help="write every figure to this JSON file")
    parser.add_argument("--figures", type=Path, help="draw leaderboard.svg and fronts.svg into this folder")
    args = parser.parse_args()
    with comparisons([*args.comparisons, *args.tours]) as folders:
        missing = [folder.name for folder in folders if not (folder / "summary.json").is_file()]
        if missing:
            parser.error(f"{', '.join(missing)} has no summary.json: let `paretune compare` end first.")
        every = [Task.read(folder) for folder in folders]
        tasks, tours = every[: len(args.comparisons)], every[len(args.comparisons) :]
        found = [overall(tasks, contrast) for contrast in PRIMARY]
        text = tables(tasks, found, tours)
        if args.page:
            write_whole(args.page, with_tables(args.page.read_text("utf-8"), text))
        else:
            print(text)
        if args.to:
            write_json(args.to, json.loads(json.dumps(as_json(tasks, found))))
        if args.figures:
            standing = board(tasks, "share_of_best")
            panels = [panel_of(task, standing.get("best-fixed", {})) for task in tasks]
            draw_board(standing, panels, [c.rule for c in PRIMARY], args.figures / "leaderboard.svg")
            flat = [front_of(task) for task in tasks if len(task.summary["objectives"]) == 2]
            draw_fronts(flat, args.figures / "fronts.svg")
    return 0


def as_json(tasks: Sequence[Task], found: Sequence[Overall]) -> dict[str, Any]:
    """Every figure of the page."""
    contrasts = {c.rule: {t.name: asdict(t.gain(c.rule, c.against, figure_of(t, c))) for t in tasks} for c in PRIMARY}
    arms = {
        name: {arm: {t: asdict(one) for t, one in row.items()} for arm, row in board(tasks, name).items()}
        for name in BOARDS
    }
    return {"overall": [asdict(one) for one in found], "contrasts": contrasts, "arms": arms}


if __name__ == "__main__":
    sys.exit(main())
