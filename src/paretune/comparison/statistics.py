"""What a few seeds can say: intervals, paired contrasts and tests, with a reason wherever they can say nothing.

A value is what one run of one rule gave, and its seed is the only thing that differs between the values of a list: all
intervals and tests here are about the spread over seeds, not about the noise of one evaluation.

The intervals use Student's t, not the percentile bootstrap. Resampling n values understates their spread by the factor
sqrt((n − 1) / n) and has lighter tails than t; simulated with normal values at level 0.95, it covers the mean in 75,
83, 89 and 93 % of experiments with 3, 5, 10 and 20 seeds, Student's t in 95 %. No method mends a rare outcome that the
seeds at hand did not meet: if one seed in five ends in a bad basin, a third of all experiments with 5 seeds see none,
and their intervals miss the mean (t covers it in 53, 66, 89 and 92 %).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from paretune.record.summary_entries import Estimate

Array = NDArray[np.float64]

_FEWEST = 3
"""Seeds for an interval or a p-value: with two, the 95 % t interval is 18 times as wide as the two values are apart."""

_ROUNDING = 1e-12
"""Numbers this close, relative to those they were computed from, count as equal."""

_EXACT = 30
"""Seeds up to which all sign assignments are counted: 2^15 sums for each half of them, a few milliseconds."""


@dataclass(frozen=True)
class Probability:
    """A probability estimated from two sets of seeds.

    Attributes:
        mean: the estimate, in [0, 1]; None if one set is empty.
        low, high: its confidence interval, within [0, 1], or None.
        reason: why there is no interval; None where there is one.
    """

    mean: float | None
    low: float | None
    high: float | None
    reason: str | None


@dataclass(frozen=True)
class PairedDifference:
    """One rule against another over the same seeds.

    Attributes:
        difference: the mean of a − b; None of no seeds.
        low, high: its confidence interval, or None.
        p_t: the two-sided p-value of the paired t-test, or None.
        p_sign_flip: the two-sided p-value of the sign-flip test, or None.
        probability_of_improvement: that a run of a is better than a run of b, see :func:`probability_of_improvement`.
        n: the number of seeds.
        reason: why interval and p-values, or the interval and `p_t` alone, are None; None where they are there.
    """

    difference: float | None
    low: float | None
    high: float | None
    p_t: float | None
    p_sign_flip: float | None
    probability_of_improvement: Probability
    n: int
    reason: str | None


def estimate(values: Sequence[float], level: float = 0.95) -> Estimate:
    """The mean over seeds with a t interval: mean ± t · sd / √n, t the quantile of n − 1 degrees of freedom.

    The interval covers the true mean at its level if values are normal. Skewed ones are covered less at few seeds: at
    level 0.95 the mean of exponential values in 88, 88, 90 and 92 % of experiments with 3, 5, 10 and 20 seeds, of
    log-normal ones (log sd 1) in 84, 82, 84 and 87 %.

    There is no interval of fewer than three values, nor of values that are all equal: the formula would give width
    zero there, but a normal distribution never gives equal values, so what it assumes is refuted and zero would pass
    for certainty. The standard deviation of 0 is reported; equal costs, say, may well be exact.

    Args:
        values: one value for each seed. What a failed run counts as is for the caller to decide.
        level: the share of experiments whose interval should cover the mean, between 0 and 1.

    Raises:
        ValueError: if a value is not finite or the level is not between 0 and 1.

    Example:
        >>> estimate([1.0, 2.0, 3.0]).mean, round(estimate([1.0, 2.0, 3.0]).high, 3)  # 2 + 4.303 · 1 / √3
        (2.0, 4.484)
        >>> estimate([1.0, 2.0]).reason
        '2 seeds: an interval needs 3'
    """
    _check_level(level)
    x = _checked("values", values)
    n = len(x)
    if n < _FEWEST:
        return Estimate(
            mean=float(x.mean()) if n else None,
            low=None,
            high=None,
            sd=float(x.std(ddof=1)) if n > 1 else None,
            n=n,
            reason=_too_few(n),
        )
    mean, sd = float(x.mean()), float(x.std(ddof=1))
    if _all_equal(x, scale=x):
        return Estimate(mean, None, None, 0.0, n, f"{n} equal values: no spread to make an interval of")
    margin = _t_quantile(n - 1, level) * sd / n**0.5
    return Estimate(mean, mean - margin, mean + margin, sd, n, None)


def paired(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> PairedDifference:
    """The difference a − b over the same seeds, with d_i = a_i − b_i.

    The interval and `p_t` are those of the paired t-test on d. `p_sign_flip` is the randomisation test of Fisher (The
    Design of Experiments, 1935, section 21): were a and b exchangeable within each seed, all 2^n assignments of signs
    to d would be equally likely, and p is the share of those with abs(Σ ± d_i) ≥ abs(Σ d_i), the one observed among
    them. It assumes no distribution. It is exact up to 30 seeds; beyond, 99,999 random assignments from a fixed
    generator stand for all (scipy's permutation test), so p is right to about ± 0.0014 at 0.05.

    The smallest p that the sign-flip test can give is 2 / 2^n: 1/4, 1/8, 1/16 and 1/32 for 3 to 6 seeds. So nothing is
    significant at 0.05 below 6 seeds, whatever the difference. The t-test can be, by assuming normal differences. If a
    and b have the same distribution d is symmetric, however skewed they are, and then the t-test errs on the safe side.

    Args:
        a: one value for each seed, more being better.
        b: the same for what `a` is compared with: b_i has the seed of a_i.
        level: the level of both intervals, between 0 and 1.

    Returns:
        Difference, interval and p-values. Fewer than three seeds have no interval and no p-values. Where all
        differences are equal there is no interval and no `p_t`, for the reason told at :func:`estimate`.

    Raises:
        ValueError: if the lengths differ, a value is not finite or the level is not between 0 and 1.

    Example:
        >>> contrast = paired([0.5, 0.7, 0.9], [0.4, 0.4, 0.4])  # differences 0.1, 0.3, 0.5
        >>> round(contrast.difference, 3), contrast.p_sign_flip, round(contrast.p_t, 3)  # t = 0.3 / (0.2 / √3)
        (0.3, 0.25, 0.122)
    """
    x, y = _checked("a", a), _checked("b", b)
    if len(x) != len(y):
        raise ValueError(f"`a` has {len(x)} values and `b` has {len(y)}: give one of each for every seed.")
    d, both, n = x - y, np.concatenate([x, y]), len(x)
    improvement = probability_of_improvement(a, b, level)
    difference = estimate(d.tolist(), level)
    if n < _FEWEST:
        return PairedDifference(difference.mean, None, None, None, None, improvement, n, difference.reason)
    p_sign_flip = _sign_flip(d, slack=_ROUNDING * float(np.abs(both).sum()))
    if _all_equal(d, scale=both):
        reason = f"{n} equal differences: no spread to make an interval of"
        return PairedDifference(difference.mean, None, None, None, p_sign_flip, improvement, n, reason)
    t = float(d.mean()) / (float(d.std(ddof=1)) / n**0.5)
    p_t = 2.0 * float(stdtr(n - 1, -abs(t)))
    return PairedDifference(difference.mean, difference.low, difference.high, p_t, p_sign_flip, improvement, n, None)


def probability_of_improvement(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> Probability:
    """The probability that a run of a is better than a run of b: θ = P(a > b) + P(a = b) / 2, for any two seeds.

    The estimate is the Mann–Whitney statistic U / (m·n) over all pairs of runs, as in Agarwal et al., "Deep
    Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021); 1/2 means no difference.

    The interval is method 5 of Newcombe ("Confidence intervals for an effect size measure based on the Mann–Whitney
    statistic. Part 2", 2006) with the t quantile q of m + n − 2 degrees of freedom in place of the normal one: all θ
    with (θ̂ − θ)² ≤ q² V(θ), where

        V(θ) = θ (1 − θ) [1 + s (1 − θ) / (2 − θ) + s θ / (1 + θ)] / (m n),    s = (m + n) / 2 − 1.

    It stays within [0, 1] and keeps a width where every run of one side is better (θ̂ = 1: from 0.34, 0.56 and 0.77 with
    3, 5 and 10 seeds of each), where the bootstrap and intervals from the variance in the sample shrink to a point; of
    two equal rules with 3 seeds each, one experiment in ten is like that. V is the variance if both sides spread alike
    and hardly depends on their shape. Simulated at level 0.95 with 3, 5, 10 and 20 seeds of each, θ from 0.5 to 0.95 is
    covered in 95 to 100 % of experiments with normal and with skewed runs, the more the fewer the seeds; where one side
    spreads four times as widely in 93 % at worst, twenty times as widely in 89 %, both with 20 seeds. θ = 0.99 is
    covered in 91 % at worst. With the normal quantile θ = 1/2 would be covered in 90 % of experiments with 3 seeds.

    Seeds are taken as independent: pairs that go up and down together make it too wide, opposite ones too narrow.

    Args:
        a: the m values of one rule, one for each seed, more being better.
        b: the n values of the other; the seeds need not be the same.
        level: the share of experiments whose interval should cover θ, between 0 and 1.

    Returns:
        The estimate; without an interval if m or n is below three.

    Raises:
        ValueError: if a value is not finite or the level is not between 0 and 1.

    Example:
        >>> round(probability_of_improvement([2.0, 4.0, 5.0], [1.0, 2.0, 3.0]).mean, 3)  # 7 of 9 pairs better, 1 equal
        0.833
    """
    _check_level(level)
    x, y = _checked("a", a), _checked("b", b)
    m, n = len(x), len(y)
    fewest = min(m, n)
    if fewest == 0:
        return Probability(None, None, None, _too_few(fewest))
    gap = x[:, None] - y
    equal = np.abs(gap) <= _ROUNDING * np.maximum(np.abs(x[:, None]), np.abs(y))
    mean = float(np.where(equal, 0.5, gap > 0).mean())
    if fewest < _FEWEST:
        return Probability(mean, None, None, _too_few(fewest))
    q = _t_quantile(m + n - 2, level)
    # V(θ) = V(1 − θ), so the upper limit for θ is the lower one for 1 − θ.
    return Probability(mean, _newcombe_low(mean, m, n, q), 1.0 - _newcombe_low(1.0 - mean, m, n, q), None)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values adjusted for being several: if those up to α are rejected, any is so wrongly with chance α at most.

    The i-th smallest of m becomes max over j ≤ i of min(1, (m − j + 1) · p_j) (Holm, "A simple sequentially rejective
    multiple test procedure", 1979). It holds however the tests depend on each other. A value that is None was not
    tested: it stays None and does not count among the m.

    Args:
        p_values: p-values in [0, 1], or None, in any order.

    Returns:
        The adjusted values, none of them smaller, in the order given.

    Raises:
        ValueError: if a value is outside [0, 1].

    Example:
        >>> holm([0.03, None, 0.01, 0.04])  # 3 · 0.01, then 2 · 0.03, then the larger of 0.06 and 1 · 0.04
        [0.06, None, 0.03, 0.06]
    """
    tested = [(p, i) for i, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(sorted(tested)):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"`p_values` must be between 0 and 1 or None, got {p}.")
        running = max(running, min(1.0, (len(tested) - rank) * p))
        adjusted[i] = running
    return adjusted


def _sign_flip(d: Array, slack: float) -> float:
    """The share of sign assignments whose sum is as far from 0 as the observed one, or less far by at most `slack`."""
    threshold = abs(float(d.sum())) - slack
    if threshold <= 0:
        return 1.0
    if len(d) > _EXACT:
        return _sampled_sign_flip(d)
    # A sum over all is one over the first half plus one over the second: sort the latter and count, for each of the
    # former, how many lift it to the threshold. Flipping all signs turns every such sum into one below −threshold.
    first, second = _signed_sums(d[: len(d) // 2]), np.sort(_signed_sums(d[len(d) // 2 :]))
    above = len(second) - np.searchsorted(second, threshold - first)
    return 2.0 * float(above.sum()) / 2.0 ** len(d)


def _sampled_sign_flip(d: Array) -> float:
    # scipy.stats is slow to import, and hardly anyone has so many seeds.
    from scipy.stats import permutation_test

    def distance(x: Array, axis: int) -> Array:
        return np.asarray(np.abs(x.sum(axis=axis)))

    result = permutation_test(
        (d,),
        distance,
        permutation_type="samples",
        alternative="greater",
        n_resamples=99_999,
        batch=10_000,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def _signed_sums(d: Array) -> Array:
    """Σ ± d_i for all assignments of signs, [2^n]."""
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _newcombe_low(mean: float, m: int, n: int, q: float) -> float:
    """The lower limit of θ in (θ̂ − θ)² = q² V(θ), see :func:`probability_of_improvement`."""
    if mean == 0.0:
        return 0.0
    s = (m + n) / 2 - 1

    def excess(theta: float) -> float:
        variance = theta * (1 - theta) * (1 + s * (1 - theta) / (2 - theta) + s * theta / (1 + theta)) / (m * n)
        return (mean - theta) ** 2 - q**2 * variance

    # For θ̂ = 1 the equation holds at θ = 1, too: stay below.
    return float(brentq(excess, 0.0, min(mean, 1.0 - 1e-9)))


def _t_quantile(df: int, level: float) -> float:
    return float(stdtrit(df, (1.0 + level) / 2.0))


def _too_few(n: int) -> str:
    return f"{n or 'no'} seed{'' if n == 1 else 's'}: an interval needs {_FEWEST}"


def _all_equal(x: Array, scale: Array) -> bool:
    return float(np.ptp(x)) <= _ROUNDING * float(np.abs(scale).max())


def _checked(name: str, values: Sequence[float]) -> Array:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"`{name}` must be a list of numbers, one for each seed, got shape {x.shape}.")
    if not np.isfinite(x).all():
        raise ValueError(f"`{name}` must be finite, got {x.tolist()}: decide first what a failed run counts as.")
    return x


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"`level` must be between 0 and 1, got {level}.")
