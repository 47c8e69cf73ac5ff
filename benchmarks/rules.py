"""What the rules that measure no influence cost: whole batches of real training, relative to fixed weights.

    python benchmarks/rules.py

The rules take turns in one process, with completions of one length, so that all do the same work. The medians of the
batches' seconds are compared.
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

import transformers
from batches import build
from measuring import machine, write_block

from paretune import FixedWeights
from paretune.record.run_directory import read_steps
from paretune.weighting import RULES, WeightingRule

BATCHES = 6
"""Batches that a rule trains in its turn; the first is to warm up."""


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


def ratios(options: argparse.Namespace, count: int) -> dict[str, float]:
    """Seconds of a batch of each rule, relative to fixed weights."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds):
        rules = list(free_rules(count).items())
        random.Random(turn).shuffle(rules)  # whoever comes first finds an idle allocator
        for name, rule in rules:
            scratch = tempfile.mkdtemp()
            build(options, count, "independent", rule=rule, scratch=scratch, max_steps=BATCHES).train()
            seconds[name] += [line["seconds"]["total"] for line in list(read_steps(scratch))[1:]]
            shutil.rmtree(scratch)
    base = median(seconds["fixed"])
    return {name: median(values) / base for name, values in seconds.items()}


def main() -> None:
    """Measure, and write the table into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objectives", type=int, nargs="+", default=[3, 16])
    parser.add_argument("--completions", type=int, default=64, help="of a batch")
    parser.add_argument("--accumulation", type=int, default=2, help="micro-batches of a batch")
    parser.add_argument("--length", type=int, default=32, help="tokens of a completion")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--output", type=Path, default=Path("docs/performance.md"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.utils.logging.set_verbosity_error()
    found = {count: ratios(options, count) for count in options.objectives}
    lines = [f"| rule | {' | '.join(f'K = {count}' for count in found)} |", "|---|" + "---|" * len(found)]
    lines += [f"| `{name}` | {' | '.join(f'{found[count][name]:.3f}' for count in found)} |" for name in free_rules(2)]
    head = (
        f"The embedded policy, {options.completions} completions of {options.length} tokens in {options.accumulation} "
        f"micro-batches; medians over {options.rounds * (BATCHES - 1)} batches a rule, the rules in turn."
    )
    print("\n".join(lines))
    write_block(options.output, "free rules", [head, "", *lines, "", machine()])


if __name__ == "__main__":
    main()
