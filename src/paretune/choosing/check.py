"""What a few batches of the initial policy say of a training run before it starts, in figures."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

SAME = 1e-7
"""Rewards that differ by no more are equal: they are float32 numbers, weighted and summed."""
OPPOSED = -0.1
"""Pairs whose gradients have a smaller mean cosine, and a negative one in every batch, oppose each other."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One generation batch of the initial policy.

    Attributes:
        rewards: ``[N, K]``, NaN where an objective does not apply; the completions of a prompt stand together.
        weights: ``[K]``, the rule's.
        metrics: ``[N, K]``, or None where they were not taken.
        gramian: ``[K, K]`` inner products of the objectives' gradients, or None where they were not taken.
        across: ``[K, K]``, the same across halves of the prompts, or None.
        noise: ``[K, K]``, by how much the batch's ordinary inner products exceed these, or None.
    """

    rewards: Array
    weights: Array
    metrics: Array | None = None
    gramian: Array | None = None
    across: Array | None = None
    noise: Array | None = None


@dataclass(frozen=True)
class Spread:
    """How values are spread; all NaN where there are none.

    Attributes:
        count: values, those that are missing included.
        missing: share of NaN.
        mean: of the others, like all that follows.
        deviation: standard deviation with Bessel's correction.
        low: smallest.
        median: median.
        high: largest.
        at_low: share at the smallest.
        at_high: share at the largest.
    """

    count: int
    missing: float
    mean: float
    deviation: float
    low: float
    median: float
    high: float
    at_low: float
    at_high: float


@dataclass(frozen=True)
class Pair:
    """Two objectives side by side.

    Attributes:
        a: the one's name.
        b: the other's.
        correlation: of their rewards within groups, NaN where one does not vary.
        cosines: of their gradients, one for each batch in which both had one.
    """

    a: str
    b: str
    correlation: float
    cosines: tuple[float, ...]

    @property
    def cosine(self) -> float:
        """The mean over batches, NaN without any."""
        return math.fsum(self.cosines) / len(self.cosines) if self.cosines else math.nan

    @property
    def opposed(self) -> bool:
        """Whether their gradients point apart, and do so in every batch."""
        return bool(self.cosines) and self.cosine <= OPPOSED and max(self.cosines) < 0


@dataclass(frozen=True)
class Cost:
    """What one way of training takes.

    Attributes:
        name: what is measured besides the plain step; empty for that step alone.
        seconds: of one batch with it; None where it could not be measured.
        relative: the same over the plain step's.
    """

    name: str
    seconds: float | None
    relative: float | None


@dataclass(frozen=True, eq=False)
class Check:
    """All figures.

    Attributes:
        names: the K objectives.
        maximize: ``[K]``, whether more of the metric is better.
        bounds: ``[K]``, of the metric, None where an objective has none.
        unit: within what rewards are compared: ``"group"``, or ``"batch"`` where the advantages know no groups.
        rewards: ``[K]``.
        metrics: ``[K]``.
        silent: ``[K]``, share of groups in which the reward does not vary, so that all its advantages are 0.
        silent_sum: the same for the weighted sum.
        weights: ``[K]``, of that sum: the rule's at first.
        norms: ``[K]``, root mean square of the gradients' norms over the batches to which an objective applies, NaN
            without any.
        noise: ``[K]``, share of ‖g_k‖² that is the noise's own square, from 0 to 1; NaN where it was not measured.
        noise_of_sum: the same of ‖Σ_k g_k‖², the sum of all influences.
        pairs: of all objectives.
        beyond: ``[K]``, share of completions whose metric is beyond a bound, NaN without bounds.
        proposed: ``[K]``, bounds that hold what was seen, None where one value was.
        truncated: share of completions that were cut off.
        validation: ``[K]``, the metrics on the validation set, or None where they were not taken.
        costs: of the plain step, and with what rules want measured.
    """

    names: Sequence[str]
    maximize: Sequence[bool]
    bounds: Sequence[tuple[float, float] | None]
    unit: str
    rewards: Sequence[Spread]
    metrics: Sequence[Spread]
    silent: Sequence[float]
    silent_sum: float
    weights: Sequence[float]
    norms: Sequence[float]
    noise: Sequence[float]
    noise_of_sum: float
    pairs: Sequence[Pair]
    beyond: Sequence[float]
    proposed: Sequence[tuple[float, float] | None]
    truncated: float
    validation: Sequence[float] | None
    costs: Sequence[Cost]

    @property
    def units(self) -> str:
        """The unit in the plural."""
        return "groups" if self.unit == "group" else "batches"


def examine(
    seen: Sequence[Seen],
    *,
    names: Sequence[str],
    maximize: Sequence[bool],
    bounds: Sequence[tuple[float, float] | None],
    num_generations: int | None,
    truncated: float,
    validation: Sequence[float] | None,
    costs: Sequence[Cost],
) -> Check:
    """Make the figures of some batches.

    Args:
        seen: the batches, one of them with metrics at least.
        names: the K objectives.
        maximize: as in :class:`Check`, like the others.
        bounds: of the metrics.
        num_generations: completions per prompt; None where the advantages are estimated over the whole batch.
        truncated: share of completions that were cut off.
        validation: the metrics on the validation set.
        costs: what :func:`costs` gave.

    Raises:
        ValueError: if there is no batch with metrics.
    """
    taken = [batch.metrics for batch in seen if batch.metrics is not None]
    if not taken:
        raise ValueError("`seen` has no batch with metrics: give one at least.")
    rewards, metrics = np.concatenate([batch.rewards for batch in seen]), np.concatenate(taken)
    groups = [num_generations or len(batch.rewards) for batch in seen]
    silent = np.concatenate([_silent(batch.rewards, group) for batch, group in zip(seen, groups, strict=True)])
    sums = [_silent(_weighted(batch), group) for batch, group in zip(seen, groups, strict=True)]
    gramians = np.array([batch.gramian for batch in seen if batch.gramian is not None]).reshape(-1, *[len(names)] * 2)
    spreads = [spread(column) for column in metrics.T]
    correlation, cosine = correlations([b.rewards for b in seen], groups), cosines(gramians)
    absent = np.array([np.isnan(batch.rewards).all(axis=0) for batch in seen if batch.gramian is not None])
    halved = [(b.noise, b.across + b.noise) for b in seen if b.noise is not None and b.across is not None]
    noises, wholes = np.array(halved).reshape(-1, 2, *[len(names)] * 2).swapaxes(0, 1)
    squares = np.where(absent.reshape(-1, len(names)), np.nan, gramians.diagonal(axis1=1, axis2=2))
    return Check(
        names=names,
        maximize=maximize,
        bounds=bounds,
        unit="group" if num_generations else "batch",
        rewards=[spread(column) for column in rewards.T],
        metrics=spreads,
        silent=silent.mean(axis=0).tolist(),
        silent_sum=float(np.concatenate(sums).mean()),
        weights=np.mean([batch.weights for batch in seen], axis=0).tolist(),
        norms=np.sqrt(_nanmean(squares[None])[0, 0]).tolist(),
        noise=_share(noises.diagonal(axis1=1, axis2=2), wholes.diagonal(axis1=1, axis2=2)).tolist(),
        noise_of_sum=float(_share(noises.sum(axis=(1, 2))[:, None], wholes.sum(axis=(1, 2))[:, None])[0]),
        pairs=[
            Pair(names[i], names[j], float(correlation[i, j]), tuple(c for c in cosine[:, i, j].tolist() if c == c))
            for i, j in combinations(range(len(names)), 2)
        ],
        beyond=[_beyond(column, limits) for column, limits in zip(metrics.T, bounds, strict=True)],
        proposed=[proposed_bounds(s.low, s.high) for s in spreads],
        truncated=truncated,
        validation=validation,
        costs=costs,
    )


def spread(values: ArrayLike) -> Spread:
    """How ``[N]`` values are spread, NaN being left out."""
    given = np.asarray(values, dtype=np.float64)
    known = given[~np.isnan(given)]
    missing = float(np.isnan(given).mean()) if len(given) else math.nan
    if not len(known):
        return Spread(len(given), missing, *[math.nan] * 7)
    low, high = float(known.min()), float(known.max())
    return Spread(
        count=len(given),
        missing=missing,
        mean=float(known.mean()),
        deviation=float(known.std(ddof=1)) if len(known) > 1 else math.nan,
        low=low,
        median=float(np.median(known)),
        high=high,
        at_low=float((known == low).mean()),
        at_high=float((known == high).mean()),
    )


def correlations(batches: Sequence[Array], groups: Sequence[int]) -> Array:
    """``[K, K]`` correlations of rewards, each less the mean of its group; NaN where one does not vary.

    Args:
        batches: rewards ``[N, K]``.
        groups: completions of a group in each batch; divides N.
    """
    distances = []
    for rewards, group in zip(batches, groups, strict=True):
        grouped = rewards.reshape(-1, group, rewards.shape[1])
        distance = (grouped - _nanmean(grouped)).reshape(rewards.shape)
        distance[np.abs(distance) <= SAME] = 0.0  # what is left of equal rewards less their mean
        distances.append(distance)
    values = np.concatenate(distances)
    count = values.shape[1]
    found = np.full((count, count), np.nan)
    for i in range(count):
        for j in range(count):
            both = values[~np.isnan(values[:, [i, j]]).any(axis=1)]
            scale = math.sqrt((both[:, i] ** 2).sum() * (both[:, j] ** 2).sum())
            if scale > 0:
                found[i, j] = (both[:, i] * both[:, j]).sum() / scale
    return found


def cosines(gramians: Array) -> Array:
    """``[B, K, K]`` cosines of the gradients whose inner products these are; NaN where a gradient is zero."""
    norms = np.sqrt(gramians.diagonal(axis1=1, axis2=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = gramians / (norms[:, :, None] * norms[:, None, :])
    return np.where(np.isfinite(found), found, np.nan)


def proposed_bounds(low: float, high: float) -> tuple[float, float] | None:
    """Round bounds that hold values from `low` to `high`; None unless low < high.

    Values between 0 and 1 are taken for shares. Others are rounded outward, and to 0 where it is not far.

    Example:
        >>> proposed_bounds(0.25, 0.75), proposed_bounds(2, 71), proposed_bounds(-3.2, 6.9)
        ((0.0, 1.0), (0.0, 80.0), (-4.0, 7.0))
    """
    if not low < high:
        return None
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    unit = 10.0 ** math.floor(math.log10(high - low))
    unit = unit / 10 if (high - low) / unit < 2 else unit
    below, above = math.floor(low / unit) * unit, math.ceil(high / unit) * unit
    if 0 <= low <= high - low:
        below = 0.0
    if 0 <= -high <= high - low:
        above = 0.0
    return float(f"{below:.12g}") + 0.0, float(f"{above:.12g}") + 0.0


def costs(lines: Sequence[Mapping[str, Any]], measured: Sequence[str]) -> list[Cost]:
    """What a batch takes, by what is measured in it.

    Args:
        lines: of steps.jsonl, one for each batch. The first is left out: it warms up.
        measured: what was asked for in each batch: an influence's method, ``"evaluation"``, or ``""`` for neither.

    Returns:
        The plain step's first, then one for each method and for the evaluation, in the order in which they came.
    """
    pairs = list(zip(lines, measured, strict=False))[1:]
    plain = _mean([line["seconds"]["generation"] + line["seconds"]["update"] for line, _ in pairs])
    if plain is None:
        return []
    found = [Cost("", plain, 1.0)]
    for name in dict.fromkeys(name for _, name in pairs if name):
        of = [line for line, asked in pairs if asked == name]
        if name != "evaluation":  # another method may have taken the place of the one that was asked for
            of = [line for line in of if (line.get("estimator") or {}).get("method") == name]
        extra = _mean([line["seconds"]["evaluation" if name == "evaluation" else "influence"] for line in of])
        seconds = None if extra is None else plain + extra
        found.append(Cost(name, seconds, None if seconds is None else seconds / plain))
    return found


def _silent(rewards: Array, group: int) -> NDArray[np.bool_]:
    """``[N / group, K]``: the groups in which a reward does not vary."""
    grouped = rewards.reshape(-1, group, rewards.shape[1])
    scored = (~np.isnan(grouped)).sum(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of groups in which all is NaN
        width = np.nanmax(grouped, axis=1) - np.nanmin(grouped, axis=1)
    return np.asarray((scored < 2) | (width <= SAME))


def _weighted(batch: Seen) -> Array:
    """``[N, 1]`` the weighted sum of the rewards that apply, NaN where none does."""
    total = np.nansum(batch.rewards * batch.weights, axis=1)
    return np.where(np.isnan(batch.rewards).all(axis=1), np.nan, total)[:, None]


def _nanmean(grouped: Array) -> Array:
    counts = (~np.isnan(grouped)).sum(axis=1, keepdims=True)
    return np.where(counts > 0, np.nansum(grouped, axis=1, keepdims=True) / np.maximum(counts, 1), np.nan)


def _share(parts: Array, wholes: Array) -> Array:
    """``[K]`` the sum of parts ``[B, K]`` over that of their wholes, from 0 to 1; NaN where a whole is 0."""
    part, whole = parts.sum(axis=0), wholes.sum(axis=0)
    return np.where(whole > 0, np.clip(part / np.where(whole > 0, whole, 1.0), 0.0, 1.0), np.nan)


def _beyond(values: Array, limits: tuple[float, float] | None) -> float:
    known = values[~np.isnan(values)]
    if limits is None or not len(known):
        return math.nan
    return float(((known < limits[0]) | (known > limits[1])).mean())


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
