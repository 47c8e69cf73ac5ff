"""Move the reward weights of TRL's OnlineDPOTrainer by a rule. It takes a minute on a CPU.

    python examples/online_dpo.py

The policy comes with the package. It answers sums, short or step by step. In each pair of answers the one with the
higher weighted reward is chosen.
"""

from transformers import AutoTokenizer
from trl.experimental.online_dpo import OnlineDPOConfig

from paretune import FrontTour, tasks
from paretune.integrations.trl import OnlineDPOTrainer
from paretune.tasks.arithmetic.scoring import accuracy, clarity


def main(max_steps=20):
    """Train, and print the weights of each batch."""
    task = tasks.load("arithmetic")
    args = OnlineDPOConfig(
        "runs/online-dpo",
        max_steps=max_steps,
        per_device_train_batch_size=32,
        max_new_tokens=60,
        max_length=128,
        learning_rate=1.5e-4,
        logging_steps=1,
        report_to="none",
        use_cpu=True,
        bf16=False,
    )
    trainer = OnlineDPOTrainer(  # was: trl.experimental.online_dpo.OnlineDPOTrainer(
        model=task.model,
        reward_funcs=[accuracy, clarity],
        args=args,
        train_dataset=task.train,
        processing_class=AutoTokenizer.from_pretrained(task.model),
        weighting=FrontTour(),  # new
        bounds={"accuracy": (0, 1), "clarity": (0, 1)},  # new: between which values a reward counts as missing or full
    )
    trainer.train()
    for entry in trainer.state.log_history[:-1]:
        print(entry["step"], {name: round(entry[f"weights/{name}"], 3) for name in trainer.weigher.names})


if __name__ == "__main__":
    main()
