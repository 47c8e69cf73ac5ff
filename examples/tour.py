"""Pass along the front in one run, look at it, and choose a policy afterwards. It takes a minute on a CPU.

    python examples/tour.py

The task `recall` asks for facts. It rewards how many are stated, how many of these are right, and brevity.
"""

import json
from pathlib import Path

from paretune import FrontTour, MultiObjectiveConfig, MultiObjectiveTrainer, tasks
from paretune.cli import main as paretune


def main(max_steps=100):
    """Train with the rule `tour`, print the front, and copy one of its policies to runs/tour-policy."""
    task = tasks.load("recall")
    folder = Path("runs/tour")
    args = MultiObjectiveConfig(
        str(folder), **{**task.settings, "max_steps": max_steps}, overwrite_output_dir=True, report_to="none"
    )
    trainer = MultiObjectiveTrainer(
        task.model, task.objectives, args, task.train, task.validation, weighting=FrontTour()
    )
    trainer.train()
    front = json.loads((folder / "pareto.json").read_text())
    for point in front["points"]:
        print("step", point["step"], {name: round(value, 2) for name, value in point["metrics"].items()})
    # As on the command line: paretune pick runs/tour --at-least precision=0.75 --prefer recall=1 …
    choice = ["--at-least", "precision=0.75", "--prefer", "recall=1", "--output_dir", "runs/tour-policy"]
    return paretune(["pick", str(folder), *choice])


if __name__ == "__main__":
    raise SystemExit(main())
