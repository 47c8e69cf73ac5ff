"""``paretune divergence RUN RUN …``: how far the policies of several runs have moved apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.choosing.divergence import (
    Divergence,
    DivergenceSettings,
    Pair,
    TrainedRun,
    UnusableRunError,
    check_policies,
    known,
    measure,
    open_run,
    plan,
)
from paretune.cli.arguments import DivergenceArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import CommandLine
from paretune.cli.screen import Screen, bar, table
from paretune.cli.task_source import load_task, names_a_task, recorded_task, rows_of
from paretune.cli.train import quiet
from paretune.record.disk import check_writable
from paretune.record.fields import Fields
from paretune.record.figures import with_error
from paretune.record.json_lines import append_line, cut_torn_line, plain
from paretune.record.run_directory import RUN
from paretune.tasks import Task
from paretune.tasks.source import TaskSource

GENERATION = {"max_completion_length": 256, "temperature": 1.0, "chat_template_kwargs": None}
"""What training generates with where neither run.json nor the task says: TRL's defaults."""
STEPS_SHOWN = 8


def run(line: CommandLine) -> int:
    """Measure, and show the table; the exit status."""
    (arguments,) = line.parser.make(line.given)
    directories, given = line.words, line.given
    quiet()
    output = Path(arguments.output)
    try:
        runs = [open_run(directory) for directory in directories]
        pairs = plan(runs)
        named = {} if names_a_task(given) else line.parser.take(_task_of(runs), "the runs' records")
        task, source = load_task({**named, **given})
        settings = _settings(arguments, runs, task, source)
        found = known(output, settings)
        _check_output(output)
        prompts = rows_of(task, settings.split)["prompt"][: settings.samples]
        missing = [pair for pair in pairs if pair.key not in found]
        check_policies(missing, prompts, settings)
    except (ValueError, OSError) as error:
        raise BadInputError(error) from error
    screen, names = Screen(), _names(runs)
    if len(missing) < len(pairs):
        screen.say(f"{len(pairs) - len(missing)} of {len(pairs)} stand in {output} already")
    try:
        found |= _measure(missing, prompts, settings, output, names, screen)
    except UnusableRunError as error:
        raise BadInputError(error) from error
    _print_table(pairs, found, names, settings, screen)
    screen.say(f"records: {output}")
    return 0


def _measure(
    pairs: Sequence[Pair],
    prompts: Sequence[Any],
    settings: DivergenceSettings,
    output: Path,
    names: Mapping[str, str],
    screen: Screen,
) -> dict[Any, Divergence]:
    """Measure each pair and append its record at once; the records."""
    found: dict[Any, Divergence] = {}
    with bar("pair", screen) as progress:
        display = progress.add_task("", total=len(pairs))
        lines = measure(pairs, prompts, settings, lambda doing: progress.update(display, description=doing))
        for pair, line in zip(pairs, lines, strict=True):
            if not found:
                output.parent.mkdir(parents=True, exist_ok=True)
                cut_torn_line(output)  # of an interrupted command
            append_line(output, line)
            found[pair.key] = Divergence.of(Fields(plain(line), str(output)))
            progress.advance(display)
            if not screen.is_terminal:
                both = f"{names[pair.a.path]} and {names[pair.b.path]}"
                screen.say(f"step {pair.step}: {both} {_cell(found[pair.key])}")
    return found


def _task_of(runs: Sequence[TrainedRun]) -> dict[str, Any]:
    """The settings that name the task that all runs were trained on."""
    _agreed(runs, "task", {run.path: run.header.task for run in runs})
    named: dict[str, Any] = _agreed(runs, "task", {run.path: recorded_task(run.header, run.path) for run in runs})
    return named


