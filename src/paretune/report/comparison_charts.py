"""The charts of a comparison: every arm in one colour, means over seeds with their intervals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from paretune.comparison.figures import figure_name
from paretune.comparison.statistics import estimate
from paretune.record.entries import Batch, Evaluation, Objective
from paretune.record.figures import difference, figure, interval
from paretune.record.summary_entries import Contrast, Estimate
from paretune.report.charts import (
    Chart,
    Curve,
    CurveChart,
    Dot,
    Group,
    Mark,
    Marks,
    Row,
    RowChart,
    grouped,
    thinned,
)
from paretune.report.comparisons import ArmResult, Comparison
from paretune.report.dial import gains_at, setting
from paretune.report.run_charts import COSTS, COSTS_CAPTION, STEPS, distribution, front_groups
from paretune.report.runs import Run
from paretune.report.wording import compact, direction, measured, plural

MOST_POINTS = 200
"""Points of one curve; beyond it every n-th step is drawn."""
FEWEST = 3
"""Seeds for a band; with fewer, every seed is a thin line."""
BANDS = f"Lines are means over seeds, bands their 95 % t intervals; below {FEWEST} seeds each one is a thin line."

Places = dict[float, tuple[float, float]]
"""By step, or by another key that all seeds share, where a curve is: x and y."""


def fronts(comparison: Comparison) -> list[Group]:
    """The chosen policies of all arms, as they were measured again."""
    sets = [Marks(arm.number, _marks(arm, comparison.objectives)) for arm in comparison.arms]
    steered = any(_dial(run) for arm in comparison.arms for run in arm.runs)
    return front_groups(
        comparison.objectives,
        [one for one in sets if one.marks],
        pairs="Each mark is a policy that was chosen on validation and measured again on the test split. All seeds are "
        "shown together, and the best corner is always the top right one. Lines join the policies of a rule that none "
        "of its others beats in these two objectives; pale marks are last policies that were not on the front."
        + (" A steerable rule also has its last policy at every setting of the dial." if steered else ""),
        cube="The same policies; drag to turn.",
    )


def dials(comparison: Comparison) -> list[Group]:
    """The gains of steerable rules against their own priorities."""
    charts = [
        CurveChart(
            f"dial-{i + 1}",
            objective.name,
            "",
            "its own priority",
            "gain",
            _dial_curves(comparison.arms, objective),
            markers=True,
        )
        for i, objective in enumerate(comparison.objectives)
    ]
    return grouped(
        "How far each objective comes from its worst bound (0) to its best (1), against its own priority. A "
        "run's value is the mean over the settings of that priority, of its last policy on the test split. A dial that "
        f"works goes up. {BANDS}",
        charts,
    )


def objective_curves(comparison: Comparison) -> list[Group]:
    """Each objective on the validation grid."""

    def value(objective: Objective) -> Callable[[Run, Evaluation], float | None]:
        return lambda run, evaluation: evaluation.metrics.get(objective.name)

    charts = [
        CurveChart(
            f"objective-{i + 1}",
            objective.name,
            "",
            STEPS,
            direction(objective),
            _grid_curves(comparison.arms, value(objective), "steps"),
            reverse=not objective.maximize,
        )
        for i, objective in enumerate(comparison.objectives)
    ]
    return grouped(f"On the validation set; up is better. {BANDS}", charts)


def weights(comparison: Comparison) -> list[Group]:
    """The weights of all arms."""
    charts = [
        CurveChart(
            f"weights-{i + 1}",
            f"Weight of {objective.name}",
            "",
            STEPS,
            "weight",
            [
                _possible(curve, arm)
                for arm in comparison.arms
                for curve in _batch_curves([arm], objective, lambda batch: batch.weights)
            ],
            from_zero=True,
        )
        for i, objective in enumerate(comparison.objectives)
    ]
    return grouped(f"The weights in every batch, fixed ones too. {BANDS}{_thin(comparison)}", charts)


def _possible(curve: Curve, arm: ArmResult) -> Curve:
    """A weight's curve, its band cut where no weight can be: below 0 and above the sum of all.

    Where seeds end in opposite corners, the t interval of so few goes far beyond both. Weights of either sign have no
    such limits.
    """
    if any(weight < 0 for run in arm.runs for batch in run.batches for weight in batch.weights.values()):
        return curve
    most = max((sum(batch.weights.values()) for run in arm.runs for batch in run.batches), default=1.0)

    def cut(ends: Sequence[float | None]) -> list[float | None]:
        return [None if end is None else min(max(end, 0.0), most) for end in ends]

    return replace(curve, low=cut(curve.low), high=cut(curve.high))


def influence(comparison: Comparison) -> list[Group]:
    """The influence in the arms that measure it."""
    charts = [
        CurveChart(
            f"influence-{i + 1}",
            f"Influence of {objective.name}",
            "",
            STEPS,
            "influence ⟨g, Σg⟩",
            _batch_curves(comparison.arms, objective, lambda batch: batch.influence),
            level=0,
        )
        for i, objective in enumerate(comparison.objectives)
    ]
    return grouped(
        "How well the objective's gradient agrees with the sum of all; below 0 the others pay for it. Its scale "
        f"is that of each rule's estimator. {BANDS}{_thin(comparison)}",
        charts,
    )


def meta_rewards(comparison: Comparison) -> list[Group]:
    """How the meta-rewards of the hypervolume arms are distributed."""
    charts = [
        distribution(f"meta-reward-{arm.number + 1}", arm.label, arm.scales, arm.number, arm.number)
        for arm in comparison.arms
        if arm.scales
    ]
    caption = (
        "Share of the batches of all seeds. Above 1 a batch counted more, because the one before it widened the front."
    )
    return grouped(caption, charts)


def hypervolume(comparison: Comparison) -> list[Group]:
    """Hypervolume of each policy alone, over steps and cost."""
    return _over_cost(
        comparison,
        "hypervolume",
        lambda run, evaluation: run.hypervolume(evaluation),
        f"The hypervolume of each policy alone, on the validation set. {BANDS} {COSTS_CAPTION}",
    )


def archive(comparison: Comparison) -> list[Group]:
    """Hypervolume of all policies so far, over steps and cost."""
    return _over_cost(
        comparison,
        "archive",
        lambda run, evaluation: evaluation.archive,
        "This is only a curve. The front of many noisy evaluations widens even if nothing is learnt, so no rule is "
        f"judged by it. {BANDS}",
    )


def results(comparison: Comparison) -> list[Group]:
    """Every arm's hypervolume, seed by seed and on average."""
    rows = []
    for arm in comparison.arms:
        one = arm.estimates["hypervolume"]
        dots = [
            Dot(value, [arm.label, f"seed {line.count('seed')}", f"hypervolume {figure(value)}"])
            for line in arm.run_lines
            if (value := line.number("hypervolume")) is not None
        ]
        lines = [arm.label, f"mean {figure(one.mean)}", *_interval(one, interval(one.low, one.high))]
        main = None if one.mean is None else Dot(one.mean, lines)
        if dots or main:
            rows.append(Row(arm.label, arm.number, main, one.low, one.high, dots))
    caption = (
        "A ring is a run. The filled mark is the mean over seeds, with its 95 % t interval. Look at the single runs, "
        "too: if a few of them end elsewhere, the mean hides it."
    )
    return grouped(caption, [RowChart("results", "Results", "", "hypervolume on the test split", rows)] if rows else [])


