import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paretune import PAMA, MultiObjectiveConfig, MultiObjectiveTrainer
from paretune.advantages import ESTIMATORS
from paretune.record.run_directory import read_run, read_steps
from paretune.weighting import Scalarization
from paretune.weighting.pama import min_norm_weights, token_mean
from policies import brief, digits, digits_where_even, letters, prompts, saved_policy
from weighting.batches import batch

LENGTHS = torch.tensor([1, 3, 2, 4])
# Noon advantages: (1, 0, 0.5, 0) and (0, 1, 0, 0).
ADVANTAGES = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.5, 0.0], [-0.5, 0.0]])

credits_of_objectives = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=5)
batches = st.tuples(st.integers(1, 12), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.float32, shape, elements=st.floats(-8, 8, width=32)),
        arrays.arrays(np.int64, shape[0], elements=st.integers(0, 2048)),
    )
)


def scalarized(
    advantages: torch.Tensor, lengths: torch.Tensor, credit: Any = "sample"
) -> tuple[Scalarization, torch.Tensor]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PAMA: no completion")
        known = {"advantages": advantages, "lengths": lengths}
        result = PAMA(credit=credit).update(batch(advantages.shape[1], **known))
    assert result.advantages is not None
    return result, result.advantages


def test_by_hand() -> None:
    # a = ((1·1 + 2·0.5) / 10, 3·1 / 10): the first is smaller.
    assert token_mean(ADVANTAGES.clamp(min=0), LENGTHS).tolist() == pytest.approx([0.2, 0.3])
    result, advantages = scalarized(ADVANTAGES, LENGTHS)
    assert result.weights.tolist() == [1.0, 0.0]
    assert advantages.tolist() == [1.0, 0.0, 0.5, 0.0]
    assert (result.scale, result.apply_to) == (1.0, "update")


def test_a_longer_completion_counts_more() -> None:
    # With equal lengths a = (1.5 / 4, 1 / 4).
    result, advantages = scalarized(ADVANTAGES, torch.full((4,), 7))
    assert result.weights.tolist() == [0.0, 1.0]
    assert advantages.tolist() == [0.0, 1.0, 0.0, 0.0]


def test_credit_of_the_batch_is_one_scalar_for_all() -> None:
    result, advantages = scalarized(ADVANTAGES, LENGTHS, credit="batch")
    assert result.weights.tolist() == [1.0, 0.0]
    assert advantages.tolist() == pytest.approx([0.2] * 4)


def test_the_smallest_of_equals_share() -> None:
    third = torch.tensor([[2.0], [2.0], [-2.0], [-2.0]])
    result, advantages = scalarized(torch.cat([ADVANTAGES[:, :1], ADVANTAGES[:, :1].flip(0), third], 1), torch.ones(4))
    assert result.weights.tolist() == [0.5, 0.5, 0.0]
    assert advantages.tolist() == [0.5, 0.25, 0.25, 0.5]


def test_equal_but_for_rounding_is_equal() -> None:
    third = 0.1 + 0.2
    assert third != 0.3
    assert min_norm_weights(torch.tensor([0.3, third, 0.4], dtype=torch.float64)).tolist() == [0.5, 0.5, 0.0]
    assert min_norm_weights(torch.tensor([0.3, 0.3001], dtype=torch.float64)).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("credit", ["sample", "batch"])
