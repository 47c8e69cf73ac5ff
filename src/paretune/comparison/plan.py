"""What a comparison compares: fixed and written down before anything runs."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from paretune.comparison.figures import RANKING
from paretune.named_objects import is_named
from paretune.record.fields import Fields
from paretune.record.json_files import read_json, write_json
from paretune.record.json_lines import plain
from paretune.record.parsing import RecordError

PLAN = "comparison.json"
SCHEMA = 1
CONTROLS = ("average", "replay", "random-walk")
"""Arms whose weights are read off the runs of another arm (:mod:`paretune.comparison.controls`)."""

CHOICES = ("weights", "preset", "rule_settings")
"""What of an arm a configuration may set."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_FIXED = re.compile(r"fixed((?::[-+0-9.e]+)+)")


class PlanError(ValueError):
    """A comparison that makes no sense, or differs from the one whose directory it would go into."""


@dataclass(frozen=True)
class Arm:
    """One way of weighting rewards that is compared with others.

    Attributes:
        name: its label in tables and the names of run directories.
        rule: a weighting rule's name.
        weights: the rule's weights, where it takes any, as ``paretune train`` takes them: "0.5,0.25,0.25".
        preset: or the name of the paper's.
        rule_settings: the rule's further settings.
        configurations: settings (weights, preset or rule_settings) of which the best on the tuning seeds is taken;
            none: the arm is not tuned.
        configurations_of: or the name of another arm, to choose from its configurations and from the runs that try
            them.
        chosen_by: the figure that ranks configurations: one of :data:`~paretune.comparison.figures.RANKING`.
        control: one of :data:`CONTROLS`: the weights are read off the runs of another arm.
        of: that arm.
        seeds: how many of the comparison's seeds it is run with, the first so many; None: all.
        algorithms: those that it is run under; none: all of the comparison's.
    """

    name: str
    rule: str = "fixed"
    weights: str | None = None
    preset: str | None = None
    rule_settings: Mapping[str, Any] = field(default_factory=dict)
    configurations: Sequence[Mapping[str, Any]] = ()
    configurations_of: str | None = None
    chosen_by: str = "hypervolume"
    control: str | None = None
    of: str | None = None
    seeds: int | None = None
    algorithms: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PlanError(
                f"An arm's name is part of folder names: use letters, digits and . _ + -, not {self.name!r}."
            )
        if (self.control, self.of) != (None, None) and (self.control not in CONTROLS or self.of is None):
            raise PlanError(f"Arm {self.name!r}: control must be one of {', '.join(CONTROLS)}, and `of` name an arm.")
        if self.control is not None and self.is_tuned:
            raise PlanError(f"Arm {self.name!r}: a control takes its weights from runs, it has no configurations.")
        if self.configurations and self.configurations_of is not None:
            raise PlanError(f"Arm {self.name!r}: give its own configurations or those of another arm, not both.")
        if self.chosen_by not in RANKING:
            raise PlanError(
                f"Arm {self.name!r}: chosen_by must be one of {', '.join(RANKING)}; got {self.chosen_by!r}."
            )
        if self.seeds is not None and self.seeds < 1:
            raise PlanError(f"Arm {self.name!r}: seeds must be 1 or more, got {self.seeds}.")
        for configuration in self.configurations:
            unknown = set(configuration) - set(CHOICES)
            if unknown or not configuration:
                raise PlanError(f"Arm {self.name!r}: a configuration sets {', '.join(CHOICES)}; got {configuration}.")

    def configured(self, configuration: Mapping[str, Any]) -> "Arm":
        """The arm with one of its configurations."""
        settings = {**self.rule_settings, **configuration.get("rule_settings", {})}
        return replace(self, **{**configuration, "rule_settings": settings}, configurations=(), configurations_of=None)

    @property
    def is_tuned(self) -> bool:
        """Whether it takes the best of several configurations."""
        return bool(self.configurations) or self.configurations_of is not None

    @property
    def settings(self) -> dict[str, Any]:
        """What the rule is told, without what is left at its default."""
        told = {"weights": self.weights, "preset": self.preset, "rule_settings": dict(self.rule_settings)}
        return {name: value for name, value in told.items() if value}

    @property
    def is_fixed(self) -> bool:
        """Whether the weights never move, and are no control's."""
        return self.rule == "fixed" and self.control is None


