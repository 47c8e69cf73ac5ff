"""What one run of a comparison came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path

from paretune.bounded_run import BoundedRun, Bounds, archive_of
from paretune.comparison.figures import front_figures, last_figures
from paretune.comparison.null_spread import front_statistics
from paretune.record.entries import Batch, Estimator, Evaluation, Header, Objective
from paretune.record.fields import Fields
from paretune.record.known_front import front_on
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader


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
        hypervolume: by decoding, that of the chosen policies, measured again on the test split; of a steerable run its
            last policy counts at each setting of its dial as well.
        final: by decoding, the last policy's metrics there, NaN where there is none.
        final_hypervolume: by decoding, that of the last policy alone.
        figures: those of :data:`~paretune.comparison.figures.FIGURES`, of the sampled policies; NaN where not known.
        cost: what it took.
        reached: when it reached the target; None if it did not, or there is none.
        front_mean: the paper's statistic: each objective's mean over the validation front; None without a front.
        steps_to_front: the other one: the mean step of the front.
        errors: standard errors of its last evaluation on the grid.
        grid: steps of the grid's evaluations.
        grid_hypervolume: of all policies that the grid evaluated together, on the validation split; 0 without any.
        dial: the last policy of a steerable run at each setting of its dial, sampled.
    """

    status: str
    hypervolume: Mapping[str, float]
    final: Mapping[str, Mapping[str, float]]
    final_hypervolume: Mapping[str, float]
    figures: Mapping[str, float]
    cost: Cost
    reached: Reached | None
    front_mean: Mapping[str, float] | None
    steps_to_front: float | None
    errors: Mapping[str, float]
    grid: Sequence[int]
    grid_hypervolume: float = 0.0
    dial: Sequence[Evaluation] = ()


def volume(objectives: Sequence[Objective], points: Sequence[Mapping[str, float]]) -> float:
    """The hypervolume of some policies' metrics; one that lacks a metric dominates nothing."""
    archive = archive_of(objectives)
    for point in points:
        archive.add([point.get(objective.name, nan) for objective in objectives])
    return archive.hypervolume


def judged(
    directory: Path, *, split: str = "test", target: float | None = None, bounds: Bounds | None = None
) -> Outcome | str:
    """What the run in a folder came to, see :func:`outcome_of`; or why that cannot be told, in a few words."""
    try:
        outcome = outcome_of(directory, split=split, target=target, bounds=bounds)
        status = RunReader(directory).header.status
    except FileNotFoundError:
        return "not run."
    except (OSError, ValueError) as error:
        return f"its files cannot be read: {error}"
    if outcome is not None:
        return outcome
    why = {
        "finished": "finished, but not measured.",
        "failed": "failed before its first evaluation.",
        "running": "running, or killed.",
    }
    return why.get(status, f"{status}.")


def outcome_of(
    directory: str | Path, *, split: str = "test", target: float | None = None, bounds: Bounds | None = None
) -> Outcome | None:
    """What the run in a folder came to.

    It is judged by its chosen policies as they were measured again; of several measurements by the one on the most
    prompts, and by none that broke off before the last policy. A run that failed before it had a policy to measure
    again is judged by its last evaluation on the grid.

    Args:
        directory: the run's.
        split: the one by which it is judged.
        target: hypervolume of a single policy whose time of arrival is asked for.
        bounds: of objectives, in place of those that the run has recorded.

    Returns:
        None if there is nothing to judge it by, or it neither finished nor failed.

    Raises:
        FileNotFoundError: if the directory holds no run.
        ValueError: if its files are broken, or an objective has no bounds.
    """
    run = BoundedRun(directory, bounds=bounds)
    header, objectives, grid = run.header, run.header.objectives, run.grid
    measured = _measured(run.measured_again, split)
    if header.status == "failed" and grid:
        measured.setdefault("sampled", grid[-1:])
    if header.status not in ("finished", "failed") or "sampled" not in measured:
        return None
    dial = {decoding: _settings(run.dial, policies) for decoding, policies in measured.items()}
    hypervolume, final, final_hypervolume = {}, {}, {}
    for decoding, policies in measured.items():
        last = max(policies, key=lambda policy: policy.step).metrics
        hypervolume[decoding] = volume(objectives, [policy.metrics for policy in [*policies, *dial[decoding]]])
        final[decoding] = {objective.name: last.get(objective.name, nan) for objective in objectives}
        final_hypervolume[decoding] = volume(objectives, [last])
    front_mean, steps_to_front = _front(run)
    sampled = measured["sampled"]
    prompts = sampled[0].prompts  # of one measurement, all the same
    known = None if prompts is None else front_on(run.known_fronts, split, prompts)
    return Outcome(
        status=header.status,
        hypervolume=hypervolume,
        final=final,
        final_hypervolume=final_hypervolume,
        figures={
            **last_figures(objectives, final["sampled"], known),
            **front_figures(objectives, [policy.metrics for policy in [*sampled, *dial["sampled"]]], known),
        },
        cost=cost_of(header, run.batches, run.evaluations),
        reached=None if target is None else reached(grid, run.batches, objectives, target),
        front_mean=front_mean,
        steps_to_front=steps_to_front,
        errors=grid[-1].errors if grid else {},
        grid=[evaluation.step for evaluation in grid],
        grid_hypervolume=(grid[-1].archive or 0.0) if grid else 0.0,
        dial=dial["sampled"],
    )


