"""The front that the last policies of several runs make together, such as those of all weightings of a search."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from paretune.bounded_run import archive_of
from paretune.comparison.figures import front_figures
from paretune.comparison.outcome import Outcome, judged, volume
from paretune.record.known_front import front_on
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader


def front_together(directories: Sequence[Path], prompts: int | None = None) -> dict[str, float]:
    """Choose among last policies on the validation split, and judge the chosen ones on the test split.

    The chosen policies are those that no other of them dominates. Both splits must have been measured after training,
    sampled, as the runs of a search are (:data:`~paretune.comparison.members.TUNED_BY`).

    Args:
        directories: of the runs. They share objectives and test prompts.
        prompts: the number of test prompts that were measured; all of them where it is not given.

    Returns:
        ``hypervolume``, ``front_regret`` (NaN where the true front is not known) and ``chosen``, how many were chosen.

    Raises:
        RecordError: if a run cannot be judged.
    """
    run = RunReader(directories[0])
    objectives = run.header.objectives
    archive = archive_of(objectives)
    for i, directory in enumerate(directories):
        metrics = _last(directory, "validation")
        archive.add([metrics[objective.name] for objective in objectives], i)
    chosen = [_last(directories[i], "test") for i in archive.steps if i is not None]
    known = front_on(run.known_fronts, "test", prompts)
    return {
        "hypervolume": volume(objectives, chosen),
        "front_regret": front_figures(objectives, chosen, known)["front_regret"],
        "chosen": len(chosen),
    }


def _last(directory: Path, split: str) -> Mapping[str, float]:
    """Metrics of a run's last policy, sampled."""
    outcome = judged(directory, split=split)
    if not isinstance(outcome, Outcome):
        raise RecordError(f"{directory}, {split} split: {outcome}")
    return outcome.final["sampled"]
