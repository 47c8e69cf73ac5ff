"""Rules that feed back what is still missing: figures worked by hand, and what holds of each."""

import doctest
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import paretune.weighting.gains
from paretune import (
    DWA,
    CoefficientOfVariation,
    FrontTour,
    HypervolumeGradient,
    Lagrangian,
    NashWelfare,
    Objective,
    RandomWeights,
    SaturationAware,
    Tchebycheff,
    WorstFirst,
)
from paretune.weighting.gains import SmoothedGains, gains_of
from weighting.batches import evaluation, with_gains


def weights(rule, *gains, **known):
    return rule.update(with_gains(*gains, **known)).weights.tolist()


gain_vectors = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6)
FEEDBACK = [NashWelfare, FrontTour, HypervolumeGradient, SaturationAware, Tchebycheff, WorstFirst, DWA]


# ----- gains


def test_gains_lie_between_the_bounds_and_turn_round_where_less_is_better():
    bounds = [(0.0, 10.0), (0.0, 10.0), None, (-1.0, 1.0)]
    found = gains_of(torch.tensor([12.0, 2.5, 3.0, math.nan]), bounds, [True, False, True, True])
    assert found[:2].tolist() == [1.0, 0.75]
    assert torch.isnan(found[2:]).all()


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(paretune.weighting.gains).failed == 0


def test_a_mean_gain_forgets_and_does_not_listen_to_what_does_not_apply():
    mean = SmoothedGains(0.6)
    assert mean.add(torch.tensor([0.5, math.nan])).nan_to_num(-1).tolist() == [0.5, -1]
    assert mean.add(torch.tensor([1.0, 0.2])).tolist() == pytest.approx([0.6 * 0.5 + 0.4, 0.2])
    assert mean.add(torch.tensor([math.nan, math.nan])).tolist() == pytest.approx([0.7, 0.2])


# ----- Nash welfare


def test_nash_by_hand():
    assert weights(NashWelfare(), 0.48, 0.18) == pytest.approx([2 / 7, 5 / 7])
    assert weights(NashWelfare([3, 1]), 0.48, 0.18) == pytest.approx([6 / 11, 5 / 11])
    assert weights(NashWelfare({"o1": 4}), 0.48, 0.18) == pytest.approx([2 / 22, 20 / 22])
    assert weights(NashWelfare(alpha=0), 0.48, 0.18) == pytest.approx([0.5, 0.5])
    assert weights(NashWelfare(alpha=2), 0.48, 0.18) == pytest.approx([4 / 29, 25 / 29])
    assert weights(NashWelfare(alpha=300), 0.48, 0.18) == pytest.approx([0, 1], abs=1e-9)


def test_nash_smooths_gains():
    rule = NashWelfare()
    rule.update(with_gains(0.48, 0.18))
    expected = [1 / (0.6 * 0.48 + 0.4 * 0.98 + 0.02), 1 / (0.6 * 0.18 + 0.4 * 0.68 + 0.02)]
    assert weights(rule, 0.98, 0.68) == pytest.approx([w / sum(expected) for w in expected])


@settings(deadline=None)
@given(gain_vectors)
def test_nash_is_the_gradient_of_the_product_of_gains(gains):
    offset = 0.02
    point = torch.tensor(gains, dtype=torch.float64, requires_grad=True)
    (point + offset).prod().backward()
    expected = point.grad / point.grad.sum()
    assert weights(NashWelfare(offset=offset), *gains) == pytest.approx(expected.tolist(), rel=1e-6)


@settings(deadline=None)
@given(st.lists(st.floats(0.05, 1.0), min_size=2, max_size=5), st.floats(0.1, 1.0))
def test_nash_does_not_mind_how_wide_bounds_are(gains, width):
    """w_k G_k is the same for all objectives, so that of wider bounds only the unit of G changes (δ → 0)."""
    rule = NashWelfare(offset=1e-9)
    narrow = weights(rule, *gains)
    wide = weights(NashWelfare(offset=1e-9), *[gains[0] * width, *gains[1:]])
    products = [w * g for w, g in zip(narrow, gains, strict=True)]
    assert products == pytest.approx([products[0]] * len(gains), rel=1e-5)
    assert wide[0] / wide[1] == pytest.approx(narrow[0] / narrow[1] / width, rel=1e-5)