def test_no_advantage_anywhere_is_shared_by_all(credit: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = PAMA(credit=credit).update(batch(4))
    assert result.weights.tolist() == [0.25] * 4
    assert result.advantages.tolist() == [0.0] * 4


@pytest.mark.parametrize("credit", ["sample", "batch"])
def test_an_objective_without_advantage_takes_the_weight_and_is_named(credit: str) -> None:
    idle = torch.cat([ADVANTAGES, torch.zeros(4, 1)], dim=1)
    rule = PAMA(credit=credit)
    with pytest.warns(UserWarning, match="a positive advantage for o2: the weight falls there"):
        result = rule.update(batch(3, advantages=idle, lengths=LENGTHS))
    assert result.weights.tolist() == [0.0, 0.0, 1.0]
    assert result.advantages.tolist() == [0.0] * 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it has been said
        rule.update(batch(3, advantages=idle, lengths=LENGTHS))


def test_completions_without_a_loss_token_count_for_nothing() -> None:
    assert scalarized(ADVANTAGES, torch.tensor([0, 3, 2, 4]))[0].weights.tolist() == [1.0, 0.0]  # 1/9 and 3/9
    assert scalarized(ADVANTAGES, torch.zeros(4))[0].weights.tolist() == [0.5, 0.5]


def test_where_an_objective_does_not_apply_it_gives_no_credit() -> None:
    rewards = torch.tensor([[1.0, float("nan")], [0.0, float("nan")], [1.0, 0.0], [0.0, 0.5]])
    advantages = ESTIMATORS["grpo"].per_objective(rewards, 2, lengths=LENGTHS, scale="none")
    assert advantages.tolist() == [[0.5, 0.0], [-0.5, 0.0], [0.5, -0.25], [-0.5, 0.25]]
    # With zeros in place of what does not apply, a = (1·0.5 + 2·0.5, 4·0.25) / 10.
    result, of_completions = scalarized(advantages, LENGTHS)
    assert result.weights.tolist() == [0.0, 1.0]
    assert of_completions.tolist() == [0.0, 0.0, 0.0, 0.25]
    # The second's mean is over its own 6 tokens, 4·0.25 / 6; the first's stays 1.5 / 10.
    seen = PAMA().update(batch(2, rewards=rewards, advantages=advantages, lengths=LENGTHS))
    assert seen.weights.tolist() == [1.0, 0.0]
    assert seen.advantages.tolist() == [0.5, 0.0, 0.5, 0.0]


def test_an_objective_that_applies_to_nothing_takes_no_weight() -> None:
    rewards = torch.zeros(4, 3)
    rewards[:, 1] = torch.nan
    advantages = torch.cat([ADVANTAGES[:, :1], torch.zeros(4, 1), ADVANTAGES[:, 1:]], dim=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = PAMA().update(batch(3, rewards=rewards, advantages=advantages, lengths=LENGTHS))
    assert seen.weights.tolist() == [1.0, 0.0, 0.0]
    assert seen.advantages.tolist() == scalarized(ADVANTAGES, LENGTHS)[1].tolist()
    nothing = PAMA().update(batch(3, rewards=torch.full((4, 3), torch.nan)))
    assert (nothing.weights.sum(), nothing.advantages.tolist()) == (1.0, [0.0] * 4)


@given(credits_of_objectives)
def test_the_weights_are_on_the_simplex_and_no_others_do_better(values: list[float]) -> None:
    given_values = torch.tensor(values, dtype=torch.float64)
    weights = min_norm_weights(given_values)
    assert weights.sum().item() == pytest.approx(1)
    assert (weights >= 0).all()
    norm = abs(float(weights @ given_values))
    steps = 6  # every point of a grid on the simplex
    for parts in itertools.product(range(steps + 1), repeat=len(values) - 1):
        if sum(parts) <= steps:
            other = torch.tensor([*parts, steps - sum(parts)], dtype=torch.float64) / steps
            assert norm <= abs(float(other @ given_values)) * (1 + 2e-6)


@given(batches, st.randoms())
def test_the_order_of_objectives_makes_no_difference(given_batch: tuple[np.ndarray, np.ndarray], random: Any) -> None:
    advantages, lengths = map(torch.from_numpy, given_batch)
    order = random.sample(range(advantages.shape[1]), advantages.shape[1])
    plain, of_plain = scalarized(advantages, lengths)
    moved, of_moved = scalarized(advantages[:, order], lengths)
    assert torch.equal(moved.weights, plain.weights[order])
    torch.testing.assert_close(of_moved, of_plain)


@given(batches, st.sampled_from(["sample", "batch"]))
def test_what_is_handed_over_has_the_least_mean_and_punishes_nobody(
    given_batch: tuple[np.ndarray, np.ndarray], credit: str
) -> None:
    advantages, lengths = map(torch.from_numpy, given_batch)
    _, handed_over = scalarized(advantages, lengths, credit)
    assert handed_over.shape == lengths.shape
    assert handed_over.dtype == advantages.dtype
    assert (handed_over >= 0).all()
    least = token_mean(advantages.clamp(min=0), lengths).min()
    torch.testing.assert_close(token_mean(handed_over[:, None], lengths)[0], least, rtol=1e-5, atol=1e-30)


def test_wrong_settings_and_values() -> None:
    with pytest.raises(ValueError, match="`credit` must be one of sample, batch, got 'token'"):
        PAMA(credit="token")
    for wrong in ([-0.1, 1.0], [float("nan"), 1.0], [float("inf"), 1.0]):
        with pytest.raises(ValueError, match="finite and not negative"):
            min_norm_weights(torch.tensor(wrong))
    assert repr(PAMA(credit="batch")) == "PAMA(credit='batch')"
    assert PAMA().state_dict() == {}


@settings(deadline=None)
@given(st.sampled_from([1, 2, 32]), st.sampled_from(["sample", "batch"]), st.data())
def test_advantages_of_any_size(count: int, credit: str, data: st.DataObject) -> None:
    numbers = st.sampled_from([0.0, 1.0, -1.0, 1e-45, 1e-30, 1e30, 3e38, -3e38, np.nan])
    columns = data.draw(st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=3, max_size=3))
    advantages = torch.tensor(columns).T[:, torch.arange(count) % 3]
    lengths = torch.tensor(data.draw(st.lists(st.sampled_from([0, 1, 10**9]), min_size=4, max_size=4)))
    result, handed_over = scalarized(advantages, lengths, credit)
    assert result.weights.sum().item() == pytest.approx(1)
    assert (result.weights >= 0).all()
    assert torch.isfinite(handed_over).all()
    assert (handed_over >= 0).all()


# --- in training ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


@pytest.mark.parametrize("credit", ["sample", "batch"])
@pytest.mark.parametrize("combine", ["rewards", "advantages"])
@pytest.mark.turns
def test_a_run_trains_on_what_the_rule_handed_over_and_says_so(
    credit: Any, combine: str, model: str, tmp_path: Path
) -> None:
    seen: list[Scalarization] = []

    class Watched(PAMA):
        def update(self, batch: Any) -> Scalarization:
            seen.append(super().update(batch))
            return seen[-1]

    config = MultiObjectiveConfig(
        str(tmp_path), learning_rate=1e-2, max_steps=2, per_device_train_batch_size=8, num_generations=4,
        max_completion_length=10, gradient_checkpointing=False, report_to=[], logging_steps=1, save_strategy="no",
        disable_tqdm=True, combine=combine,
    )  # fmt: skip
    trainer = MultiObjectiveTrainer(
        model, [digits, brief, letters], config, prompts(), weighting=Watched(credit=credit)
    )
    start = [p.detach().clone() for p in trainer.model.parameters()]
    trainer.train()
    rollouts, last = trainer._current(), seen[-1]
    alone = ESTIMATORS["grpo"].per_objective(rollouts.rewards, 4, lengths=rollouts.loss_lengths, scale="group")
    means = token_mean(alone.clamp(min=0), rollouts.lengths)
    assert last.weights.tolist() == min_norm_weights(means).tolist()
    expected = alone.clamp(min=0) @ last.weights.float()
    if credit == "batch":
        expected = torch.full_like(expected, float(means.min()))
    assert expected.max() > 0
    for micro_batch in trainer._buffered_inputs:
        torch.testing.assert_close(micro_batch["advantages"], expected[micro_batch["sample_index"]])
    assert any(not torch.equal(a, b) for a, b in zip(start, trainer.model.parameters(), strict=True))
    # The record, the log and the table show what was used.
    recorded = read_run(tmp_path)["rule"]
    assert (recorded["name"], recorded["settings"]) == ("pama", {"credit": credit})
    assert recorded["source"]["name"] is None  # a class made inside a function
    weights = [list(line["weights"].values()) for line in read_steps(tmp_path)]
    assert weights == [scalarization.weights.tolist() for scalarization in seen]
    entry = [e for e in trainer.state.log_history if "reward" in e][-1]
    assert [entry[f"weights/{name}"] for name in ("digits", "brief", "letters")] == weights[-1]
    shown = sum(w * entry[f"rewards/{name}/mean"] for name, w in trainer.weights.items())
    assert entry["reward"] == pytest.approx(shown, abs=1e-5)
    assert list(trainer._logs["advantages"]) == pytest.approx(expected.tolist())


def test_a_run_with_an_objective_that_applies_to_some_prompts_only(model: str, tmp_path: Path) -> None:
    config = MultiObjectiveConfig(
        str(tmp_path), learning_rate=1e-2, max_steps=2, per_device_train_batch_size=16, num_generations=4,
        max_completion_length=10, gradient_checkpointing=False, report_to=[], save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = MultiObjectiveTrainer(model, [digits_where_even, brief], config, prompts(), weighting=PAMA())
    trainer.train()
    assert trainer._current().rewards.isnan().any()
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    assert [sum(line["weights"].values()) for line in read_steps(tmp_path)] == [1.0, 1.0]
