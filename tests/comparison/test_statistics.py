import doctest
import json
import math
from dataclasses import asdict
from itertools import combinations, permutations, product

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import paretune.comparison.statistics
from paretune.comparison.statistics import estimate, holm, paired, probability_of_improvement

SEEDS = (3, 5, 10, 20)
EXPERIMENTS = 1000

# Multiples of 0.1: exact arithmetic is on the integers, and as floats most of them are rounded.
tenths = st.integers(-20, 20)
lists = st.lists(tenths, min_size=3, max_size=20)
pairs = st.lists(st.tuples(tenths, tenths), min_size=3, max_size=8)


def floats(integers):
    return [0.1 * value for value in integers]


def fits(share, expected, experiments=EXPERIMENTS):
    """Whether a share of experiments is one that the expected share gives all but once in 10,000 times."""
    low, high = scipy.stats.binom.interval(0.9999, experiments, expected)
    return low <= share * experiments <= high


def test_examples():
    assert doctest.testmod(paretune.comparison.statistics).failed == 0


# ----- one mean


def test_an_estimate_by_hand():
    # sd 1, quantile t(0.975, 2) = 4.302653 of the tables; t(0.95, 2) = 2.919986
    result = estimate([3.0, 1.0, 2.0])
    assert (result.mean, result.sd, result.n, result.reason) == (2.0, 1.0, 3, None)
    assert (result.low, result.high) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))
    assert estimate([3.0, 1.0, 2.0], level=0.9).high == pytest.approx(2 + 2.919986 / math.sqrt(3))
    assert json.loads(json.dumps(asdict(result))) == {
        "mean": 2.0, "low": result.low, "high": result.high, "sd": 1.0, "n": 3, "reason": None
    }  # fmt: skip


@given(values=lists, level=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_is_scipys(values, level):
    assume(len(set(values)) > 1)
    result, expected = estimate(floats(values), level), scipy.stats.ttest_1samp(floats(values), 0.0)
    interval = expected.confidence_interval(level)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "mean", "sd", "reason"),
    [
        ([], None, None, "no seeds: an interval needs 3"),
        ([0.5], 0.5, None, "1 seed: an interval needs 3"),
        ([0.0, 2.0], 1.0, math.sqrt(2), "2 seeds: an interval needs 3"),
    ],
)
def test_few_values_have_no_interval(values, mean, sd, reason):
    result = estimate(values)
    assert (result.low, result.high, result.n, result.reason) == (None, None, len(values), reason)
    assert (result.mean, result.sd) == (mean, pytest.approx(sd) if sd else None)


def test_equal_values_are_no_certainty():
    result = estimate([0.3, 0.1 + 0.2, 0.3])  # equal up to rounding
    assert (result.mean, result.low, result.high, result.sd) == (pytest.approx(0.3), None, None, 0.0)
    assert result.reason == "3 equal values: no spread to make an interval of"
    assert estimate([0.0] * 5).reason is not None
    assert estimate([1e-9, 2e-9, 3e-9]).reason is None  # small is not equal


@pytest.mark.parametrize("function", [estimate, lambda v: paired(v, v), lambda v: probability_of_improvement(v, v)])
@pytest.mark.parametrize("wrong", [[0.1, math.nan, 0.2], [math.inf, 1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]]])
def test_values_that_are_no_numbers_are_refused(function, wrong):
    with pytest.raises(ValueError, match=r"must be (finite|a list)") as raised:
        function(wrong)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, math.nan])
def test_a_level_is_between_0_and_1(level):
    values = [1.0, 2.0, 3.0]
    for call in (
        lambda: estimate(values, level),
        lambda: paired(values, values, level),
        lambda: probability_of_improvement(values, values, level),
    ):
        with pytest.raises(ValueError, match="`level` must be between 0 and 1"):
            call()


# ----- paired differences


def brute_force(differences):
    """The sign-flip p of integers, without rounding."""
    observed = abs(sum(differences))
    sums = [np.dot(signs, differences) for signs in product((1, -1), repeat=len(differences))]
    return sum(abs(total) >= observed for total in sums) / len(sums)


