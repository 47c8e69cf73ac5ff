"""``paretune compare``: rules × algorithms × seeds, judged by one protocol."""

import os
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields, replace
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_type_hints

from filelock import FileLock, Timeout

from paretune.advantages import ESTIMATORS
from paretune.cli.arguments import CompareArguments, RunArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.bounds import bounds_for, with_bounds
from paretune.cli.command_line import CommandLine
from paretune.cli.compare_table import CompareTable, print_result
from paretune.cli.declared_types import describe, fits, shown
from paretune.cli.failure import FailedError
from paretune.cli.known_front import known_front
from paretune.cli.model import model_config
from paretune.cli.parser import StrictParser
from paretune.cli.ranges import FIRST_TUNING_SEED
from paretune.cli.ready import check_ready
from paretune.cli.screen import Screen
from paretune.cli.settings import Settings, anywhere, check_model_name, make_rule, task_settings
from paretune.cli.task_source import load_task, names_a_task, rows_of, warn_of_changes
from paretune.cli.train import quiet
from paretune.comparison import launchers
from paretune.comparison.controls import control_arm
from paretune.comparison.figures import WITH_KNOWN_FRONT
from paretune.comparison.members import (
    Member,
    clear,
    comparison_members,
    copy,
    is_done,
    same_runs,
    tuning_members,
)
from paretune.comparison.plan import (
    CHOICES,
    PLAN,
    Arm,
    Plan,
    PlanError,
    arm_of,
    check_folder,
    read_plan,
    write_plan,
)
from paretune.comparison.summary import configured_arms, summarise
from paretune.named_objects import is_named, load
from paretune.record.entries import Source
from paretune.record.fields import Fields
from paretune.record.json_files import write_json
from paretune.record.parsing import RecordError
from paretune.report import write_report
from paretune.tasks import Task
from paretune.weighting import PRESETS, RULES, FixedWeights

Launcher = Callable[[Sequence[launchers.Job], int, Callable[[], None]], Generator[tuple[launchers.Job, bool]]]
NOT_TAKEN_OVER = ("trust_remote_code", "unsafe_no_sandbox")
"""Settings that a comparison that goes on does not take from its plan: whose code to trust is for the user to say."""
LAUNCHERS: dict[str, Launcher] = {"local": launchers.local, "ray": launchers.ray}


def run(line: CommandLine) -> int:
    """Compare; the exit status."""
    quiet()
    given = line.given
    directory = given.get("output_dir")
    if not directory:
        raise BadInputError("where to? --output_dir DIR; run again with it, a comparison keeps its finished runs.")
    root = Path(directory)
    try:
        before = read_plan(root) if (root / PLAN).exists() else None
        if before is not None:
            warn_of_changes(Source.of(Fields(before.source, str(root / PLAN))), root)
            if not names_a_task(given):
                shared = {name: value for name, value in before.settings.items() if name not in NOT_TAKEN_OVER}
                given = {**line.parser.take({**shared, **before.task_settings}, str(root / PLAN)), **given}
    except (PlanError, RecordError) as error:
        raise BadInputError(error) from error
    own, settings = resolve(line.parser, given)
    screen = Screen()
    try:
        plan = plan_of(own, settings, given, before)
        check(plan, settings.task)
        _check_launcher(own.launcher, plan.threads)
        check_folder(root)
        check_ready(settings)
        known_front(settings, "test")  # one that is no front is said before anything runs
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock", timeout=0):
            plan = write_plan(root, plan)
            failed = _run_all(root, plan, settings, own, screen)
            bounds = bounds_for(root, line.given.get("bounds"))
            summary = summarise(root, plan, own.jobs, bounds)
            write_json(root / "summary.json", summary)
            report = write_report(root, bounds=bounds)
    except Timeout as error:
        raise BadInputError(f"{root} is in use by another `paretune compare`: wait for its end.") from error
    except PlanError as error:
        raise BadInputError(error) from error
    except OSError as error:
        raise FailedError(f"{error} Finished runs are kept: run the same command again.") from error
    print_result(summary, root, report.path, failed, screen)
    return 1 if failed else 0