def arm_of(
    name: str, described: Mapping[str, Mapping[str, Any]], rules: Collection[str] = (), presets: Collection[str] = ()
) -> Arm:
    """An arm by its name: one of those described, else a rule, fixed weights or a control of the gradient rule.

    Args:
        name: the name. ``fixed:0.6:0.3:0.1`` gives fixed weights, ``module:Class`` or ``file.py:Class`` a rule of the
            user's own, whose arm has the name of the class.
        described: arms by their names.
        rules: names of rules, each of which is an arm with the rule's defaults.
        presets: names of fixed weights, each of which is an arm.

    Raises:
        PlanError: if there is none of that name, or its description does not fit.
    """
    if name in described:
        try:
            return Arm(name, **described[name])
        except TypeError as error:
            raise PlanError(f"Arm {name!r}: {str(error).split('() ')[-1]}.") from error
    if name in rules:
        return Arm(name, name)
    if name in presets:
        return Arm(name, preset=name)
    if name in CONTROLS:
        return Arm(name, control=name, of="gradient")
    if match := _FIXED.fullmatch(name):
        return Arm(name.replace(":", "-"), weights=match[1][1:].replace(":", ","))
    if is_named(name):
        return Arm(name.rpartition(":")[2], name)
    known = ", ".join(dict.fromkeys([*described, *rules, *presets, *CONTROLS]))
    raise PlanError(
        f"Unknown rule {name!r} to compare: choose from {known}, or give weights as fixed:0.6:0.3:0.1, "
        "or a rule of your own as module:Class."
    )