def _settings(
    arguments: DivergenceArguments, runs: Sequence[TrainedRun], task: Task, source: TaskSource
) -> DivergenceSettings:
    """The settings: flags, else what the runs recorded, else the task's, else TRL's."""
    generation: dict[str, Any] = {}
    for name, default in GENERATION.items():
        generation[name] = getattr(arguments, name, None)
        if generation[name] is None:
            fallback = task.settings.get(name, default)
            recorded = {run.path: _recorded(run, name, fallback) for run in runs}
            generation[name] = _agreed(runs, name, recorded)
    return DivergenceSettings(
        task=task.name,
        data=source.settings.get("data") or source.settings.get("dataset_name"),
        split=arguments.split,
        samples=min(arguments.samples, len(rows_of(task, arguments.split))),
        batch_size=arguments.per_device_eval_batch_size,
        seed=arguments.seed,
        **generation,
    )


def _recorded(run: TrainedRun, name: str, fallback: Any) -> Any:
    """What a run was trained with, or the fallback where it does not say."""
    generation = Fields(run.header.generation, f"{str(Path(run.path) / RUN)!r}, generation")
    if name == "chat_template_kwargs":
        return generation.mapping(name) or fallback
    value = generation.count(name) if name == "max_completion_length" else generation.number(name)
    if value is not None and value <= 0:
        generation.refuse(f"{name} must be above 0, got {value}")
    return fallback if value is None else value


def _agreed(runs: Sequence[TrainedRun], name: str, values: Mapping[str, Any]) -> Any:
    """What all runs have in common."""
    first = values[runs[0].path]
    for run in runs:
        if values[run.path] != first:
            remedy = "compare runs that agree." if name == "chat_template_kwargs" else f"say which by --{name}."
            raise BadInputError(f"{runs[0].path} has {name} {first!r}, {run.path} {values[run.path]!r}: {remedy}")
    return first


def _check_output(output: Path) -> None:
    """Find out whether records can be added to a file; whatever else is there is refused, and nothing is changed."""
    check_writable(output.parent)
    if not output.exists():
        return
    with output.open("ab"):
        pass
    torn = output.read_bytes().rpartition(b"\n")[2]
    if not torn.startswith(b'{"step":'[: len(torn)]):
        raise BadInputError(f"{output} ends in something else than a record of divergence: give another --output.")


def _names(runs: Sequence[TrainedRun]) -> dict[str, str]:
    """Short names for the screen: the folders' where these differ."""
    short = {run.path: Path(run.path).name for run in runs}
    return short if len(set(short.values())) == len(runs) else {run.path: run.path for run in runs}


def _print_table(
    pairs: Sequence[Pair],
    found: Mapping[Any, Divergence],
    names: Mapping[str, str],
    settings: DivergenceSettings,
    screen: Screen,
) -> None:
    """One row a pair, one column a step."""
    steps = sorted({pair.step for pair in pairs})
    shown = _spread(steps, STEPS_SHOWN)
    title = f"½ [KL(a‖b) + KL(b‖a)] per token on {settings.samples} {settings.split} prompts ± standard error"
    if len(shown) < len(steps):
        title += f" ({len(shown)} of {len(steps)} steps)"
    divergences = table(None, "a", "b", *(f"step {step}" for step in shown), left=["a", "b"])
    rows: dict[tuple[str, str], dict[int, str]] = {}
    for pair in pairs:
        cells = rows.setdefault((names[pair.a.path], names[pair.b.path]), {})
        cells[pair.step] = _cell(found[pair.key])
    for (a, b), cells in rows.items():
        divergences.add_row(a, b, *(cells.get(step, "–") for step in shown))
    screen.say(title)
    screen.print(divergences)


def _spread(steps: Sequence[int], count: int) -> list[int]:
    """At most `count` of the steps, evenly spread, the first and the last among them."""
    if len(steps) <= count:
        return list(steps)
    return [steps[round(i * (len(steps) - 1) / (count - 1))] for i in range(count)]


def _cell(divergence: Divergence) -> str:
    if divergence.mean is None:  # not finite
        return "∞"
    return with_error(divergence.mean, divergence.error)
