"""A comparison's records as plain data: its summary, its plan, and the runs of every arm."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paretune.report.files import read_object
from paretune.report.run_reading import objectives_of, read_run
from paretune.report.runs import Objective, Run
from paretune.report.values import count, mapping, number, numbers, sequence, text

SUMMARY, PLAN = "summary.json", "comparison.json"
_RUN_FOLDER = re.compile(r"(?P<arm>.+)-seed(?P<seed>\d+)", re.DOTALL)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % t interval; the reason where there is none."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Contrast:
    """One rule against another in one figure."""

    rule: str
    against: str
    figure: str
    kind: str
    difference: Estimate
    p_t: float | None = None
    p_sign_flip: float | None = None
    p_holm: float | None = None
    improvement: Estimate = field(default_factory=Estimate)


@dataclass(frozen=True)
class Configuration:
    """Settings that tuning tried, and the hypervolume they reached: on validation, and on the test split."""

    settings: Mapping[str, Any]
    hypervolume: float | None
    test: float | None
    chosen: bool


@dataclass(frozen=True)
class Arm:
    """A rule with an algorithm, and its runs on all seeds.

    Attributes:
        label: its name in summary.json.
        number: its place, which decides its colour.
        summary: what summary.json says of it, as recorded.
        estimates: hypervolume, hypervolume_greedy, final_hypervolume; objectives and costs by their names.
        best_fixed: against the best fixed weights, or None.
        best_fixed_reason: why not.
        configurations: what tuning tried.
        expected_best: what the best of so many configurations comes to on the test split.
        sweep: what the last policies of all configurations came to together, as recorded.
        runs: the records of its runs.
        run_lines: what summary.json says of each run.
    """

    label: str
    number: int
    summary: Mapping[str, Any]
    estimates: Mapping[str, Estimate]
    objectives: Mapping[str, Estimate]
    objectives_greedy: Mapping[str, Estimate]
    cost: Mapping[str, Estimate]
    best_fixed: Contrast | None
    best_fixed_reason: str
    configurations: Sequence[Configuration]
    expected_best: Sequence[tuple[float, float]]
    sweep: Mapping[str, Any]
    runs: Sequence[Run]
    run_lines: Sequence[Mapping[str, Any]]

    @property
    def algorithm(self) -> str:
        """How its rewards become advantages."""
        return text(self.summary.get("algorithm")) or next((text(r.header.get("algorithm")) for r in self.runs), "")

    @property
    def scales(self) -> list[float]:
        """The meta-rewards of all its runs, for a rule that has them."""
        return [scale for run in self.runs for scale in run.scales]


@dataclass(frozen=True)
class Comparison:
    """Everything a comparison's directory tells."""

    directory: Path
    summary: Mapping[str, Any]
    plan: Mapping[str, Any]
    objectives: Sequence[Objective]
    arms: Sequence[Arm]
    primary: Contrast | None
    contrasts: Sequence[Contrast]
    incomplete: Sequence[str]
    notes: Sequence[str]

    @property
    def protocol(self) -> Mapping[str, Any]:
        """How it was measured."""
        return mapping(self.summary.get("protocol"))

    @property
    def every_contrast(self) -> list[Contrast]:
        """All contrasts, the one named beforehand first."""
        primary = [self.primary] if self.primary is not None else []
        return [*primary, *(contrast for contrast in self.contrasts if contrast not in primary)]

    def arm(self, label: str) -> Arm | None:
        """The arm of that name."""
        return next((arm for arm in self.arms if arm.label == label), None)


def is_comparison(directory: Path) -> bool:
    """Whether a directory holds a comparison: its summary or its plan."""
    return any((directory / file).is_file() for file in (SUMMARY, PLAN))


def read_comparison(directory: Path) -> Comparison | None:
    """Read a comparison's directory; None if it holds nothing usable."""
    notes: list[str] = []
    summary = read_object(directory / SUMMARY, notes, missing="no statistics (is the comparison still running?)")
    plan = read_object(directory / PLAN, notes, missing="the plan is not known")
    runs = _runs(directory)
    if not runs and not mapping(summary.get("rules")) and not sequence(summary.get("incomplete")):
        return None
    rules = mapping(summary.get("rules")) or {name: {} for name in dict.fromkeys(_arm_of(run) for run in runs.values())}
    arms: list[Arm] = []
    for number_, (label, entry) in enumerate(rules.items()):
        arms.append(_arm(label, number_, mapping(entry), runs, notes))
    taken = {run.directory.name for arm in arms for run in arm.runs}
    left = [name for name in runs if name not in taken]
    if left:
        notes.append(f"{SUMMARY} does not know these runs, which are left out: {', '.join(left)}.")
    for run in runs.values():
        notes.extend(run.notes)
    objectives = objectives_of(summary.get("objectives")) or [o for r in list(runs.values())[:1] for o in r.objectives]
    return Comparison(
        directory=directory,
        summary=summary,
        plan=plan,
        objectives=objectives,
        arms=arms,
        primary=_contrast(summary.get("primary")),
        contrasts=[c for c in map(_contrast, sequence(summary.get("contrasts"))) if c is not None],
        incomplete=[line for line in sequence(summary.get("incomplete")) if isinstance(line, str)],
        notes=notes,
    )


