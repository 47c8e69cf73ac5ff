import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trl.trainer.utils import nanstd

from paretune.advantages import (
    ESTIMATORS,
    grpo,
    normalize_then_sum,
    reinforce_plus_plus,
    rloo,
    sum_rewards,
)

NAN = float("nan")


def trl_sum_then_normalize(rewards_per_func, reward_weights, num_generations, scale_rewards):
    """GRPOTrainer's own lines, for comparison to the last bit."""
    unscorable_mask = torch.isnan(rewards_per_func).all(dim=1)
    rewards = (rewards_per_func * reward_weights.unsqueeze(0)).nansum(dim=1)
    rewards[unscorable_mask] = torch.nan
    mean_grouped_rewards = torch.nanmean(rewards.view(-1, num_generations), dim=1)
    mean_grouped_rewards = mean_grouped_rewards.repeat_interleave(num_generations, dim=0)
    if scale_rewards in ["group", "none"]:
        std_rewards = nanstd(rewards.view(-1, num_generations), dim=1)
        std_rewards = std_rewards.repeat_interleave(num_generations, dim=0)
    else:
        std_rewards = nanstd(rewards).expand_as(rewards)
    advantages = rewards - mean_grouped_rewards
    if scale_rewards != "none":
        advantages = advantages / (std_rewards + 1e-4)
    return rewards, torch.nan_to_num(advantages, nan=0.0)


def trl_normalize_then_sum(rewards_per_func, reward_weights, num_generations):
    unscorable_mask = torch.isnan(rewards_per_func).all(dim=1)
    grouped = rewards_per_func.view(-1, num_generations, rewards_per_func.shape[1])
    mean_k = torch.nanmean(grouped, dim=1, keepdim=True)
    std_k = nanstd(grouped, dim=1, keepdim=True)
    reward_k = (grouped - mean_k) / (std_k + 1e-4)
    reward_k = reward_k.view(-1, rewards_per_func.shape[1])
    rewards = (reward_k * reward_weights.unsqueeze(0)).nansum(dim=1)
    rewards[unscorable_mask] = torch.nan
    std_rewards = nanstd(rewards).expand_as(rewards)
    advantages = (rewards - torch.nanmean(rewards)) / (std_rewards + 1e-4)
    return torch.nan_to_num(advantages, nan=0.0)


def batches():
    """Rewards [N, K], weights [K], group size; with every irregularity that training shows."""
    generator = torch.Generator().manual_seed(0)
    for groups, size, K in [(1, 2, 1), (1, 8, 3), (4, 4, 3), (16, 8, 3), (64, 8, 5), (7, 3, 2), (256, 16, 3)]:
        N = groups * size
        rewards = torch.randn(N, K, generator=generator)
        if K > 1:
            rewards[:, 1] = (rewards[:, 1] > 0).float()
        weights = torch.rand(K, generator=generator)
        yield rewards, weights, size
        holes = torch.rand(N, K, generator=generator) < 0.3
        yield rewards.masked_fill(holes, NAN), weights, size
        spoilt = rewards.clone()
        spoilt[0] = NAN  # a completion that nothing scores
        spoilt[-size:] = 0.1  # a group without any difference
        yield spoilt, weights, size
        if groups > 1:
            spoilt = rewards.clone()
            spoilt[:size] = NAN  # a group that nothing scores
            spoilt[size + 1 : 2 * size] = NAN  # and one with a single score
            yield spoilt, weights, size


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_grpo_equals_trl_to_the_last_bit(scale):
    for rewards, weights, size in batches():
        scalar, expected = trl_sum_then_normalize(rewards, weights, size, scale)
        ours = sum_rewards(rewards, weights)
        assert torch.equal(torch.isnan(ours), torch.isnan(scalar))
        assert torch.equal(torch.nan_to_num(ours, nan=7.0), torch.nan_to_num(scalar, nan=7.0))
        advantages = grpo(ours, size, scale=scale)
        assert advantages.dtype == torch.float32
        assert torch.equal(advantages, expected)


def test_normalize_then_sum_equals_trl_to_the_last_bit():
    for rewards, weights, size in batches():
        assert torch.equal(normalize_then_sum(rewards, weights, size), trl_normalize_then_sum(rewards, weights, size))