def resolve(parser: StrictParser, given: Mapping[str, Any]) -> tuple[CompareArguments, Settings]:
    """What is compared, and the settings that all runs share; of a run's own arguments these have the defaults.

    Raises:
        BadInputError: if what was given does not fit together.
    """
    task, source = load_task(given)
    task = with_bounds(task, given.get("bounds"))
    own, config, model = parser.make({**task_settings(parser, task), "model_name_or_path": task.model, **given})
    check_model_name(task, model.model_name_or_path)
    return own, Settings(RunArguments(), config, model, task, source, FixedWeights())


def shared(settings: Settings, given: Collection[str]) -> dict[str, Any]:
    """The settings of training that were given, by name, as plain values."""
    found: dict[str, Any] = {}
    for part in (settings.config, settings.model):
        for setting in fields(part):
            if setting.name in given and setting.name != "output_dir":
                value = getattr(part, setting.name)
                found[setting.name] = value.value if isinstance(value, Enum) else value
    if "model_name_or_path" in found:
        found["model_name_or_path"] = anywhere(found["model_name_or_path"])
    return found


def _check_launcher(launcher: str, threads: int) -> None:
    if launcher != "ray":
        return
    if find_spec("ray") is None:
        raise BadInputError("--launcher ray: Ray is not installed: `pip install 'paretune[ray]'`.")
    # A cluster elsewhere may grow; a task that this machine has too few CPUs for would wait for ever, without a word.
    cpus = os.cpu_count() or 1
    if "RAY_ADDRESS" not in os.environ and threads > cpus:
        raise BadInputError(f"--threads {threads}: Ray runs on this machine, which has {cpus} CPUs; set RAY_ADDRESS, "
                            "or give fewer threads.")  # fmt: skip


