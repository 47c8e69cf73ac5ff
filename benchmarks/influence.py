"""What influence costs: the paper's K forward and backward passes beside ours, in time, memory and accuracy.

    make bench

What is compared alternates in one process, and medians are reported. Time is in units of one training step (a forward
and backward pass over the batch, in micro-batches) and of one whole batch with fixed weights (generation included).
Memory is what is allocated beyond what was there before, in copies of the trained parameters, on a random model.
Accuracy is the relative L2 error against the float64 gradients of TRL's compute_loss, on the embedded policy.

On a GPU the same command takes a random model of 0.5 B parameters for time, too.
"""

import argparse
import random
import shutil
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers
from measuring import clock, machine, peak_allocation, write_block
from reference import paper_influence
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from paretune import FixedWeights, GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer, Objective, tasks
from paretune.influence import Influence, directional
from paretune.record.run_directory import read_steps
from paretune.trainer.influence_meter import InfluenceMeter
from paretune.weighting import InfluenceRequest

METHODS = ("paper", "exact", "directional, one-sided", "directional, symmetric", "realised")
LAYERS = {"60M": (640, 12), "0.5B": (1024, 36)}
"""Width and depth of the random models."""


def random_policy(size: str) -> Qwen3ForCausalLM:
    """A random model over the arithmetic task's characters."""
    width, depth = LAYERS[size]
    tokenizer = AutoTokenizer.from_pretrained(tasks.load("arithmetic").model)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=3 * width, num_hidden_layers=depth,
        num_attention_heads=width // 64, num_key_value_heads=width // 64, head_dim=64, tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    return Qwen3ForCausalLM(config)


def objectives(count: int, kind: str) -> list[Objective]:
    """The task's own rewards, K rewards of which each is independent, or K mixtures of the task's with some noise."""
    task = tasks.load("arithmetic")
    if kind == "task":
        return task.objectives
    originals = [objective.reward for objective in task.objectives]

    def reward(k: int) -> Callable[..., list[float]]:
        generator = random.Random(k)
        shares = [generator.random() for _ in originals]

        def independent(completions: list[Any], **_: Any) -> list[float]:
            return [generator.random() for _ in completions]

        def correlated(**keywords: Any) -> list[float]:
            rows = zip(*(original(**keywords) for original in originals), strict=True)
            return [
                sum(s * r for s, r in zip(shares, row, strict=True)) + 0.2 * generator.random() for row in rows
            ]  # fmt: skip

        return independent if kind == "independent" else correlated

    return [Objective(f"o{k}", reward(k)) for k in range(count)]


def build(
    options: argparse.Namespace,
    count: int,
    kind: str,
    *,
    policy: Any = None,
    rule: Any = None,
    scratch: str = "",
    **kw: Any,
) -> MultiObjectiveTrainer:
    """A trainer whose completions are all of one length."""
    task = tasks.load("arithmetic")
    config = {
        "output_dir": scratch or tempfile.mkdtemp(),
        "per_device_train_batch_size": options.completions // options.accumulation,
        "gradient_accumulation_steps": options.accumulation,
        "num_generations": 8,
        "max_completion_length": options.length,
        "generation_kwargs": {"min_new_tokens": options.length},
        "learning_rate": 1.5e-4,
        "gradient_checkpointing": False,
        "bf16": False,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 1000,
        **kw,
    }
    return MultiObjectiveTrainer(
        policy if policy is not None else task.model,
        objectives(count, kind),
        MultiObjectiveConfig(**config),
        task.train,
        processing_class=AutoTokenizer.from_pretrained(task.model),
        weighting=rule or FixedWeights([1 / count] * count),
    )


def with_batch(trainer: MultiObjectiveTrainer) -> MultiObjectiveTrainer:
    """The trainer with a generated batch, ready for its first training step."""
    trainer.create_optimizer_and_scheduler(1000)
    trainer.model.to(trainer.accelerator.device).train()
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    return trainer