def test_golden(golden):
    for case in golden["advantages"]:
        rewards, lengths = torch.tensor(case["rewards"]), torch.tensor(case["lengths"])
        size = case["num_generations"]
        close = {"atol": 1e-5, "rtol": 0.0}
        torch.testing.assert_close(grpo(rewards, size, epsilon=1e-6), torch.tensor(case["grpo"]), **close)
        torch.testing.assert_close(grpo(rewards, size, scale="none"), torch.tensor(case["grpo_no_std"]), **close)
        torch.testing.assert_close(rloo(rewards, size), torch.tensor(case["rloo"]), **close)
        per_token = torch.tensor(case["reinforce_plus_plus"])
        mask = torch.arange(per_token.shape[1]) < lengths[:, None]
        spread = reinforce_plus_plus(rewards, lengths, epsilon=1e-6)[:, None] * mask
        torch.testing.assert_close(spread, per_token, **close)


def test_rloo_leaves_one_out_by_hand():
    # (1 − (2+6)/2, 2 − (1+6)/2, 6 − (1+2)/2), then a group where one is not scored
    rewards = torch.tensor([1.0, 2.0, 6.0, 3.0, NAN, 5.0])
    assert rloo(rewards, 3).tolist() == pytest.approx([-3.0, -1.5, 4.5, -2.0, 0.0, 2.0])


def test_reinforce_plus_plus_by_hand():
    # tokens 1, 1, 1, 5: mean 2, variance (3·1 + 9)/3 = 4
    assert reinforce_plus_plus(torch.tensor([1.0, 5.0]), torch.tensor([3, 1])).tolist() == pytest.approx([-0.5, 1.5])


def test_reinforce_plus_plus_whitens_over_tokens():
    torch.manual_seed(0)
    rewards, lengths = torch.rand(32, dtype=torch.float64), torch.randint(1, 50, (32,))
    tokens = reinforce_plus_plus(rewards, lengths, epsilon=0.0).repeat_interleave(lengths)
    assert tokens.mean().item() == pytest.approx(0.0, abs=1e-12)
    assert tokens.std().item() == pytest.approx(1.0, abs=1e-12)


def test_reinforce_plus_plus_ignores_the_length_of_what_is_not_scored():
    rewards = torch.tensor([1.0, NAN, 5.0])
    short, long = torch.tensor([3, 2, 1]), torch.tensor([3, 900, 1])
    assert torch.equal(reinforce_plus_plus(rewards, short), reinforce_plus_plus(rewards, long))
    assert reinforce_plus_plus(rewards, short).tolist() == pytest.approx([-0.5, 0.0, 1.5])


values = st.integers(-100, 100).map(lambda i: i / 8)


@st.composite
def grouped_rewards(draw):
    size = draw(st.integers(2, 5))
    groups = draw(st.integers(1, 4))
    cells = draw(
        st.lists(st.one_of(values, values, values, st.just(NAN)), min_size=size * groups, max_size=size * groups)
    )
    return torch.tensor(cells, dtype=torch.float64), size


def estimators(size, lengths):
    return {
        "grpo": lambda r: grpo(r, size),
        "batch": lambda r: grpo(r, size, scale="batch"),
        "none": lambda r: grpo(r, size, scale="none"),
        "rloo": lambda r: rloo(r, size),
        "reinforce++": lambda r: reinforce_plus_plus(r, lengths),
        "gdpo": lambda r: normalize_then_sum(r[:, None], torch.ones(1, dtype=r.dtype), size),
    }


NAMES = list(estimators(2, torch.ones(2)))


