"""What a whole batch costs with fixed weights, beside TRL's own trainer.

    python benchmarks/trl_step.py

``trl.GRPOTrainer`` with ``reward_weights`` and our trainer with the same fixed weights take turns in one process, on
the same model, prompts and rewards, with completions of one length. The script stops unless both end with the same
parameters, bit for bit, so both have done the same work. A batch is timed from the end of one step to the end of the
next, so records and logs count. The medians are compared.
"""

import argparse
import shutil
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers
from batches import LAYERS, build, objectives, random_policy, settings
from measuring import clock, machine, write_block
from transformers import AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from paretune import tasks

BATCHES = 7
"""Batches that a trainer makes in its turn; the first is to warm up."""


class Clock(TrainerCallback):
    """Notes when each step has ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note the time."""
        self.times.append(clock())


def trl_trainer(options: argparse.Namespace, count: int, scratch: str, policy: Any) -> GRPOTrainer:
    """TRL's trainer with equal weights."""
    task = tasks.load("arithmetic")
    config = GRPOConfig(
        **settings(options, scratch=scratch, max_steps=BATCHES),
        reward_weights=[1 / count] * count,
        use_cpu=not torch.accelerator.is_available(),
    )
    return GRPOTrainer(
        policy or task.model,
        [objective.reward for objective in objectives(count, "independent")],
        config,
        task.train,
        processing_class=AutoTokenizer.from_pretrained(task.model),
    )


def seconds_of(options: argparse.Namespace, count: int) -> dict[str, list[float]]:
    """Seconds of a batch, of each trainer."""

    def ours(scratch: str, policy: Any) -> GRPOTrainer:
        return build(options, count, "independent", policy=policy, scratch=scratch, max_steps=BATCHES)

    def trls(scratch: str, policy: Any) -> GRPOTrainer:
        return trl_trainer(options, count, scratch, policy)

    arms: dict[str, Callable[[str, Any], GRPOTrainer]] = {"TRL": trls, "paretune": ours}
    seconds: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds):
        ends = []
        for name in list(arms)[:: -1 if turn % 2 else 1]:  # whoever comes second finds the caches warm
            scratch = tempfile.mkdtemp()
            trainer = arms[name](scratch, None if options.policy == "arithmetic" else random_policy(options.policy))
            steps = Clock()
            trainer.add_callback(steps)
            trainer.train()
            seconds[name] += [after - before for before, after in zip(steps.times, steps.times[1:], strict=False)]
            ends.append(torch.cat([p.detach().flatten() for p in trainer.model.parameters()]))
            shutil.rmtree(scratch)
        if not torch.equal(*ends):
            raise SystemExit("The two trainers have not done the same: their parameters differ.")
    return seconds


def main() -> None:
    """Measure, and write the table into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objectives", type=int, nargs="+", default=[3, 16])
    parser.add_argument("--completions", type=int, nargs="+", default=[32, 128], help="of a batch")
    parser.add_argument("--accumulation", type=int, default=2, help="micro-batches of a batch")
    parser.add_argument("--length", type=int, default=60, help="tokens of a completion")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--policy", choices=["arithmetic", *LAYERS], default="arithmetic")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs" / "performance.md")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.utils.logging.set_verbosity_error()
    lines = ["| completions | K | TRL, seconds | paretune, seconds | ratio |", "|---|---|---|---|---|"]
    for completions in options.completions:
        shape = argparse.Namespace(**{**vars(options), "completions": completions})
        for count in options.objectives:
            typical = {name: median(values) for name, values in seconds_of(shape, count).items()}
            trl, ours = typical["TRL"], typical["paretune"]
            lines.append(f"| {completions} | {count} | {trl:.3f} | {ours:.3f} | {ours / trl:.3f} |")
            print(lines[-1], flush=True)
    policy = "The embedded policy" if options.policy == "arithmetic" else f"A random policy of {options.policy}"
    head = (
        f"{policy}, completions of {options.length} tokens in {options.accumulation} micro-batches, float32; medians "
        f"over {options.rounds * (BATCHES - 1)} batches a trainer, the trainers in turn."
    )
    write_block(options.output, "whole step beside TRL", [head, "", *lines, "", machine()])


if __name__ == "__main__":
    main()
