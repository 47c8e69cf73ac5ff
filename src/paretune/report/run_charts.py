"""The charts of one run."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from math import floor

from paretune.record.entries import Batch, Evaluation, Objective
from paretune.record.figures import figure
from paretune.report.charts import (
    Chart,
    CubeChart,
    Curve,
    CurveChart,
    DistributionChart,
    Group,
    Mark,
    MarkKind,
    Marks,
    PairChart,
    ParallelChart,
    grouped,
    thinned,
)
from paretune.report.noise import within_noise
from paretune.report.runs import Run
from paretune.report.wording import direction, measured, plural, rule_name

MOST_POINTS = 500
"""Points of one curve; beyond it every n-th batch is drawn."""
MOST_PAIRED = 4
"""Objectives whose pairs are drawn one by one; of more the reader chooses two."""
MOST_LABELLED = 12
"""Policies on the front whose steps stand beside them."""
BIN = 0.1
STEPS = "optimiser steps"
COSTS = {"steps": STEPS, "tokens": "tokens generated", "seconds": "seconds of training"}
"""What hypervolume is drawn over."""
TRAINING = {
    "reward": "weighted reward",
    "kl": "KL to the reference policy",
    "entropy": "entropy per token",
    "completions/mean_length": "tokens of a completion",
    "grad_norm": "gradient norm",
}
"""What is drawn of TRL's log, by its name there."""
COSTS_CAPTION = "Tokens include those of evaluations, seconds leave out the evaluations on the grid."


def fronts(run: Run) -> list[Group]:
    """Every evaluated policy and the front: pair by pair, in three dimensions, and on all objectives."""
    bars = bool(within_noise(run))
    few = len(run.front) <= MOST_LABELLED
    marks = [_mark(run, e, labelled=few and (e.front or e.step == 0), bars=bars) for e in run.evaluations]
    return front_groups(
        run.objectives,
        [Marks(0, marks)] if marks else [],
        pairs="Each mark is an evaluated policy, and the best corner is always the top right one. Lines join the "
        "policies that no other one beats in these two objectives; pale marks are dominated in all objectives "
        f"together. The diamond is the initial policy.{' Numbers are steps.' if few else ''}"
        f"{' Bars are ± one standard error.' if bars else ''}",
        cube="The same policies; drag to turn.",
    )


def front_groups(objectives: Sequence[Objective], sets: Sequence[Marks], *, pairs: str, cube: str) -> list[Group]:
    """The charts of policies among one another, for a run or a comparison.

    Args:
        objectives: what was measured.
        sets: the policies.
        pairs: the caption of the charts of two objectives.
        cube: that of the chart of three.
    """
    if not sets:
        return []
    several = len(objectives) > MOST_PAIRED
    paired: list[Chart] = [
        PairChart(f"front-{i + 1}", f"{y.name} against {x.name}", "", [x, y], sets)
        for i, (x, y) in enumerate([] if several else combinations(objectives, 2))
    ]
    whole: list[Chart] = []
    if several:
        whole.append(PairChart("front-pair", "Two objectives", f"Choose the objectives. {pairs}", objectives, sets))
    if len(objectives) >= 3:
        choose = "Choose the objectives. " if len(objectives) > 3 else ""
        whole.append(CubeChart("front-3d", "Three objectives at once", choose + cube, objectives, sets))
    if len(objectives) >= 2 and all(objective.bounds for objective in objectives):
        caption = "A line is a policy; up is better on every axis, from the worst bound (0) to the best (1)."
        whole.append(ParallelChart("front-parallel", "All objectives side by side", caption, objectives, sets))
    return [Group(caption, charts) for caption, charts in ((pairs, paired), ("", whole)) if charts]


def objective_curves(run: Run) -> list[Group]:
    """Each objective on the validation grid."""
    charts: list[Chart] = []
    for i, objective in enumerate(run.objectives):
        known = [e for e in run.evaluations if objective.name in e.metrics]
        if not known:
            continue
        ends = [_around(e, objective) for e in known]
        curve = Curve(
            label=objective.name,
            number=i,
            x=[e.step for e in known],
            y=[e.metrics[objective.name] for e in known],
            low=[low for low, _ in ends],
            high=[high for _, high in ends],
        )
        charts.append(
            CurveChart(
                f"objective-{i + 1}",
                objective.name,
                "",
                STEPS,
                direction(objective),
                [curve],
                reverse=not objective.maximize,
                spread="bars",
                markers=True,
            )
        )
    return grouped("Measured on the validation set; bars are ± one standard error. Up is better.", charts)


def weights(run: Run) -> list[Group]:
    """The weights of every batch."""
    caption = "The weight of each objective in every batch" + (
        "." if run.weights_move else "; this rule leaves them where they are."
    )
    curves, thin = _batch_curves(run, run.weighed, lambda batch: batch.weights)
    stacked = all(y is None or y >= 0 for curve in curves for y in curve.y)
    chart = CurveChart("weights", "Weights", "", STEPS, "weight", curves, from_zero=True, stacked=stacked)
    initial = " Step 0 shows the initial weights." if run.header.initial_weights else ""
    return grouped(caption + initial + thin, [chart])


def training(run: Run) -> list[Group]:
    """What TRL logs of training."""
    charts: list[Chart] = []
    kept = [run.logs[i] for i in thinned(len(run.logs), MOST_POINTS)]
    for i, (name, title) in enumerate(TRAINING.items()):
        curve = _known(title, 0, [log.step for log in kept], [log.values.get(name) for log in kept])
        if curve.x:
            charts.append(CurveChart(f"training-{i + 1}", title.capitalize(), "", STEPS, title, [curve]))
    return grouped("As TRL logs them, on the rollouts that the policy is trained on.", charts)


