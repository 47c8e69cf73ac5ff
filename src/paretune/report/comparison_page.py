"""The report of a comparison."""

from paretune.report import comparison_charts as charts
from paretune.report import comparison_tables as tables
from paretune.report import worth
from paretune.report.comparisons import Comparison
from paretune.report.headlines import comparison_answer, comparison_detail
from paretune.report.next_steps import after_comparison
from paretune.report.page import Block, Fold, Key, Page, Samples, Section, Text
from paretune.report.samples import samples
from paretune.report.wording import plural


def comparison_page(c: Comparison) -> Page:
    """The page of a comparison."""
    sections = [
        Section("results", "Results", [*charts.results(c), *tables.results(c)]),
        Section("next", "What to do next", after_comparison(c)),
        Section("worth", "What the policies are worth", worth.of_comparison(c)),
        Section("contrasts", "Contrasts", [*charts.contrasts(c), *tables.contrasts(c)]),
        Section("fronts", "Fronts", charts.fronts(c)),
        Section("dial", "The dial", [*charts.dials(c), *tables.dials(c)]),
        Section("objectives", "Objectives over training", [*charts.objective_curves(c), *tables.objectives(c)]),
        Section("weights", "Weights", charts.weights(c)),
        Section("influence", "Influence", charts.influence(c)),
        Section("meta-reward", "Meta-rewards", charts.meta_rewards(c)),
        Section("hypervolume", "Hypervolume of one policy", charts.hypervolume(c)),
        Section("archive", "Hypervolume of the front so far", charts.archive(c)),
        Section("cost", "Cost", tables.cost(c)),
        Section("tuning", "Tuning", [*charts.tuning(c), *tables.tuning(c)]),
        Section("reproduction", "The paper's statistics", tables.reproduction(c)),
        Section("samples", "Sample answers", _samples(c)),
        Section("runs", "Runs", tables.runs(c)),
        Section("settings", "Settings", tables.settings(c)),
    ]
    return Page(
        title=_title(c),
        subtitle=_subtitle(c),
        answer=comparison_answer(c),
        detail=comparison_detail(c),
        sections=[section for section in sections if section.blocks],
        keys=[Key(arm.number, arm.label) for arm in c.arms],
        missing=list(dict.fromkeys([*c.incomplete, *c.notes])),
    )


def _title(c: Comparison) -> str:
    task = c.summary.text("task") or c.plan.text("task") or c.directory.name
    return f"{task}: {plural(len(c.arms), 'rule')} compared"


def _subtitle(c: Comparison) -> str:
    algorithms = dict.fromkeys(arm.algorithm.upper() for arm in c.arms if arm.algorithm)
    seeds = {run.header.seed for arm in c.arms for run in arm.runs if run.header.seed is not None}
    steps = c.summary.count("max_steps")
    parts = [", ".join(algorithms), plural(len(seeds), "seed"), plural(steps, "step") if steps else ""]
    return " · ".join(part for part in parts if part)


def _samples(c: Comparison) -> list[Block]:
    """Each arm's answers, of its first run that has some; those of the primary contrast's first arm stand open."""
    first = c.primary.rule if c.primary else None
    blocks: list[Block] = []
    for arm in sorted(c.arms, key=lambda arm: arm.label != first):
        run = next((run for run in arm.runs if run.completions), None)
        if run is None:
            continue
        title = arm.label if run.header.seed is None else f"{arm.label}, seed {run.header.seed}"
        shown = Samples(samples(run))
        blocks += (
            [Fold(title, [shown])] if blocks else [Text(f"{title}: the same prompts at the start and end."), shown]
        )
    return blocks