def test_an_objective_that_does_not_vary_is_left_out_of_the_sum():
    advantages = torch.tensor([[1.0, 0.0, 1.0]] * 4)
    result = weights(NashWelfare(), 0.48, 0.0, 0.18, advantages=advantages)
    assert result == pytest.approx([2 / 7, 0.0, 5 / 7])
    nothing_varies = weights(NashWelfare(), 0.48, 0.18, advantages=torch.zeros(4, 2))
    assert nothing_varies == pytest.approx([2 / 7, 5 / 7])


def test_an_objective_of_which_nothing_is_known_counts_like_the_mean_of_the_others():
    assert weights(NashWelfare(), 0.4, math.nan, 0.6) == pytest.approx(weights(NashWelfare(), 0.4, 0.5, 0.6))
    assert weights(NashWelfare(), math.nan, math.nan) == pytest.approx([0.5, 0.5])


def test_nash_by_validation_reads_an_evaluation_once():
    rule = NashWelfare(source="validation", smoothing=0.0)
    assert rule.measurements().evaluation is None
    assert weights(rule, 0.48, 0.18) == pytest.approx([2 / 7, 5 / 7])
    assert weights(rule, 0.98, 0.98, evaluation=evaluation(0.98, 0.98, step=0)) == pytest.approx([2 / 7, 5 / 7])
    assert weights(rule, 0.98, 0.98, evaluation=evaluation(0.98, 0.98, step=5)) == pytest.approx([0.5, 0.5])


def test_a_floor_is_kept():
    assert weights(NashWelfare(floor=0.1, alpha=50), 0.1, 0.9) == pytest.approx([0.9, 0.1])
    with pytest.raises(ValueError, match="must be below 1/K"):
        NashWelfare(floor=0.5).check([Objective("a", print), Objective("b", print)])


def test_what_does_not_vary_has_no_floor():
    advantages = torch.tensor([[1.0, 0.0, 1.0]] * 4)
    found = weights(NashWelfare(floor=0.2, alpha=50), 0.1, 0.0, 0.9, advantages=advantages)
    assert found == pytest.approx([0.8, 0.0, 0.2])
    nothing_varies = weights(NashWelfare(floor=0.2, alpha=50), 0.1, 0.9, 0.9, advantages=torch.zeros(4, 3))
    assert nothing_varies == pytest.approx([0.6, 0.2, 0.2])


# ----- front tour


def test_the_tour_by_hand():
    first = 1 / (1 + math.exp(-1))
    assert weights(FrontTour(), 0.5, 0.5) == pytest.approx([first, 1 - first])
    assert weights(FrontTour(), 0.5, 0.5, progress=0.5) == pytest.approx([1 - first, first])
    assert weights(FrontTour(), 0.5, 0.5, progress=0.25) == pytest.approx([0.5, 0.5])
    assert weights(FrontTour(settle=0.5), 0.5, 0.5, progress=1.0) == pytest.approx([0.5, 0.5])
    assert weights(FrontTour(amplitude=0), 0.48, 0.18, progress=0.3) == pytest.approx([2 / 7, 5 / 7])


@settings(deadline=None)
@given(st.integers(2, 8))
def test_over_one_turn_each_objective_comes_first_once(count):
    firsts = [
        int(FrontTour().update(with_gains(*[0.5] * count, progress=(i + 0.5) / (20 * count))).weights.argmax())
        for i in range(20 * count)
    ]
    changes = [a for a, b in zip(firsts, [*firsts[1:], None], strict=True) if a != b]
    assert sorted(set(changes)) == list(range(count))
    assert len(changes) <= count + 1  # the one that comes first at the start does so at the end again


# ----- hypervolume gradient


def test_the_hypervolume_gradient_by_hand():
    rule = HypervolumeGradient(lookahead=0.25, smoothing=0.0)
    errorless = {"evaluation": evaluation(0.6, 0.4)}
    rule.update(with_gains(0.6, 0.4, **errorless))
    assert weights(rule, 0.25, 0.25) == pytest.approx([1 / 6, 5 / 6])


@settings(deadline=None)
@given(gain_vectors)
def test_without_points_the_hypervolume_gradient_is_nash_welfare(gains):
    nash = NashWelfare(offset=0.05)
    assert weights(HypervolumeGradient(), *gains) == pytest.approx(weights(nash, *gains), rel=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[st.floats(0.0, 1.0)] * 3), min_size=1, max_size=6), st.tuples(*[st.floats(0.1, 0.9)] * 3))
