"""A run, read as if some of its objectives had been declared with other bounds.

Bounds decide what counts as hypervolume and which policies are on the front, so both are computed anew from the run's
evaluations. The run's own files are read and never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import nan
from pathlib import Path

from paretune.pareto import ParetoArchive, worst_corner
from paretune.record.entries import Evaluation, FrontPoint, Header, Objective
from paretune.record.reader import RunReader

Bounds = Mapping[str, tuple[float, float]]
"""Bounds (low, high) of metrics, by the objectives' names."""


def lay_over(objectives: Sequence[Objective], bounds: Bounds) -> list[Objective]:
    """The objectives with the bounds that are given; those without keep their own."""
    return [replace(objective, bounds=bounds.get(objective.name, objective.bounds)) for objective in objectives]


def archive_of(objectives: Sequence[Objective]) -> ParetoArchive:
    """An empty archive over a run's objectives, measured from the worst corner of their bounds.

    Raises:
        ValueError: if there is none, or one without bounds, so that nothing can be compared by volume.
    """
    if not objectives:
        raise ValueError("no objectives are named.")
    unbounded = [objective.name for objective in objectives if objective.bounds is None]
    if unbounded:
        raise ValueError(f"{', '.join(unbounded)} has no bounds: a comparison needs them all (--bounds).")
    maximize, bounds = [o.maximize for o in objectives], [o.bounds for o in objectives if o.bounds is not None]
    return ParetoArchive(maximize, worst_corner(maximize, bounds), bounds)


class BoundedRun(RunReader):
    """Reads what a run has left on the disk, with bounds laid over its record.

    Args:
        directory: the run's.
        notes: as for :class:`~paretune.record.reader.RunReader`.
        bounds: of some or all objectives; they win over those that the run has recorded. None: all as recorded.
    """

    def __init__(self, directory: str | Path, notes: list[str] | None = None, bounds: Bounds | None = None) -> None:
        super().__init__(directory, notes)
        self._given = bounds or {}

    @cached_property
    def header(self) -> Header:
        """What was run; its objectives have the given bounds."""
        recorded = super().header
        return replace(recorded, objectives=lay_over(recorded.objectives, self._given))

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """The evaluations; with bounds given, the hypervolume so far is computed from them."""
        recorded = super().evaluations
        if not self._computes:
            return recorded
        archives = {purpose: archive_of(self.header.objectives) for purpose in ("grid", "rule")}
        computed = []
        for evaluation in recorded:
            archive = archives[evaluation.purpose]
            archive.add(self._point(evaluation), evaluation.step)
            computed.append(replace(evaluation, archive=archive.hypervolume))
        return computed

    @cached_property
    def front(self) -> list[FrontPoint] | None:
        """The front by step; with bounds given, computed from the evaluations on the grid."""
        if not self._computes:
            return super().front
        archive = archive_of(self.header.objectives)
        for evaluation in self.grid:
            archive.add(self._point(evaluation), evaluation.step)
        metrics = {evaluation.step: evaluation.metrics for evaluation in self.grid}
        # What was kept of the run's checkpoints is known by the folders that are there.
        return [FrontPoint(step, metrics[step], None) for step in sorted(s for s in archive.steps if s is not None)]

    @property
    def _computes(self) -> bool:
        objectives = self.header.objectives
        return bool(self._given) and bool(objectives) and all(o.bounds is not None for o in objectives)

    def _point(self, evaluation: Evaluation) -> list[float]:
        return [evaluation.metrics.get(objective.name, nan) for objective in self.header.objectives]
