"""What to do next with a run or a comparison, as commands to copy."""

from collections.abc import Sequence
from shlex import quote

from paretune.record.entries import Objective
from paretune.report.comparisons import Comparison
from paretune.report.page import Block, Code, Text
from paretune.report.runs import Run

PICK = "Pick a policy from the front: the largest product of gains, or the objectives weighed as you like."


def after_run(run: Run) -> list[Block]:
    """What there is to do after a run."""
    folder = quote(str(run.directory))
    commands: list[tuple[str, str]] = []
    notes: list[str] = []
    if run.header.status in ("failed", "interrupted"):
        commands.append(("Go on from the newest checkpoint.", f"paretune train --resume --output_dir {folder}"))
    unbounded = [objective.name for objective in run.objectives if objective.bounds is None]
    if unbounded and run.evaluations:
        told = ",".join(f"{name}=LOW:HIGH" for name in unbounded)
        commands.append(("Declare bounds, and there is a front.", f"paretune report {folder} --bounds {quote(told)}"))
    elif any(evaluation.checkpoint for evaluation in run.front):
        commands += _picks(folder, run.objectives)
        if run.header.source is not None:
            commands.append(("Measure the front again, on the test split.", f"paretune evaluate {folder} --split test"))
    elif run.front:
        notes.append("No policy on the front has a checkpoint, so none can be picked: let save_steps equal eval_steps.")
    return [*_code(commands), *map(Text, notes)]


def after_comparison(comparison: Comparison) -> list[Block]:
    """What there is to do after a comparison."""
    folder = quote(str(comparison.directory))
    has_front = any(run.front for arm in comparison.arms for run in arm.runs)
    commands = _picks(folder, comparison.objectives) if has_front else []
    notes = []
    if comparison.incomplete:
        notes.append("Give the same `paretune compare` again for the runs that are missing: finished ones are kept.")
    return [*_code(commands), *map(Text, notes)]


def _picks(folder: str, objectives: Sequence[Objective]) -> list[tuple[str, str]]:
    preference = ",".join(f"{o.name}={2 if i == 0 else 1}" for i, o in enumerate(objectives))
    return [(PICK, f"paretune pick {folder}\nparetune pick {folder} --prefer {quote(preference)}")]


def _code(commands: Sequence[tuple[str, str]]) -> list[Block]:
    text = "\n\n".join(f"# {what}\n{command}" for what, command in commands)
    return [Code("In a terminal:", text + "\n")] if commands else []