def test_a_contrast_by_hand():
    # d = 0.1, 0.3, 0.5: mean 0.3, sd 0.2; with 2 degrees of freedom p is 1 − t / √(t² + 2). Of the signs only + + + and
    # − − − are as far.
    result = paired([0.5, 0.7, 0.9], [0.4, 0.4, 0.4])
    t, half = 0.3 / (0.2 / math.sqrt(3)), 4.302653 * 0.2 / math.sqrt(3)
    assert (result.difference, result.low, result.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half))
    assert result.p_t == pytest.approx(1 - t / math.sqrt(t**2 + 2))
    assert (result.p_sign_flip, result.n, result.reason) == (2 / 8, 3, None)
    assert result.probability_of_improvement == probability_of_improvement([0.5, 0.7, 0.9], [0.4, 0.4, 0.4])
    written = json.loads(json.dumps(asdict(result)))
    assert written["probability_of_improvement"]["mean"] == 1.0
    assert written["low"] == result.low


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([3.0, 2.0, -1.0], 4 / 8),  # sum 4; of 6, 4, 2, 0 and their opposites 6 and 4 are as far
        ([1.0, 1.0, -1.0], 1.0),  # sum 1: no sum of three is nearer to 0
        ([1.0, 2.0, 3.0, 4.0], 2 / 16),
        ([1.0, 0.0, 0.0], 1.0),
    ],
)
def test_sign_flips_by_hand(differences, p):
    assert paired(differences, [0.0] * len(differences)).p_sign_flip == p


@given(values=pairs)
def test_sums_equal_up_to_rounding_count_as_equal(values):
    a, b = zip(*values, strict=True)
    assert paired(floats(a), floats(b)).p_sign_flip == brute_force([x - y for x, y in values])


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 8))
def test_the_tests_are_scipys(seed, n):
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    result, t = paired(a, b), scipy.stats.ttest_rel(a, b)
    flips = scipy.stats.permutation_test((a - b,), lambda x, axis: abs(x.mean(axis)), permutation_type="samples",
                                         alternative="greater", n_resamples=math.inf)  # fmt: skip
    assert result.p_t == pytest.approx(t.pvalue)
    assert (result.low, result.high) == pytest.approx(tuple(t.confidence_interval()))
    assert result.p_sign_flip == pytest.approx(flips.pvalue)


@pytest.mark.parametrize("n", [9, 20, 25, 30])
def test_sign_flips_of_ranks_are_the_signed_rank_test(n):
    ranks = np.arange(1, n + 1) * np.where(np.random.default_rng(n).random(n) < 0.7, 1.0, -1.0)
    assert paired(ranks, np.zeros(n)).p_sign_flip == pytest.approx(scipy.stats.wilcoxon(ranks, method="exact").pvalue)


def test_beyond_thirty_seeds_flips_are_drawn():
    ranks = np.arange(1.0, 41) * np.where(np.arange(40) % 3 == 0, -1, 1)
    result = paired(ranks, np.zeros(40))
    assert result == paired(ranks, np.zeros(40))
    assert result.p_sign_flip == pytest.approx(scipy.stats.wilcoxon(ranks, method="exact").pvalue, abs=0.003)
    assert paired(ranks, ranks).p_sign_flip == 1.0


