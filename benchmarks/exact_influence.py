"""What the exact influence costs: K backward passes over one forward pass, in units of one training step.

    make bench

One process; training step (forward and backward over the batch) and measurement alternate; medians. The batch is
real: completions of the embedded arithmetic policy, all cut or padded to one length by `--length`.
"""

import argparse
import platform
import random
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
import trl

from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer, Objective, tasks
from paretune.weighting import InfluenceRequest


def noise(seed: int) -> Any:
    """A reward that is independent of the others, so that every objective has a gradient."""
    generator = random.Random(seed)
    return lambda completions, **_: [generator.random() for _ in completions]


def measure(count: int, *, completions: int, length: int, repeats: int, scratch: str) -> tuple[float, float]:
    """Median seconds of a training step and of a measurement with `count` objectives."""
    task = tasks.load("arithmetic")
    trainer = MultiObjectiveTrainer(
        task.model,
        [Objective(f"o{k}", noise(k)) for k in range(count)],
        MultiObjectiveConfig(
            scratch,
            per_device_train_batch_size=completions,
            num_generations=8,
            max_completion_length=length,
            generation_kwargs={"min_new_tokens": length},
            gradient_checkpointing=False,
            report_to=[],
        ),
        task.train,
        weighting=GradientInfluence(),
    )
    trainer.create_optimizer_and_scheduler(10)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1  # set by the training loop, which does not run here
    rows = next(iter(trainer.get_train_dataloader()))
    inputs = trainer._prepare_inputs(rows)
    steps, measurements = [], []
    for _ in range(repeats):
        started = time.perf_counter()
        trainer.compute_loss(trainer.model, inputs).backward()
        trainer.model.zero_grad()
        stepped = time.perf_counter()
        trainer._measure_influence(InfluenceRequest())
        steps.append(stepped - started)
        measurements.append(time.perf_counter() - stepped)
    return median(steps), median(measurements)


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objectives", type=int, nargs="+", default=[2, 3, 8, 16])
    parser.add_argument("--completions", type=int, default=64)
    parser.add_argument("--length", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "exact_influence.md")
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    rows = []
    for count in options.objectives:
        with TemporaryDirectory() as scratch:
            step, influence = measure(
                count,
                completions=options.completions,
                length=options.length,
                repeats=options.repeats,
                scratch=scratch,
            )
        rows.append(f"| {count} | {influence / step:.2f} |")
        print(f"K = {count}: {influence / step:.2f} training steps", flush=True)
    command = (
        f"python benchmarks/exact_influence.py --objectives {' '.join(map(str, options.objectives))} "
        f"--completions {options.completions} --length {options.length} --repeats {options.repeats}"
    )
    text = [
        "# Cost of the exact influence",
        "",
        f"Embedded arithmetic policy, {options.completions} completions of {options.length} tokens, float32; "
        f"medians of {options.repeats} alternating repeats in one process.",
        f"{platform.machine()}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}.",
        "",
        f"    {command}",
        "",
        "| K | measurement, in training steps (one forward and backward pass over the batch) |",
        "|---|---|",
        *rows,
        "",
    ]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n".join(text))


if __name__ == "__main__":
    main()