def reached(
    grid: Sequence[Evaluation], batches: Sequence[Batch], objectives: Sequence[Objective], target: float
) -> Reached | None:
    """When a single policy's hypervolume first was at the target, and again at the evaluation after it.

    One evaluation may be above it by luck; of the last there is no next. The archive's hypervolume would not do: it
    grows from noise alone.
    """
    there = [volume(objectives, [evaluation.metrics]) >= target for evaluation in grid]
    for i, evaluation in enumerate(grid):
        if there[i] and all(there[i + 1 : i + 2]):
            seconds = sum(_seconds(batch) for batch in batches if batch.step <= evaluation.step)
            return Reached(evaluation.step, evaluation.tokens, seconds)
    return None


def cost_of(header: Header, batches: Sequence[Batch], evaluations: Sequence[Evaluation] = ()) -> Cost:
    """What a run's batches took, and the tokens of its evaluations.

    Passes are counted over a generation batch. The update: one forward and one backward, `num_iterations` times; before
    it, a forward pass of the reference model where there is a KL term, and one of the policy where the batch makes
    several updates. To these come those of the estimator of influence (:meth:`paretune.influence.Estimator.passes`).
    """
    settings = Fields(header.settings, "the settings in run.json")
    updates, accumulated = (
        max(settings.count(name) or 1, 1) for name in ("num_iterations", "gradient_accumulation_steps")
    )
    several = accumulated % (max(settings.count("steps_per_generation") or accumulated, 1) * updates) != 0
    before = bool(settings.number("beta")) + several
    forward = backward = 0.0
    for batch in batches:
        influence = _passes(batch.estimator, len(header.objectives))
        forward += before + updates + influence[0]
        backward += updates + influence[1]
    counts = [*(batch.tokens for batch in batches[-1:]), *(evaluation.tokens for evaluation in evaluations)]
    return Cost(
        tokens=max((count or 0 for count in counts), default=0),
        forward=forward,
        backward=backward,
        seconds=sum(map(_seconds, batches)),
    )


def _seconds(batch: Batch) -> float:
    if batch.seconds is None:
        raise RecordError(f"the batch of step {batch.step} lacks its seconds")
    return batch.seconds


def _passes(estimate: Estimator | None, objectives: int) -> tuple[float, float]:
    """Forward and backward passes that an estimate of influence took; NaN for an estimator that is not known."""
    if estimate is None:
        return 0, 0
    from paretune.influence import ESTIMATORS  # with torch, which takes seconds to import and most reports do without

    estimator = ESTIMATORS.get(estimate.method or "")
    return (nan, nan) if estimator is None else estimator.passes(objectives, estimate.difference)


def _measured(again: Sequence[Evaluation], split: str) -> dict[str, list[Evaluation]]:
    """By decoding, the chosen policies as they were measured on the most prompts, the last policy among them."""
    groups: dict[tuple[str, int], list[Evaluation]] = {}
    for policy in again:
        if policy.split == split:
            groups.setdefault((policy.decoding, policy.prompts or 0), []).append(policy)
    whole = {key: policies for key, policies in sorted(groups.items()) if any(policy.final for policy in policies)}
    return {decoding: policies for (decoding, _), policies in whole.items()}


def _settings(dial: Sequence[Evaluation], policies: Sequence[Evaluation]) -> list[Evaluation]:
    """The settings of a steerable run's last policy, as they were measured beside these policies."""
    last = max(policies, key=lambda policy: policy.step)
    asked = (last.step, last.split, last.decoding, last.prompts)
    return [one for one in dial if (one.step, one.split, one.decoding, one.prompts) == asked]


def _front(run: RunReader) -> tuple[dict[str, float] | None, float | None]:
    """The paper's statistics of the validation front; None without a front."""
    if not run.front:
        return None, None
    names = [objective.name for objective in run.header.objectives]
    metrics = [[point.metrics[name] for name in names] for point in run.front]
    means, steps = front_statistics(metrics, [point.step for point in run.front])
    return dict(zip(names, means, strict=True)), steps
