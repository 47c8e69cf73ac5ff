"""Rules on rewards and advantages alone: figures worked by hand, identities, and what public code got wrong."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paretune import ConflictFiltered, CovarianceTargeted, Decoupled, Objective, Product, SoftMin, VarianceAdaptive
from paretune.advantages import grpo, normalize_then_sum
from paretune.weighting.simplex import whiten
from weighting.batches import batch

GROUP = 4


def seen(rewards, group=GROUP, **known):
    """A batch with these rewards [N, K] on [0, 1], and their group z-scores."""
    rewards = torch.as_tensor(rewards, dtype=torch.float64)
    count = rewards.shape[1]
    advantages = torch.stack([grpo(column, group, epsilon=0.0) for column in rewards.T], dim=1)
    defaults = {
        "rewards": rewards,
        "advantages": advantages,
        "lengths": torch.ones(len(rewards)),
        "num_generations": group,
        "metrics": rewards,
        "bounds": [(0.0, 1.0)] * count,
        "maximize": [True] * count,
    }
    return batch(count, **{**defaults, **known})


reward_tables = st.integers(2, 5).flatmap(
    lambda k: arrays.arrays("float64", (2 * GROUP, k), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]))
)
RULES = [ConflictFiltered, CovarianceTargeted, Decoupled, Product, SoftMin, VarianceAdaptive]


# ----- GDPO


@settings(deadline=None)
@given(reward_tables)
def test_gdpo_is_trls_normalize_then_sum(rewards):
    table = torch.tensor(rewards, dtype=torch.float32)
    result = Decoupled().update(replace(seen(table), rewards=table)).advantages
    equal = torch.full((table.shape[1],), 1 / table.shape[1])
    assert torch.equal(result, normalize_then_sum(table, equal, GROUP))


def test_gdpo_does_not_mind_the_scale_of_a_reward():
    rewards = torch.rand(8, 2, generator=torch.Generator().manual_seed(0)).double()
    scaled = rewards * torch.tensor([1.0, 1e4])
    one, other = (Decoupled().update(seen(r)).advantages for r in (rewards, scaled))
    assert torch.allclose(one, other, atol=1e-3)


# ----- DVAO


@settings(deadline=None)
@given(reward_tables, st.lists(st.floats(0.1, 5.0), min_size=5, max_size=5))
def test_dvao_is_grpo_with_fixed_weights_times_one_factor_for_each_group(rewards, priorities):
    """A_n = GRPO(Σ v r)_n · std_g(Σ v r) / Σ_k v_k σ_gk, and the factor is at most 1."""
    table = torch.tensor(rewards)
    v = torch.tensor(priorities[: table.shape[1]], dtype=torch.float64)
    v = v / v.sum()
    found = VarianceAdaptive(v.tolist()).update(seen(table)).advantages.view(-1, GROUP)
    total = (table * v).sum(dim=1)
    fixed = grpo(total, GROUP, epsilon=0.0).view(-1, GROUP)
    spread = (table.view(-1, GROUP, len(v)).std(dim=1) * v).sum(dim=1)
    deviation = total.view(-1, GROUP).std(dim=1)
    for g in range(len(found)):
        if deviation[g] > 1e-9:
            factor = float(deviation[g] / spread[g])
            assert factor <= 1 + 1e-9
            assert found[g].tolist() == pytest.approx((factor * fixed[g]).tolist(), abs=1e-6)
        else:
            assert found[g].tolist() == pytest.approx([0.0] * GROUP, abs=1e-6)


def test_dvao_makes_nothing_of_rounding():
    rewards = torch.tensor([[0.1 + 0.2, 0.7]] * 3 + [[0.3, 0.7]] * 3).double()
    rewards[:3, 0] = 0.1
    assert VarianceAdaptive().update(seen(rewards, group=3)).advantages.tolist() == [0.0] * 6


def test_dvao_by_hand():
    result = VarianceAdaptive().update(seen([[0.0, 0.0], [1.0, 3.0]], group=2))
    assert result.weights.tolist() == pytest.approx([0.25, 0.75])
    assert result.advantages.tolist() == pytest.approx([-math.sqrt(0.5), math.sqrt(0.5)])


# ----- RVPO


def test_rvpo_by_hand():
    advantages = torch.tensor([[1.0, -1.0], [0.0, 0.0]])
    rule = SoftMin(start=1.0, end=1.0)
    softened = torch.tensor([-math.log((math.exp(-1) + math.exp(1)) / 2), 0.0])
    found = rule.update(seen([[0.0, 0.0], [1.0, 1.0]], group=2, advantages=advantages)).advantages
    assert found.tolist() == pytest.approx(whiten(softened).tolist())


def test_rvpo_of_a_completion_is_over_what_applies_to_it():
    rewards = torch.tensor([[0.0, math.nan], [1.0, math.nan], [0.0, 1.0], [1.0, 0.0], [math.nan, math.nan]] * 2)
    advantages = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [-1.0, 1.0], [1.0, -1.0], [0.0, 0.0]] * 2)
    found = SoftMin(start=1.0, end=1.0).update(
        batch(2, rewards=rewards, advantages=advantages, num_generations=5, lengths=torch.ones(10))
    )
    opposed = -math.log((math.exp(-1) + math.exp(1)) / 2)
    expected = whiten(torch.tensor([-1.0, 1.0, opposed, opposed] * 2))
    assert found.advantages.tolist() == pytest.approx([*expected[:4].tolist(), 0.0] * 2)
    share = 1 / (1 + math.exp(-2))
    assert found.weights.tolist() == pytest.approx([(1 + 1 + share + 1 - share) / 4, 1 / 4])
    nothing = SoftMin([3, 1]).update(batch(2, rewards=torch.full((4, 2), math.nan)))
    assert (nothing.advantages.tolist(), nothing.weights.tolist()) == ([0.0] * 4, [0.75, 0.25])


@settings(deadline=None)
@given(reward_tables)
def test_rvpo_lies_between_the_mean_and_the_minimum(rewards):
    shown = seen(rewards)
    nearly_mean, nearly_minimum = (SoftMin(start=k, end=k).update(shown).advantages for k in (1e-6, 1e4))
    for found, limit in [
        (nearly_mean, shown.advantages.mean(dim=1)),
        (nearly_minimum, shown.advantages.amin(dim=1)),
    ]:
        if limit.std() > 0.01:  # else whitening shows what is left of the other terms
            assert torch.allclose(found, whiten(limit), atol=1e-2)


def test_rvpo_sharpens_while_training_lasts():
    sharpness = [float(SoftMin().update(seen(torch.eye(4), progress=p)).signals["sharpness"][0]) for p in (0, 0.5, 1)]
    assert sharpness == [0.5, 1.25, 2.0]


def test_an_advantage_is_the_completions_and_not_its_tokens():
    """Public code multiplied advantages by the length first."""
    rewards = torch.rand(8, 3, generator=torch.Generator().manual_seed(0))
    for rule in RULES:
        short, long = (rule().update(seen(rewards, lengths=n)) for n in (torch.ones(8), torch.arange(1, 9) * 100))
        for one, other in [(short.advantages, long.advantages), (short.rewards, long.rewards)]:
            assert (one is None and other is None) or torch.equal(one, other)


# ----- GD²PO


def test_gd2po_by_hand():
    advantages = torch.tensor([[1.0, -0.5], [1.0, -0.1], [-1.0, -1.0], [0.0, 0.0]])
    result = ConflictFiltered().update(seen(torch.zeros(4, 2), advantages=advantages))
    kept = whiten(0.75 * torch.tensor([0.9, -2.0, 0.0]))  # K v = 1, three of four are kept
    assert result.advantages.tolist() == pytest.approx([0.0, *kept.tolist()])
    assert result.signals["kept"].tolist() == [0.75, 0.75]


@settings(deadline=None)
@given(reward_tables)
def test_gd2po_without_a_threshold_keeps_all(rewards):
    shown = seen(rewards)
    found = ConflictFiltered(threshold=0.0).update(shown).advantages
    assert torch.allclose(found, whiten(shown.advantages.sum(dim=1)), atol=1e-9)


# ----- products


def test_products_by_hand():
    metrics = torch.tensor([[0.5, 0.8], [0.0, 1.0], [math.nan, 0.4], [math.nan, math.nan]])
    shown = seen(torch.zeros(4, 2), metrics=metrics)
    assert Product().update(shown).rewards[:3].tolist() == pytest.approx([0.4, 0.05, 0.4])
    assert math.isnan(Product().update(shown).rewards[3])
    assert float(Product([3, 1]).update(shown).rewards[0]) == pytest.approx(0.5**1.5 * 0.8**0.5)


def test_the_weights_of_a_product_do_not_cancel_under_standardising():
    """As factors they would: public code had them so."""
    rewards = torch.rand(8, 2, generator=torch.Generator().manual_seed(0)).double()
    equal, tilted = (Product(v).update(seen(rewards)).rewards for v in (None, [9, 1]))
    assert not torch.allclose(grpo(equal, GROUP), grpo(tilted, GROUP), atol=0.1)


# ----- CTWA


def test_ctwa_by_hand():
    rewards = torch.tensor([[0.0, 0.5], [1.0, 0.5]], dtype=torch.float64)
    result = CovarianceTargeted([0.5, 0.08], caps=[1.0, 0.4]).update(seen(rewards, group=2))
    advantage = 0.25 / (0.25 * math.sqrt(2) + 1e-4)  # of r/2, less its mean, over its deviation
    covariance = 0.1 * 0.5 * advantage
    assert result.signals["covariance"].tolist() == pytest.approx([covariance, 0.0])
    assert result.signals["score"].tolist() == pytest.approx([0.05 * (0.5 - covariance), 0.0])  # the second is capped


def test_ctwa_scores_only_rise_and_an_absent_objective_keeps_its_own():
    rule, generator = CovarianceTargeted(), torch.Generator().manual_seed(0)
    last = torch.zeros(3, dtype=torch.float64)
    for step in range(20):
        rewards = torch.rand(8, 3, generator=generator).double()
        if step % 3 == 0:
            rewards[:, 1] = math.nan
        result = rule.update(seen(rewards))
        assert (result.signals["score"] >= last).all()
        if step % 3 == 0:
            assert result.signals["score"][1] == last[1]
        last = result.signals["score"]


def test_ctwa_does_not_count_outliers():
    rewards = torch.rand(400, 2, generator=torch.Generator().manual_seed(0)).double()
    plain = CovarianceTargeted().update(seen(rewards)).signals["covariance"]
    rewards[0] = torch.tensor([1.0, 1.0])
    assert torch.allclose(CovarianceTargeted().update(seen(rewards)).signals["covariance"], plain, atol=0.01)


# ----- all


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=25)
@given(rewards=reward_tables)
def test_weights_lie_on_the_simplex(rule, rewards):
    weights = rule().update(seen(rewards)).weights
    assert float(weights.sum()) == pytest.approx(1.0)
    assert (weights >= 0).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: SoftMin(start=0.0),
        lambda: SoftMin(end=math.inf),
        lambda: ConflictFiltered(threshold=1.1),
        lambda: Product(floor=0.0),
        lambda: CovarianceTargeted([-1.0]),
        lambda: CovarianceTargeted(rate=math.nan),
        lambda: CovarianceTargeted([0.1]).check([Objective("a", print), Objective("b", print)]),
    ],
)
def test_bad_settings_are_refused(make):
    with pytest.raises(ValueError, match=r"must|values for"):
        make()