def training_step(trainer: MultiObjectiveTrainer) -> None:
    """One forward and backward pass over the batch."""
    for micro_batch in trainer._buffered_inputs:
        trainer.compute_loss(trainer.model, micro_batch).backward()
        trainer._step += 1
    trainer._step = 0


def measure(trainer: MultiObjectiveTrainer, method: str) -> Influence:
    """One measurement of a kind."""
    alone = trainer._current().per_objective()
    if method == "paper":
        return paper_influence(trainer, trainer._buffered_inputs, alone)
    kind, _, difference = method.partition(", ")
    meter = InfluenceMeter(trainer, InfluenceRequest(method=kind))
    if method == "realised":
        assert trainer._meter is not None
        meter = trainer._meter
        result = meter.after_update(trainer._buffered_inputs, alone)
        assert result is not None
        return result
    directional.TOLERANCE = {"one-sided": float("inf"), "symmetric": -1.0, "": 0.005}[difference]
    return meter.before_update(trainer._buffered_inputs, alone)


def update(trainer: MultiObjectiveTrainer) -> None:
    """Train on the batch, so that there is an update for the realised influence to read."""
    trainer._meter = trainer._meter or InfluenceMeter(trainer, InfluenceRequest(method="realised"))
    trainer._meter.begin_batch(trainer._buffered_inputs)
    training_step(trainer)
    trainer.optimizer.step()
    trainer.state.global_step += 1