def contrasts(comparison: Comparison) -> list[Group]:
    """A forest of the contrasts in each figure: what was planned first."""
    every = comparison.every_contrast
    charts: list[Chart] = []
    for i, name in enumerate(dict.fromkeys(contrast.figure for contrast in every)):
        rows = [row for c in every if c.figure == name and (row := _contrast(c, comparison)) is not None]
        if rows:
            title = f"Difference in {figure_name(name)}"
            charts.append(RowChart(f"contrasts-{i + 1}", title, "", "difference", rows, differences=True))
    return grouped(
        "The marks are differences over paired seeds, with 95 % intervals. An interval that holds 0 shows no clear "
        "difference. Right of 0 the first of the two has the higher value. The large diamond is the contrast that was "
        "named beforehand.",
        charts,
    )


def tuning(comparison: Comparison) -> list[Group]:
    """What each arm's configurations came to, and what a search of so many is worth."""
    rows, curves = [], []
    for arm in comparison.arms:
        known = [
            (c, Dot(c.hypervolume, [arm.label, compact(c.settings), f"hypervolume {figure(c.hypervolume)}"]))
            for c in arm.configurations
            if c.hypervolume is not None
        ]
        if known:
            chosen = next((dot for c, dot in known if c.chosen), None)
            rows.append(Row(arm.label, arm.number, chosen, dots=[dot for _, dot in known]))
        if len(arm.expected_best) > 1:
            x, y = zip(*arm.expected_best, strict=True)
            curves.append(Curve(arm.label, arm.number, x, y, group=arm.number))
    tried = "A ring is a configuration, tried on the tuning seeds and ranked on validation; the filled one was chosen."
    search = "Draw so many configurations at random and take the best: this is what it reaches on the test split."
    charts: list[Chart] = (
        [RowChart("tuning", "Configurations", tried, "hypervolume on validation", rows)] if rows else []
    )
    if curves:
        charts.append(CurveChart("search", "The worth of the search", search, "configurations", "hypervolume", curves))
    return grouped("", charts)


def _over_cost(
    comparison: Comparison, name: str, value: Callable[[Run, Evaluation], float | None], caption: str
) -> list[Group]:
    charts = [
        CurveChart(f"{name}-{key}", f"By {key}", "", x_title, "hypervolume", _grid_curves(comparison.arms, value, key))
        for key, x_title in COSTS.items()
    ]
    return grouped(caption, charts)


