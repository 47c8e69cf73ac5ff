"""Write a rule, test it, and train with it. It takes a minute on a CPU.

    python examples/custom_rule.py

Every command takes the same file: `paretune train --rule examples/custom_rule.py:MoreSpread`.
"""

from paretune import MultiObjectiveConfig, MultiObjectiveTrainer, tasks
from paretune.testing import check_rule
from paretune.weighting import Batch, Scalarization, WeightingRule


class MoreSpread(WeightingRule):
    """Weights in proportion to a power of each objective's standard deviation in the batch."""

    name = "more-spread"
    description = "more weight where rewards differ more"

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def update(self, batch: Batch) -> Scalarization:
        """One weight for each objective; `signals` go to the record and the report."""
        spread = batch.rewards.double().nan_to_num(0.0, 0.0, 0.0).clamp(-1, 1).std(dim=0)
        weights = (spread + 1e-6) ** self.power
        return Scalarization(weights / weights.sum(), signals={"spread": spread})


def main(max_steps=100):
    """Hold the rule against what the trainer expects of it, then train the policy of `treasure`."""
    check_rule(MoreSpread, updates=100)
    task = tasks.load("treasure")
    args = MultiObjectiveConfig(
        "runs/custom-rule", **{**task.settings, "max_steps": max_steps}, overwrite_output_dir=True, report_to="none"
    )
    trainer = MultiObjectiveTrainer(
        task.model, task.objectives, args, task.train, task.validation, weighting=MoreSpread(power=2)
    )
    trainer.train()
    print("weights at the end:", {name: round(weight, 2) for name, weight in trainer.weights.items()})


if __name__ == "__main__":
    main()