@pytest.mark.parametrize("name", NAMES)
@given(batch=grouped_rewards(), shift=values)
def test_a_shift_of_all_rewards_changes_nothing(name, batch, shift):
    rewards, size = batch
    advantage = estimators(size, torch.arange(len(rewards)))[name]
    torch.testing.assert_close(advantage(rewards + shift), advantage(rewards), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("name", NAMES)
@given(batch=grouped_rewards(), factor=st.floats(0.5, 8.0))
def test_a_factor_cancels_where_a_deviation_divides_and_only_there(name, batch, factor):
    rewards, size = batch
    advantage = estimators(size, torch.arange(len(rewards)))[name]
    expected = advantage(rewards) * (factor if name in ("none", "rloo") else 1.0)
    torch.testing.assert_close(advantage(rewards * factor), expected, atol=1e-6, rtol=1e-2)


@pytest.mark.parametrize("name", NAMES)
@given(batch=grouped_rewards())
def test_advantages_are_finite_and_zero_where_nothing_was_scored(name, batch):
    rewards, size = batch
    advantages = estimators(size, torch.arange(len(rewards)))[name](rewards)
    assert torch.isfinite(advantages).all()
    assert (advantages[torch.isnan(rewards)] == 0).all()


@pytest.mark.parametrize("name", ["grpo", "batch", "none", "rloo"])
@given(batch=grouped_rewards())
def test_each_group_sums_to_zero(name, batch):
    rewards, size = batch
    groups = estimators(size, None)[name](rewards).view(-1, size)
    torch.testing.assert_close(groups.sum(1), torch.zeros(len(groups), dtype=rewards.dtype), atol=1e-9, rtol=0.0)


@pytest.mark.parametrize("name", NAMES)
@given(batch=grouped_rewards(), data=st.data())
def test_order_does_not_matter(name, batch, data):
    rewards, size = batch
    within = data.draw(st.permutations(range(size)))
    groups = data.draw(st.permutations(range(len(rewards) // size)))
    order = torch.tensor([g * size + i for g in groups for i in within])
    lengths = torch.arange(len(rewards)) + 1
    direct = estimators(size, lengths)[name](rewards)[order]
    permuted = estimators(size, lengths[order])[name](rewards[order])
    torch.testing.assert_close(permuted, direct, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("constant", [0.0, 0.1, 1.0, -3.7, 123.456])
def test_equal_rewards_have_no_advantage(name, constant):
    rewards = torch.full((21,), constant)
    advantages = estimators(7, torch.arange(21))[name](rewards)
    # TRL's float32 mean is off by a rounding error, over epsilon; float64 sums leave nothing
    bound = 0.0 if name in ("rloo", "reinforce++") else 0.1 * max(1.0, abs(constant))
    assert advantages.abs().max().item() <= bound


def test_batch_scale_keeps_the_relative_spread_of_groups():
    rewards = torch.tensor([0.0, 1.0, 0.0, 10.0])
    by_group, by_batch = grpo(rewards, 2), grpo(rewards, 2, scale="batch")
    assert by_group[3] / by_group[1] == pytest.approx(1.0, abs=1e-3)
    assert by_batch[3] / by_batch[1] == pytest.approx(10.0, abs=1e-3)


def test_reinforce_plus_plus_without_tokens_is_zero():
    assert reinforce_plus_plus(torch.tensor([9.0, 1.0, 5.0]), torch.tensor([0, 3, 1]))[0] == 0.0
    assert reinforce_plus_plus(torch.tensor([1.0, 2.0]), torch.tensor([0, 1])).tolist() == [0.0, 0.0]
    assert reinforce_plus_plus(torch.tensor([NAN, NAN]), torch.tensor([3, 3])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_per_objective_estimates_each_column_alone(estimator, scale):
    for rewards, _, size in batches():
        lengths = torch.arange(len(rewards)) + 1
        table = ESTIMATORS[estimator].per_objective(rewards, size, lengths=lengths, scale=scale)
        assert table.shape == rewards.shape
        for k in range(rewards.shape[1]):
            alone = rewards[:, k].clone()
            column = ESTIMATORS[estimator].estimate(alone, size, lengths=lengths, scale=scale)
            differ = torch.tensor([len({x for x in group if x == x}) > 1 for group in alone.view(-1, size).tolist()])
            same = ~differ.repeat_interleave(size) & (estimator == "grpo")
            assert torch.equal(table[:, k], column.masked_fill(same, 0.0))
            by_name = {
                "grpo": grpo(alone, size, scale=scale),
                "rloo": rloo(alone, size),
                "reinforce++": reinforce_plus_plus(alone, lengths),
            }
            assert torch.equal(column, by_name[estimator])


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
@settings(deadline=None)
@given(
    constants=st.lists(st.floats(-(2.0**53), 2.0**53, width=32), min_size=1, max_size=3),
    size=st.integers(2, 12),
    groups=st.integers(1, 3),
)
def test_an_objective_that_is_worth_the_same_everywhere_has_exactly_no_advantage(
    estimator, scale, constants, size, groups
):
    rewards = torch.tensor([constants] * (size * groups))
    table = ESTIMATORS[estimator].per_objective(rewards, size, lengths=torch.arange(len(rewards)), scale=scale)
    assert not table.any()
    rewards[1:size] = NAN  # a single score in a group
    assert not ESTIMATORS[estimator].per_objective(rewards, size, lengths=torch.arange(len(rewards)), scale=scale).any()


wide = st.one_of(st.floats(-(2.0**53), 2.0**53, width=32), st.sampled_from([0.0, 1.0, 1e-30, -1e-30, 1e-45, 1e16, NAN]))


@settings(max_examples=50, deadline=None)
@given(data=st.data(), size=st.integers(2, 4), groups=st.integers(1, 3), count=st.sampled_from([1, 3, 32]))
def test_finite_rewards_of_any_size_have_finite_advantages(data, size, groups, count):
    column = st.lists(wide, min_size=size * groups, max_size=size * groups)
    rewards = torch.tensor(data.draw(st.lists(column, min_size=3, max_size=3))).T[:, torch.arange(count) % 3]
    lengths = torch.arange(len(rewards))
    for estimator in ESTIMATORS:
        for scale in ("group", "batch", "none"):
            table = ESTIMATORS[estimator].per_objective(rewards, size, lengths=lengths, scale=scale)
            assert torch.isfinite(table).all()
            assert not table[rewards.isnan()].any()
    weights = torch.full((count,), 1 / count)
    assert torch.isfinite(normalize_then_sum(rewards, weights, size)).all()
    assert torch.isfinite(grpo(sum_rewards(rewards, weights), size)).all()


def test_linear_estimators_make_combining_rewards_or_advantages_the_same():
    torch.manual_seed(0)
    rewards, weights = (
        torch.rand(24, 3, dtype=torch.float64),
        torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
    )
    lengths = torch.ones(24)

    def gap(estimator, scale):
        combined = ESTIMATORS[estimator].estimate(sum_rewards(rewards, weights), 4, lengths=lengths, scale=scale)
        return (
            (ESTIMATORS[estimator].per_objective(rewards, 4, lengths=lengths, scale=scale) @ weights - combined)
            .abs()
            .max()
        )

    assert gap("rloo", "group") < 1e-12
    assert gap("grpo", "none") < 1e-12
    assert gap("grpo", "group") > 0.1


def test_sum_rewards_by_hand():
    rewards = torch.tensor([[1.0, 2.0], [NAN, 4.0], [NAN, NAN]])
    total = sum_rewards(rewards, torch.tensor([0.25, 0.5]))
    assert total[:2].tolist() == [1.25, 2.0]
    assert math.isnan(total[2])
    assert torch.isnan(rewards).sum() == 3  # the input is left as it was


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grpo(torch.rand(4), 1), "must be at least 2, got 1"),
        (lambda: rloo(torch.rand(4), 0), "must be at least 2, got 0"),
        (lambda: grpo(torch.rand(4), 3), "got 3 for 4 rewards"),
        (lambda: rloo(torch.rand(7), 2), "got 2 for 7 rewards"),
        (lambda: normalize_then_sum(torch.rand(4, 2), torch.rand(2), 3), "got 3 for 4 rewards"),
        (lambda: grpo(torch.rand(4), 2, scale="std"), "'std'"),
        (lambda: grpo(torch.rand(4, 2), 2), r"\(4, 2\)"),
        (lambda: grpo(torch.rand(0), 2), r"\(0,\)"),
        (lambda: rloo(torch.arange(4), 2), "torch.int64"),
        (lambda: sum_rewards(torch.rand(4, 2), torch.rand(3)), r"\(3,\)"),
        (lambda: normalize_then_sum(torch.rand(4, 2), torch.rand(1), 2), r"\(1,\)"),
        (lambda: reinforce_plus_plus(torch.rand(4), torch.ones(3)), r"\(3,\)"),
        (lambda: reinforce_plus_plus(torch.rand(2), torch.tensor([3, -1])), "got -1"),
        (
            lambda: ESTIMATORS["rloo"].per_objective(torch.rand(4), 2, lengths=torch.ones(4), scale="group"),
            r"\[N, K\]",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
