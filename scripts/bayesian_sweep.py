"""Fixed weights by Bayesian optimisation, at the cost of a plan's search over weightings that were given beforehand.

    pip install -r scripts/requirements-bayesian-sweep.txt
    python scripts/bayesian_sweep.py recipes/comparisons/leaderboard/treasure.yaml \
        --output_dir results/leaderboard-bayesian/treasure --jobs 2

Takes a plan of recipes/comparisons/leaderboard/, and after it any flag of ``paretune compare``. As many weightings are
tried as the plan's arm `best-fixed` has configurations, each on the plan's tuning seeds. Each run is made and measured
as the comparison makes and measures those of `best-fixed`, by the same figure on the validation split. The first
weightings fill the simplex evenly. The others are proposed one by one by a Gaussian process (log noisy expected
improvement). Run again, the script goes on where it was. At the end `bayesian.yaml` in the folder has an arm with the
weightings' best, by the mean of the process, for ``paretune compare`` in the folder of the plan's own comparison:

    paretune compare --config recipes/comparisons/leaderboard/treasure.yaml \
        --config results/leaderboard-bayesian/treasure/bayesian.yaml --output_dir results/leaderboard/treasure
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
import yaml
from botorch.acquisition import qLogNoisyExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.optim import optimize_acqf_discrete
from botorch.sampling import SobolQMCNormalSampler
from botorch.utils.sampling import sample_simplex
from filelock import FileLock, Timeout
from gpytorch.mlls import ExactMarginalLogLikelihood

from paretune.cli import compare
from paretune.cli.arguments import CompareArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import read
from paretune.cli.main import exit_status
from paretune.cli.settings import Settings
from paretune.cli.train import quiet
from paretune.comparison.members import is_done, tuning_members
from paretune.comparison.outcome import Outcome, judged
from paretune.comparison.plan import PLAN, SCHEMA, Arm, Plan, read_plan
from paretune.comparison.tuning import rank_of
from paretune.record.json_files import write_json
from paretune.record.json_lines import plain

SEARCHED = "best-fixed"
FOUND = "bayesian"
CANDIDATES = 1024
"""Points of the simplex, other ones each time, of which the most promising is tried next."""
Weights = Sequence[float]
Measure = Callable[[Sequence[Weights]], Sequence[Sequence[float]]]
"""Weightings to what each came to on every seed, the more the better; no value for a run that could not be judged."""


def first_weightings(count: int, budget: int, floor: float) -> list[list[float]]:
    """K + 1 weightings, or half the budget if that is less, that fill the simplex evenly (Sobol)."""
    points = sample_simplex(count, min(count + 1, budget // 2), qmc=True, seed=0, dtype=torch.float64)
    return [_weights(point, floor) for point in points]


def model_of(tried: Sequence[Weights], values: Sequence[Sequence[float]], floor: float) -> SingleTaskGP:
    """A Gaussian process over the simplex; its noise is inferred from the seeds of each weighting.

    Args:
        tried: ``[n, K]``.
        values: of each weighting, one a seed.
        floor: the least that a weight can be.
    """
    inputs = [list(weights) for weights, of_seeds in zip(tried, values, strict=True) for _ in of_seeds]
    targets = torch.tensor([value for of_seeds in values for value in of_seeds], dtype=torch.float64)
    model = SingleTaskGP(_points(inputs, floor), targets[:, None])
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return model


def proposed(tried: Sequence[Weights], values: Sequence[Sequence[float]], floor: float) -> list[float]:
    """The weighting to try next: where the expected improvement on the best so far, itself noisy, is largest."""
    choices = sample_simplex(len(tried[0]), CANDIDATES, qmc=True, seed=len(tried), dtype=torch.float64)
    sampler = SobolQMCNormalSampler(torch.Size([128]), seed=len(tried))
    improvement = qLogNoisyExpectedImprovement(model_of(tried, values, floor), _points(tried, floor), sampler)
    point, _ = optimize_acqf_discrete(improvement, q=1, choices=choices)
    return _weights(point[0], floor)


def best(tried: Sequence[Weights], values: Sequence[Sequence[float]], floor: float) -> Weights:
    """The tried weighting whose mean under the Gaussian process is highest."""
    means = model_of(tried, values, floor).posterior(_points(tried, floor)).mean
    return tried[int(means.argmax())]


def search(measure: Measure, count: int, budget: int, floor: float, tried: Sequence[Weights] = ()) -> Weights:
    """Try weightings until the budget is spent; the best of them.

    Args:
        measure: called with all weightings so far.
        count: K.
        budget: how many weightings to try.
        floor: the least that a weight can be, as in the search that this is compared with.
        tried: weightings that are on record from before.
    """
    all_tried = [*tried] or first_weightings(count, budget, floor)
    values = measure(all_tried)
    while len(all_tried) < budget:
        all_tried.append(proposed(all_tried, values, floor))
        values = measure(all_tried)
    return best(all_tried, values, floor)


def _points(weightings: Sequence[Weights], floor: float) -> torch.Tensor:
    """``[n, K]`` on the simplex, from weights that are no less than the floor."""
    weights = torch.tensor(weightings, dtype=torch.float64)
    return (weights - floor) / (1 - weights.shape[1] * floor)


def _weights(point: torch.Tensor, floor: float) -> list[float]:
    return [round(weight, 4) for weight in (floor + (1 - len(point) * floor) * point).tolist()]


def text(weights: Weights) -> str:
    """Weights as a plan has them."""
    return ",".join(map(str, weights))


def numbers(arm: Arm) -> list[list[float]]:
    """The weights of an arm's configurations."""
    return [[float(weight) for weight in one["weights"].split(",")] for one in arm.configurations]


