"""Raise one objective and hold another within a threshold. It takes a minute on a CPU.

    python examples/thresholds.py

The policy answers sums. It should number its steps (clarity), in at most 40 tokens on average. When answers are longer,
the multiplier of the threshold rises and pulls them back. It swings, so leave a margin to the threshold that you need.
"""

import json
from pathlib import Path

from paretune import Lagrangian, MultiObjectiveConfig, MultiObjectiveTrainer, tasks


def main(max_steps=20):
    """Train with the rule `lagrangian`, and print how the multiplier answers to the length in each batch."""
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
    for line in (folder / "steps.jsonl").read_text().splitlines():
        batch = json.loads(line)
        tokens = 40 + 60 * batch["signals"]["shortfall"]["conciseness"]  # in units of the bounds, 0 to 60
        multiplier = batch["signals"]["lambda"]["conciseness"]
        clarity = batch["rewards"]["clarity"]
        print(f"step {batch['step']}: clarity {clarity:.2f}, {tokens:.1f} tokens, multiplier {multiplier:.2f}")


if __name__ == "__main__":
    main()