@dataclass(frozen=True)
class Plan:
    """A comparison: arms × algorithms × seeds, and what all their runs share.

    Attributes:
        task: the task's name.
        source: how the task was named, as in run.json: `settings` by which ``paretune train`` finds it from every
            folder, `given` and `files`; empty: by its name.
        arms: what is compared.
        algorithms: grpo, rloo, reinforce++; what comes from any but the first is exploratory.
        seeds: those of the comparison.
        exploratory_seeds: how many of them, the first so many, are run under the further algorithms; None: all.
        tuning_seeds: those on which configurations are chosen; none of `seeds`.
        settings: what all runs share, by the names of ``paretune train``'s settings.
        test_samples: prompts of the test split by which runs are judged; None: all of them.
        threads: of each run.
        primary: the arm of the one contrast named beforehand, against the best fixed weights; None: there is none.
        primary_figure: what that contrast is in: one of :data:`~paretune.comparison.figures.RANKING`.
        target: hypervolume of a single policy whose time of arrival is measured; None: from the tuning runs of the
            best fixed weights, where there are any.
    """

    task: str
    arms: Sequence[Arm]
    algorithms: Sequence[str] = ("grpo",)
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    tuning_seeds: Sequence[int] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    test_samples: int | None = None
    threads: int = 1
    primary: str | None = None
    primary_figure: str = "hypervolume"
    target: float | None = None
    exploratory_seeds: int | None = None
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if not names or len(set(names)) < len(names):
            raise PlanError(f"A comparison needs rules, each named once; got {', '.join(names) or 'none'}.")
        if not self.algorithms or len(set(self.algorithms)) < len(self.algorithms):
            named = ", ".join(self.algorithms) or "none"
            raise PlanError(f"A comparison needs algorithms, each named once; got {named}.")
        for seeds, fewest in ((self.seeds, 1), (self.tuning_seeds, 0)):
            if len(seeds) < fewest or len(set(seeds)) < len(seeds) or min(seeds, default=0) < 0:
                raise PlanError(f"Seeds must be whole numbers of 0 or more, each once; got {list(seeds)}.")
        if self.exploratory_seeds is not None and self.exploratory_seeds < 1:
            raise PlanError(f"Exploratory seeds must be 1 or more, got {self.exploratory_seeds}.")
        if set(self.seeds) & set(self.tuning_seeds):
            raise PlanError("Tuning seeds must be others than the comparison's.")
        tuned = {arm.name: len(arm.configurations) for arm in self.arms if arm.configurations}
        if len(set(tuned.values())) > 1:
            raise PlanError(f"Every tuned arm must have the same number of configurations; got {tuned}.")
        if tuned and not self.tuning_seeds:
            raise PlanError(f"{', '.join(tuned)} have configurations to choose from: give tuning seeds.")
        for arm in self.arms:
            if arm.of is not None:
                self._check_source(arm, arm.of)
            if arm.configurations_of is not None:
                self._check_configurations(arm, arm.configurations_of)
        if self.primary is not None and self.primary not in names:
            raise PlanError(f"The primary contrast names {self.primary!r}, which is not compared.")
        if self.primary_figure not in RANKING:
            raise PlanError(f"The primary figure must be one of {', '.join(RANKING)}; got {self.primary_figure!r}.")

    def _check_source(self, control: Arm, of: str) -> None:
        """See to it that the runs are there whose weights a control takes."""
        if of not in {arm.name for arm in self.arms}:
            raise PlanError(f"{control.name!r} takes its weights from {of!r}: compare that, too.")
        source = self.arm(of)
        if source.control is not None:
            raise PlanError(f"{control.name!r} takes its weights from {of!r}, a control itself: name another arm.")
        for algorithm in self.algorithms:
            own, others = self.seeds_of(control, algorithm), self.seeds_of(source, algorithm)
            if not set(own) <= set(others):
                raise PlanError(
                    f"{control.name!r} takes its weights from {of!r}: give that as many seeds and algorithms."
                )
            if control.control == "replay" and own and len(others) < 2:
                raise PlanError(f"{control.name!r} replays another seed's weights: give {of!r} two seeds or more.")

    def _check_configurations(self, arm: Arm, of: str) -> None:
        """See to it that another arm's runs try what an arm chooses from."""
        other = next((other for other in self.arms if other.name == of), None)
        if other is None or not other.configurations:
            raise PlanError(
                f"{arm.name!r} chooses from the configurations of {of!r}: compare that, too, with configurations of "
                "its own."
            )
        if (arm.rule, arm.settings) != (other.rule, other.settings):
            raise PlanError(
                f"{arm.name!r} chooses from the configurations of {of!r}: its runs try {arm.rule!r}, those of {of!r} "
                f"try {other.rule!r}, or their settings differ: give both the same."
            )

    @property
    def task_settings(self) -> Mapping[str, Any]:
        """The settings by which ``paretune train`` finds the task."""
        named: Mapping[str, Any] = self.source.get("settings") or {"task": self.task}
        return named

    def arm(self, name: str) -> Arm:
        """An arm by its name; ``KeyError`` if there is none."""
        return {arm.name: arm for arm in self.arms}[name]

    def configurations_of(self, arm: Arm) -> Sequence[Mapping[str, Any]]:
        """Those that an arm chooses from: its own, or another arm's."""
        if arm.configurations_of is None:
            return arm.configurations
        return next((other.configurations for other in self.arms if other.name == arm.configurations_of), ())

    def seeds_of(self, arm: Arm, algorithm: str) -> list[int]:
        """The seeds that an arm is run with under an algorithm; none if it is not."""
        if arm.algorithms and algorithm not in arm.algorithms:
            return []
        limits = [arm.seeds, self.exploratory_seeds if algorithm != self.algorithms[0] else None]
        return list(self.seeds)[: min((limit for limit in limits if limit is not None), default=None)]

    @property
    def configurations(self) -> int:
        """How many configurations each tuned arm chooses from; 0 if none is tuned."""
        return max((len(arm.configurations) for arm in self.arms), default=0)


def write_plan(directory: str | Path, plan: Plan) -> Plan:
    """Write a plan down, or widen the one that a directory has.

    More arms, algorithms and seeds may join a comparison, for its runs are paired by seed whenever they are made. What
    all runs share stays as it is, and so do the primary contrast and the target.

    Returns:
        The plan in force, with all arms, algorithms and seeds so far.

    Raises:
        PlanError: if the directory holds a comparison that differs in what stays, or is no comparison's.
    """
    check_folder(directory)
    path = Path(directory) / PLAN
    if path.exists():
        plan = _widened(read_plan(directory), plan, path)
    Path(directory).mkdir(parents=True, exist_ok=True)
    write_json(path, {"schema": SCHEMA, **asdict(plan)})
    return plan