def _marks(arm: ArmResult, objectives: Sequence[Objective]) -> list[Mark]:
    marks = []
    for run in arm.runs:
        for e in _dial(run):
            lines = [f"{arm.label}{_seed(run)}, step {e.step}, at {setting(e, objectives)}", *measured(e, objectives)]
            marks.append(Mark(e.metrics, "front", lines))
        for e in run.measured_again:
            what = "front" if e.front else "last policy, not on the front"
            lines = [f"{arm.label}{_seed(run)}, step {e.step} ({what})", *measured(e, objectives)]
            marks.append(Mark(e.metrics, "front" if e.front else "dominated", lines))
    return marks


def _seed(run: Run) -> str:
    return "" if run.header.seed is None else f", seed {run.header.seed}"


def _dial(run: Run) -> list[Evaluation]:
    """The settings of a run's dial on the test split."""
    return [one for one in run.dial if one.split == "test"]


def _contrast(contrast: Contrast, comparison: Comparison) -> Row | None:
    d = contrast.difference
    if d.mean is None:
        return None
    arm = comparison.arm(contrast.rule)
    name = f"{contrast.rule} − {contrast.against}"
    found, between = difference(d.mean, d.low, d.high)
    lines = [f"{name}, {contrast.kind}", found, *_interval(d, between)]
    strong = contrast.kind == "primary"
    number_ = arm.number if arm else len(comparison.arms)
    return Row(name, number_, Dot(d.mean, lines), d.low, d.high, strong=strong)


def _interval(one: Estimate, between: str) -> list[str]:
    """An interval and the seeds behind it, a line each."""
    known = one.low is not None and one.high is not None
    lines = [f"95 % interval {between}" if known else one.reason or "no interval"]
    return lines if one.n is None else [*lines, plural(one.n, "seed")]


def _grid_curves(arms: Sequence[ArmResult], value: Callable[[Run, Evaluation], float | None], axis: str) -> list[Curve]:
    """The arms over their evaluations; `axis` is steps, tokens or seconds."""

    def places(run: Run) -> Places:
        there = ((e.step, run.place(e, axis), value(run, e)) for e in run.evaluations)
        return {step: (x, y) for step, x, y in there if x is not None and y is not None}

    return _curves(arms, places)


def _dial_curves(arms: Sequence[ArmResult], objective: Objective) -> list[Curve]:
    """The arms' gains of an objective over the values of its priority."""

    def places(run: Run) -> Places:
        return {told: (told, fmean(gains)) for told, gains in gains_at(objective, _dial(run)).items()}

    return _curves(arms, places)


def _batch_curves(
    arms: Sequence[ArmResult], objective: Objective, values: Callable[[Batch], Mapping[str, float]]
) -> list[Curve]:
    """The arms over their batches, for an objective."""

    def places(run: Run) -> Places:
        known = ((batch.step, values(batch).get(objective.name)) for batch in run.weighed)
        return {step: (float(step), y) for step, y in known if y is not None}

    return _curves(arms, places)


def _curves(arms: Sequence[ArmResult], places: Callable[[Run], Places]) -> list[Curve]:
    return [curve for arm in arms for curve in _over_seeds(arm, [places(run) for run in arm.runs])]


def _over_seeds(arm: ArmResult, runs: Sequence[Places]) -> list[Curve]:
    """The mean with its interval, or each seed where there are too few."""
    runs = [places for places in runs if places]
    if len(runs) < FEWEST:
        return [_one_seed(arm, places) for places in runs]
    steps = {step for places in runs for step in places}
    there = [
        [places[step] for places in runs if step in places]
        for step in _spread(step for step in steps if sum(step in places for places in runs) >= FEWEST)
    ]
    means = [estimate([y for _, y in points]) for points in there]
    return [
        Curve(
            arm.label,
            arm.number,
            [sum(x for x, _ in points) / len(points) for points in there],
            [one.mean for one in means],
            [one.low for one in means],
            [one.high for one in means],
            seeds=[len(points) for points in there],
            group=arm.number,
        )
    ]


def _one_seed(arm: ArmResult, places: Places) -> Curve:
    points = [places[step] for step in _spread(places)]
    return Curve(arm.label, arm.number, [x for x, _ in points], [y for _, y in points], group=arm.number, thin=True)


def _spread(steps: Iterable[float]) -> list[float]:
    ordered = sorted(steps)
    return [ordered[i] for i in thinned(len(ordered), MOST_POINTS)]


def _thin(comparison: Comparison) -> str:
    """A remark if curves show fewer batches than there were."""
    longest = max((len(run.batches) for arm in comparison.arms for run in arm.runs), default=0)
    return f" {MOST_POINTS} of up to {longest} batches are drawn." if longest > MOST_POINTS else ""
