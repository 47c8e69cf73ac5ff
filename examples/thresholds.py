"""Raise one objective and hold another within a threshold. It takes a minute on a CPU.

    python examples/thresholds.py

The policy answers sums. It should number its steps (clarity), in at most 40 tokens on average. Trained on clarity alone
it ends at 49 tokens.
"""

import json
from pathlib import Path

from paretune import Lagrangian, MultiObjectiveConfig, MultiObjectiveTrainer, tasks


def main(max_steps=20):
    """Train with the rule `lagrangian`, and print the metrics of each evaluation and the last multipliers."""
    task = tasks.load("arithmetic")
    folder = Path("runs/thresholds")
    args = MultiObjectiveConfig(
        str(folder),
        **{**task.settings, "max_steps": max_steps, "eval_samples": 128},
        overwrite_output_dir=True,
        report_to="none",
    )
    rule = Lagrangian(
        "clarity",
        at_most={"conciseness": 40},  # in the units of the metric
        gains=(30.0, 1.0, 0.0),  # fast, since the run is short
    )
    trainer = MultiObjectiveTrainer(task.model, task.objectives, args, task.train, task.validation, weighting=rule)
    trainer.train()
    for line in (folder / "evaluations.jsonl").read_text().splitlines():
        evaluation = json.loads(line)
        if evaluation["purpose"] == "grid":  # the others are the rule's own, on the batches
            print("step", evaluation["step"], {name: round(value, 2) for name, value in evaluation["metrics"].items()})
    last = json.loads((folder / "steps.jsonl").read_text().splitlines()[-1])
    print("multipliers at the end:", last["signals"]["lambda"])


if __name__ == "__main__":
    main()