def plan_of(own: CompareArguments, made: Settings, given: Collection[str], before: Plan | None) -> Plan:
    """The plan; what is not said is as it was before, where the comparison goes on.

    Args:
        own: what is compared.
        made: what all runs share.
        given: the names of the settings that were given.
        before: the plan that the folder has.

    Raises:
        BadInputError: if an arm is of another form.
        PlanError: if the comparison makes no sense.
    """
    assert not isinstance(own.arms, str)  # it was JSON
    described = own.arms or {}
    if not all(isinstance(arm, dict) for arm in described.values()):
        raise PlanError("`arms` must map names to {rule, weights, preset, rule_settings, configurations}, in YAML.")
    described = {name: _joined(arm) for name, arm in described.items()}
    _check_arms(described)
    arms = [_anywhere(arm_of(name.strip(), described, RULES, PRESETS)) for name in own.rules.split(",") if name.strip()]
    if before is not None:
        arms += [arm for arm in before.arms if arm.name not in {a.name for a in arms}]
    algorithms = [name.strip() for name in own.algorithms.split(",")]
    for name in algorithms:
        _check_algorithm(name)
    has_fixed = any(arm.is_fixed for arm in arms)
    moving = [arm.name for arm in arms if not arm.is_fixed and arm.control is None]
    tuned = any(arm.is_tuned for arm in arms)
    tuning_seeds = [FIRST_TUNING_SEED + i for i in range(own.tuning_seeds)] if tuned else []
    settings = shared(made, given)
    if "eval_steps" in settings:  # a checkpoint for every point
        settings.setdefault("save_steps", settings["eval_steps"])
    # Points of the front keep their checkpoints in any case; runs are started anew, not resumed.
    settings = {"save_only_model": True, "save_total_limit": 1, **settings}
    if own.unsafe_no_sandbox:
        settings["unsafe_no_sandbox"] = True
    # Runs that are there keep their bounds; others that are given now count in judging alone.
    bounds = own.bounds if before is None else before.settings.get("bounds")
    if bounds is not None:
        settings["bounds"] = bounds
    return Plan(
        task=made.task.name,
        source=made.source.record(),
        arms=arms,
        algorithms=algorithms,
        seeds=list(range(own.seeds)),
        tuning_seeds=tuning_seeds or (before.tuning_seeds if before else []),
        settings=settings,
        test_samples=own.test_samples or (before.test_samples if before else None),
        threads=own.threads or (before.threads if before else max(1, (os.cpu_count() or 1) // own.jobs)),
        primary=own.primary or (before.primary if before else moving[0] if moving and has_fixed else None),
        primary_figure=own.primary_figure or (before.primary_figure if before else "hypervolume"),
        target=own.target or (before.target if before else None),
        exploratory_seeds=own.exploratory_seeds or (before.exploratory_seeds if before else None),
    )


def _anywhere(arm: Arm) -> Arm:
    """The arm with a rule of the user's own by a name that loads it from every folder."""
    if not is_named(arm.rule):
        return arm
    try:
        return replace(arm, rule=load(arm.rule).anywhere)
    except ValueError as error:
        raise BadInputError(f"{arm.name}: {error}") from error


def _joined(arm: Mapping[Any, Any]) -> dict[Any, Any]:
    """An arm, or a configuration of it, with weights that are a list as the text that a rule is told."""
    told = dict(arm)
    if fits(told.get("weights"), list[float]):
        told["weights"] = ",".join(map(str, told["weights"]))
    if fits(told.get("configurations"), list[dict[str, Any]]):
        told["configurations"] = [_joined(configuration) for configuration in told["configurations"]]
    return told


def _check_arms(described: Mapping[Any, Mapping[Any, Any]]) -> None:
    """Whether every arm and its configurations are of the declared types; the rules check what is in them."""
    hints = get_type_hints(Arm)
    in_configuration = {name: hints[name] for name in CHOICES}
    for name, arm in described.items():
        if not isinstance(name, str):
            raise BadInputError(f"arms: {name!r} is no name: put it in quotes.")
        mappings = [("", arm, hints)]
        if fits(arm.get("configurations", []), hints["configurations"]):
            mappings += [("configurations: ", c, in_configuration) for c in arm.get("configurations", [])]
        for where, mapping, known in mappings:
            for key, value in mapping.items():
                if key in known and not fits(value, known[key]):
                    raise BadInputError(
                        f"arm {name!r}: {where}{key} expects {describe(known[key])}, got {shown(value)}."
                    )
        for algorithm in arm.get("algorithms", []):
            _check_algorithm(algorithm)


def _check_algorithm(name: str) -> None:
    if name not in ESTIMATORS:
        raise PlanError(f"Unknown algorithm {name!r}: choose from {', '.join(ESTIMATORS)}.")


def check(plan: Plan, task: Task) -> None:
    """Find out now, before anything long starts, whether every run could be made.

    Raises:
        BadInputError: if one could not.
    """
    unbounded = [objective.name for objective in task.objectives if objective.bounds is None]
    if unbounded:
        raise BadInputError(f"{', '.join(unbounded)} has no bounds: a comparison needs them all (--bounds).")
    for split in ("validation", "test"):
        rows_of(task, split)
    trusted = bool(plan.settings.get("trust_remote_code"))
    model_config(plan.settings.get("model_name_or_path", task.model), {"trust_remote_code": trusted})
    for arm in plan.arms:
        variants = [arm.configured(configuration) for configuration in arm.configurations] or [arm]
        for variant in variants if arm.control is None else []:
            try:
                make_rule(RunArguments(rule=variant.rule, weights=variant.weights, preset=variant.preset,
                                       rule_settings=dict(variant.rule_settings)), task)  # fmt: skip
            except BadInputError as error:
                raise BadInputError(f"{arm.name}: {error}") from error
    asked = {"primary_figure": plan.primary_figure, **{f"{a.name}: chosen_by": a.chosen_by for a in plan.arms}}
    for where, figure in asked.items():
        if figure in WITH_KNOWN_FRONT and task.front is None:
            raise BadInputError(f"{where}: {figure} needs a true front, and that of {task.name} is not known.")
    settings = {**task.settings, **plan.settings}
    if settings.get("eval_strategy", "no") == "no":
        raise BadInputError("A comparison evaluates its runs: set --eval_strategy steps and --eval_steps.")


def _run_all(root: Path, plan: Plan, settings: Settings, own: CompareArguments, screen: Screen) -> list[str]:
    """Make what is missing of tuning, comparison and controls, in this order; the names of runs that failed."""
    prompts = prompts_of(plan, settings.task)
    tuning, members = tuning_members(plan), comparison_members(plan)
    failed: list[str] = []
    with CompareTable(root, plan, screen) as table:

        def note(name: str, well: bool) -> None:
            table.ended(name, well)
            if not well:
                failed.append(name)

        def make(wanted: Sequence[tuple[Member, Arm]], title: str) -> None:
            missing = [(member, arm) for member, arm in wanted if not is_done(root, member, prompts)]
            to_make = {member.directory for member, _ in missing}
            table.stage(title, [member for member, _ in wanted], to_make)
            same = same_runs(wanted)
            copied = [m for m, _ in missing if m.directory in same and clear(root, m)]
            jobs = [job_of(root, plan, member, arm, prompts) for member, arm in missing if member not in copied]

            def copy_of(source: str, well: bool) -> None:
                for member in copied:
                    if same[member.directory] == source:
                        copy(root / source, root / member.directory)
                        note(member.directory, well)

            for source in {same[member.directory] for member in copied} - to_make:
                copy_of(source, well=True)
            with closing(LAUNCHERS[own.launcher](jobs, own.jobs, table.refresh)) as ended:
                for job, well in ended:
                    note(job.name, well)
                    copy_of(job.name, well)

        try:
            make([(m, m.arm.configured(m.arm.configurations[m.configuration or 0])) for m in tuning], "tuning")
            arms = configured_arms(root, plan)
            make([(m, arm) for m in members if (arm := arms[m.arm.name]) is not None and arm.control is None], "runs")
            make(_controls(root, plan, members, failed), "controls")
        except launchers.LauncherError as error:
            raise BadInputError(error) from error
    return failed


def _controls(root: Path, plan: Plan, members: Sequence[Member], failed: list[str]) -> list[tuple[Member, Arm]]:
    """The runs of controls, with the weights that they take from others; those without are noted as failed."""
    ready = []
    for member in members:
        if member.arm.control is None:
            continue
        sources = {
            m.seed: root / m.directory
            for m in members
            if m.arm.name == member.arm.of and m.algorithm == member.algorithm
        }
        try:
            ready.append((member, control_arm(member.arm, member.seed, sources)))
        except PlanError:
            failed.append(member.directory)
    return ready


def prompts_of(plan: Plan, task: Task) -> dict[str, int]:
    """On how many prompts of each split runs are measured after training."""
    available = len(rows_of(task, "test"))
    return {"validation": len(rows_of(task, "validation")), "test": min(plan.test_samples or available, available)}


def job_of(root: Path, plan: Plan, member: Member, arm: Arm, prompts: Mapping[str, int]) -> launchers.Job:
    """A run as a job for a launcher; what is left of an earlier try that came to no end is removed.

    Args:
        root: the comparison's folder.
        plan: the comparison.
        member: the run.
        arm: its arm as the run takes it: configured, and a control's weights filled in.
        prompts: :func:`prompts_of`.
    """
    clear(root, member)
    evaluations = [[split, list(decodings), prompts[split]] for split, decodings in member.evaluations]
    told = {"directory": str((root / member.directory).resolve()), "settings": member.settings(plan, arm)}
    log = root / "logs" / f"{member.directory.replace('/', '-')}.log"
    return launchers.Job(member.directory, log.resolve(), {**told, "evaluations": evaluations}, plan.threads)