def _runs(directory: Path) -> dict[str, Run]:
    """The runs in a comparison's directory, by the names of their folders."""
    folders = sorted(path for path in directory.iterdir() if path.is_dir() and _RUN_FOLDER.fullmatch(path.name))
    found = {path.name: read_run(path) for path in sorted(folders, key=_order)}
    return {name: run for name, run in found.items() if run is not None}


def _order(path: Path) -> tuple[str, int]:
    match = _RUN_FOLDER.fullmatch(path.name)
    return (match["arm"], int(match["seed"])) if match else (path.name, 0)


def _arm_of(run: Run) -> str:
    """An arm's name by its run's folder, {arm}-{algorithm}-seed{seed}: all but the seed."""
    match = _RUN_FOLDER.fullmatch(run.directory.name)
    return match["arm"] if match else run.directory.name


def _arm(label: str, number_: int, entry: Mapping[str, Any], runs: Mapping[str, Run], notes: list[str]) -> Arm:
    lines = [mapping(line) for line in sequence(entry.get("runs"))]
    names = [text(line.get("directory")) for line in lines]
    if not entry:
        names = [name for name, run in runs.items() if _arm_of(run) == label]
    absent = [name for name in names if name and name not in runs]
    if absent:
        notes.append(f"{label}: no records of {', '.join(absent)}, so its curves are of fewer runs than its figures.")
    versus = mapping(entry.get("versus_best_fixed"))
    tuning = mapping(entry.get("tuning"))
    return Arm(
        label=label,
        number=number_,
        summary=entry,
        estimates={
            name: _estimate(entry.get(name)) for name in ("hypervolume", "hypervolume_greedy", "final_hypervolume")
        },
        objectives={name: _estimate(value) for name, value in mapping(entry.get("objectives")).items()},
        objectives_greedy={name: _estimate(value) for name, value in mapping(entry.get("objectives_greedy")).items()},
        cost={name: _estimate(value) for name, value in mapping(entry.get("cost")).items()},
        best_fixed=_contrast(versus),
        best_fixed_reason=text(versus.get("reason")),
        configurations=[
            Configuration(
                mapping(mapping(line).get("settings")),
                number(mapping(line).get("hypervolume")),
                number(mapping(line).get("test")),
                i == tuning.get("chosen"),
            )
            for i, line in enumerate(sequence(tuning.get("configurations")))
        ],
        expected_best=[
            (known["configurations"], known["hypervolume"])
            for known in map(numbers, sequence(tuning.get("expected_best")))
            if "configurations" in known and "hypervolume" in known
        ],
        sweep=mapping(tuning.get("sweep")),
        runs=[runs[name] for name in names if name in runs],
        run_lines=lines,
    )


def _estimate(value: Any) -> Estimate:
    entry = mapping(value)
    known = numbers(entry)
    return Estimate(
        known.get("mean"), known.get("low"), known.get("high"), count(entry.get("n")), text(entry.get("reason"))
    )


def _contrast(value: Any) -> Contrast | None:
    entry = mapping(value)
    known = numbers(entry)
    if "rule" not in entry or "against" not in entry:
        return None
    return Contrast(
        rule=text(entry["rule"], str(entry["rule"])),
        against=text(entry["against"], "the best fixed weights"),
        figure=text(entry.get("figure"), "hypervolume"),
        kind=text(entry.get("kind"), "exploratory"),
        difference=Estimate(
            known.get("difference"),
            known.get("low"),
            known.get("high"),
            count(entry.get("n")),
            text(entry.get("reason")),
        ),
        p_t=known.get("p_t"),
        p_sign_flip=known.get("p_sign_flip"),
        p_holm=known.get("p_holm"),
        improvement=_estimate(entry.get("probability_of_improvement")),
    )