def time_table(options: argparse.Namespace) -> list[str]:
    """Measurements in units of one training step."""
    lines = [f"| K | {' | '.join(METHODS)} |", "|---|" + "---|" * len(METHODS)]
    for count in options.objectives:
        policy = None if options.policy == "arithmetic" else random_policy(options.policy)
        trainer = with_batch(build(options, count, "independent", policy=policy))
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
    arms = ["fixed weights", "realised", "directional", "exact", "paper"]
    lines = [f"| completions | generation | {' | '.join(arms)} |", "|---|---|" + "---|" * len(arms)]
    for completions in (options.completions, options.completions // 4):
        shape = argparse.Namespace(**{**vars(options), "completions": completions})
        ratios, generation = whole_batches(shape)
        lines.append(f"| {completions} | {generation:.0%} | {' | '.join(f'{ratios[arm]:.2f}' for arm in arms)} |")
        print(lines[-1], flush=True)
    return lines


def whole_batches(options: argparse.Namespace) -> tuple[dict[str, float], float]:
    """Seconds of a batch relative to one with fixed weights, and the share of generation in that."""

    class PaperMeter(InfluenceMeter):
        def before_update(self, micro_batches: Any, advantages: Any) -> Influence:
            return paper_influence(self._trainer, micro_batches, advantages)

    arms: dict[str, Any] = {
        "fixed weights": lambda: FixedWeights([0.4, 0.3, 0.3]),
        "realised": lambda: GradientInfluence(method="realised"),
        "directional": lambda: GradientInfluence(),
        "exact": lambda: GradientInfluence(method="exact"),
        "paper": lambda: GradientInfluence(method="exact"),
    }
    directional.TOLERANCE = 0.005
    totals: dict[str, list[float]] = defaultdict(list)
    generation: list[float] = []
    for _ in range(options.rounds):
        for arm, rule in arms.items():
            scratch = tempfile.mkdtemp()
            policy = None if options.policy == "arithmetic" else random_policy(options.policy)
            trainer = build(options, 3, "correlated", policy=policy, rule=rule(), scratch=scratch, max_steps=5)
            if arm == "paper":
                assert trainer._meter is not None
                trainer._meter = PaperMeter(trainer, trainer._meter.request)
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


def error_table(options: argparse.Namespace) -> list[str]:
    """Relative L2 errors of the influence vector against float64, over several batches."""
    lines = ["| K, rewards | exact | one-sided | symmetric | as used | used symmetric |", "|---|---|---|---|---|---|"]
    cases = [(3, "task"), *((k, kind) for k in options.objectives for kind in ("correlated", "independent"))]
    for count, kind in cases:
        errors: dict[str, list[float]] = defaultdict(list)
        symmetric = 0
        for seed in range(options.batches):
            trainer = with_batch(build(options, count, kind, seed=seed))
            trainer.model.double()
            true = paper_influence(trainer, trainer._buffered_inputs, trainer._current().per_objective()).values
            trainer.model.float()
            for method in ("exact", "directional, one-sided", "directional, symmetric", "directional"):
                influence = measure(trainer, method)
                errors[method].append(((influence.values - true).norm() / true.norm()).item())
            symmetric += influence.difference == "symmetric"
        worst = [f"{median(e):.2%} (≤ {max(e):.2%})" for e in errors.values()]
        lines.append(f"| {count}, {kind} | {' | '.join(worst)} | {symmetric} of {options.batches} |")
        print(lines[-1], flush=True)
    return lines


def step_table(options: argparse.Namespace) -> list[str]:
    """Relative L2 errors by the length of the step, over that of the parameters, on one batch each."""
    cases = [(3, "task"), (16, "independent")]
    heads = [f"K = {count}, {kind}: {how}" for count, kind in cases for how in ("one-sided", "symmetric")]
    rows: dict[int, list[str]] = {power: [] for power in (-16, -18, -19, -20, -21, -22, -24)}
    kept = directional.PARAMETER_STEP, directional.LOG_PROB_STEP, directional.FAILURE
    for count, kind in cases:
        trainer = with_batch(build(options, count, kind))
        trainer.model.double()
        true = paper_influence(trainer, trainer._buffered_inputs, trainer._current().per_objective()).values
        trainer.model.float()
        for power, row in rows.items():
            directional.PARAMETER_STEP, directional.LOG_PROB_STEP, directional.FAILURE = 2.0**power, 0.0, float("inf")
            for how in ("one-sided", "symmetric"):
                values = measure(trainer, f"directional, {how}").values
                row.append(f"{((values - true).norm() / true.norm()).item():.2%}")
    directional.PARAMETER_STEP, directional.LOG_PROB_STEP, directional.FAILURE = kept
    return [
        f"| step | {' | '.join(heads)} |",
        "|---|" + "---|" * len(heads),
        *(f"| 2^{power} | {' | '.join(row)} |" for power, row in rows.items()),
    ]


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
    parser.add_argument("--batches", type=int, default=3, help="on which errors are measured")
    parser.add_argument("--policy", choices=["arithmetic", *LAYERS], default="0.5B" if gpu else "arithmetic")
    parser.add_argument("--memory_policy", choices=[*LAYERS], default="0.5B" if gpu else "60M")
    parser.add_argument("--tables", nargs="+", default=["time", "batch", "memory", "error", "step"])
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs" / "performance.md")
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")
    tables = {
        "time": time_table,
        "batch": whole_batch_table,
        "memory": memory_table,
        "error": error_table,
        "step": step_table,
    }
    started = time.perf_counter()
    for name in options.tables:
        device = torch.accelerator.current_accelerator().type if gpu else "cpu"
        shape = f"{options.completions} completions of {options.length} tokens in {options.accumulation} micro-batches"
        policy = (
            "the embedded policy (0.8 M parameters)" if options.policy == "arithmetic" else f"random, {options.policy}"
        )
        head = {
            "time": f"{policy}, {shape}, float32; medians of {options.repeats} alternating repeats.",
            "batch": f"{policy}, {options.length} tokens, {options.accumulation} micro-batches, float32; medians over "
            f"{4 * options.rounds} batches an arm, the arms in turn; generation: its share with fixed weights.",
            "memory": "A random model, 8 completions of 16 tokens.",
            "step": f"The embedded policy, {shape}, one batch each; the step over the length of the parameters.",
            "error": f"The embedded policy, {shape}; median and worst of {options.batches} batches.",
        }[name]
        lines = tables[name](options)
        write_block(options.output, f"{name}, {device}", [head, "", *lines, "", machine()])
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
