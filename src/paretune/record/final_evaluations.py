"""The policies of a run's front, and its last one, measured again after training.

A front is chosen by noisy evaluations, so its points look better there than they are. The policies by which a run is
judged are therefore measured again, on fresh samples. ``final_evaluations.jsonl`` keeps the result: a line for each
policy, split and decoding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paretune.record.checkpoints import checkpoints
from paretune.record.json_lines import cut_torn_line
from paretune.record.reader import RunReader
from paretune.record.run_directory import FINAL


@dataclass(frozen=True)
class ChosenPolicy:
    """A policy by which a run is judged.

    Attributes:
        step: optimiser steps it was trained for.
        checkpoint: its folder.
        front: whether it was on the validation set's front.
        final: whether it is the run's last.
    """

    step: int
    checkpoint: Path
    front: bool
    final: bool


def chosen_policies(directory: str | Path) -> list[ChosenPolicy]:
    """The checkpoints on a run's front and its last one, by step; the initial policy is none of them.

    Raises:
        FileNotFoundError: if the directory holds no run.
        RecordError: if its files are broken.
    """
    points = RunReader(directory).front or []  # without bounds there is no front
    found, front = checkpoints(directory), {point.step for point in points}
    last = max(found, default=None)
    return [
        ChosenPolicy(step, path, front=step in front, final=step == last)
        for step, path in found.items()
        if step in front or step == last
    ]


def missing(
    directory: str | Path, policies: Iterable[ChosenPolicy], split: str, decodings: Sequence[str], prompts: int
) -> list[tuple[ChosenPolicy, list[str]]]:
    """What is still to be measured: each policy with the decodings that it lacks on so many prompts of a split.

    A line that an interrupted measurement left torn is cut off, so that lines can be appended.
    """
    lines = RunReader(directory).measured_again  # whatever is damaged is said before anything is cut
    if cut_torn_line(Path(directory) / FINAL):
        lines = RunReader(directory).measured_again
    known = {(line.step, line.decoding) for line in lines if (line.split, line.prompts) == (split, prompts)}
    wanted = [(policy, [d for d in decodings if (policy.step, d) not in known]) for policy in policies]
    return [(policy, lacking) for policy, lacking in wanted if lacking]


def missing_settings(
    directory: str | Path, step: int, split: str, decoding: str, prompts: int, settings: Iterable[Mapping[str, float]]
) -> list[Mapping[str, float]]:
    """The priorities, by objective, at which a policy is still to be measured on so many prompts of a split."""
    wanted = (step, split, decoding, prompts)
    lines = [
        line for line in RunReader(directory).dial if (line.step, line.split, line.decoding, line.prompts) == wanted
    ]
    return [setting for setting in settings if setting not in [line.priorities for line in lines]]


def is_measured(
    directory: str | Path, policies: Iterable[ChosenPolicy], split: str, decodings: Sequence[str], prompts: int
) -> bool:
    """Whether the policies that are there, and in any case the last, were measured on so many prompts of a split."""
    if missing(directory, policies, split, decodings, prompts):
        return False
    lines = RunReader(directory).measured_again
    last = {line.decoding for line in lines if (line.split, line.prompts) == (split, prompts) and line.final}
    return last >= set(decodings)
