"""The true front of the prompts by which a run's policies are judged, as ``known_front.jsonl`` has it.

Policies are judged by their distance to the best possible. What is possible depends on the task and the prompts alone,
so it is computed once for each split and number of prompts and kept beside what was measured: whoever reads a record
needs no task. Numbers are rounded to six digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune.record.entries import Objective, objectives_of
from paretune.record.fields import Fields, finite
from paretune.record.json_lines import append_line, cut_torn_line
from paretune.record.run_directory import KNOWN_FRONT

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class KnownFront:
    """The gains of the best policies on some prompts: one line of known_front.jsonl.

    Attributes:
        split: of the task.
        prompts: how many, the first of the split.
        objectives: on whose bounds the gains are, K of them.
        weights: ``[M, K]``, the lattice of weightings.
        gains: ``[M, K]``, of the best policy for each weighting.
        best_mean: the best geometric mean of gains.
    """

    split: str
    prompts: int
    objectives: Sequence[Objective]
    weights: Rows
    gains: Rows
    best_mean: float

    @property
    def support(self) -> list[float]:
        """``[M]``: h(w) = w·G, what the best policy for each weighting is worth."""
        return [
            sum(w * gain for w, gain in zip(*pair, strict=True)) for pair in zip(self.weights, self.gains, strict=True)
        ]

    @classmethod
    def of(cls, fields: Fields) -> KnownFront:
        """Read a line."""
        objectives = objectives_of(fields)
        weights, gains = (_rows(fields, key, len(objectives)) for key in ("weights", "gains"))
        if len(weights) != len(gains):
            gains = fields.need("gains", None)
        best = fields.inside("best_geometric_mean")
        return cls(
            split=fields.need("split", fields.text("split")),
            prompts=fields.need("prompts", fields.count("prompts")),
            objectives=objectives,
            weights=weights,
            gains=gains,
            best_mean=best.need("value", best.number("value")),
        )

    def fits(self, objectives: Sequence[Objective]) -> bool:
        """Whether the gains are on the bounds of these objectives."""
        return list(self.objectives) == list(objectives)


def front_on(fronts: Sequence[KnownFront], split: str, prompts: int | None = None) -> KnownFront | None:
    """The front of so many prompts of a split, without a number that of the most; None if it is not known."""
    found = [front for front in fronts if front.split == split and prompts in (None, front.prompts)]
    return max(found, key=lambda front: front.prompts, default=None)


def append_known_front(directory: str | Path, line: Mapping[str, Any]) -> None:
    """Append a front.

    Args:
        directory: the run's.
        line: split, prompts, objectives, weights, gains, best_geometric_mean {value, gains, gap}.
    """
    path = Path(directory) / KNOWN_FRONT
    cut_torn_line(path)
    append_line(path, line)


def _rows(fields: Fields, key: str, width: int) -> list[list[float]]:
    """A matrix with a column for each objective."""
    found = []
    for row in fields.sequence(key):
        numbers = [finite(value) for value in row] if isinstance(row, list) else []
        known = [value for value in numbers if value is not None]
        if not width or len(numbers) != width or len(known) != width:
            fields.refuse(f"{key} should have rows of {width} finite numbers")
            return fields.need(key, None)
        found.append(known)
    return fields.need(key, found or None)
