"""A comparison's records as plain data: its summary, its plan, and the runs of every arm."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune.bounded_run import Bounds
from paretune.comparison.plan import PLAN, read_plan
from paretune.comparison.summary import summarise
from paretune.record.entries import Objective, objectives_of
from paretune.record.fields import Fields
from paretune.record.json_lines import plain
from paretune.record.reader import read_object
from paretune.record.summary_entries import Contrast, Estimate
from paretune.report.run_reading import read_run
from paretune.report.runs import Run

SUMMARY = "summary.json"
_RUN_FOLDER = re.compile(r"(?P<arm>.+)-seed(?P<seed>\d+)", re.DOTALL)


@dataclass(frozen=True)
class Configuration:
    """Settings that tuning tried, and the hypervolume they reached: on validation, and on the test split."""

    settings: Mapping[str, Any]
    hypervolume: float | None
    test: float | None
    chosen: bool


@dataclass(frozen=True)
class ArmResult:
    """A rule with an algorithm, and its runs on all seeds.

    Attributes:
        label: its name in summary.json.
        number: its place, which decides its colour.
        summary: what summary.json says of it, as recorded.
        estimates: hypervolume, hypervolume_greedy, final_hypervolume; figures, objectives and costs by their names.
        dial: by objective, how it follows its own priority: the figures of
            :func:`~paretune.comparison.dial_entry.dial_entry`; empty unless the rule is steerable.
        best_fixed: against the best fixed weights, or None, for a reason that is in `summary`.
        configurations: what tuning tried.
        expected_best: what the best of so many configurations comes to on the test split.
        runs: the records of its runs.
        run_lines: what summary.json says of each run.
    """

    label: str
    number: int
    summary: Fields
    estimates: Mapping[str, Estimate]
    figures: Mapping[str, Estimate]
    objectives: Mapping[str, Estimate]
    objectives_greedy: Mapping[str, Estimate]
    cost: Mapping[str, Estimate]
    dial: Mapping[str, Mapping[str, Estimate]]
    best_fixed: Contrast | None
    configurations: Sequence[Configuration]
    expected_best: Sequence[tuple[float, float]]
    runs: Sequence[Run]
    run_lines: Sequence[Fields]

    @property
    def algorithm(self) -> str:
        """How its rewards become advantages."""
        return self.summary.text("algorithm") or next((run.header.algorithm for run in self.runs), "")

    @property
    def scales(self) -> list[float]:
        """The meta-rewards of all its runs, for a rule that has them."""
        return [scale for run in self.runs for scale in run.scales]


@dataclass(frozen=True)
class Comparison:
    """Everything a comparison's directory tells."""

    directory: Path
    summary: Fields
    plan: Fields
    objectives: Sequence[Objective]
    arms: Sequence[ArmResult]
    primary: Contrast | None
    contrasts: Sequence[Contrast]
    incomplete: Sequence[str]
    notes: Sequence[str]

    @property
    def protocol(self) -> Mapping[str, Any]:
        """How it was measured."""
        return self.summary.mapping("protocol")

    @property
    def every_contrast(self) -> list[Contrast]:
        """All contrasts, the one named beforehand first."""
        primary = [self.primary] if self.primary is not None else []
        return [*primary, *(contrast for contrast in self.contrasts if contrast not in primary)]

    def arm(self, label: str) -> ArmResult | None:
        """The arm of that name."""
        return next((arm for arm in self.arms if arm.label == label), None)


def is_comparison(directory: Path) -> bool:
    """Whether a directory holds a comparison: its summary or its plan."""
    return any((directory / file).is_file() for file in (SUMMARY, PLAN))


