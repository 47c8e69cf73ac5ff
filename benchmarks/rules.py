"""What the rules that measure no influence add to a batch of real training with fixed weights.

    python benchmarks/rules.py

All rules train in one process, with completions of one length. The script times what our trainer does with the rewards
of a batch: it calls them, shows them to the rule, and makes advantages and records. Only there do rules differ. Whole
batches would not show the difference: from one training to the next they vary by a tenth, and no rule adds as much.
"""

import argparse
import inspect
import random
import shutil
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import transformers
from batches import build
from measuring import clock, machine, write_block

from paretune import FixedWeights, MultiObjectiveTrainer
from paretune.record.run_directory import read_steps
from paretune.weighting import RULES, WeightingRule

BATCHES = 6
"""Batches that a rule trains in its turn; the first is to warm up."""
PARTS = ("_calculate_rewards", "_replace_advantages", "_note_batch")
"""What the trainer does with the rewards of a batch."""


def free_rules(count: int) -> dict[str, WeightingRule]:
    """The rules that need neither influence nor an evaluation of their own, and no settings."""
    free = {}
    for name, make in RULES.items():
        needed = [p for p in inspect.signature(make).parameters.values() if p.default is p.empty]
        if needed:
            continue
        wanted = make().measurements()
        if wanted.influence is None and wanted.evaluation != "validation":
            free[name] = make()
    return {"fixed": FixedWeights([1 / count] * count), **free}


def timed(trainer: MultiObjectiveTrainer) -> list[float]:
    """Seconds of the trainer's parts, which fill as it trains: a sum for each batch."""
    seconds: list[float] = []

    def wrapped(part: str) -> Any:
        do = getattr(trainer, part)

        def and_timed(*args: Any, **kwargs: Any) -> Any:
            started = clock()
            result = do(*args, **kwargs)
            if part == PARTS[0]:
                seconds.append(0.0)
            seconds[-1] += clock() - started
            return result

        return and_timed

    for part in PARTS:
        setattr(trainer, part, wrapped(part))
    return seconds


def added(options: argparse.Namespace, count: int) -> tuple[dict[str, float], float]:
    """Seconds of the parts of each rule, and of a whole batch with fixed weights."""
    seconds: dict[str, list[float]] = defaultdict(list)
    whole: list[float] = []
    for turn in range(options.rounds):
        rules = list(free_rules(count).items())
        random.Random(turn).shuffle(rules)  # whoever comes first finds an idle allocator
        for name, rule in rules:
            scratch = tempfile.mkdtemp()
            trainer = build(options, count, "independent", rule=rule, scratch=scratch, max_steps=BATCHES)
            parts = timed(trainer)
            trainer.train()
            seconds[name] += parts[1:]
            if name == "fixed":
                whole += [line["seconds"]["total"] for line in list(read_steps(scratch))[1:]]
            shutil.rmtree(scratch)
    return {name: median(values) for name, values in seconds.items()}, median(whole)


def main() -> None:
    """Measure, and write the table into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objectives", type=int, nargs="+", default=[3, 16])
    parser.add_argument("--completions", type=int, default=64, help="of a batch")
    parser.add_argument("--accumulation", type=int, default=2, help="micro-batches of a batch")
    parser.add_argument("--length", type=int, default=32, help="tokens of a completion")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("docs/performance.md"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.utils.logging.set_verbosity_error()
    found = {count: added(options, count) for count in options.objectives}
    head = [f"K = {count}, milliseconds | share of a batch" for count in found]
    lines = [f"| rule | {' | '.join(head)} |", "|---|" + "---|---|" * len(found)]
    for name in [name for name in free_rules(2) if name != "fixed"]:
        cells = []
        for parts, whole in found.values():
            more = parts[name] - parts["fixed"]
            cells.append(f"{1e3 * more:.1f} | {more / whole:.1%}")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    batches = ", ".join(f"{1e3 * whole:.0f} ms at K = {count}" for count, (_, whole) in found.items())
    told = (
        f"The embedded policy, {options.completions} completions of {options.length} tokens in {options.accumulation} "
        f"micro-batches; medians over {options.rounds * (BATCHES - 1)} batches a rule, the rules in turn. With fixed "
        f"weights a batch takes {batches}."
    )
    print("\n".join(lines))
    write_block(options.output, "free rules", [told, "", *lines, "", machine()])


if __name__ == "__main__":
    main()
