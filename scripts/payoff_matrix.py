"""Where fixed weights lead on the arithmetic task: stock TRL, no part of paretune's trainer.

    python scripts/payoff_matrix.py [--weights 1,0,0 0.6,0.3,0.1 ...] [--seeds 0 1] [--steps 60] [--model DIR]

Prints one row of a Markdown table a run: sampled and greedy metrics on the first 192 validation sums.
"""

import argparse
import tempfile

from transformers import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from paretune.tasks import load
from paretune.tasks.arithmetic.styles import style_of
from paretune.tasks.measuring import measure

WEIGHTS = ["1,0,0", "0,1,0", "0,0,1", "1,1,1", "0.5,0.25,0.25", "0.6,0.3,0.1", "0.4,0.5,0.1", "0.25,0.65,0.1"]
PROBLEMS = 192


def run(model: str, weights: list[float], seed: int, steps: int) -> dict[str, dict[str, float]]:
    """Train for ``steps`` with fixed ``weights``; returns sampled and greedy metrics."""
    task = load("arithmetic")
    settings = {name: value for name, value in task.settings.items() if not name.startswith("eval_")}
    settings |= {"max_steps": steps, "logging_strategy": "no"}
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            seed=seed,
            reward_weights=weights,
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **settings,
        )
        rewards = [objective.reward for objective in task.objectives]
        trainer = GRPOTrainer(model, rewards, config, train_dataset=task.train)
        trainer.remove_callback(PrinterCallback)  # standard output is for the table
        trainer.train()
    policy, tokenizer = trainer.model.eval(), trainer.processing_class
    rows, longest = task.validation.select(range(PROBLEMS)), task.settings["max_completion_length"]
    return {
        kind: measure(policy, tokenizer, rows, task.objectives, style_of, longest, samples=samples)
        for kind, samples in (("sampled", 2), ("greedy", None))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", nargs="+", default=WEIGHTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--model", default=load("arithmetic").model)
    args = parser.parse_args()
    names = ("accuracy", "conciseness", "clarity")
    print("| weights | seed | accuracy | length | clarity | greedy: accuracy | length | clarity | styles |")
    print("|---|---|---|---|---|---|---|---|---|")
    for text in args.weights:
        for seed in args.seeds:
            parts = [float(part) for part in text.split(",")]
            found = run(args.model, [part / sum(parts) for part in parts], seed, args.steps)
            cells = [f"{found[kind][name]:.2f}" for kind in ("sampled", "greedy") for name in names]
            styles = ", ".join(f"{k} {v['share']:.2f}" for k, v in found["sampled"]["styles"].items())
            print("|", " | ".join([text, str(seed), *cells, styles]), "|", flush=True)


if __name__ == "__main__":
    main()
