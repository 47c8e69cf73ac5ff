"""Rewarded soups: the fronts that averaged weights of single-objective runs span, beside those of a comparison's arms.

    python scripts/soups.py results/leaderboard/treasure --output_dir results/leaderboard-soups/treasure

After Ramé et al. 2023, "Rewarded soups: towards Pareto-optimal alignment by interpolating weights fine-tuned on diverse
rewards". Takes the last policies of the comparison's arms `only-1` to `only-K`, seed by seed, and averages their
parameters linearly at ten points of the simplex: those of the lattice, and where that has fewer the first weightings of
`best-fixed`. Each soup is measured on the validation and the test split as the comparison measures a run's last policy.
The soups that are not dominated on the validation split are the front. So K runs stand for one, and the soups
themselves cost no training.

The folder gets a run without training for each soup, and soups.json. Run again, what is measured is not measured again.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from paretune.cli.bad_input import BadInputError
from paretune.cli.compare import prompts_of
from paretune.cli.compare_worker import work
from paretune.cli.main import exit_status
from paretune.cli.task_source import load_task
from paretune.cli.train import quiet
from paretune.comparison.members import TUNED_BY, Member, comparison_members, standing
from paretune.comparison.plan import Plan, read_plan
from paretune.comparison.statistics import estimate as estimate_of
from paretune.comparison.together import front_together
from paretune.record.figures import estimate
from paretune.record.final_evaluations import chosen_policies
from paretune.record.json_files import read_json, write_json
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader
from paretune.record.record import RunRecord
from paretune.steering import lattice

ALONE = "only-"
SEARCHED = "best-fixed"
POINTS = 10
"""Soups of a seed: as many as the weightings of the search."""
BESIDE = ("tour", "best-fixed-front")
FIGURES = ("front_regret", "hypervolume")
NOT_COPIED = ("schema", "status", "started", "ended")
"""What a soup's run.json does not take over from the first of its runs."""


@dataclass(frozen=True)
class Kitchen:
    """A comparison and the folder of its soups."""

    comparison: Path
    plan: Plan
    out: Path
    prompts: Mapping[str, int]

    def sources(self) -> dict[int, list[Member]]:
        """By seed the runs on one objective each, in the order of the objectives; seeds that lack one are left out."""
        alone = [one for one in comparison_members(self.plan) if one.arm.name.startswith(ALONE)]
        members = [one for one in alone if one.algorithm == self.plan.algorithms[0]]
        names = sorted({one.arm.name for one in members}, key=lambda name: int(name.removeprefix(ALONE)))
        by_seed = {
            seed: [one for name in names for one in members if (one.arm.name, one.seed) == (name, seed)]
            for seed in self.plan.seeds
        }
        return {seed: found for seed, found in by_seed.items() if found and len(found) == len(names)}

    def soup(self, sources: Sequence[Member], i: int, weights: Sequence[float]) -> Path:
        """Make and measure a soup, as far as that is not done; its folder."""
        first = sources[0]
        folder = self.out / f"soup-{i}-{first.algorithm}-seed{first.seed}"
        if standing(folder).status != "finished":
            shutil.rmtree(folder, ignore_errors=True)
            self._make(folder, sources, weights)
        settings = first.settings(self.plan, first.arm)
        told = [[split, list(decodings), self.prompts[split]] for split, decodings in TUNED_BY]
        work(folder, settings, told)
        return folder

    def _make(self, folder: Path, sources: Sequence[Member], weights: Sequence[float]) -> None:
        directories = [self.comparison / source.directory for source in sources]
        lasts = [policy.checkpoint for one in directories for policy in chosen_policies(one) if policy.final]
        if len(lasts) < len(sources):
            raise BadInputError(f"{directories[0].parent}: a run of {ALONE}1 to {ALONE}K has no checkpoint any more.")
        content = RunReader(directories[0]).header.content
        record = RunRecord(folder)
        record.start(
            {**{name: value for name, value in content.items() if name not in NOT_COPIED},
             "rule": {"name": "soup", "settings": {"weights": list(weights)}, "paper": None}}
        )  # fmt: skip
        checkpoint = folder / lasts[0].name
        shutil.copytree(lasts[0], checkpoint, ignore=shutil.ignore_patterns("*.safetensors*"))
        averaged(lasts, weights).save_pretrained(checkpoint)
        record.finish("finished")


def averaged(checkpoints: Sequence[Path], weights: Sequence[float]) -> PreTrainedModel:
    """The policy whose parameters are the weighted sum of those of some checkpoints."""
    models = [AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in checkpoints]
    states = [model.state_dict() for model in models]
    mixed = {name: sum(w * state[name] for w, state in zip(weights, states, strict=True)) for name in states[0]}
    models[0].load_state_dict({name: value.to(states[0][name].dtype) for name, value in mixed.items()})
    return models[0]


def weightings(count: int, searched: Sequence[Sequence[float]]) -> list[list[float]]:
    """Ten points of the simplex, all corners among them: the lattice's, then those of a search.

    Args:
        count: K.
        searched: the weightings of the search, of any sum.
    """
    found = lattice(count, POINTS)
    for weights in searched:
        point = [weight / sum(weights) for weight in weights]
        if not any(max(abs(a - b) for a, b in zip(point, one, strict=True)) < 0.01 for one in found):
            found.append(point)
    return found[:POINTS]


def value_of(run: Mapping[str, Any], name: str) -> float:
    """A figure of a run in a summary."""
    value: float = run[name] if name in run else run["figures"][name]
    return value


def main() -> int:
    """Make, measure and tell; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path, help="the folder of a comparison that has ended")
    parser.add_argument("--output_dir", type=Path, required=True)
    args = parser.parse_args()
    quiet()
    plan, summary = read_plan(args.comparison), read_json(args.comparison / "summary.json")
    torch.set_num_threads(plan.threads)
    kitchen = Kitchen(args.comparison, plan, args.output_dir, prompts_of(plan, load_task(plan.task_settings)[0]))
    sources = kitchen.sources()
    if not sources:
        raise BadInputError(f"{args.comparison} has no seed with runs of {ALONE}1 to {ALONE}K.")
    searched = [
        [float(weight) for weight in one["weights"].split(",")]
        for arm in plan.arms if arm.name == SEARCHED
        for one in arm.configurations
    ]  # fmt: skip
    points = weightings(len(next(iter(sources.values()))), searched)
    fronts = {}
    for seed, runs in sources.items():
        folders = [kitchen.soup(runs, i, weights) for i, weights in enumerate(points)]
        try:
            fronts[seed] = front_together(folders, kitchen.prompts["test"])
        except RecordError as error:
            raise BadInputError(str(error)) from error
    arms = {name: summary["rules"][name]["runs"] for name in BESIDE if name in summary["rules"]}
    values = {"soups": list(fronts.values()), **arms}
    write_json(args.output_dir / "soups.json", {"weightings": points, "seeds": fronts})
    print("| arm | " + " | ".join(name.replace("_", " ") for name in FIGURES) + " | seeds |\n" + "|---" * 4 + "|")
    for arm, runs in values.items():
        found = [estimate_of([value_of(run, name) for run in runs]) for name in FIGURES]
        cells = [estimate(one.mean, one.low, one.high) for one in found]
        print(f"| {arm} | {' | '.join(cells)} | {len(runs)} |")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main))
