"""Fewer measurements of influence: what each way saves, and whether the weights end in the same place.

    python benchmarks/measurements.py

Each arm trains the embedded policy on `arithmetic` with the gradient rule, from the same seeds. The time of influence
is relative to the rest of the same run, so the runs need not alternate. The distance says how far the final weights
are from those of the run of the same seed that measures every batch whole. The distance between seeds of such runs
stands beside it: no saving can be expected to come closer.
"""

import argparse
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
import transformers
from measuring import machine, write_block
from numpy.typing import NDArray
from transformers import AutoTokenizer, PrinterCallback

from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer, tasks
from paretune.influence import Influence, prompt_halves
from paretune.record.run_directory import read_steps
from paretune.trainer.influence_meter import InfluenceMeter
from paretune.weighting import WeightingRule

Array = NDArray[np.float64]
WHOLE = "every batch"
ARMS: dict[str, Callable[[], WeightingRule]] = {
    WHOLE: GradientInfluence,
    "every 2nd batch": lambda: GradientInfluence(every=2),
    "every 4th batch": lambda: GradientInfluence(every=4),
    "every 8th batch": lambda: GradientInfluence(every=8),
    "half of the prompts": GradientInfluence,
    "crossed halves": lambda: GradientInfluence(method="crossed"),
    "realised": lambda: GradientInfluence(method="realised"),
}


class HalfMeter(InfluenceMeter):
    """Measures on half of the prompts. Their advantages are as in the whole batch."""

    def before_update(self, micro_batches: list[Any], advantages: torch.Tensor) -> Influence:
        second = prompt_halves(len(advantages), self._trainer.num_generations).bool()
        found = super().before_update([half_of(rows, second) for rows in micro_batches], advantages)
        # TRL's loss divides by the tokens of the whole batch: both gradients are half of what they would be.
        return replace(found, values=4 * found.values)


def half_of(micro_batch: dict[str, Any], second: torch.Tensor) -> dict[str, Any]:
    """The rows of a micro-batch that belong to the first half of the prompts; TRL has shuffled them."""
    chosen = ~second[micro_batch["sample_index"].cpu()]
    return {
        name: value[chosen] if isinstance(value, torch.Tensor) and value.shape[:1] == chosen.shape else value
        for name, value in micro_batch.items()
    }


def trained(arm: str, seed: int, options: argparse.Namespace) -> tuple[Array, float]:
    """Train; the weights at the end, and the time of influence relative to the rest of a batch."""
    task, scratch = tasks.load("arithmetic"), tempfile.mkdtemp()
    own = {
        **task.settings, "per_device_train_batch_size": 64, "gradient_accumulation_steps": 2, "eval_strategy": "no",
        "eval_on_start": False, "save_strategy": "no", "report_to": [], "disable_tqdm": True,
    }  # fmt: skip
    config = MultiObjectiveConfig(**{**own, "output_dir": scratch, "max_steps": options.batches, "seed": seed})
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    trainer = MultiObjectiveTrainer(
        task.model, task.objectives, config, task.train, processing_class=tokenizer, weighting=ARMS[arm]()
    )
    if arm == "half of the prompts":
        assert trainer._meter is not None
        trainer._meter = HalfMeter(trainer, trainer._meter.request)
    trainer.remove_callback(PrinterCallback)  # the table is what is read
    trainer.train()
    lines = list(read_steps(scratch))
    shutil.rmtree(scratch)
    seconds = [line["seconds"] for line in lines]
    influence = sum(one["influence"] for one in seconds)
    return np.array(list(lines[-1]["weights"].values())), influence / (sum(one["total"] for one in seconds) - influence)


def distance(one: Array, other: Array) -> float:
    """The sum of the absolute differences of weights, halved: how much weight lies elsewhere."""
    return float(np.abs(one - other).sum() / 2)


def main() -> None:
    """Measure, and write the table into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("docs/performance.md"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    names = [objective.name for objective in tasks.load("arithmetic").objectives]
    lines = [
        f"| influence | time, relative to the rest of a batch | {' | '.join(names)} | distance to `{WHOLE}` |",
        "|---|---|" + "---|" * len(names) + "---|",
    ]
    whole: list[Array] = []
    for arm in ARMS:
        runs = [trained(arm, seed, options) for seed in range(options.seeds)]
        ends = [weights for weights, _ in runs]
        whole = whole or ends
        pairs = combinations(whole, 2) if ends is whole else zip(ends, whole, strict=True)
        away = [distance(one, other) for one, other in pairs]
        shown = f"{mean(away):.3f} (≤ {max(away):.3f})" + (", between seeds" if ends is whole else "")
        weights = " | ".join(f"{w:.3f}" for w in np.mean(ends, axis=0))
        lines.append(f"| {arm} | {mean(cost for _, cost in runs):.2f} | {weights} | {shown} |")
        print(lines[-1], flush=True)
    told = (
        f"The embedded policy, `arithmetic` with its own settings, {options.batches} batches, {options.seeds} seeds. "
        "The weights are those of the last batch, means over seeds. A distance is half of the sum of the absolute "
        "differences: its mean over seeds, and its largest."
    )
    write_block(options.output, "fewer measurements", [told, "", *lines, "", machine()])


if __name__ == "__main__":
    main()
