"""What influence costs: the paper's K forward and backward passes beside ours, in time, memory and accuracy.

    make bench

What is compared alternates in one process, and medians are reported. Time is in units of one training step (a forward
and backward pass over the batch, in micro-batches) and of one whole batch with fixed weights (generation included).
Memory is what is allocated beyond what was there before, in copies of the trained parameters, on a random model.
Accuracy is the relative L2 error against the float64 gradients of TRL's compute_loss. Time and accuracy are those of
the embedded policy's own completions, as long as it makes them, for padding costs time; a random model's completions
are all of one length, and so are those for memory.

On a GPU the same command takes a random model of 0.5 B parameters for time, too.
"""

import argparse
import gc
import shutil
import tempfile
import time
import warnings
from collections import defaultdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers
from accuracy import error_table, realised_table, step_table
from batches import AS_USED, LAYERS, build, measure, random_policy, training_step, update, with_batch
from measuring import clock, machine, peak_allocation, write_block
from reference import paper_influence

from paretune import FixedWeights, GradientInfluence
from paretune.influence import Influence, directional
from paretune.record.run_directory import read_steps
from paretune.trainer.influence_meter import InfluenceMeter
from paretune.trainer.policy_loss import GRPOPolicyLoss

METHODS = ("paper", "exact", "directional, one-sided", "directional, symmetric", "realised")


def time_table(options: argparse.Namespace) -> list[str]:
    """Measurements in units of one training step."""
    lines = [f"| K | {' | '.join(METHODS)} |", "|---|" + "---|" * len(METHODS)]
    for count in options.objectives:
        policy = None if options.policy == "arithmetic" else random_policy(options.policy)
        natural = policy is None
        trainer = with_batch(build(options, count, "independent", policy=policy, natural=natural))
        seconds: dict[str, list[float]] = defaultdict(list)
        for repeat in range(options.repeats + 1):
            saved = [p.detach().clone() for p in trainer.model.parameters()]
            for what in ("step", *METHODS):
                if what == "realised":
                    update(trainer)
                started = clock()
                if what == "step":
                    training_step(trainer)
                else:
                    measure(trainer, what)
                if repeat:  # the first is to warm up
                    seconds[what].append(clock() - started)
                trainer.model.zero_grad()
            with torch.no_grad():
                for parameter, value in zip(trainer.model.parameters(), saved, strict=True):
                    parameter.copy_(value)
        step = median(seconds["step"])
        ratios = [median(seconds[what]) / step for what in METHODS]
        lines.append(f"| {count} | {' | '.join(f'{r:.2f}' for r in ratios)} |")
        print(f"K = {count}: a training step takes {step:.2f} s;", lines[-1], flush=True)
    return lines


