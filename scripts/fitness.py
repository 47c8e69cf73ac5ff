"""Are the tasks fit to judge rules by? The table of docs/tasks.md.

    python scripts/fitness.py results/leaderboard/treasure results/leaderboard/recall

makes a row for each comparison of recipes/comparisons/leaderboard/: a search of ten weightings on two seeds, all weight
on one objective, equal weights, and weights at random.

    python scripts/fitness.py --untrained treasure recall

prints what is known of tasks before any training: the front of the validation split, and where the initial policy is.
Both print Markdown.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import nan, sqrt
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from paretune import tasks
from paretune.comparison.members import comparison_members, tuning_members
from paretune.comparison.outcome import Outcome, judged
from paretune.comparison.plan import Plan, read_plan
from paretune.pareto import best_geometric_mean, geometric_mean, regret, weight_lattice
from paretune.record.entries import Evaluation, Objective
from paretune.record.json_files import read_json
from paretune.record.known_front import front_on
from paretune.record.reader import RunReader
from paretune.tasks.measuring import measure

ALONE = "only-"
CLEAR = 5.0
"""Standard errors from which on two policies count as different."""
LEFT = 0.08
"""What equal weights have to leave of the best geometric mean."""
BAD = 0.05
"""How far below the best of the ten weightings a wrong rule has to stay, in shares of the best geometric mean."""
FEWEST = 3
"""Non-dominated weightings."""
LONGEST = 60.0
"""Seconds of a run."""


@dataclass(frozen=True)
class Policy:
    """Gains of some runs' last policies, averaged, with the standard errors of the averages."""

    gains: Mapping[str, float]
    errors: Mapping[str, float]


def policy_of(objectives: Sequence[Objective], evaluations: Sequence[Evaluation]) -> Policy:
    """The average of some evaluations, in gains."""
    gains, errors = {}, {}
    for o in objectives:
        low, high = o.bounds or (nan, nan)
        values = [o.gain(e.metrics.get(o.name)) for e in evaluations]
        gains[o.name] = mean(nan if value is None else value for value in values)
        noise = sqrt(sum(e.errors.get(o.name, nan) ** 2 for e in evaluations))
        errors[o.name] = noise / len(evaluations) / (high - low)
    return Policy(gains, errors)


def last_on_test(root: Path, directories: Sequence[str]) -> list[Evaluation]:
    """The last policy of each run, sampled on the test split."""
    again = [one for directory in directories for one in RunReader(root / directory).measured_again]
    return [one for one in again if one.final and (one.split, one.decoding) == ("test", "sampled")]


def spread(alone: Mapping[str, Policy]) -> tuple[float, str]:
    """How far an objective is moved by training on it alone, from the lowest that training on another one makes of it.

    In joint standard errors, of the objective that is moved least.
    """
    found = []
    for name, own in alone.items():
        lowest = min(alone.values(), key=lambda policy: policy.gains[name])
        noise = sqrt(own.errors[name] ** 2 + lowest.errors[name] ** 2)
        found.append(((own.gains[name] - lowest.gains[name]) / noise if noise else nan, name))
    return min(found)


def slack(root: Path, plan: Plan, objectives: Sequence[Objective]) -> tuple[float, float]:
    """How far the initial policy is from the true front, and in standard errors: min over w of h(w) − w·G."""
    runs = [RunReader(root / member.directory) for member in tuning_members(plan)]
    start = policy_of(objectives, [run.grid[0] for run in runs if run.grid and run.grid[0].step == 0])
    front = next((f for run in runs if (f := front_on(run.known_fronts, "validation"))), None)
    if front is None:
        return nan, nan
    gains, errors = (np.array([part[o.name] for o in objectives]) for part in (start.gains, start.errors))
    weights = np.array(front.weights)
    missing = np.array(front.support) - weights @ gains
    i = int(missing.argmin())
    return float(missing[i]), float(missing[i] / sqrt(float(((weights[i] * errors) ** 2).sum())))


def winners(root: Path, plan: Plan, figure: str) -> list[int]:
    """Which configuration a search on each tuning seed takes, by a figure on the validation split."""
    found: dict[int, list[tuple[float, int]]] = {}
    for member in tuning_members(plan):
        outcome = judged(root / member.directory, split="validation")
        if isinstance(outcome, Outcome) and member.configuration is not None:
            value = outcome.hypervolume["sampled"] if figure == "hypervolume" else outcome.figures[figure]
            found.setdefault(member.seed, []).append((value, -member.configuration))
    return [-max(values)[1] for values in found.values()]


