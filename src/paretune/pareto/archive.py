"""The archive of non-dominated policies, and the hypervolume they dominate.

Points are validation results ``[K]`` in raw units, each objective with its own direction. The hypervolume is the
Lebesgue measure of what a set of points dominates above a reference point (Zitzler and Thiele, 1998);
:mod:`paretune.pareto.volumes` computes it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from paretune.pareto.volumes import EXACT_UP_TO, exclusive_share, part_volume, union_volume

Array = NDArray[np.float64]


class ParetoArchive:
    """The points that no other point dominates, and what each new one adds to their hypervolume.

    A contribution is ΔHV(p, B) = HV(B ∪ {p}) − HV(B) (Lu et al., arXiv 2509.11452). It is not computed as that
    difference, whose rounding error would pass for news: p's box above the reference, less the part of that box which
    the archive dominates. So it is exactly 0 where a point of the archive is as good in every objective, or p is not
    better than the reference in every objective; otherwise it is above 0, however small.

    A finite point is kept unless a point of the archive is as good in every objective, whatever it contributes: an
    objective that never leaves its worst bound takes away all volume, and one policy may still be better than another.
    So points that are not better than the reference are kept too. Of equal points the first is kept. Volumes are as if
    points without volume were not there.

    With more than five objectives the hypervolume is estimated (:attr:`exact` is false): it is the sum of the
    contributions of the points as they came, each estimated to some percent
    (:func:`paretune.pareto.volumes.exclusive_share`). Such an estimate never falls and is the same for the same points
    in the same order, and which points are kept does not depend on it.

    Args:
        maximize: ``[K]``, whether more is better.
        reference: ``[K]``, the point above which volume is measured, in raw units. What is not better than the
            reference in every objective dominates no volume and contributes 0.
        bounds: K pairs (low, high) in raw units. With them every objective is mapped to [0, 1], so that volumes are
            in [0, 1] and runs compare; a value beyond a bound counts as the bound, in comparisons of points too, but
            points keep their raw values.
            Without them volumes are in the product of the raw units, infinite where that is beyond float64.

    Raises:
        ValueError: if the lengths differ or are 0, for a number that is not finite, or for bounds without low < high
            or too far apart for float64.

    Example:
        >>> archive = ParetoArchive([True, False], reference=[0.0, 100.0], bounds=[(0, 1), (0, 100)])
        >>> archive.add([0.5, 50.0], step=1)  # half right in half of the length
        0.25
        >>> archive.add([1.0, 75.0], step=2)  # all right in three quarters of it: 1/4, of which 1/8 was there
        0.125
        >>> archive.add([0.5, 75.0], step=3)  # dominated
        0.0
        >>> archive.points
        array([[ 0.5, 50. ],
               [ 1. , 75. ]])
        >>> archive.steps, archive.hypervolume
        ([1, 2], 0.375)
    """

    def __init__(
        self,
        maximize: Sequence[bool],
        reference: Sequence[float],
        bounds: Sequence[tuple[float, float]] | None = None,
    ) -> None:
        self.maximize = [bool(up) for up in maximize]
        self.reference = [float(value) for value in reference]
        self.bounds = None if bounds is None else [(float(low), float(high)) for low, high in bounds]
        if not self.maximize:
            raise ValueError("`maximize` is empty: give one bool for each objective.")
        if len(self.reference) != self.dimension:
            raise ValueError(f"`reference` has {len(self.reference)} values for {self.dimension} objectives.")
        if not all(map(math.isfinite, self.reference)):
            raise ValueError(f"`reference` must be finite, got {self.reference}.")
        if self.bounds is not None:
            _check_bounds(self.maximize, self.bounds)
        self._points: Array = np.empty((0, self.dimension))
        self._steps: list[int | None] = []
        self._estimate = 0.0

    @property
    def dimension(self) -> int:
        """The number of objectives, K."""
        return len(self.maximize)

    @property
    def points(self) -> Array:
        """``[n, K]`` the non-dominated points in raw units, in the order in which they came."""
        return self._points.copy()

    @property
    def steps(self) -> list[int | None]:
        """The n steps given with the points."""
        return list(self._steps)

    @property
    def exact(self) -> bool:
        """Whether hypervolume and contributions are exact; with more than five objectives they are estimated."""
        return self.dimension <= EXACT_UP_TO

    @property
    def hypervolume(self) -> float:
        """The volume that the points dominate above the reference: with bounds in [0, 1], else in raw units."""
        return union_volume(self._gains(self._points).clip(min=0.0)) if self.exact else self._estimate

    def contribution(self, point: Sequence[float] | Array) -> float:
        """What a point would add to the hypervolume; 0 for a point with a value that is not finite.

        Args:
            point: ``[K]`` in raw units.

        Raises:
            ValueError: if it has another number of values.
        """
        return self._contribution(self._checked(point), self._points)

    def loss(self, index: int) -> float:
        """What the hypervolume would lose without one of the points: its contribution to all others.

        Args:
            index: of the point in :attr:`points`.
        """
        return self._contribution(self._points[index], np.delete(self._points, index, axis=0))

    def add(self, point: Sequence[float] | Array, step: int | None = None) -> float:
        """Offer a point; it is kept unless one is there that is as good, and the points that it dominates are dropped.

        Args:
            point: ``[K]`` in raw units; one with a value that is not finite is never kept.
            step: kept beside the point: when it was measured.

        Returns:
            Its :meth:`contribution`.

        Raises:
            ValueError: if it has another number of values.
        """
        values = self._checked(point)
        contribution = self.contribution(values)
        own, others = self._compared(values), self._compared(self._points)
        if np.isfinite(values).all() and not (others >= own).all(axis=1).any():
            keep = np.asarray(~(others <= own).all(axis=1))
            self._points = np.vstack([self._points[keep], values])
            self._steps = [s for s, kept in zip(self._steps, keep, strict=True) if kept] + [step]
            if contribution > 0 and not self.exact:
                # All points lie in the box of the best value of each objective, whatever the estimates add up to.
                best = part_volume(self._with_volume(self._points).max(axis=0), 1.0)
                self._estimate = min(self._estimate + contribution, best)
        return contribution

    def state_dict(self) -> dict[str, Any]:
        """The whole archive as plain JSON values."""
        return {
            "maximize": list(self.maximize),
            "reference": list(self.reference),
            "bounds": None if self.bounds is None else [list(pair) for pair in self.bounds],
            "points": self._points.tolist(),
            "steps": self.steps,
            "estimate": None if self.exact else self._estimate,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become the archive that gave this :meth:`state_dict`, its directions, reference and bounds included.

        Raises:
            ValueError: if the state is no valid archive.
        """
        if not all(isinstance(up, bool) for up in state["maximize"]):
            raise ValueError(f"The state's `maximize` must hold bools, got {state['maximize']!r:.60}.")
        loaded = ParetoArchive(state["maximize"], state["reference"], state["bounds"])
        points = np.asarray(state["points"], dtype=np.float64).reshape(-1, loaded.dimension)
        if len(points) != len(state["steps"]):
            raise ValueError(f"The state has {len(points)} points and {len(state['steps'])} steps.")
        if not all(step is None or isinstance(step, int) for step in state["steps"]):
            raise ValueError(f"The state's `steps` must be whole numbers, got {state['steps']!r:.60}.")
        estimate = 0.0 if loaded.exact else float(state["estimate"])
        if not (np.isfinite(points).all() and math.isfinite(estimate)):
            raise ValueError("The state has points that are not finite: an archive holds none.")
        self.__dict__.update(loaded.__dict__, _points=points, _steps=list(state["steps"]), _estimate=estimate)

    def __len__(self) -> int:
        return len(self._steps)

    def __repr__(self) -> str:
        return (
            f"ParetoArchive({self.maximize}, reference={self.reference}, bounds={self.bounds}): "
            f"{len(self)} points, hypervolume {self.hypervolume:g}"
        )

    def _checked(self, point: Sequence[float] | Array) -> Array:
        values = np.asarray(point, dtype=np.float64)
        if values.shape != (self.dimension,):
            raise ValueError(f"`point` must have {self.dimension} values, got shape {values.shape}: {point!r}.")
        return values

    def _contribution(self, values: Array, others: Array) -> float:
        gain = self._gains(values[None])[0]
        if not (np.isfinite(values).all() and (gain > 0).all()):
            return 0.0
        return part_volume(gain, exclusive_share((gain - self._with_volume(others).clip(max=gain)) / gain))

    def _with_volume(self, points: Array) -> Array:
        """The gains of those of the points ``[n, K]`` that dominate a volume."""
        gains = self._gains(points)
        return gains[(gains > 0).all(axis=1)]

    def _compared(self, points: Array) -> Array:
        """Points ``[n, K]`` as they are compared: more being better, nothing beyond a bound."""
        sign = np.where(self.maximize, 1.0, -1.0)
        return np.asarray(sign * (points if self.bounds is None else points.clip(*np.array(self.bounds).T)))

    def _gains(self, points: Array) -> Array:
        """How far points ``[n, K]`` are above the reference, more being better, in [0, 1] units given bounds."""
        reference = np.array(self.reference)
        sign = np.where(self.maximize, 1.0, -1.0)
        if self.bounds is None:
            with np.errstate(over="ignore"):
                return np.asarray((sign * (points - reference)).clip(-_LARGEST, _LARGEST))
        low, high = np.array(self.bounds).T
        return np.asarray(sign * (points.clip(low, high) - reference.clip(low, high)) / (high - low))


