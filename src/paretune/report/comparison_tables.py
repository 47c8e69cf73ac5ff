"""The tables of a comparison."""

from collections.abc import Sequence
from urllib.parse import quote

from paretune.comparison.dial import WORKS
from paretune.comparison.dial_entry import HEADINGS
from paretune.comparison.figures import figure_name
from paretune.record.fields import Fields
from paretune.record.figures import NONE, difference, figure, interval, p_value
from paretune.record.run_directory import REPORT
from paretune.record.summary_entries import Contrast, Estimate
from paretune.report.again import as_yaml
from paretune.report.comparisons import ArmResult, Comparison
from paretune.report.page import Block, Code, Fold, Link, Table, Text
from paretune.report.wording import compact, duration, model_name, plural

HYPERVOLUMES = {
    "hypervolume": "hypervolume",
    "hypervolume_greedy": "decoded greedily",
    "final_hypervolume": "last policy alone",
}
COSTS = {"tokens": "tokens", "forward": "forward passes", "backward": "backward passes", "seconds": "seconds"}


def results(comparison: Comparison) -> list[Block]:
    """What each rule came to, by hypervolume."""
    arms = [arm for arm in comparison.arms if arm.summary.content]
    if not arms:
        return []
    columns = ["rule", *HYPERVOLUMES.values(), "against the best fixed weights", "seeds"]
    rows = [
        [arm.label, *(mean(arm.estimates[name]) for name in HYPERVOLUMES), _versus(arm), _seeds(arm)] for arm in arms
    ]
    blocks: list[Block] = [
        Table(
            "Hypervolume of the policies that each rule chose, on the test split: mean (95 % interval over seeds)",
            columns,
            rows,
        )
    ]
    reasons = {e.reason for arm in arms for e in arm.estimates.values() if e.reason and e.mean is not None}
    if reasons:
        blocks.append(Text(f"An interval can be missing for this reason: {'; '.join(sorted(reasons))}."))
    described = [[arm.label, arm.summary.text("description") or NONE] for arm in arms]
    if any(description != NONE for _, description in described):
        blocks.append(Fold("What the rules are", [Table("The rules", ["rule", "what it does"], described, words=[1])]))
    return blocks


def contrasts(comparison: Comparison) -> list[Block]:
    """Every contrast with its tests."""
    if not comparison.every_contrast:
        return []
    columns = ["contrast", "figure", "kind", "difference", "95 % interval", "p (t)", "p (sign flip)", "p (Holm)"]
    columns += ["P(improvement)", "seeds", "remark"]
    rows = [_contrast(contrast) for contrast in comparison.every_contrast]
    note = (
        "P(improvement) is the probability that a run of the first rule beats one of the second. Holm's p is corrected "
        "for the number of contrasts of its kind; exploratory contrasts are for ideas, not for conclusions."
    )
    table = Table("All contrasts, over paired seeds", columns, rows, words=[1, 2, len(columns) - 1])
    return [Fold("All contrasts as a table", [table, Text(note)])]


def objectives(comparison: Comparison) -> list[Block]:
    """The last policies, objective by objective."""
    names = [objective.name for objective in comparison.objectives]
    blocks: list[Block] = []
    for decoding, tables in (
        ("sampled", [(arm.label, arm.objectives) for arm in comparison.arms]),
        ("decoded greedily", [(arm.label, arm.objectives_greedy) for arm in comparison.arms]),
    ):
        rows = [[label, *(mean(table.get(name)) for name in names)] for label, table in tables if table]
        if rows:
            title = f"The last policy on the test split, {decoding}: mean (95 % interval over seeds)"
            blocks.append(Table(title, ["rule", *names], rows))
    return blocks


def dials(comparison: Comparison) -> list[Block]:
    """How the objectives of steerable rules follow their priorities."""
    told = [(arm.label, name, figures) for arm in comparison.arms for name, figures in arm.dial.items()]
    if not told:
        return []
    kept = [key for key in HEADINGS if any(mean(figures.get(key)) != NONE for *_, figures in told)]
    rows = [[label, name, *(mean(figures.get(key)) for key in kept)] for label, name, figures in told]
    columns = ["rule", "objective", *(HEADINGS[key] for key in kept)]
    note = (
        f"An objective follows its priority if the rank correlation is {WORKS} or more. Monotone steps are the share "
        "of the steps up in its priority that do not make it worse. The range goes from its worst metric at a setting "
        "to its best, in its own units."
    )
    caption = "How each objective follows its own priority: mean (95 % interval over seeds)"
    return [Table(caption, columns, rows, words=[1]), Text(note)]