@given(values=pairs)
def test_turning_a_contrast_round_turns_its_sign(values):
    a, b = (floats(side) for side in zip(*values, strict=True))
    one, other = paired(a, b), paired(b, a)
    assert one.difference == -other.difference
    assert (one.low, one.high) == ((None, None) if other.low is None else (-other.high, -other.low))
    assert (one.p_t, one.p_sign_flip, one.reason) == (other.p_t, other.p_sign_flip, other.reason)
    p, q = one.probability_of_improvement, other.probability_of_improvement
    assert (p.mean, p.low, p.high) == pytest.approx((1 - q.mean, 1 - q.high, 1 - q.low), abs=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_pairs_have_no_interval_and_no_p(n):
    result = paired([1.0, 3.0][:n], [0.0, 0.0][:n])
    assert (result.low, result.high, result.p_t, result.p_sign_flip, result.n) == (None, None, None, None, n)
    assert result.difference == [None, 1.0, 2.0][n]
    assert result.reason == result.probability_of_improvement.reason
    assert result.reason == ["no seeds", "1 seed", "2 seeds"][n] + ": an interval needs 3"


def test_equal_differences_have_no_t():
    result = paired([0.3, 0.4, 0.8, 0.9], [0.2, 0.3, 0.7, 0.8])  # 0.1 each, up to rounding
    assert (result.low, result.high, result.p_t, result.p_sign_flip) == (None, None, None, 2 / 16)
    assert result.reason == "4 equal differences: no spread to make an interval of"
    same = paired([0.3, 0.4, 0.8], [0.3, 0.4, 0.8])
    assert (same.difference, same.p_t, same.p_sign_flip, same.probability_of_improvement.mean) == (0.0, None, 1.0, 0.5)


def test_pairs_must_match():
    with pytest.raises(ValueError, match="`a` has 2 values and `b` has 1: give one of each for every seed"):
        paired([1.0, 2.0], [1.0])


# ----- the probability of improvement


def newcombe_variance(theta, m, n):
    s = (m + n) / 2 - 1
    return theta * (1 - theta) * (1 + s * (1 - theta) / (2 - theta) + s * theta / (1 + theta)) / (m * n)


def test_a_probability_by_hand():
    # 2 beats 1, equals 2 and loses to 3; 4 and 5 beat all
    assert probability_of_improvement([2.0, 4.0, 5.0], [1.0, 2.0, 3.0]).mean == 7.5 / 9
    assert probability_of_improvement([0.1 + 0.2] * 3, [0.3] * 3).mean == 0.5  # equal up to rounding
    # θ̂ = 1 with m = n = 3: (1 − θ)·9 = q² θ (1 + 2 (1 − θ)/(2 − θ) + 2 θ/(1 + θ)), q = t(0.975, 4) = 2.776
    result = probability_of_improvement([4, 5, 6], [1, 2, 3])
    assert (result.mean, result.low, result.high) == (1.0, pytest.approx(0.3366, abs=5e-5), 1.0)
    theta, q = 0.3366, 2.776
    right = q**2 * theta * (1 + 2 * (1 - theta) / (2 - theta) + 2 * theta / (1 + theta))
    assert (1 - theta) * 9 == pytest.approx(right, rel=1e-3)


@given(a=lists, b=lists)
def test_the_estimate_is_scipys_and_the_interval_all_that_fits_it(a, b):
    a, b = floats(a), floats(b)
    m, n = len(a), len(b)
    result = probability_of_improvement(a, b)
    u = sum((x > y) + 0.5 * (x == y) for x in a for y in b)
    assert result.mean == pytest.approx(u / (m * n))
    assert result.mean == pytest.approx(scipy.stats.mannwhitneyu(a, b).statistic / (m * n))
    assert 0 <= result.low <= result.mean <= result.high <= 1
    assert result.high - result.low > 0.05
    theta, q = np.linspace(0, 1, 2001), scipy.stats.t.ppf(0.975, m + n - 2)
    inside = (result.mean - theta) ** 2 <= q**2 * newcombe_variance(theta, m, n)
    assert (theta[inside].min(), theta[inside].max()) == pytest.approx((result.low, result.high), abs=1e-3)


@pytest.mark.parametrize(
    ("a", "b", "mean", "seeds"),
    [([], [1.0], None, "no seeds"), ([1.0, 2.0], [0.0] * 5, 1.0, "2 seeds"), ([1.0] * 5, [2.0], 0.0, "1 seed")],
)
def test_few_runs_of_one_side_have_no_interval(a, b, mean, seeds):
    result = probability_of_improvement(a, b)
    assert (result.mean, result.low, result.high) == (mean, None, None)
    assert result.reason == f"{seeds}: an interval needs 3"


# ----- several tests


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, None, 0.02, None]) == pytest.approx([0.02, None, 0.02, None])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
    assert holm([None]) == [None]


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_bonferroni_test(p):
    # A hypothesis falls if every set of hypotheses that holds it falls by Bonferroni: |S| · min(S).
    indices = range(len(p))
    sets = [s for size in range(1, len(p) + 1) for s in combinations(indices, size)]
    expected = [max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in indices]
    adjusted = holm(p)
    assert adjusted == pytest.approx(expected)
    assert all(after >= before for after, before in zip(adjusted, p, strict=True))
    assert sorted(adjusted) == [adjusted[i] for i in sorted(indices, key=lambda i: (p[i], adjusted[i]))]


@given(p=st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=4))
def test_holm_keeps_to_the_order_and_passes_over_none(p):
    adjusted = holm(p)
    for order in permutations(range(len(p))):
        assert holm([p[i] for i in order]) == [adjusted[i] for i in order]
    tested = [i for i, value in enumerate(p) if value is not None]
    assert holm([p[i] for i in tested]) == [adjusted[i] for i in tested]
    assert all(adjusted[i] is None for i in range(len(p)) if i not in tested)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_p_values_are_between_0_and_1(wrong):
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        holm([0.5, wrong, 0.1])


# ----- what they hold in simulated experiments


def normal(rng, size):
    return rng.normal(size=size)


def exponential(rng, size):
    return rng.exponential(size=size) - 1