def check_folder(directory: str | Path) -> None:
    """Raise :class:`PlanError` if there is something else than a comparison in the way; hidden files are not."""
    path = Path(directory)
    if path.exists() and not path.is_dir():
        raise PlanError(f"{str(directory)!r} is a file: choose a folder.")
    if path.exists() and not (path / PLAN).exists() and any(not p.name.startswith(".") for p in path.iterdir()):
        raise PlanError(f"{str(directory)!r} holds other files than a comparison's: choose another folder.")


def read_plan(directory: str | Path) -> Plan:
    """Read a comparison's plan.

    Raises:
        FileNotFoundError: if the directory holds none.
        PlanError: if it is broken or of another schema.
    """
    path = Path(directory) / PLAN
    if not path.exists():
        raise FileNotFoundError(f"{str(directory)!r} is not the directory of a comparison: it has no {PLAN}.")
    try:
        read = Fields(read_json(path), repr(str(path)))
        if read.need("schema", read.count("schema")) != SCHEMA:
            raise PlanError(f"{str(path)!r} is of another schema: this version reads {SCHEMA}.")
        plan = {"task": read.need("task", read.text("task")), **_checked(read, _PLAN)}
        arms = [{"name": arm.need("name", arm.text("name")), **_checked(arm, _ARM)} for arm in read.each("arms")]
        read.need("arms", arms or None)
        for configuration in (one for arm in read.each("arms") for one in arm.each("configurations")):
            _checked(configuration, {name: _ARM[name] for name in CHOICES})
    except RecordError as error:
        raise PlanError(f"{str(error).rstrip('.')}: it is no plan of a comparison.") from error
    return Plan(**{**plan, "arms": [Arm(**arm) for arm in arms]})


_PLAN: Mapping[str, Callable[[Fields, str], Any]] = {
    "task": Fields.text, "source": Fields.mapping, "arms": Fields.sequence, "algorithms": Fields.texts,
    "seeds": Fields.counts, "tuning_seeds": Fields.counts, "settings": Fields.mapping, "test_samples": Fields.count,
    "threads": Fields.count, "primary": Fields.text, "primary_figure": Fields.text,
    "target": Fields.number, "exploratory_seeds": Fields.count,
}  # fmt: skip
_ARM: Mapping[str, Callable[[Fields, str], Any]] = {
    "name": Fields.text, "rule": Fields.text, "weights": Fields.text, "preset": Fields.text,
    "rule_settings": Fields.mapping, "configurations": Fields.sequence, "configurations_of": Fields.text,
    "chosen_by": Fields.text, "control": Fields.text, "of": Fields.text, "seeds": Fields.count,
    "algorithms": Fields.texts,
}  # fmt: skip


def _checked(read: Fields, kinds: Mapping[str, Callable[[Fields, str], Any]]) -> dict[str, Any]:
    """The fields that are there, each of its kind; others are refused."""
    read.know(["schema", *kinds])
    return {key: take(read, key) for key, take in kinds.items() if read.content.get(key) is not None}


def _widened(old: Plan, new: Plan, path: Path) -> Plan:
    stays = (
        "task",
        "task_settings",
        "settings",
        "test_samples",
        "threads",
        "tuning_seeds",
        "primary",
        "primary_figure",
        "target",
        "exploratory_seeds",
    )
    for name in stays:
        before, now = plain(getattr(old, name)), plain(getattr(new, name))
        if before != now:
            raise PlanError(f"{str(path)!r} has {name} {before!r}, now it is {now!r}: choose another folder.")
    for arm in new.arms:
        if arm.name in {a.name for a in old.arms} and plain(asdict(old.arm(arm.name))) != plain(asdict(arm)):
            raise PlanError(f"{str(path)!r} has another {arm.name!r}: give it another name, or choose another folder.")
    return replace(
        old,
        source=old.source or new.source,
        arms=[*old.arms, *(arm for arm in new.arms if arm.name not in {a.name for a in old.arms})],
        algorithms=[*old.algorithms, *(a for a in new.algorithms if a not in old.algorithms)],
        seeds=[*old.seeds, *(seed for seed in new.seeds if seed not in old.seeds)],
    )