def cost(comparison: Comparison) -> list[Block]:
    """What a run takes, and how soon it is good."""
    blocks: list[Block] = []
    arms = [arm for arm in comparison.arms if arm.cost]
    if arms:
        rows = [[arm.label, *(mean(arm.cost.get(name)) for name in COSTS)] for arm in arms]
        columns = ["rule", *COSTS.values()]
        blocks.append(Table("What a run takes: mean (95 % interval over seeds)", columns, rows))
    timed = [(arm.label, arm.summary.inside("time_to_target")) for arm in comparison.arms]
    timed = [(label, entry) for label, entry in timed if entry.content]
    if timed:
        target = figure(timed[0][1].number("target"))
        caption = f"What a run took until a single policy had a hypervolume of {target} on the validation grid: means"
        rows = []
        for label, entry in timed:
            step, tokens, seconds = (entry.inside(k).number("mean") for k in ("step", "tokens", "seconds"))
            share, of = entry.number("reached"), entry.count("n")
            reached = NONE if share is None or of is None else f"{round(share * of)} of {of}"
            rows.append([label, reached, NONE if step is None else f"{step:.0f}", figure(tokens), duration(seconds)])
        blocks.append(Table(caption, ["rule", "runs that reached it", "steps", "tokens", "time"], rows))
    return [*blocks, *_instead(comparison)]


def _instead(comparison: Comparison) -> list[Block]:
    """What the time of a run buys otherwise."""
    rows = []
    for arm in comparison.arms:
        entry = arm.summary.inside("at_equal_cost")
        if entry.content:
            runs, best = entry.number("runs"), entry.number("hypervolume")
            searched = NONE if runs is None else f"{runs:.1f}"
            rows.append([arm.label, mean(arm.estimates["hypervolume"]), searched, figure(best)])
    if not rows:
        return []
    caption = (
        "Hypervolume on the test split, if the time of one run goes into a random search over fixed weights instead"
    )
    return [Table(caption, ["rule", "its own", "runs of the search", "best of the search, expected"], rows)]


def tuning(comparison: Comparison) -> list[Block]:
    """Every configuration that was tried."""
    rows = [
        [
            arm.label,
            compact(one.settings),
            figure(one.hypervolume),
            figure(one.test),
            "chosen" if one.chosen else "",
        ]
        for arm in comparison.arms
        for one in arm.configurations
    ]
    if not rows:
        return []
    columns = ["rule", "settings", "hypervolume on validation", "on test", ""]
    table = Table("What was tried on the tuning seeds", columns, rows, words=[1, 4])
    return [*map(Text, filter(None, map(_sweep, comparison.arms))), Fold("All configurations as a table", [table])]


def _sweep(arm: ArmResult) -> str:
    """Whether an arm's configurations lead to different places, in a sentence."""
    sweep = arm.summary.inside("tuning").inside("sweep")
    apart, together = sweep.sequence("apart"), sweep.inside("hypervolume").number("mean")
    if together is None:
        return ""
    return (
        f"{arm.label}: of {plural(len(arm.configurations), 'configuration')}, the last policies of {len(apart)} are "
        f"non-dominated and further apart than noise; together all dominate a hypervolume of {figure(together)}."
    )


def reproduction(comparison: Comparison) -> list[Block]:
    """The paper's statistics beside what noise makes of them."""
    names = [objective.name for objective in comparison.objectives]
    rows = []
    for arm in comparison.arms:
        entry = arm.summary.inside("reproduction")
        means = entry.inside("front_mean")
        if entry.content:
            cells = [_beside_null(means.inside(name)) for name in names]
            rows.append([arm.label, *cells, _beside_null(entry.inside("steps_to_front"))])
    if not rows:
        return []
    return [
        Table(
            "Mean over seeds ± standard deviation, and in brackets the deviation that noise alone gives",
            ["rule", *(f"front mean: {name}" for name in names), "steps-to-front"],
            rows,
        ),
        Text("Both figures move with evaluation noise. Compare them with the paper's; do not judge a rule by them."),
    ]


