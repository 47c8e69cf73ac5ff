"""Train on three rewards of your own. It takes a minute on a CPU and downloads nothing.

    python examples/own_rewards.py

Put your model, your data and your rewards in the places of these.
"""

import random

from datasets import Dataset

from paretune import MultiObjectiveConfig, MultiObjectiveTrainer, NashWelfare, Objective, tasks
from paretune.objectives import completion_length


def correct(completions, answer, **_):
    """1 where the text ends with the answer. `answer` is a column of the data, as in TRL."""
    return [float(text.strip().rstrip(".").endswith(right)) for text, right in zip(completions, answer, strict=True)]


def short(completion_ids, **_):
    """1 for an empty completion, 0 for one of 60 tokens."""
    return [1 - len(ids) / 60 for ids in completion_ids]


def stepwise(completions, **_):
    """One third for each numbered step, up to three."""
    return [min(text.count("step "), 3) / 3 for text in completions]


def sums(count, seed):
    """Sums of three to five numbers, with the columns `prompt` and `answer`."""
    draw = random.Random(seed)
    terms = [[draw.randint(1, 40) for _ in range(draw.randint(3, 5))] for _ in range(count)]
    return Dataset.from_list([{"prompt": "+".join(map(str, t)) + "=?\n", "answer": str(sum(t))} for t in terms])


def main(max_steps=20):
    """Train with Nash welfare, and print what the policy gained and where the weights went."""
    objectives = [
        Objective("correct", correct, bounds=(0, 1)),
        # Trained on one thing, judged by another: the length in tokens, where less is better.
        Objective("short", short, metric=completion_length, maximize=False, bounds=(0, 60)),
        Objective("stepwise", stepwise, bounds=(0, 1)),
    ]
    args = MultiObjectiveConfig(
        "runs/own-rewards",
        max_steps=max_steps,
        learning_rate=1.5e-4,
        per_device_train_batch_size=128,  # 16 prompts of 8 completions
        num_generations=8,
        max_completion_length=60,
        eval_strategy="steps",
        eval_steps=10,
        eval_on_start=True,
        eval_samples=64,
        eval_temperature=1.0,
        per_device_eval_batch_size=64,
        save_steps=10,
        logging_steps=1,
        overwrite_output_dir=True,
        report_to="none",
    )
    trainer = MultiObjectiveTrainer(
        tasks.load("arithmetic").model,  # a policy of 0.8 M parameters that comes with the package
        objectives,
        args,
        sums(2048, seed=0),
        sums(256, seed=1),
        weighting=NashWelfare(),
    )
    trainer.train()
    print("weights at the end:", {name: round(weight, 2) for name, weight in trainer.weights.items()})


if __name__ == "__main__":
    main()