def read_comparison(directory: Path, bounds: Bounds | None = None) -> Comparison | None:
    """Read a comparison's directory; None if it holds nothing usable.

    Args:
        directory: the comparison's.
        bounds: of objectives, in place of those that the runs have recorded; the statistics are then computed anew.
    """
    notes: list[str] = []
    summary = read_object(directory / SUMMARY, notes, missing="no statistics (is the comparison still running?)")
    if bounds:
        jobs = summary.inside("protocol").count("jobs")
        summary = Fields(plain(summarise(directory, read_plan(directory), jobs, bounds)), SUMMARY, notes)
    plan = read_object(directory / PLAN, notes, missing="the plan is not known")
    runs = _runs(directory, bounds)
    told = summary.inside("rules")
    if not runs and not told.content and not summary.texts("incomplete"):
        return None
    names = list(told.content) or list(dict.fromkeys(_arm_of(run) for run in runs.values()))
    arms = [_arm(label, i, told.inside(label), runs, notes) for i, label in enumerate(names)]
    taken = {run.directory.name for arm in arms for run in arm.runs}
    left = [name for name in runs if name not in taken]
    if left:
        notes.append(f"{SUMMARY} does not know these runs, which are left out: {', '.join(left)}.")
    for run in runs.values():
        notes.extend(run.notes)
    return Comparison(
        directory=directory,
        summary=summary,
        plan=plan,
        objectives=objectives_of(summary) or [o for r in list(runs.values())[:1] for o in r.objectives],
        arms=arms,
        primary=Contrast.of(summary.inside("primary")),
        contrasts=[c for c in map(Contrast.of, summary.each("contrasts")) if c is not None],
        incomplete=summary.texts("incomplete"),
        notes=notes,
    )


def _runs(directory: Path, bounds: Bounds | None) -> dict[str, Run]:
    """The runs in a comparison's directory, by the names of their folders."""
    matches = [match for path in directory.iterdir() if path.is_dir() and (match := _RUN_FOLDER.fullmatch(path.name))]
    matches.sort(key=lambda match: (match["arm"], int(match["seed"]), match.string))
    found = {match.string: read_run(directory / match.string, bounds) for match in matches}
    return {name: run for name, run in found.items() if run is not None}


def _arm_of(run: Run) -> str:
    """An arm's name by its run's folder, {arm}-{algorithm}-seed{seed}: all but the seed."""
    return run.directory.name.rpartition("-seed")[0]


def _arm(label: str, number: int, entry: Fields, runs: Mapping[str, Run], notes: list[str]) -> ArmResult:
    lines = entry.each("runs")
    names = [line.text("directory") or "" for line in lines]
    if not entry.content:
        names = [name for name, run in runs.items() if _arm_of(run) == label]
    absent = [name for name in names if name and name not in runs]
    if absent:
        notes.append(f"{label}: no records of {', '.join(absent)}, so its curves are of fewer runs than its figures.")
    tuning = entry.inside("tuning")
    return ArmResult(
        label=label,
        number=number,
        summary=entry,
        estimates={
            name: Estimate.of(entry.inside(name)) for name in ("hypervolume", "hypervolume_greedy", "final_hypervolume")
        },
        figures=_estimates(entry.inside("figures")),
        objectives=_estimates(entry.inside("objectives")),
        objectives_greedy=_estimates(entry.inside("objectives_greedy")),
        cost=_estimates(entry.inside("cost")),
        dial={name: _estimates(entry.inside("dial").inside(name)) for name in entry.inside("dial").content},
        best_fixed=Contrast.of(entry.inside("versus_best_fixed")),
        configurations=[
            Configuration(
                one.mapping("settings"), one.number("hypervolume"), one.number("test"), i == tuning.count("chosen")
            )
            for i, one in enumerate(tuning.each("configurations"))
        ],
        expected_best=[
            (of, hypervolume)
            for one in tuning.each("expected_best")
            if (of := one.number("configurations")) is not None
            and (hypervolume := one.number("hypervolume")) is not None
        ],
        runs=[runs[name] for name in names if name in runs],
        run_lines=lines,
    )


def _estimates(fields: Fields) -> dict[str, Estimate]:
    return {name: Estimate.of(fields.inside(name)) for name in fields.content}
