"""What one run of a comparison came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune.comparison.null_spread import front_statistics
from paretune.pareto import ParetoArchive, worst_corner
from paretune.record.final_evaluations import read_final_evaluations
from paretune.record.run_directory import read_evaluations, read_front, read_run, read_steps

__all__ = ["Cost", "Outcome", "Reached", "archive_of", "cost_of", "judged", "outcome_of"]


@dataclass(frozen=True)
class Cost:
    """What a run took.

    Attributes:
        tokens: generated, evaluations included.
        forward: forward passes over a generation batch, the rule's measurements included; NaN where influence was
            measured in a way that is not known here.
        backward: backward passes over one; NaN likewise.
        seconds: of wall time in batches; evaluations on the grid, the same for all, are left out.
    """

    tokens: int
    forward: float
    backward: float
    seconds: float


@dataclass(frozen=True)
class Reached:
    """When a run's policy first reached the target: optimiser steps, tokens generated, seconds in batches."""

    step: int
    tokens: int | None
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a run came to. Hypervolumes are normalised to [0, 1], from the worst corner of the bounds.

    Attributes:
        status: finished or failed.
        hypervolume: by decoding, that of the chosen policies, measured again on the test split.
        final: by decoding, the last policy's metrics there, NaN where there is none.
        final_hypervolume: by decoding, that of the last policy alone.
        cost: what it took.
        reached: when it reached the target; None if it did not, or there is none.
        front_mean: the paper's statistic: each objective's mean over the validation front; None without a front.
        steps_to_front: the other one: the mean step of the front.
        errors: standard errors of its last evaluation on the grid.
        grid: steps of the grid's evaluations.
    """

    status: str
    hypervolume: Mapping[str, float]
    final: Mapping[str, Mapping[str, float]]
    final_hypervolume: Mapping[str, float]
    cost: Cost
    reached: Reached | None
    front_mean: Mapping[str, float] | None
    steps_to_front: float | None
    errors: Mapping[str, float]
    grid: Sequence[int]


def archive_of(objectives: Sequence[Mapping[str, Any]]) -> ParetoArchive:
    """An empty archive over a run's objectives, measured from the worst corner of their bounds.

    Raises:
        ValueError: if an objective has no bounds, so that nothing can be compared by volume.
    """
    unbounded = [objective["name"] for objective in objectives if objective["bounds"] is None]
    if unbounded:
        raise ValueError(f"{', '.join(unbounded)} has no bounds: a comparison needs those of every objective.")
    maximize, bounds = [o["maximize"] for o in objectives], [tuple(o["bounds"]) for o in objectives]
    return ParetoArchive(maximize, worst_corner(maximize, bounds), bounds)


def volume(objectives: Sequence[Mapping[str, Any]], points: Sequence[Mapping[str, float]]) -> float:
    """The hypervolume of some policies' metrics."""
    archive = archive_of(objectives)
    for point in points:
        archive.add([point[objective["name"]] for objective in objectives])
    return archive.hypervolume


def judged(directory: Path, *, split: str = "test", target: float | None = None) -> Outcome | str:
    """What the run in a folder came to, see :func:`outcome_of`; or why that cannot be told, in a few words."""
    try:
        outcome, status = outcome_of(directory, split=split, target=target), read_run(directory)["status"]
    except FileNotFoundError:
        return "not run."
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its files cannot be read: {error}"
    if outcome is not None:
        return outcome
    why = {
        "finished": "finished, but not measured.",
        "failed": "failed before its first evaluation.",
        "running": "running, or killed.",
    }
    return why.get(status, f"{status}.")


