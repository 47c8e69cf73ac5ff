"""The report of one run."""

from collections.abc import Sequence
from statistics import mean

from paretune.record.entries import Evaluation
from paretune.record.figures import NONE, figure, with_error
from paretune.record.run_directory import REPORT
from paretune.report import run_charts, worth
from paretune.report.again import obstacle_of, run_settings
from paretune.report.comparisons import is_comparison
from paretune.report.dial import dial_sections
from paretune.report.headlines import run_answer, run_detail
from paretune.report.next_steps import after_run
from paretune.report.noise import CLEAR, within_noise
from paretune.report.page import Block, Code, Fold, Link, Page, Samples, Section, Table, Text
from paretune.report.runs import Run
from paretune.report.samples import samples
from paretune.report.wording import compact, duration, joined, model_name, plural, rule_name


def run_page(run: Run) -> Page:
    """The page of a run."""
    sections = [
        Section("front", "The front", run_charts.fronts(run), lead=_front_lead(run)),
        Section("next", "What to do next", after_run(run)),
        *dial_sections(run),
        Section("objectives", "Objectives over training", [*run_charts.objective_curves(run), *_evaluations(run)]),
        Section("weights", "Weights", run_charts.weights(run)),
        Section("training", "Training", run_charts.training(run)),
        Section("influence", "Influence", run_charts.influence(run)),
        Section("signals", "What the rule went by", run_charts.signals(run)),
        Section("meta-reward", "Meta-reward", run_charts.meta_reward(run)),
        Section("hypervolume", "Hypervolume", run_charts.hypervolume(run)),
        Section("worth", "What the policies are worth", worth.of_run(run)),
        Section("statistics", "The paper's statistics", _statistics(run)),
        Section("samples", "Sample answers", _samples(run), lead="The same prompts at the start and at the end."),
        Section("settings", "Settings", _settings(run)),
    ]
    return Page(
        title=title(run),
        subtitle=_subtitle(run),
        answer=run_answer(run),
        detail=run_detail(run),
        tiles=_tiles(run),
        sections=[section for section in sections if section.blocks],
        missing=run.notes,
        whole=Link("The comparison that this run is part of", f"../{REPORT}")
        if is_comparison(run.directory.parent)
        else None,
    )


def title(run: Run) -> str:
    """What was run, in a few words."""
    header = run.header
    return f"{header.task or 'own rewards'}: {rule_name(header.rule, header.rule_settings)}"


def _subtitle(run: Run) -> str:
    header = run.header
    parts = [header.algorithm.upper(), "" if header.seed is None else f"seed {header.seed}"]
    parts += [header.status, (header.started or "")[:10]]
    return " · ".join(part for part in parts if part)


def _tiles(run: Run) -> list[tuple[str, str, str]]:
    tiles = []
    if run.evaluations:
        values = [run.hypervolume(evaluation) for evaluation in (run.evaluations[0], run.evaluations[-1])]
        if values[1] is not None:
            archive = figure(run.evaluations[-1].archive)
            tiles.append(("hypervolume of the front", archive, "noise alone widens a front"))
            tiles.append(("hypervolume of the last policy", figure(values[1]), f"{figure(values[0])} at the start"))
        if run.front:
            tiles.append(("policies on the front", str(len(run.front)), f"of {len(run.evaluations)} evaluated"))
    if run.batches:
        last = run.batches[-1]
        of = run.header.max_steps
        tiles.append(("optimiser steps", str(last.step), "" if of is None else f"of {of}"))
        tiles.append(("training time", duration(run.seconds[-1]), "without the grid's evaluations"))
        if last.tokens is not None:
            tiles.append(("tokens generated", figure(last.tokens), "evaluations included"))
    return tiles


def _front_lead(run: Run) -> str:
    if not run.evaluations:
        return ""
    if not run.front:
        return "No evaluated policy is on the front."
    many = len(run.front) > run_charts.MOST_LABELLED
    where = "" if many else f", at {_steps(run.front)}"
    lead = f"{plural(len(run.front), 'policy', 'policies')} of {len(run.evaluations)} on the front{where}."
    unclear = within_noise(run)
    if not unclear:
        return lead
    if len(unclear) == len(run.front) > 1:
        which = "Each of them"
    else:
        told = f"{'Those' if len(unclear) > 1 else 'The one'} at {_steps(unclear)}"
        which = f"{len(unclear)} of them" if many else told
    return (
        f"{lead} {which} may be there by noise alone: another policy is as good in every objective, within {CLEAR} "
        "joint standard errors."
    )


def _steps(evaluations: Sequence[Evaluation]) -> str:
    """Steps as in a sentence."""
    return f"{'step' if len(evaluations) == 1 else 'steps'} {joined(str(e.step) for e in evaluations)}"


def _evaluations(run: Run) -> list[Block]:
    if not run.evaluations:
        return []
    names = [objective.name for objective in run.objectives]
    rows = [
        [
            str(e.step),
            *(with_error(e.metrics.get(name), e.errors.get(name)) for name in names),
            figure(run.hypervolume(e)),
            figure(e.archive),
            "yes" if e.front else "no",
            e.checkpoint or NONE,
        ]
        for e in run.evaluations
    ]
    columns = ["step", *names, "hypervolume of the policy", "of the front so far", "on the front", "checkpoint"]
    words = [len(columns) - 2, len(columns) - 1]
    return [
        Fold("All evaluations as a table", [Table("Evaluations on the grid, ± standard error", columns, rows, words)])
    ]


def _statistics(run: Run) -> list[Block]:
    front = run.front
    if not front:
        return []
    rows = [
        [
            o.name,
            figure(mean(e.metrics[o.name] for e in front)) if all(o.name in e.metrics for e in front) else NONE,
            *(figure(run.evaluations[i].metrics.get(o.name)) for i in (0, -1)),
        ]
        for o in run.objectives
    ]
    return [
        Table("Means over the front, as the paper reports them", ["objective", "front mean", "start", "end"], rows),
        Text(
            f"Steps-to-front is the mean step of the policies on the front: {mean(e.step for e in front):.1f}. Both "
            "figures move with evaluation noise alone. Compare them with the paper's, but do not judge a rule by them."
        ),
    ]


def _samples(run: Run) -> list[Block]:
    found = samples(run)
    return [Samples(found)] if found else []


def _settings(run: Run) -> list[Block]:
    header = run.header
    if not header.content:
        return []
    versions = header.content.get("versions")
    model = model_name(header.model, header.task)
    rows = [
        ["folder", str(run.directory)],
        ["model", "the task's own policy" if model is None else model or NONE],
        ["rule", rule_name(header.rule, header.rule_settings)],
        ["algorithm", header.algorithm or NONE],
        ["evaluation", compact(header.evaluation)],
        ["generation", compact(header.generation)],
        ["threads", str(header.content.get("threads", NONE))],
        ["started", header.started or NONE],
        ["ended", header.ended or NONE],
        ["versions", compact(versions if isinstance(versions, dict) else {})],
    ]
    return [
        Table("What was run", ["", ""], rows, words=[1]),
        Code(
            "What it was told:" if obstacle_of(header) else "To run it again, save this as again.yaml:",
            run_settings(run),
        ),
    ]