def test_it_is_the_derivative_of_the_volume_that_the_point_adds(points, gains):
    from paretune.pareto.volumes import union_volume

    rule = HypervolumeGradient(lookahead=1e-6, smoothing=0.0)
    for point in points:
        rule.update(with_gains(*point))
    ahead = torch.tensor(gains, dtype=torch.float64) + 1e-6
    front = rule.state_dict()["points"]
    passed = torch.tensor([p for p in front if not all(a >= b for a, b in zip(p, ahead.tolist(), strict=True))])
    passed = passed.reshape(-1, 3).double()
    step, added = 1e-7, []
    for k in range(3):
        moved = ahead.clone()
        moved[k] += step
        volumes = [union_volume(torch.cat([passed, p[None]]).numpy()) for p in (ahead, moved)]
        added.append((volumes[1] - volumes[0]) / step)
    near = any(abs(float(p[k] - ahead[k])) < 1e-5 for p in passed for k in range(3))
    if not near and sum(added) > 1e-3:  # at a corner of another box the derivative jumps
        assert weights(rule, *gains) == pytest.approx([a / sum(added) for a in added], abs=2e-3)


# ----- the others


def test_saturation_aware_by_hand():
    assert weights(SaturationAware(), 0.75, 0.0) == pytest.approx([1 / 3, 2 / 3])
    assert weights(SaturationAware(), 1.0, 1.0) == pytest.approx([0.5, 0.5])
    assert weights(SaturationAware(gamma=0), 0.75, 0.0) == pytest.approx([0.5, 0.5])
    result = SaturationAware().update(with_gains(0.5, 0.5))
    assert float(result.advantages.mean()) == pytest.approx(0.0, abs=1e-12)
    assert float(result.advantages.std()) == pytest.approx(1.0)


def test_tchebycheff_on_means_by_hand():
    first = 1 / (1 + math.exp(-1))
    assert weights(Tchebycheff(), 0.5, 1.0) == pytest.approx([first, 1 - first])
    assert weights(Tchebycheff(temperature=0), 0.5, 1.0) == [1.0, 0.0]
    assert weights(Tchebycheff(temperature=0), 0.5, 0.5) == [0.5, 0.5]


def test_the_hard_tchebycheff_is_the_limit_of_the_smooth_one_where_the_worst_does_not_vary():
    advantages = torch.tensor([[0.0, 1.0, 1.0], [0.0, -1.0, -1.0]] * 2)
    for temperature in (0, 1e-4):
        found = weights(Tchebycheff(temperature=temperature), 0.1, 0.4, 0.9, advantages=advantages)
        assert found == pytest.approx([0.0, 1.0, 0.0])


def test_tchebycheff_on_samples_by_hand():
    gains = torch.tensor([[0.5, 1.0], [0.0, 0.0], [math.nan, 0.5], [math.nan, math.nan]])
    hard = Tchebycheff(temperature=0, of="samples").update(with_gains(0.5, 0.5, metrics=gains)).rewards
    assert hard[:3].tolist() == pytest.approx([-0.25 + 0.05 * 0.75, -0.5, -0.25 + 0.05 * 0.25])
    assert math.isnan(hard[3])
    smooth = Tchebycheff(temperature=0.5, of="samples").update(with_gains(0.5, 0.5, metrics=gains)).rewards
    assert float(smooth[0]) == pytest.approx(-0.5 * math.log(math.exp(0.5) + 1))


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5))
def test_a_cold_smooth_tchebycheff_is_the_hard_one(gains):
    """−μ log Σ exp(x/μ) lies within μ log K of −max x."""
    metrics = torch.tensor(gains, dtype=torch.float64).expand(4, len(gains))
    smooth = Tchebycheff(temperature=1e-4, of="samples").update(with_gains(*gains, metrics=metrics)).rewards
    worst = max((1 - g) / len(gains) for g in gains)
    assert abs(float(smooth[0]) + worst) <= 1e-4 * math.log(len(gains)) + 1e-12


def test_worst_first_by_hand():
    rule = WorstFirst()
    for _ in range(9):
        rule.update(with_gains(0.5, 0.2))
    assert weights(rule, 0.5, 0.2) == pytest.approx([1 / (1 + math.exp(0.3)), 1 / (1 + math.exp(-0.3))])
    before = rule.state_dict()
    rule.update(with_gains(math.nan, math.nan))
    assert rule.state_dict() == before


def test_dwa_by_hand():
    rule = DWA(smoothing=0.0)
    assert weights(rule, 0.2, 0.5) == [0.5, 0.5]
    assert weights(rule, 0.6, 0.5) == [0.5, 0.5]
    assert weights(rule, 0.6, 0.5) == pytest.approx([0.438, 0.562], abs=1e-3)