def outcome_of(directory: str | Path, *, split: str = "test", target: float | None = None) -> Outcome | None:
    """What the run in a folder came to.

    It is judged by its chosen policies as they were measured again; of several measurements by the one on the most
    prompts, and by none that broke off before the last policy. A run that failed before it had a policy to measure
    again is judged by its last evaluation on the grid.

    Args:
        directory: the run's.
        split: the one by which it is judged.
        target: hypervolume of a single policy whose time of arrival is asked for.

    Returns:
        None if there is nothing to judge it by, or it neither finished nor failed.

    Raises:
        FileNotFoundError: if the directory holds no run.
        ValueError: if its files are broken, or an objective has no bounds.
    """
    header, steps = read_run(directory), read_steps(directory)
    objectives, names = header["objectives"], [objective["name"] for objective in header["objectives"]]
    evaluations = read_evaluations(directory)
    grid = [line for line in evaluations if line["purpose"] == "grid"]
    measured = _measured(directory, split)
    if header["status"] == "failed" and grid:
        measured.setdefault("sampled", grid[-1:])
    if header["status"] not in ("finished", "failed") or "sampled" not in measured:
        return None
    hypervolume, final, final_hypervolume = {}, {}, {}
    for decoding, lines in measured.items():
        last = max(lines, key=lambda line: line["step"])["metrics"]
        hypervolume[decoding] = volume(objectives, [line["metrics"] for line in lines])
        final[decoding] = {name: float("nan") if last[name] is None else last[name] for name in names}
        final_hypervolume[decoding] = volume(objectives, [last])
    front_mean, steps_to_front = _front(directory, names)
    return Outcome(
        status=header["status"],
        hypervolume=hypervolume,
        final=final,
        final_hypervolume=final_hypervolume,
        cost=cost_of(header, steps, evaluations),
        reached=None if target is None else reached(grid, steps, objectives, target),
        front_mean=front_mean,
        steps_to_front=steps_to_front,
        errors=grid[-1]["standard_error"] if grid else {},
        grid=[line["step"] for line in grid],
    )


def reached(
    grid: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]],
    objectives: Sequence[Mapping[str, Any]],
    target: float,
) -> Reached | None:
    """When a single policy's hypervolume first was at the target, and again at the evaluation after it.

    One evaluation may be above it by luck; of the last there is no next. The archive's hypervolume would not do: it
    grows from noise alone.
    """
    there = [volume(objectives, [line["metrics"]]) >= target for line in grid]
    for i, line in enumerate(grid):
        if there[i] and all(there[i + 1 : i + 2]):
            seconds = sum(batch["seconds"]["total"] for batch in steps if batch["step"] <= line["step"])
            return Reached(line["step"], line.get("tokens"), seconds)
    return None


def cost_of(
    header: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]] = ()
) -> Cost:
    """What a run's batches took, and the tokens of its evaluations.

    Passes are counted over a generation batch. The update: one forward and one backward, `num_iterations` times; before
    it, a forward pass of the reference model where there is a KL term, and one of the policy where the batch makes
    several updates. Influence, K objectives: directional, a forward and a backward and one (one-sided) or two forward;
    realised, one forward; exact, one forward and K backward.
    """
    settings, count = header.get("settings", {}), len(header["objectives"])
    updates, accumulated = settings.get("num_iterations", 1), settings.get("gradient_accumulation_steps", 1)
    several = accumulated % (settings.get("steps_per_generation", accumulated) * updates) != 0
    before = bool(settings.get("beta")) + several
    forward = backward = 0.0
    for line in steps:
        extra_forward, extra_backward = _passes(line.get("estimator"), count)
        forward += before + updates + extra_forward
        backward += updates + extra_backward
    return Cost(
        tokens=max((line.get("tokens") or 0 for line in [*steps[-1:], *evaluations]), default=0),
        forward=forward,
        backward=backward,
        seconds=sum(line["seconds"]["total"] for line in steps),
    )


def _passes(estimator: Mapping[str, Any] | None, objectives: int) -> tuple[float, float]:
    """Forward and backward passes that an estimate of influence takes; NaN for one that is not known."""
    if estimator is None:
        return 0, 0
    known = {
        "directional": (3 if estimator["difference"] == "symmetric" else 2, 1),
        "realised": (1, 0),
        "exact": (1, objectives),
    }
    return known.get(estimator["method"], (float("nan"), float("nan")))


def _measured(directory: str | Path, split: str) -> dict[str, list[dict[str, Any]]]:
    """By decoding, the chosen policies as they were measured on the most prompts, the last policy among them."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for line in read_final_evaluations(directory):
        if line["split"] == split:
            groups.setdefault((line["decoding"], line["prompts"]), []).append(line)
    whole = {key: lines for key, lines in sorted(groups.items()) if any(line["final"] for line in lines)}
    return {decoding: lines for (decoding, _), lines in whole.items()}


def _front(directory: str | Path, names: Sequence[str]) -> tuple[dict[str, float] | None, float | None]:
    """The paper's statistics of the validation front; None without a front."""
    try:
        points = read_front(directory)["points"]
    except FileNotFoundError:
        return None, None
    if not points:
        return None, None
    metrics = [[point["metrics"][name] for name in names] for point in points]
    means, steps = front_statistics(metrics, [point["step"] for point in points])
    return dict(zip(names, means, strict=True)), steps