def runs(comparison: Comparison) -> list[Block]:
    """Every run, whether there are records of it or not."""
    rows: list[list[str | Link]] = []
    for arm in comparison.arms:
        lines = {line.text("directory") or "": line for line in arm.run_lines}
        records = {run.directory.name: run for run in arm.runs}
        for name in dict.fromkeys([*lines, *records]):
            line = lines.get(name, Fields({}, name))
            recorded = records[name].header.status if name in records else ""
            values = [figure(line.number(key)) for key in ("hypervolume", "final_hypervolume", "tokens")]
            time = duration(line.number("seconds"))
            own = comparison.directory / name / REPORT
            shown = Link(name, f"{quote(name)}/{REPORT}") if name and own.is_file() else name
            rows.append([shown, arm.label, line.text("status") or recorded or NONE, *values, time])
    columns = ["folder", "rule", "status", "hypervolume", "last policy alone", "tokens", "time"]
    table = Table("The command paretune report FOLDER makes a run's own page.", columns, rows, words=[1, 2])
    return [Fold(f"All {plural(len(rows), 'run')}", [table])] if rows else []


def settings(comparison: Comparison) -> list[Block]:
    """How it was measured, and what each rule was told."""
    summary = comparison.summary
    rows: list[Sequence[str]] = [["folder", str(comparison.directory)]]
    model = model_name(summary.text("model"), summary.text("task"))
    rows += [["model", "the task's own policy" if model is None else model or NONE]]
    told = summary.content
    rows += [[key.replace("_", " "), str(told[key])] for key in ("task", "max_steps") if key in told]
    rows += [[key.replace("_", " "), _told(value)] for key, value in comparison.protocol.items()]
    blocks: list[Block] = [Table("How it was measured", ["", ""], rows, words=[1])]
    arms = [
        [
            arm.label,
            arm.summary.text("rule") or NONE,
            arm.algorithm or NONE,
            compact(arm.summary.mapping("settings")),
        ]
        for arm in comparison.arms
    ]
    blocks.append(Table("What the rules were told", ["", "rule", "algorithm", "settings"], arms, words=[1, 2, 3]))
    if comparison.plan.content:
        plan = Code("comparison.json, here as YAML", as_yaml(comparison.plan.content))
        blocks.append(Fold("The plan, written down before anything ran", [plan]))
    return blocks


def mean(one: Estimate | None) -> str:
    """A mean with its interval, or without."""
    if one is None or one.mean is None:
        return NONE
    return figure(one.mean) if one.low is None else f"{figure(one.mean)} ({interval(one.low, one.high)})"


def _versus(arm: ArmResult) -> str:
    if arm.best_fixed is None:
        return arm.summary.inside("versus_best_fixed").text("reason") or NONE
    d = arm.best_fixed.difference
    found, between = difference(d.mean, d.low, d.high)
    return found if d.low is None else f"{found} ({between})"


def _seeds(arm: ArmResult) -> str:
    failed, seeds = arm.summary.sequence("failed"), arm.summary.sequence("seeds")
    return f"{len(seeds)}, {len(failed)} failed" if failed else str(len(seeds))


def _contrast(contrast: Contrast) -> list[str]:
    d = contrast.difference
    return [
        f"{contrast.rule} − {contrast.against}",
        figure_name(contrast.figure),
        contrast.kind,
        *difference(d.mean, d.low, d.high),
        p_value(contrast.p_t),
        p_value(contrast.p_sign_flip),
        p_value(contrast.p_holm),
        mean(contrast.improvement),
        NONE if d.n is None else str(d.n),
        d.reason or NONE,
    ]


def _beside_null(entry: Fields) -> str:
    average, deviation, null = (entry.number(key) for key in ("mean", "sd", "null_sd"))
    if average is None:
        return NONE
    spread = "" if deviation is None else f" ± {figure(deviation, 2)}"
    return figure(average) + spread + ("" if null is None else f" ({figure(null, 2)})")


def _told(value: object) -> str:
    if value is None:
        return NONE
    if isinstance(value, dict):
        return compact(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