_LARGEST = float(np.finfo(np.float64).max)


def _check_bounds(maximize: Sequence[bool], bounds: Sequence[tuple[float, float]]) -> None:
    if len(bounds) != len(maximize):
        raise ValueError(f"`bounds` has {len(bounds)} pairs for {len(maximize)} objectives: give one for each.")
    for low, high in bounds:
        if not (low < high and math.isfinite(high - low)):
            raise ValueError(
                f"`bounds` must be finite with low < high and at most {_LARGEST:.2g} apart, got ({low}, {high})."
            )


def worst_corner(maximize: Sequence[bool], bounds: Sequence[tuple[float, float]]) -> list[float]:
    """The reference point that every point within the bounds dominates or equals, ``[K]`` in raw units.

    Raises:
        ValueError: if the lengths differ or for bounds that are not finite with low < high.

    Example:
        >>> worst_corner([True, False], [(0.0, 1.0), (0.0, 512.0)])
        [0.0, 512.0]
    """
    _check_bounds(maximize, bounds)
    return [float(low if up else high) for up, (low, high) in zip(maximize, bounds, strict=True)]


def dominates(point: ArrayLike, others: ArrayLike, maximize: Sequence[bool]) -> NDArray[np.bool_]:
    """Which points a point dominates: as good in every objective and better in one.

    Args:
        point: ``[K]``.
        others: ``[n, K]``. Comparisons with NaN are false, so a point with NaN dominates nothing, nor is it dominated.
        maximize: ``[K]``, whether more is better.

    Returns:
        ``[n]`` bools; duplicates do not dominate each other.

    Example:
        >>> dominates([1.0, 5.0], [[1.0, 6.0], [1.0, 5.0], [0.0, 4.0]], [True, False])
        array([ True, False, False])
    """
    sign = np.where(maximize, 1.0, -1.0)
    better, worse = sign * np.asarray(point, dtype=np.float64), sign * np.asarray(others, dtype=np.float64)
    return np.asarray((better >= worse).all(axis=-1) & (better > worse).any(axis=-1))