def influence(run: Run) -> list[Group]:
    """What each objective's gradient does for all of them."""
    caption = (
        "How well each objective's gradient agrees with the sum of all. Above 0 a step for it helps the whole, below 0 "
        "the others pay for it."
    )
    curves, thin = _batch_curves(run, run.batches, lambda batch: batch.influence)
    chart = CurveChart("influence", "Influence", "", STEPS, "influence ⟨g, Σg⟩", curves, level=0)
    return grouped(caption + thin, [chart])


def signals(run: Run) -> list[Group]:
    """What else the rule went by in every batch: gains, multipliers, scores."""
    charts: list[Chart] = []
    for i, name in enumerate(dict.fromkeys(name for batch in run.batches for name in batch.signals)):
        curves, thin = _batch_curves(run, run.batches, partial(_signal, name))
        charts.append(CurveChart(f"signal-{i + 1}", name, thin.strip(), STEPS, name, curves))
    return grouped("The rule's own figures of each batch. Its page in the documentation explains them.", charts)


def _signal(name: str, batch: Batch) -> Mapping[str, float]:
    return batch.signals.get(name, {})


def meta_reward(run: Run) -> list[Group]:
    """The factor of the hypervolume rule: how it is distributed, and when it was high."""
    if not run.scales:
        return []
    kept = [run.batches[i] for i in thinned(len(run.batches), MOST_POINTS)]
    curve = Curve("meta-reward", 0, [batch.step for batch in kept], [batch.scale for batch in kept])
    over_training = CurveChart(
        "meta-reward-steps",
        "Over training",
        "Above 1 a batch counts more, because the one before it widened the front; at 0.5 it widened nothing.",
        STEPS,
        "meta-reward r",
        [curve],
        level=1,
    )
    return grouped("", [distribution("meta-reward", "Distribution", run.scales, 0), over_training])


def distribution(
    name: str, title: str, scales: Sequence[float], number: int, group: int | None = None
) -> DistributionChart:
    """How meta-rewards are distributed, in bins of a tenth from 0.5 to 2 or wherever they lie."""
    # In tenths, with a little room: 0.7 is the lower end of its bin, whatever floating point makes of it.
    tenths = [floor(scale / BIN + 1e-9) for scale in scales]
    first, last = min(5, *tenths), max(19, *tenths)
    if 20 in tenths and last == 20:  # 2 is the highest meta-reward there is, and ends its bin
        last, tenths = 19, [min(tenth, 19) for tenth in tenths]
    shares = [tenths.count(tenth) / len(scales) for tenth in range(first, last + 1)]
    mean = sum(scales) / len(scales)
    caption = f"{plural(len(scales), 'batch', 'batches')}; the dashed line is the mean, {figure(mean)}."
    edges = [round(tenth * BIN, 6) for tenth in range(first, last + 2)]
    return DistributionChart(name, title, caption, number, "meta-reward r", edges, shares, mean, group)


def hypervolume(run: Run) -> list[Group]:
    """Hypervolume of each policy and of all so far, over steps and cost."""
    charts: list[Chart] = []
    alone = [run.hypervolume(e) for e in run.evaluations]
    for key, x_title in COSTS.items():
        where = [run.place(e, key) for e in run.evaluations]
        curves = [
            _known("each policy alone", 0, where, alone),
            _known("the front so far (only a curve)", 1, where, [e.archive for e in run.evaluations]),
        ]
        curves = [curve for curve in curves if curve.x]
        charts.append(CurveChart(f"hypervolume-{key}", f"By {key}", "", x_title, "hypervolume", curves, markers=True))
    return grouped(
        "Hypervolume is the share of the space between the worst and the best corner that policies dominate, here on "
        "the validation set. Judge by each policy alone. The front of many noisy evaluations widens even if nothing is "
        f"learnt, so its hypervolume is only a curve. {COSTS_CAPTION}",
        charts,
    )


def _batch_curves(
    run: Run, batches: Sequence[Batch], values: Callable[[Batch], Mapping[str, float]]
) -> tuple[list[Curve], str]:
    """One curve for each objective, and a remark if it shows fewer batches than there were."""
    kept = [batches[i] for i in thinned(len(batches), MOST_POINTS)]
    thin = f" {MOST_POINTS} of {len(run.batches)} batches are drawn." if len(kept) < len(batches) else ""
    curves = [
        Curve(o.name, i, [batch.step for batch in kept], [values(batch).get(o.name) for batch in kept])
        for i, o in enumerate(run.objectives)
    ]
    return [curve for curve in curves if any(y is not None for y in curve.y)], thin


def _known(label: str, number: int, x: Sequence[float | None], y: Sequence[float | None]) -> Curve:
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    return Curve(label, number, [a for a, _ in pairs], [b for _, b in pairs])


def _around(evaluation: Evaluation, objective: Objective) -> tuple[float | None, float | None]:
    value, error = evaluation.metrics[objective.name], evaluation.errors.get(objective.name)
    return (None, None) if error is None else (value - error, value + error)


def _mark(run: Run, evaluation: Evaluation, *, labelled: bool, bars: bool) -> Mark:
    start = evaluation.step == 0
    place = "on the front" if evaluation.front else "dominated"
    lines = [
        f"step {evaluation.step}, {'initial policy, ' if start else ''}{place}",
        rule_name(run.header.rule, run.header.rule_settings),
        *measured(evaluation, run.objectives),
    ]
    kind: MarkKind = "start" if start else "front" if evaluation.front else "dominated"
    label, errors = str(evaluation.step) if labelled else "", evaluation.errors if bars else {}
    return Mark(evaluation.metrics, kind, lines, label, errors)
