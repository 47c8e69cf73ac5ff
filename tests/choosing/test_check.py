"""The figures of a check on batches made so that one knows them, and what is said of each."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paretune.choosing.check import (
    Check,
    Cost,
    Pair,
    Seen,
    correlations,
    cosines,
    costs,
    examine,
    proposed_bounds,
    spread,
)
from paretune.choosing.check_findings import findings, percent
from paretune.choosing.suggestion import suggestion

NAN = math.nan
THIRDS = np.full(3, 1 / 3)


def test_spread() -> None:
    found = spread([0.0, 0.0, 1.0, NAN])
    assert (found.count, found.missing, found.low, found.median, found.high) == (4, 0.25, 0.0, 0.0, 1.0)
    assert (found.mean, found.at_low, found.at_high) == (
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
    )
    assert found.deviation == pytest.approx(math.sqrt(1 / 3))
    nothing = spread([NAN, NAN])
    assert (nothing.count, nothing.missing) == (2, 1.0)
    assert all(math.isnan(value) for value in (nothing.mean, nothing.low, nothing.at_high))
    assert math.isnan(spread([3.0]).deviation)


def test_groups_without_signal() -> None:
    first = [[0, 1, NAN], [0, 1, NAN], [0, 2, NAN], [1, 1, NAN]]
    second = [[1, 0, NAN], [1, 0, 1.0], [1, 0, NAN], [1, 0, NAN]]  # a lone score has nothing to compare with
    third = [[1, 0, 1.0], [1, 0, 1.0], [1, 0, 2.0], [1, 0, NAN]]
    rewards = np.array([*first, *second, *third])
    seen = [Seen(rewards, np.full(3, 1 / 3), rewards)]
    assert checked(seen).silent == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert checked(seen, num_generations=None).silent == [0, 0, 0]  # the batch is one group


def test_a_weighted_sum_may_be_silent_where_its_objectives_are_not() -> None:
    reward = np.random.default_rng(0).random(16).astype(np.float32)
    rewards = np.stack([reward, 1 - reward], axis=1).astype(np.float64)
    check = checked([Seen(rewards, np.array([0.5, 0.5]), rewards)])
    assert check.silent == [0, 0]
    assert check.silent_sum == 1
    assert checked([Seen(rewards, np.array([0.6, 0.4]), rewards)]).silent_sum == 0


def test_correlation_is_within_groups() -> None:
    """From group to group both fall and rise together; within each they are opposed."""
    a = np.array([0.0, 1, 2, 10, 11, 12])
    b = np.array([2.0, 1, 0, 12, 11, 10])
    rewards = np.stack([a, b], axis=1)
    assert correlations([rewards], [3])[0, 1] == pytest.approx(-1)
    assert correlations([rewards], [6])[0, 1] > 0.9
    assert correlations([rewards[:3], rewards[3:]], [3, 3])[0, 1] == pytest.approx(-1)


def test_correlation_of_one_group_is_the_usual_one() -> None:
    rewards = np.random.default_rng(1).normal(size=(40, 3)) @ np.array([[1, 0.5, 0], [0, 1, -1], [0, 0, 1]])
    assert correlations([rewards], [40]) == pytest.approx(np.corrcoef(rewards.T))
    rewards[:10, 0] = NAN  # of pairs in which one is missing nothing counts
    of_rest = rewards[10:] - np.array([rewards[10:, 0].mean(), rewards[:, 1].mean(), rewards[:, 2].mean()])
    expected = (of_rest[:, 0] @ of_rest[:, 1]) / math.sqrt(
        (of_rest[:, 0] @ of_rest[:, 0]) * (of_rest[:, 1] @ of_rest[:, 1])
    )
    assert correlations([rewards], [40])[0, 1] == pytest.approx(expected)


def test_what_does_not_vary_correlates_with_nothing() -> None:
    rewards = np.stack([np.full(8, 0.1), np.arange(8.0)], axis=1)
    assert np.isnan(correlations([rewards], [4])[0]).all()


def test_cosines() -> None:
    gradients = np.array([[1.0, 0, 0], [1, 1, 0], [-2, 0, 0], [0, 0, 0]])
    found = cosines((gradients @ gradients.T)[None])[0]
    assert found[:3, :3] == pytest.approx(
        np.array([[1, 0.5**0.5, -1], [0.5**0.5, 1, -(0.5**0.5)], [-1, -(0.5**0.5), 1]])
    )
    assert np.isnan(found[3]).all()


def test_the_share_of_noise_is_of_all_batches_together() -> None:
    rewards = np.random.default_rng(0).random((8, 2))
    assert all(math.isnan(share) for share in checked([Seen(rewards, np.array([0.5, 0.5]), rewards)]).noise)
    first = np.array([[1.0, 0.0], [0.0, -1.0]]), np.array([[3.0, 1.0], [1.0, 2.0]])
    second = np.array([[3.0, 0.0], [0.0, 0.5]]), np.array([[1.0, 0.0], [0.0, 1.5]])
    check = checked([Seen(rewards, np.array([0.5, 0.5]), rewards, None, *pair) for pair in (first, second)])
    assert check.noise == pytest.approx([4 / 8, 1.0])  # 3.5/3, for across the halves its square came out below 0
    assert check.noise_of_sum == pytest.approx(9.5 / 13)
    assert any("noise makes 73 % of the influence that a batch shows" in line for line in findings(check))


@pytest.mark.parametrize(
    ("found", "opposed"),
    [
        ((-0.4,), True),
        ((-0.4, -0.2), True),
        ((-0.05, -0.02), False),
        ((-0.9, 0.1), False),
        ((0.5,), False),
        ((), False),
    ],
)
def test_opposed(found: tuple[float, ...], opposed: bool) -> None:
    assert Pair("a", "b", NAN, found).opposed == opposed


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_proposed_bounds_hold_what_was_seen_and_little_more(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    assume(high - low > 1e-6 * max(abs(low), abs(high), 1e-3))
    found = proposed_bounds(low, high)
    assert found is not None
    slack = 1e-9 * max(abs(low), abs(high))
    assert found[0] <= low + slack
    assert high <= found[1] + slack
    if not (low >= 0 and high <= 1):
        assert found[1] - found[0] <= 3.1 * (high - low)  # one range each at most for 0, some for rounding
    assert proposed_bounds(high, low) is None


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((0.25, 0.75), (0.0, 1.0)),
        ((0.0, 1.0), (0.0, 1.0)),
        ((2, 71), (0.0, 80.0)),
        ((-3.2, 6.9), (-4.0, 7.0)),
        ((-8, -1), (-8.0, 0.0)),
        ((100.2, 101.7), (100.2, 101.7)),
    ],
)
def test_proposed_bounds(seen: tuple[float, float], expected: tuple[float, float]) -> None:
    assert proposed_bounds(*seen) == expected


# --- costs ------------------------------------------------------------------------------------------------


def line(generation: float, update: float, influence: float = 0.0, evaluation: float = 0.0, method: str = "") -> Any:
    seconds = {"generation": generation, "update": update, "influence": influence, "evaluation": evaluation}
    return {"seconds": seconds, "estimator": {"method": method} if method else None}


def test_costs() -> None:
    lines = [
        line(50, 50),  # warms up
        line(1, 1, evaluation=3),
        line(1, 2, 0.5, method="realised"),
        line(2, 1, 1.5, method="realised"),
        line(1, 1, 4, method="exact"),
        line(1, 1, 9, method="realised"),  # took the directional one's place
        line(1, 1),  # was not in the plan
    ]
    found = costs(lines, ["", "evaluation", "realised", "realised", "exact", "directional"])
    assert found[0] == Cost("", pytest.approx(2.4), 1.0)
    expected = {"evaluation": 5.4, "realised": 3.4, "exact": 6.4}
    assert {cost.name: cost.seconds for cost in found[1:4]} == pytest.approx(expected)
    assert [cost.relative for cost in found[1:4]] == pytest.approx([value / 2.4 for value in expected.values()])
    assert found[4] == Cost("directional", None, None)
    assert costs([], []) == []


# --- findings ---------------------------------------------------------------------------------------------


def checked(seen: list[Seen], **fields: Any) -> Check:
    count = seen[0].rewards.shape[1]
    told: dict[str, Any] = {
        "names": [f"r{k}" for k in range(count)],
        "maximize": [True] * count,
        "bounds": [(-100.0, 100.0)] * count,
        "num_generations": 4,
        "truncated": 0.0,
        "validation": None,
        "costs": [],
    }
    return examine(seen, **(told | fields))


def varied(count: int = 3, seed: int = 0) -> np.ndarray:
    """Rewards of 16 completions with nothing remarkable about them."""
    return np.random.default_rng(seed).random((16, count))


def said(rewards: np.ndarray, metrics: np.ndarray | None = None, gramian: Any = None, **fields: Any) -> list[str]:
    weights = np.full(rewards.shape[1], 1 / rewards.shape[1])
    of = None if gramian is None else np.asarray(gramian, dtype=np.float64)
    return findings(checked([Seen(rewards, weights, rewards if metrics is None else metrics, of)], **fields))


def test_a_gradient_s_norm_is_over_the_batches_to_which_its_objective_applies() -> None:
    without = varied()
    without[:, 2] = np.nan
    gramian = np.diag([4.0, 9.0, 16.0])
    of_two = np.diag([4.0, 9.0, 0.0])
    seen = [Seen(varied(), THIRDS, varied(), gramian), Seen(without, THIRDS, without, of_two)]
    assert checked(seen).norms == [2, 3, 4]
    assert np.isnan(checked([Seen(without, THIRDS, without, of_two)]).norms).tolist() == [False, False, True]
    assert np.isnan(checked([Seen(varied(), THIRDS, varied())]).norms).all()


def test_where_nothing_stands_out() -> None:
    assert said(varied()) == ["every reward varies, no gradients oppose each other, and the bounds hold what was seen."]


def suggested(rewards: np.ndarray, gramian: Any = None, thresholds: bool = False, **fields: Any) -> str:
    weights = np.full(rewards.shape[1], 1 / rewards.shape[1])
    of = None if gramian is None else np.asarray(gramian, dtype=np.float64)
    return suggestion(checked([Seen(rewards, weights, rewards, of)], **fields), thresholds=thresholds)


def test_the_rule_that_is_suggested_and_why() -> None:
    opposed = np.eye(3) - 0.5 * (np.eye(3, k=2) + np.eye(3, k=-2))
    plain = suggested(varied(), opposed)
    assert plain == (
        "suggested rule: nash; tour for a front to choose from. It puts more weight where more is missing, and costs "
        "nothing."
    )
    assert suggested(varied()) == f"{plain} No gradients oppose each other here, so equal weights may do as well."
    without = suggested(varied(), opposed, bounds=[(0, 1), None, (0, 1)])
    assert without == f"{plain} Declare bounds first (--bounds): they say what is missing."
    dead = varied()
    dead[:, 1] = 0.5
    assert suggested(dead, opposed) == f"{plain} What never varies gets no weight: r1."
    assert suggested(varied(), opposed, thresholds=True).startswith("suggested rule: lagrangian. You gave thresholds")
    assert suggested(varied(1)).startswith("suggested rule: fixed. There is one objective")
    dead[:, 2] = np.repeat([0.0, 1, 0, 1], 4)
    assert suggested(dead, thresholds=True) == (
        "no rule can help yet: only r0 gives a gradient. Mend the other rewards first."
    )
    dead[:, 0] = NAN
    assert suggested(dead).startswith("no rule can help yet: no objective gives a gradient.")


def test_dead_rewards_come_first() -> None:
    rewards = varied(5)
    rewards[:, 1] = 0.5
    rewards[:, 2] = np.repeat([0.0, 1, 0, 1], 4)
    rewards[:, 3] = NAN
    gramian = np.eye(5) - 0.5 * (np.eye(5, k=4) + np.eye(5, k=-4))
    assert said(rewards, gramian=gramian) == [
        "r1 never varies: its reward is always 0.5, and it gives no gradient.",
        "r2 never varies within a group: it gives no gradient; its rewards go from 0 to 1, mean 0.5.",
        "r3 applies to none of 16 completions: it gives no gradient.",
        "r0 and r4 oppose each other: gradient cosine −0.50.",
    ]


def test_groups_that_are_lost() -> None:
    rewards = np.tile(varied(1), 2)
    rewards[:12] = np.repeat([[0.2], [0.4], [0.6]], 4, axis=0)
    assert said(rewards)[:3] == [
        "75 % of the groups give no gradient: no spread in the weighted sum (r0 0.5, r1 0.5).",
        f"r0 varies within only 25 % of the groups; its rewards go from {rewards.min():.4g} to {rewards.max():.4g}, "
        f"mean {rewards[:, 0].mean():.4g}.",
        f"r1 varies within only 25 % of the groups; its rewards go from {rewards.min():.4g} to {rewards.max():.4g}, "
        f"mean {rewards[:, 0].mean():.4g}.",
    ]


def test_without_groups_the_batch_counts() -> None:
    rewards = np.stack([np.repeat([0.0, 1, 0, 1], 4), varied(1)[:, 0]], axis=1)
    assert said(rewards, num_generations=None)[0].startswith("every reward varies")
    assert said(rewards[:4], num_generations=None) == [
        "r0 never varies: its reward is always 0, and it gives no gradient."
    ]


def test_conflicts_with_the_worst_first_over_batches() -> None:
    seen = []
    for shift in (0.0, 0.1):
        gramian = [[4, -2 + shift, -0.5], [-2 + shift, 4, 1], [-0.5, 1, 1]]
        seen.append(Seen(varied(), THIRDS, varied(), np.array(gramian)))
    check = checked(seen)
    assert check.norms == [2, 2, 1]
    assert findings(check) == [
        "r0 and r1 oppose each other: gradient cosine −0.49 (−0.50 to −0.47 in 2 batches).",
        "r0 and r2 oppose each other: gradient cosine −0.25 (−0.25 to −0.25 in 2 batches).",
    ]


def test_one_sided_missing_and_truncated() -> None:
    rewards = varied(3)
    rewards[:, 0] = [1.0] * 15 + [0.0]
    rewards[3, 1] = NAN
    many = np.tile(rewards, (2, 1))
    many[:16, 0] = 1.0
    lines = said(many, truncated=0.32)
    assert "r0 varies within only 12 % of the groups; its rewards go from 0 to 1, mean 0.9688." in lines
    assert "r1 does not apply to 6 % of the completions." in lines
    assert "32 % of the completions are truncated at max_completion_length." in lines
    spread_out = np.ones((100, 1))
    spread_out[::33] = 0.0
    assert said(spread_out, num_generations=50)[0] == (
        "r0 has its highest reward in 96 % of the completions; its rewards go from 0 to 1, mean 0.96."
    )


def test_bounds() -> None:
    metrics = np.stack([np.linspace(0, 40, 16), np.full(16, 60.0), np.full(16, 3.0)], axis=1)
    lines = said(
        varied(),
        metrics,
        bounds=[(0.0, 30.0), (0.0, 60.0), None],
        maximize=[True, False, True],
        names=["a", "b", "c"],
    )
    assert lines == [
        "a leaves its bounds 0 to 30 in 25 % of the completions: its metric was seen from 0 to 40.",
        "b starts at the worst end of its bounds 0 to 60, mean 60: such a policy adds nothing to the hypervolume.",
        "no hypervolume without bounds of c; c showed a single value: add such bounds yourself.",
    ]
    assert said(varied(), metrics, bounds=[None] * 3)[-1] == (
        "no hypervolume without bounds of r0, r1, r2; the values seen fit into --bounds r0=0:40 (for train, compare, "
        "report and pick); r1, r2 showed a single value: add such bounds yourself."
    )
    good = said(varied(), metrics, bounds=[(0.0, 40.0), (0.0, 60.0), (0.0, 5.0)], validation=[0.0, 1.0, 1.0])
    assert [line.split(" at")[0] for line in good] == [
        "r0 starts"
    ]  # the validation set's mean counts where there is one


def test_rewards_that_are_nearly_one() -> None:
    rewards = varied(2)
    rewards[:, 1] = 2 * rewards[:, 0] + 1
    assert said(rewards) == ["r0 and r1 are nearly one reward: correlation +1.00 within a group."]


def test_costs_come_last() -> None:
    found = [Cost("", 2.0, 1.0), Cost("evaluation", 4.0, 2.0), Cost("exact", 5.0, 2.5), Cost("directional", None, None)]
    [_, last] = said(varied(), costs=found)
    assert last == (
        "a plain training step takes 2 s; 2.00 times with an evaluation in every batch, "
        "2.50 times with the exact influence."
    )


def test_shares_in_words() -> None:
    assert [percent(value) for value in (0, 0.001, 0.2, 0.999, 1)] == ["0 %", "under 1 %", "20 %", "over 99 %", "100 %"]


def test_there_must_be_metrics() -> None:
    with pytest.raises(ValueError, match="no batch with metrics"):
        checked([Seen(varied(), THIRDS)])