def test_the_coefficient_of_variation_by_hand():
    metrics = torch.tensor([[0.0, 0.5], [1.0, 1.0]] * 1, dtype=torch.float64).repeat(1, 1)
    known = {"rewards": torch.zeros(2, 2), "advantages": torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), "metrics": metrics}
    assert weights(CoefficientOfVariation(), 0.5, 0.75, **known) == pytest.approx([0.75, 0.25], abs=1e-3)
    constant = {**known, "metrics": torch.full((2, 2), 0.5, dtype=torch.float64)}
    assert weights(CoefficientOfVariation([3, 1]), 0.5, 0.5, **constant) == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize("rule", FEEDBACK)
@settings(deadline=None, max_examples=25)
@given(gains=gain_vectors)
def test_equal_gains_give_the_priorities_and_weights_lie_on_the_simplex(rule, gains):
    result = rule().update(with_gains(*gains)).weights
    assert float(result.sum()) == pytest.approx(1.0)
    assert (result >= 0).all()
    if rule is not FrontTour:
        equal = [gains[0]] * len(gains)
        assert weights(rule(), *equal) == pytest.approx([1 / len(gains)] * len(gains), rel=1e-6)


@pytest.mark.parametrize("rule", [NashWelfare, HypervolumeGradient, SaturationAware, Tchebycheff, WorstFirst])
@settings(deadline=None, max_examples=25)
@given(gains=gain_vectors)
def test_who_has_gained_less_weighs_no_less(rule, gains):
    found = weights(rule(), *gains)
    ordered = sorted(zip(gains, found, strict=True))
    assert all(a[1] >= b[1] - 1e-9 for a, b in pairwise(ordered) if b[0] - a[0] > 1e-9)


# ----- the control


def test_any_seed_has_its_random_weights():
    seeds = (1, 2**62, 10**30)
    assert len({tuple(RandomWeights(seed=seed).update(with_gains(0.5, 0.5)).weights.tolist()) for seed in seeds}) == 3


def test_random_weights_are_those_of_their_seed_and_batch():
    one, other = RandomWeights(), RandomWeights(seed=2)
    first = [one.update(with_gains(0.5, 0.5)).weights for _ in range(3)]
    again = RandomWeights()
    again.load_state_dict({"batches": 1})
    assert torch.equal(again.update(with_gains(0.5, 0.5)).weights, first[1])
    assert not torch.equal(other.update(with_gains(0.5, 0.5)).weights, first[0])


# ----- priorities and bad settings


def test_priorities_by_name_or_in_order():
    with pytest.raises(ValueError, match="the objectives are a, b"):
        NashWelfare({"c": 2}).check([Objective("a", print), Objective("b", print)])
    with pytest.raises(ValueError, match="3 values for 2 objectives"):
        NashWelfare([1, 2, 3]).check([Objective("a", print), Objective("b", print)])


@pytest.mark.parametrize(
    "make",
    [
        lambda: NashWelfare([1, -1]),
        lambda: NashWelfare({"a": math.inf}),
        lambda: NashWelfare("accuracy"),
        lambda: NashWelfare([]),
        lambda: NashWelfare(alpha=-1),
        lambda: NashWelfare(alpha=math.inf),
        lambda: NashWelfare(offset=0),
        lambda: NashWelfare(smoothing=1.0),
        lambda: NashWelfare(source="test"),
        lambda: NashWelfare(floor=-0.1),
        lambda: FrontTour(amplitude=-1),
        lambda: FrontTour(turns=0),
        lambda: FrontTour(settle=1.5),
        lambda: HypervolumeGradient(lookahead=0),
        lambda: SaturationAware(gamma=-1),
        lambda: Tchebycheff(temperature=-1),
        lambda: Tchebycheff(of="both"),
        lambda: WorstFirst(rate=-1),
        lambda: DWA(temperature=0),
        lambda: RandomWeights(seed=0),
        lambda: Lagrangian("a", at_least={"a": 1.0}),
        lambda: Lagrangian("a", at_least={"b": 1.0}, at_most={"b": 2.0}),
        lambda: Lagrangian("a", at_least={"b": math.nan}),
        lambda: Lagrangian("a", gains=(1.0,)),
        lambda: Lagrangian("a", limit=0),
    ],
)
def test_bad_settings_are_refused(make):
    with pytest.raises(ValueError, match=r"must|named|maximised"):
        make()
