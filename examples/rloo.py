"""Move the reward weights of TRL's RLOOTrainer by a rule. It takes a minute on a CPU.

    python examples/rloo.py

The policy comes with the package. It answers sums, short or step by step.
"""

from trl import RLOOConfig

from paretune import NashWelfare, tasks
from paretune.integrations.trl import RLOOTrainer
from paretune.tasks.arithmetic.scoring import accuracy, clarity


def main(max_steps=20):
    """Train, and print the weights of each batch."""
    task = tasks.load("arithmetic")
    args = RLOOConfig(
        "runs/rloo",
        max_steps=max_steps,
        per_device_train_batch_size=64,
        num_generations=8,
        max_completion_length=60,
        learning_rate=1.5e-4,
        logging_steps=1,
        report_to="none",
        use_cpu=True,
        bf16=False,
    )
    trainer = RLOOTrainer(  # was: trl.RLOOTrainer(
        model=task.model,
        reward_funcs=[accuracy, clarity],
        args=args,
        train_dataset=task.train,
        weighting=NashWelfare(),  # new
        bounds={"accuracy": (0, 1), "clarity": (0, 1)},  # new: between which values a reward counts as missing or full
    )
    trainer.train()
    for entry in trainer.state.log_history[:-1]:
        print(entry["step"], {name: round(entry[f"weights/{name}"], 3) for name in trainer.weigher.names})


if __name__ == "__main__":
    main()
