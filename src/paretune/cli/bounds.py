"""``--bounds``: bounds of metrics for objectives that have none, or in place of those they have.

Given before a training, they become the objectives' own and are recorded. Given for a run that exists, they only
change how it is read (:mod:`paretune.bounded_run`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from paretune.bounded_run import Bounds
from paretune.cli.bad_input import BadInputError
from paretune.cli.named_numbers import check_names
from paretune.record.entries import Objective
from paretune.record.figures import span
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader
from paretune.tasks import Task


def with_bounds(task: Task, given: Mapping[str, Sequence[float]] | None) -> Task:
    """A task whose objectives have the given bounds.

    Raises:
        BadInputError: if one of the names is no objective's.
    """
    if not given:
        return task
    check_names("--bounds", given, [objective.name for objective in task.objectives])
    objectives = [o.within(*given[o.name]) if o.name in given else o for o in task.objectives]
    # Its true front is of gains on its own bounds, so with others it is not known.
    same = [objective.bounds for objective in objectives] == [objective.bounds for objective in task.objectives]
    return replace(task, objectives=objectives, front=task.front if same else None)


def bounds_for(directory: str | Path, given: Mapping[str, Sequence[float]] | None) -> Bounds | None:
    """Bounds by which records are to be read; a line is printed about each that replaces a recorded one.

    Args:
        directory: of a run, or one with the folders of several.
        given: what :func:`~paretune.cli.named_numbers.named_bounds` gave.

    Raises:
        BadInputError: if a name is no objective's, or an objective is left without bounds.
    """
    if not given:
        return None
    objectives = _objectives(Path(directory))
    if not objectives:
        raise BadInputError(f"--bounds: no run in {directory} names its objectives.")
    check_names("--bounds", given, objectives)
    lacking = [name for name, objective in objectives.items() if objective.bounds is None and name not in given]
    if lacking:
        raise BadInputError(f"--bounds: {', '.join(lacking)} has no bounds either: give those of every objective.")
    bounds = {name: (float(low), float(high)) for name, (low, high) in given.items()}
    for name, (low, high) in bounds.items():
        recorded = objectives[name].bounds
        if recorded is not None and recorded != (low, high):
            print(f"bounds of {name}: {span(low, high)} as given, not {span(*recorded)} as recorded")
    return bounds


def _objectives(directory: Path) -> dict[str, Objective]:
    """The objectives of the run in a folder, or of the first readable run within it, by name."""
    for run in [directory, *sorted(path.parent for path in directory.glob("*/run.json"))]:
        try:
            return {objective.name: objective for objective in RunReader(run).header.objectives}
        except (OSError, RecordError):
            continue  # whoever reads the run says what is wrong with it
    return {}
