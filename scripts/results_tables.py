"""The tables of docs/results-arithmetic.md, from the comparisons that `make results-arithmetic` makes.

    python scripts/results_tables.py results/arithmetic results/arithmetic-algorithms results/arithmetic-paper

Prints Markdown. Comparisons that were one plan are given together, the one with the plan's primary contrast first: all
other contrasts of theirs that are not exploratory are secondary, and adjusted together.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

from paretune.comparison.statistics import holm, paired
from paretune.record.json_files import read_json
from paretune.record.run_directory import read_evaluations, read_steps


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash."""
    if value is None:
        return "–"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.{digits}f}"


def interval(found: Mapping[str, Any], digits: int = 3) -> str:
    """A mean with its interval."""
    if found["low"] is None:
        return number(found["mean"], digits)
    return f"{number(found['mean'], digits)} [{number(found['low'], digits)}, {number(found['high'], digits)}]"


def p_value(value: float | None) -> str:
    """A p-value; small ones by their size."""
    return f"{value:.0e}" if value is not None and value < 0.001 else number(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print a table."""
    print(f"\n### {title}\n")
    print(f"| {' | '.join(columns)} |")
    print(f"|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def settings_of(rule: Mapping[str, Any]) -> str:
    """What an arm's runs were told, in short."""
    told = rule["settings"]
    parts = [told[name] for name in ("weights", "preset") if name in told]
    return ", ".join([*parts, *(f"{k} {v}" for k, v in told.get("rule_settings", {}).items())]) or "–"


def arms(summary: Mapping[str, Any]) -> None:
    """What each arm came to, what it cost, and the paper's statistics."""
    names = [objective["name"] for objective in summary["objectives"]]
    rows, costs, paper = [], [], []
    for label, rule in summary["rules"].items():
        finals = [interval(rule["objectives"][name]) for name in names]
        rows.append([label, settings_of(rule), str(len(rule["seeds"])), interval(rule["hypervolume"]),
                     interval(rule["hypervolume_greedy"]), interval(rule["final_hypervolume"]), *finals])  # fmt: skip
        cost, reached = rule["cost"], rule["time_to_target"]
        taken = [number((cost["tokens"]["mean"] or 0) / 1e3)]
        taken += [number(cost[name]["mean"]) for name in ("forward", "backward", "seconds")]
        arrival = ["–", "–"]
        if reached is not None:
            arrival = [f"{100 * reached['reached']:.0f} % of {reached['n']}", interval(reached["step"])]
        sweep = rule["at_equal_cost"]
        instead = "–" if sweep is None else f"{number(sweep['hypervolume'])} ({sweep['runs']:.1f} runs)"
        costs.append([label, *taken, *arrival, instead])
        found = rule["reproduction"]
        spread = [found["front_mean"][name] for name in names] + [found["steps_to_front"]]
        cells = [f"{number(s['mean'])} ± {number(s['sd'])} (null {number(s['null_sd'])})" for s in spread]
        paper.append([label, *cells])
    table(["arm", "settings", "seeds", "hypervolume", "greedy", "last policy alone", *names], rows, "Arms")
    table(
        [
            "arm",
            "1,000 tokens",
            "forward",
            "backward",
            "seconds",
            "reached the target",
            "at step",
            "a sweep for the same",
        ],
        costs,
        "Cost",
    )
    table(["arm", *names, "steps-to-front"], paper, "The paper's statistics: mean ± sd over seeds (sd of no change)")


def contrasts(summary: Mapping[str, Any]) -> None:
    """Differences."""
    rows = []
    for c in [summary["primary"], *summary["contrasts"]]:
        if c is not None:
            better = c["probability_of_improvement"]
            rows.append([c["kind"], f"{c['rule']} − {c['against']}", c["figure"].replace("_", " "), str(c["n"]),
                         interval({**c, "mean": c["difference"]}, 4), p_value(c["p_t"]), p_value(c["p_sign_flip"]),
                         p_value(c["p_holm"]), interval(better, 2)])  # fmt: skip
    columns = ["", "contrast", "figure", "seeds", "difference", "p (t)", "p (sign flips)", "p (Holm)", "P(better)"]
    table(columns, rows, "Contrasts")


def adjusted_together(summaries: Mapping[Path, Mapping[str, Any]]) -> None:
    """Holm over the secondary contrasts of several comparisons; a later one's primary is secondary here."""
    secondary = []
    for i, (root, summary) in enumerate(summaries.items()):
        found = [*summary["contrasts"], *([summary["primary"]] if i and summary["primary"] else [])]
        secondary += [(root, c) for c in found if c["kind"] != "exploratory"]
    rows = []
    for (root, c), p in zip(secondary, holm([c["p_t"] for _, c in secondary]), strict=True):
        rows.append([root.name, f"{c['rule']} − {c['against']}", c["figure"].replace("_", " "),
                     interval({**c, "mean": c["difference"]}, 4), p_value(c["p_t"]), p_value(p)])  # fmt: skip
    columns = ["comparison", "contrast", "figure", "difference", "p (t)", "p (Holm, all)"]
    table(columns, rows, "Secondary contrasts of all comparisons")


def tuning(summary: Mapping[str, Any]) -> None:
    """What the configurations came to, and what a search is worth."""
    names = [objective["name"] for objective in summary["objectives"]]
    for label, rule in summary["rules"].items():
        found = rule["tuning"]
        if found is None or rule["algorithm"] != summary["algorithms"][0]:
            continue
        rows = []
        for i, one in enumerate(found["configurations"]):
            settings = one["settings"].get("rule_settings", {})
            told = one["settings"].get("weights") or ", ".join(f"{k} {v}" for k, v in settings.items())
            marks = ("**chosen** " if i == found["chosen"] else "") + ("apart" if i in found["sweep"]["apart"] else "")
            finals = [number(one["final"][name]) for name in names] if one.get("final") else ["–"] * len(names)
            rows.append([told, number(one["hypervolume"]), number(one["test"]), *finals, marks])
        table(["configuration", "validation", "test", *names, ""], rows, f"Tuning of {label}")
        print(f"\nAll last policies together: {interval(found['sweep']['hypervolume'])}")
        best = [f"{line['configurations']}: {number(line['hypervolume'])}" for line in found["expected_best"]]
        print(f"\nExpected best of m configurations: {', '.join(best)}")


def influence(root: Path, summary: Mapping[str, Any]) -> None:
    """Weights and influence of the rules that move them, in thirds of the runs."""
    names = [objective["name"] for objective in summary["objectives"]]
    rows = []
    for label, rule in summary["rules"].items():
        if rule["rule"] != "gradient":
            continue
        thirds: list[list[dict[str, Any]]] = [[], [], []]
        for run in rule["runs"]:
            steps = [line for line in read_steps(root / run["directory"]) if line["influence"]]
            for i in range(3):
                thirds[i] += steps[i * len(steps) // 3 : (i + 1) * len(steps) // 3]
        for i, lines in enumerate(thirds):
            if not lines:
                continue
            shares = [mean(line["influence"][name] for line in lines) for name in names]
            largest = [mean(max(names, key=line["influence"].get) == name for line in lines) for name in names]
            weights = [mean(line["weights"][name] for line in lines) for name in names]
            rows.append([label, f"third {i + 1}", *(f"{v:.2e}" for v in shares), *(f"{v:.2f}" for v in largest),
                         *(f"{v:.2f}" for v in weights)])  # fmt: skip
    columns = ["arm", "", *(f"I {n}" for n in names), *(f"largest: {n}" for n in names), *(f"w {n}" for n in names)]
    table(columns, rows, "Influence and weights")


def between_arms(summary: Mapping[str, Any]) -> None:
    """Every pair of arms under one algorithm on the seeds they share, planned or not: the page says which were not."""
    rows = []
    for (a, one), (b, other) in combinations(summary["rules"].items(), 2):
        if one["algorithm"] != other["algorithm"]:
            continue
        row = [f"{a} − {b}"]
        for figure in ("hypervolume", "final_hypervolume"):
            found, against = ({run["seed"]: run[figure] for run in arm["runs"]} for arm in (one, other))
            seeds = [s for s in found if found[s] is not None and against.get(s) is not None]
            if len(seeds) < 3:
                break
            d = paired([found[s] for s in seeds], [against[s] for s in seeds])
            row += [str(d.n), f"{d.difference:.4f} [{d.low:.4f}, {d.high:.4f}]", p_value(d.p_t)]
        else:
            rows.append(row)
    columns = ["pair", "seeds", "hypervolume", "p (t)", "seeds", "last policy alone", "p (t)"]
    table(columns, rows, "All pairs of arms, unadjusted")


def along_the_runs(root: Path, summary: Mapping[str, Any]) -> None:
    """Mean weights at some batches, the factor on the updates, and the metrics on the validation grid."""
    names = [objective["name"] for objective in summary["objectives"]]
    weights, grid = [], []
    for label, rule in summary["rules"].items():
        directories = [root / run["directory"] for run in rule["runs"]]
        runs = [steps for steps in map(read_steps, directories) if steps]
        if not runs:
            continue
        row = [label]
        for batch in (1, 2, 10, 20, 60):
            lines = [steps[batch - 1]["weights"] for steps in runs if len(steps) >= batch]
            row.append(", ".join(f"{mean(line[name] for line in lines):.2f}" for name in names) if lines else "–")
        first, last = (
            [line["scale"] for steps in runs for line in steps[part]] for part in (slice(10), slice(-20, None))
        )
        weights.append([*row, f"{mean(first):.2f}, {mean(last):.2f}"])
        metrics: dict[int, list[Any]] = {}
        for line in (line for directory in directories for line in read_evaluations(directory)):
            if line["purpose"] == "grid":
                metrics.setdefault(line["step"], []).append(line["metrics"])
        grid += [[label, str(at), *(number(mean(m[n] for m in metrics[at])) for n in names)] for at in sorted(metrics)]
    table(
        ["arm", *(f"batch {b}" for b in (1, 2, 10, 20, 60)), "scale: first 10, last 20"], weights, "Weights on the way"
    )
    table(["arm", "step", *names], grid, "On the validation grid")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparisons", nargs="+", type=Path)
    summaries = {}
    for root in parser.parse_args().comparisons:
        if (root / "summary.json").exists():
            summaries[root] = read_json(root / "summary.json")
        else:
            print(f"{root} has no summary.json: paretune compare writes it when all runs are made", file=sys.stderr)
    for root, summary in summaries.items():
        print(f"\n## {root}")
        arms(summary)
        contrasts(summary)
        tuning(summary)
        influence(root, summary)
        between_arms(summary)
        along_the_runs(root, summary)
    if len(summaries) > 1:
        adjusted_together(summaries)


if __name__ == "__main__":
    main()