def two_basins(rng, size):
    """One seed in five ends far below the others; mean 0."""
    return np.where(rng.random(size) < 0.2, -0.8, 0.2) + 0.05 * rng.normal(size=size)


def coverage(experiments, truth=0.0):
    return np.mean([interval.low <= truth <= interval.high for interval in experiments])


def t_coverage(draw, n, experiments=EXPERIMENTS):
    return coverage(map(estimate, draw(np.random.default_rng(n), (experiments, n))))


@pytest.mark.parametrize("n", SEEDS)
def test_the_t_interval_covers_the_mean_of_normal_values(n):
    assert fits(t_coverage(normal, n), 0.95)


@pytest.mark.parametrize(("n", "share"), zip(SEEDS, (0.88, 0.88, 0.90, 0.92), strict=True))
def test_the_t_interval_covers_the_mean_of_skewed_values_less(n, share):
    assert fits(t_coverage(exponential, n), share)


@pytest.mark.parametrize(("n", "share"), zip(SEEDS, (0.53, 0.66, 0.89, 0.92), strict=True))
def test_the_t_interval_misses_the_mean_where_no_seed_met_a_basin(n, share):
    # No seed of n does in 0.8^n of experiments: 51, 33, 11 and 1 %.
    assert fits(t_coverage(two_basins, n), share)


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("draw", [normal, exponential])
@pytest.mark.turns
def test_equal_arms_seldom_differ_significantly_and_their_difference_is_covered(draw, n):
    # What the runs of one seed share drops out, and the difference of two equally skewed values is not skewed.
    rng = np.random.default_rng(n)
    shared = 10 * rng.normal(size=(EXPERIMENTS, n))
    contrasts = list(map(paired, shared + draw(rng, shared.shape), shared + draw(rng, shared.shape)))
    by_t = np.mean([contrast.p_t < 0.05 for contrast in contrasts])
    assert fits(by_t, 0.05) if draw is normal else by_t < 0.06
    assert coverage(contrasts) == pytest.approx(1 - by_t)
    # Of the 2^n / 2 equally likely values of p, as many as are below 0.05: none for 3 and 5 seeds, whose least p is
    # 1/4 and 1/16.
    by_flips = np.mean([contrast.p_sign_flip < 0.05 for contrast in contrasts])
    assert fits(by_flips, (math.ceil(0.05 * 2 ** (n - 1)) - 1) / 2 ** (n - 1))
    if n <= 5:
        assert by_flips == 0


def test_the_percentile_bootstrap_covers_too_little_at_five_seeds():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(EXPERIMENTS, 5))
    means = values[:, rng.integers(0, 5, size=(1000, 5))].mean(axis=-1)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert ((low <= 0) & (high >= 0)).mean() < 0.87
    assert fits(coverage(map(estimate, values)), 0.95)


def improvement_coverage(draw, n, theta, experiments):
    a, b = draw(np.random.default_rng(n), theta, (experiments, n))
    return coverage(map(probability_of_improvement, a, b), truth=theta)


def normal_arms(rng, theta, size, ratio=1.0):
    """Arms with standard deviations 1 and `ratio`."""
    return rng.normal(math.sqrt(1 + ratio**2) * scipy.stats.norm.ppf(theta), 1, size), rng.normal(0, ratio, size)


def uneven_arms(rng, theta, size):
    return normal_arms(rng, theta, size, ratio=4.0)


def skewed_arms(rng, theta, size):
    """Exponential arms, one shifted by c: θ = 1 − exp(−c) / 2."""
    return rng.exponential(size=size) - math.log(2 * (1 - theta)), rng.exponential(size=size)


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("theta", [0.5, 0.8])
@pytest.mark.parametrize("draw", [normal_arms, skewed_arms])
def test_the_probability_of_improvement_is_covered(draw, n, theta):
    share = improvement_coverage(draw, n, theta, EXPERIMENTS)
    assert share > 0.95 or fits(share, 0.95)


@pytest.mark.slow
@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize(
    ("draw", "theta", "least"),
    [
        *[(draw, theta, 0.945) for draw in (normal_arms, skewed_arms) for theta in (0.5, 0.7, 0.8, 0.9, 0.95)],
        *[(uneven_arms, theta, 0.925) for theta in (0.5, 0.7, 0.8, 0.9, 0.95)],
        *[(draw, 0.99, 0.895) for draw in (normal_arms, skewed_arms, uneven_arms)],
    ],
)
def test_the_probability_of_improvement_is_covered_throughout(draw, theta, least, n):
    share = improvement_coverage(draw, n, theta, 10_000)
    assert share > least
