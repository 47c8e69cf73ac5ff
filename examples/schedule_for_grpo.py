"""Keep TRL's own GRPOTrainer and move its reward weights by a plan. It takes a minute on a CPU.

    python examples/schedule_for_grpo.py

The policy first learns to answer sums right. From step 10 on clarity joins in.
"""

from trl import GRPOConfig, GRPOTrainer

from paretune import ScheduledWeights, ScheduledWeightsCallback, tasks
from paretune.tasks.arithmetic.scoring import accuracy, clarity


def main(max_steps=20):
    """Train with TRL's trainer, and print the weights at the first step and at the last."""
    task = tasks.load("arithmetic")
    args = GRPOConfig(
        "runs/schedule",
        max_steps=max_steps,
        learning_rate=1.5e-4,
        per_device_train_batch_size=128,
        num_generations=8,
        max_completion_length=60,
        gradient_checkpointing=False,
        logging_steps=1,
        use_cpu=True,
        bf16=False,
        report_to="none",
    )
    trainer = GRPOTrainer(task.model, [accuracy, clarity], args, task.train)
    # Straight lines between the steps: accuracy alone, then both alike.
    plan = ScheduledWeights({0: (1, 0), 10: (1, 0), 20: (0.5, 0.5)})
    trainer.add_callback(ScheduledWeightsCallback(plan, trainer))
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "weights/clarity" in entry]
    for entry in (logged[0], logged[-1]):
        print({name: round(entry[name], 2) for name in ("weights/accuracy", "weights/clarity", "rewards/clarity/mean")})


if __name__ == "__main__":
    main()
