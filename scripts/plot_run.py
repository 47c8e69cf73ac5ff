"""The README's picture: weights, influence and validation metrics of one run, from its record.

python scripts/plot_run.py runs/NAME docs/demo.svg
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

from paretune.record.run_directory import read_evaluations, read_run, read_steps

COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"]  # told apart by the colour-blind too


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("figure", type=Path)
    options = parser.parse_args()
    run, steps = read_run(options.run), read_steps(options.run)
    grid = [line for line in read_evaluations(options.run) if line["purpose"] == "grid"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained")
    for objective, colour in zip(run["objectives"], COLOURS, strict=False):
        name, (low, high) = objective["name"], objective["bounds"]
        left.plot([s["step"] for s in steps], [s["weights"][name] for s in steps], color=colour, label=name, lw=2)
        # Every metric on its bounds, up is better.
        values = [(e["metrics"][name] - low) / (high - low) for e in grid]
        errors = [e["standard_error"][name] / (high - low) for e in grid]
        values = values if objective["maximize"] else [1 - v for v in values]
        shown = name if objective["maximize"] else f"{name} (1 − length/{high:g})"
        right.errorbar([e["step"] for e in grid], values, errors, color=colour, label=shown, lw=2, capsize=3)
    right.plot([e["step"] for e in grid], [e["hypervolume"] for e in grid], "k--", label="hypervolume")
    left.set(xlabel="optimiser step", title=f"reward weights ({run['rule']['name']} rule)")
    right.set(xlabel="optimiser step", title="validation metrics ± standard error", ylim=(0, 1.02))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(options.figure)


if __name__ == "__main__":
    main()
