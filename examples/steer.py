"""Train one policy that takes priorities with its prompt. It takes two minutes on a CPU.

    python examples/steer.py

The answer to a query states what some notes say. It should state all that is asked for (recall), nothing that is wrong
(precision), and little (brevity). One policy learns all three, and the priorities in the prompt choose between them.
"""

from pathlib import Path

from paretune import MultiObjectiveConfig, MultiObjectiveTrainer, Steerable, tasks
from paretune.comparison.dial import dial_of
from paretune.record.reader import RunReader
from paretune.steering.answers import answers


def main(max_steps=60):
    """Train with the rule `steerable`, and print what the priorities do."""
    task = tasks.load("recall")
    folder = Path("runs/steer")
    args = MultiObjectiveConfig(
        str(folder),
        **{**task.settings, "max_steps": max_steps, "eval_steps": max_steps, "eval_samples": 64},
        dial_steps=max_steps,  # measures the policy at a lattice of priorities, before training and after it
        overwrite_output_dir=True,
        report_to="none",
    )
    trainer = MultiObjectiveTrainer(
        task.model, task.objectives, args, task.train, task.validation, weighting=Steerable()
    )
    trainer.train()

    run = RunReader(folder)
    for step in (0, max_steps):
        dial = dial_of(run.header.objectives, [line for line in run.dial_in_training if line.step == step], None)
        follows = {name: round(response.correlation, 2) for name, response in dial.responses.items()}
        print(f"step {step}: hypervolume of the dial {dial.hypervolume:.3f}, rank correlations {follows}")

    prompt = task.validation[0]["prompt"]
    settings = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    told = answers(trainer.model, trainer.processing_class, trainer.template, prompt, settings, longest=20)
    print(prompt, end="")
    for objective, answer in zip(task.objectives, told, strict=True):
        print(f"{objective.name} alone: {answer!r}")


if __name__ == "__main__":
    main()
