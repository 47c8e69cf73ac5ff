"""What can be won on a task whose front is known: the tables of docs/treasure.md, docs/recall.md and their like.

    python scripts/known_front.py --task T [--split train]

Prints Markdown tables: what right answers of each kind earn; what some policies earn (the best one for each objective
alone, for equal weights and for the geometric mean, and the embedded policy); and what the embedded policy does, by its
metrics.json: sampled, by style of answer, greedy, and asked for one objective by a prefix.
"""

import argparse
import importlib
import json
import random
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike

from paretune import tasks
from paretune.pareto import best_geometric_mean, geometric_mean, regret, weight_lattice
from paretune.record.entries import Objective


def print_styles(task: tasks.Task, styles: ModuleType, count: int = 2000) -> None:
    """What answers in each of the warm-up's styles earn, over problems drawn afresh."""
    rng = random.Random(0)
    problems = [styles.draw(rng) for _ in range(count)]
    columns = {name: [p.row[name] for p in problems] for name in problems[0].row if name != "prompt"}
    print_header(["answer", "example", *(objective.name for objective in task.objectives)])
    for style in styles.SHARES:
        answers = [styles.write(problem, style, rng) for problem in problems]
        earned = [np.mean(objective.reward(completions=answers, **columns)) for objective in task.objectives]
        print_row([style, f"`{problems[0].prompt.strip()}` → `{answers[0]}`", *(f"{value:.2f}" for value in earned)])


def print_policies(task: tasks.Task, split: str) -> None:
    """Gains of the best policies and of the embedded one, with the share of the best mean and the regret of each."""
    assert task.front is not None
    count = len(task.objectives)
    front = partial(task.front, getattr(task, split))
    weights = weight_lattice(count)
    points = front(weights)
    support = (weights * points).sum(axis=1)
    best = best_geometric_mean(front, count, tolerance=1e-4)
    names = [objective.name for objective in task.objectives]
    print_header(["policy", *names, "geometric mean", "share of the best", "regret"])

    def show(label: str, gains: ArrayLike) -> None:
        mean = geometric_mean(gains)
        shown = [f"{value:.2f}" for value in np.asarray(gains)]
        print_row([label, *shown, f"{mean:.3f}", f"{mean / best.value:.2f}", f"{regret(gains, weights, support):.3f}"])

    for name, gains in zip(names, front(np.eye(count)), strict=True):
        show(f"best for {name} alone", gains)
    show("best for equal weights", front(np.full((1, count), 1 / count))[0])
    show("best geometric mean", best.gains)
    metrics = json.loads((Path(task.model) / "metrics.json").read_text())
    if (
        metrics["arguments"].get("task", "arithmetic") == task.name
    ):  # a policy that several tasks share was measured on one of them
        sampled = metrics["sampled"]
        show(
            "embedded policy", [Objective(o.name, o.maximize, o.bounds).gain(sampled[o.name]) for o in task.objectives]
        )
    print(f"\n{len(np.unique(points.round(6), axis=0))} different points of the front for {len(weights)} weightings.")


def print_policy(task: tasks.Task) -> None:
    """What the embedded policy does on the validation split."""
    metrics = json.loads((Path(task.model) / "metrics.json").read_text())
    names = [objective.name for objective in task.objectives]
    print_header(["embedded policy, validation", "share", *names])
    sampled = metrics["sampled"]
    rows = [("sampled", "", sampled)]
    rows += [(f"… {style}", f"{found['share']:.2f}", found) for style, found in sampled["styles"].items()]
    rows += [("greedy", "", metrics["greedy"])]
    rows += [(f"asked for {name}, sampled", "", found) for name, found in metrics.get("asked", {}).items()]
    for label, share, found in rows:
        print_row([label, share, *(f"{found[name]:.2f}" for name in names)])


def print_header(cells: list[str]) -> None:
    print_row(cells)
    print("|" + "---|" * len(cells))


def print_row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", required=True)
    parser.add_argument("--split", default="train", choices=["train", "validation", "test"])
    args = parser.parse_args()
    task = tasks.load(args.task)
    if task.front is None:
        parser.error(f"the front of {args.task} is not known.")
    folder = Path(task.model).parent.name  # the tasks of one family share a policy and its styles
    if all(objective.metric is None for objective in task.objectives):  # rewards read texts; a metric may need tokens
        print_styles(task, importlib.import_module(f"paretune.tasks.{folder}.styles"))
        print()
    print_policies(task, args.split)
    if folder == task.name:
        print()
        print_policy(task)


if __name__ == "__main__":
    main()