def whole_batch_table(options: argparse.Namespace) -> list[str]:
    """Whole batches of real training at K = 3, the arms in turn, of the usual size and of a quarter of it."""
    arms = ["fixed weights", "realised", "directional", "directional, padded", "exact", "paper"]
    lines = [f"| completions | generation | {' | '.join(arms)} |", "|---|---|" + "---|" * len(arms)]
    for completions in (options.completions, options.completions // 4):
        shape = argparse.Namespace(**{**vars(options), "completions": completions})
        ratios, generation = whole_batches(shape)
        lines.append(f"| {completions} | {generation:.0%} | {' | '.join(f'{ratios[arm]:.2f}' for arm in arms)} |")
        print(lines[-1], flush=True)
    return lines


class PaperMeter(InfluenceMeter):
    """The paper's algorithm."""

    def before_update(self, micro_batches: Any, advantages: Any) -> Influence:
        return paper_influence(self._trainer, micro_batches, advantages)


class PaddedMeter(InfluenceMeter):
    """Passes over TRL's micro-batches as they are, padding and all, for comparison."""

    def _loss(self, *args: Any, **kwargs: Any) -> GRPOPolicyLoss:
        loss = super()._loss(*args, **kwargs)
        loss._pass._cuts = False
        return loss


def whole_batches(options: argparse.Namespace) -> tuple[dict[str, float], float]:
    """Seconds of a batch relative to one with fixed weights, and the share of generation in that."""
    arms: dict[str, Any] = {
        "fixed weights": lambda: FixedWeights([0.4, 0.3, 0.3]),
        "realised": lambda: GradientInfluence(method="realised"),
        "directional": lambda: GradientInfluence(),
        "directional, padded": lambda: GradientInfluence(),
        "exact": lambda: GradientInfluence(method="exact"),
        "paper": lambda: GradientInfluence(method="exact"),
    }
    meters = {"directional, padded": PaddedMeter, "paper": PaperMeter}
    directional.TOLERANCE = AS_USED
    totals: dict[str, list[float]] = defaultdict(list)
    generation: list[float] = []
    # With steps this short all arms make the same completions, whose lengths decide what a batch costs.
    told = {"max_steps": 5, "natural": options.policy == "arithmetic", "learning_rate": 1e-9}
    for seed in range(options.rounds):
        for arm, rule in arms.items():
            scratch = tempfile.mkdtemp()
            policy = None if options.policy == "arithmetic" else random_policy(options.policy)
            trainer = build(options, 3, "correlated", policy=policy, rule=rule(), scratch=scratch, seed=seed, **told)
            if arm in meters:
                assert trainer._meter is not None
                trainer._meter = meters[arm](trainer, trainer._meter.request)
            trainer.train()
            lines = list(read_steps(scratch))[1:]  # the first is to warm up
            totals[arm] += [line["seconds"]["total"] for line in lines]
            if arm == "fixed weights":
                generation += [line["seconds"]["generation"] / line["seconds"]["total"] for line in lines]
            shutil.rmtree(scratch)
    base = median(totals["fixed weights"])
    return {arm: median(seconds) / base for arm, seconds in totals.items()}, median(generation)


def memory_table(options: argparse.Namespace) -> list[str]:
    """Peaks of allocation, in copies of the parameters."""
    lines = [
        "| K | training step | paper | exact | directional, symmetric | realised |",
        "|---|---|---|---|---|---|",
    ]
    small = argparse.Namespace(**{**vars(options), "completions": 8, "accumulation": 1, "length": 16})
    for count in (2, 16):
        policy = random_policy(options.memory_policy)
        parameters = sum(p.numel() * p.element_size() for p in policy.parameters())
        trainer = with_batch(build(small, count, "independent", policy=policy))
        peaks = []
        for what in ("step", "paper", "exact", "directional, symmetric", "realised"):
            if what == "realised":
                update(trainer)
            trainer.model.zero_grad()
            call = partial(training_step, trainer) if what == "step" else partial(measure, trainer, what)
            peaks.append(peak_allocation(call) / parameters)
        lines.append(f"| {count} | {' | '.join(f'{p:.2f}' for p in peaks)} |")
        print(lines[-1], flush=True)
    return [f"{parameters / 4e6:.0f} M parameters.", "", *lines]


def run_memory_table(options: argparse.Namespace) -> list[str]:
    """Peaks of allocation of whole runs beyond the parameters, in copies of these."""
    rules: dict[str, Any] = {
        "fixed weights": lambda: FixedWeights([0.4, 0.3, 0.3]),
        **{method: partial(GradientInfluence, method=method) for method in ("realised", "directional", "exact")},
    }
    lines = [f"| parameters | {' | '.join(rules)} |", "|---|" + "---|" * len(rules)]
    small = argparse.Namespace(**{**vars(options), "completions": 8, "accumulation": 1, "length": 16})
    for size in options.run_policies:
        peaks = []
        for rule in rules.values():
            scratch, policy = tempfile.mkdtemp(), random_policy(size)
            parameters = sum(p.numel() * p.element_size() for p in policy.parameters())
            trainer = build(small, 3, "independent", policy=policy, rule=rule(), scratch=scratch, max_steps=2)
            peaks.append(peak_allocation(trainer.train) / parameters)
            shutil.rmtree(scratch)
            del trainer, policy
            gc.collect()
        lines.append(f"| {parameters / 4e6:.0f} M | {' | '.join(f'{peak:.2f}' for peak in peaks)} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    gpu = torch.accelerator.is_available()
    parser.add_argument("--objectives", type=int, nargs="+", default=[2, 3, 8, 16])
    parser.add_argument("--completions", type=int, default=128)
    parser.add_argument("--accumulation", type=int, default=2)
    parser.add_argument("--length", type=int, default=512 if gpu else 60)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--rounds", type=int, default=3, help="of whole batches")
    parser.add_argument("--batches", type=int, default=4, help="on which errors are measured")
    parser.add_argument("--policy", choices=["arithmetic", *LAYERS], default="0.5B" if gpu else "arithmetic")
    parser.add_argument("--memory_policy", choices=[*LAYERS], default="0.5B" if gpu else "60M")
    parser.add_argument("--run_policies", choices=[*LAYERS], nargs="+", default=[*LAYERS], help="of memory in runs")
    parser.add_argument("--tables", nargs="+", default=["time", "batch", "memory", "run", "error", "step", "realised"])
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs" / "performance.md")
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")
    tables = {
        "time": time_table,
        "batch": whole_batch_table,
        "memory": memory_table,
        "run": run_memory_table,
        "error": error_table,
        "step": step_table,
        "realised": realised_table,
    }
    started = time.perf_counter()
    for name in options.tables:
        device = torch.accelerator.current_accelerator().type if gpu else "cpu"
        natural = f"{options.completions} completions as long as it makes them, in {options.accumulation} micro-batches"
        policy = (
            "the embedded policy (0.8 M parameters)" if options.policy == "arithmetic" else f"random, {options.policy}"
        )
        length = "as long as it makes them" if options.policy == "arithmetic" else f"of {options.length} tokens"
        head = {
            "time": f"{policy}, {options.completions} completions {length} in {options.accumulation} micro-batches, "
            f"float32; medians of {options.repeats} alternating repeats.",
            "batch": f"{policy}, completions {length}, {options.accumulation} micro-batches, float32; medians over "
            f"{4 * options.rounds} batches an arm, the arms in turn; generation: its share with fixed weights.",
            "memory": "A random model, 8 completions of 16 tokens.",
            "run": "Random models, 8 completions of 16 tokens, K = 3; beyond the parameters, in copies of them.",
            "step": f"The embedded policy, {natural}, one batch each; the step over the length of the parameters.",
            "error": f"The embedded policy, {natural}; median and worst of the first {options.batches} batches.",
            "realised": f"The embedded policy, {natural}; least and largest of 2 batches.",
        }[name]
        lines = tables[name](options)
        write_block(options.output, f"{name}, {device}", [head, "", *lines, "", machine()])
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