def measured(
    root: Path, plan: Plan, own: CompareArguments, settings: Settings, tried: Sequence[Weights]
) -> list[list[float]]:
    """Make what is missing of the tuning runs of these weightings; a :data:`Measure` but for the first arguments."""
    configurations = [{"weights": text(weights)} for weights in tried]
    arm = replace(plan.arms[0], configurations=configurations)
    plan = replace(plan, arms=[arm])
    write_json(root / PLAN, {"schema": SCHEMA, **asdict(plan)})  # before the runs, so that these are found again
    members, prompts = tuning_members(plan), compare.prompts_of(plan, settings.task)
    jobs = [
        compare.job_of(root, plan, member, arm.configured(configurations[member.configuration or 0]), prompts)
        for member in members
        if not is_done(root, member, prompts)
    ]
    with closing(compare.LAUNCHERS[own.launcher](jobs, own.jobs, lambda: None)) as ended:
        for job, well in ended:
            if not well:
                print(f"{job.name} failed: {job.log} says why.", file=sys.stderr)
    values: list[list[float]] = [[] for _ in tried]
    for member in members:
        outcome = judged(root / member.directory, split="validation")
        if isinstance(outcome, Outcome):
            values[member.configuration or 0].append(rank_of(outcome, arm.chosen_by))
    if not all(values):
        raise BadInputError(f"{text(tried[values.index([])])} could not be judged: run again when that is mended.")
    print(f"{len(tried)}: {text(tried[-1])} came to {', '.join(f'{value:.4f}' for value in values[-1])}")
    return values


def swept(
    root: Path,
    plan: Plan,
    own: CompareArguments,
    settings: Settings,
    given: Sequence[Weights],
    tried: Sequence[Weights],
) -> tuple[Path, Weights]:
    """Try as many weightings as were given, none below the least weight of those; the file of the best one's arm."""
    measure = partial(measured, root, plan, own, settings)
    floor = min(min(weights) / sum(weights) for weights in given)
    found = search(measure, len(settings.task.objectives), len(given), floor, tried)
    path = root / f"{FOUND}.yaml"
    path.write_text(
        f"# Found by scripts/bayesian_sweep.py: {len(given)} weightings on {len(plan.tuning_seeds)} seeds.\n"
        + yaml.safe_dump({"rules": FOUND, "arms": {FOUND: {"rule": "fixed", "weights": text(found)}}}, sort_keys=False)
    )
    return path, found


def main() -> int:
    """Search; the exit status."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        raise BadInputError(f"usage: {Path(sys.argv[0]).name} PLAN.yaml --output_dir DIR [flags of paretune compare]")
    quiet()
    line = read("compare", ["--config", *sys.argv[1:]])
    if "output_dir" not in line.given:
        raise BadInputError("where to? --output_dir DIR; run again with it, finished runs are kept.")
    root = Path(line.given["output_dir"])
    own, settings = compare.resolve(line.parser, line.given)
    whole = compare.plan_of(own, settings, line.given, None)
    compare.check(whole, settings.task)
    given = next((numbers(arm) for arm in whole.arms if arm.name == SEARCHED and arm.configurations), None)
    if given is None:
        raise BadInputError(f"the plan has no arm {SEARCHED!r} with configurations: there is no search to match.")
    plan = replace(whole, arms=[replace(whole.arm(SEARCHED), name=FOUND)], primary=None)
    before = read_plan(root) if (root / PLAN).exists() else None
    if before is not None and plain(asdict(replace(before, arms=plan.arms))) != plain(asdict(plan)):
        raise BadInputError(f"{root} holds the sweep of another plan: choose another folder.")
    root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / ".lock", timeout=0):
            path, found = swept(root, plan, own, settings, given, numbers(before.arms[0]) if before else [])
    except Timeout as error:
        raise BadInputError(f"{root} is in use by another sweep: wait for its end.") from error
    print(f"{path}: {text(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main))