def seconds(root: Path, plan: Plan) -> list[float]:
    """The wall time of every run's training, with its evaluations on the grid."""
    found = []
    for member in [*tuning_members(plan), *comparison_members(plan)]:
        header = RunReader(root / member.directory).header
        if header.started and header.ended:
            ended, started = (datetime.fromisoformat(text) for text in (header.ended, header.started))
            found.append((ended - started).total_seconds())
    return found


UNTRAINED = [
    "task", "K", "points of the front", "best geometric mean", "best for equal weights", "initial policy", "its regret",
    "to the front",
]  # fmt: skip


def untrained_row(task: tasks.Task) -> list[str]:
    """A task's row before any training; shares are of the best geometric mean."""
    assert task.front is not None
    count, front = len(task.objectives), partial(task.front, task.validation)
    weights = weight_lattice(count)
    points = front(weights)
    support = (weights * points).sum(axis=1)
    best = best_geometric_mean(front, count, tolerance=1e-4).value
    equal = geometric_mean(front(np.full((1, count), 1 / count))[0])
    model = AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.float32).eval()
    longest = task.settings["max_completion_length"]
    told = (model, AutoTokenizer.from_pretrained(task.model), task.validation, task.objectives, lambda text, **_: text)
    found = measure(*told, longest, samples=8)
    gains = np.array([Objective(o.name, o.maximize, o.bounds).gain(found[o.name]) for o in task.objectives])
    return [
        task.name, str(count), str(len(np.unique(points.round(6), axis=0))), f"{best:.3f}", number(equal / best),
        number(geometric_mean(gains) / best), f"{regret(gains, weights, support):.3f}",
        f"{(support - weights @ gains).min():.3f}",
    ]  # fmt: skip


COLUMNS = [
    "task", "K", "moved alone, least (SE)", "apart of ten", "equal", "best of ten", "random", "best alone",
    "initial policy to the front (SE)", "two searches agree", "s a run (longest)", "not met",
]  # fmt: skip


def row_of(root: Path) -> list[str]:
    """A task's row of the table."""
    plan, summary = read_plan(root), read_json(root / "summary.json")
    rules = summary["rules"]
    objectives = RunReader(root / rules["equal"]["runs"][0]["directory"]).header.objectives
    of_arm = {label: last_on_test(root, [run["directory"] for run in rule["runs"]]) for label, rule in rules.items()}
    only = {o.name: f"{ALONE}{k}" for k, o in enumerate(objectives, start=1)}
    alone = {name: policy_of(objectives, of_arm[label]) for name, label in only.items()}
    moved, least = spread(alone)
    apart = len(rules["best-fixed"]["tuning"]["sweep"]["apart"])
    share = {label: rule["figures"]["share_of_best"]["mean"] for label, rule in rules.items()}
    shares = {label: nan if value is None else value for label, value in share.items()}
    best_alone = max(shares[label] for label in only.values())
    far, in_errors = slack(root, plan, objectives)
    took = seconds(root, plan)
    agree = {figure: len(set(winners(root, plan, figure))) == 1 for figure in ("hypervolume", "geometric_mean")}
    wrong = max(shares["random"], best_alone)
    missing = {
        f"{least} is moved by {moved:.1f} SE": not moved >= CLEAR,
        f"{apart} weightings apart": not apart >= FEWEST,
        "equal weights are good": shares["equal"] > 1 - LEFT,
        "the initial policy is on the front": in_errors < CLEAR,
        "a wrong rule is not seen": wrong > shares["best-fixed"] - BAD,
        "runs are long": max(took) > LONGEST,
        "searches disagree": not agree["hypervolume"],
    }
    return [
        summary["task"], str(len(objectives)), f"{moved:.1f} ({least})", str(apart), number(shares["equal"]),
        number(shares["best-fixed"]), number(shares["random"]), number(best_alone),
        f"{number(far)} ({in_errors:.0f})" if far == far else "–",
        ", ".join(f"{figure.replace('_', ' ')} {'yes' if one else 'no'}" for figure, one in agree.items()),
        f"{mean(took):.0f} ({max(took):.0f})", "; ".join(what for what, is_missing in missing.items() if is_missing),
    ]  # fmt: skip


def number(value: float) -> str:
    """A figure, or a dash."""
    return "–" if value != value else f"{value:.2f}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print Markdown."""
    for cells in [columns, ["---"] * len(columns), *rows]:
        print("| " + " | ".join(cells) + " |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", nargs="+", metavar="COMPARISON|TASK", help="folders of comparisons; tasks if --untrained"
    )
    parser.add_argument("--untrained", action="store_true", help="only what is known before any training")
    args = parser.parse_args()
    if args.untrained:
        table(UNTRAINED, [untrained_row(tasks.load(name)) for name in args.what])
    else:
        table(COLUMNS, [row_of(Path(directory)) for directory in args.what])
    return 0


if __name__ == "__main__":
    sys.exit(main())
