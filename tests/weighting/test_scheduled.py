import doctest
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trl import GRPOConfig, GRPOTrainer

from paretune import FixedWeights, MultiObjectiveTrainer, Objective, ScheduledWeights, ScheduledWeightsCallback
from paretune.weighting import scheduled
from policies import brief, digits, prompts, saved_policy
from weighting.batches import batch


def test_straight_lines_between_breakpoints_by_hand() -> None:
    rule = ScheduledWeights({10: (1.0, 0.0), 20: (0.5, 0.5), 40: (0.1, 0.9)})
    expected = {0: [1, 0], 10: [1, 0], 15: [0.75, 0.25], 20: [0.5, 0.5], 30: [0.3, 0.7], 40: [0.1, 0.9], 99: [0.1, 0.9]}
    for step, weights in expected.items():
        assert rule.weights_at(step).tolist() == pytest.approx(weights)
        assert rule.update(batch(2, step=step)).weights.tolist() == pytest.approx(weights)


@given(
    st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=5),
    st.integers(0, 10_000),
)
def test_always_on_the_simplex(rows: list[list[float]], step: int) -> None:
    rule = ScheduledWeights({100 * i: [w / sum(row) for w in row] for i, row in enumerate(rows)})
    weights = rule.weights_at(step)
    assert weights.sum().item() == pytest.approx(1)
    assert (weights >= 0).all()


far = st.one_of(st.integers(0, 3), st.integers(0, 2**70), st.sampled_from([2**53, 2**53 + 1, 10**400, 10**400 + 1]))


@settings(deadline=None)
@given(st.lists(far, min_size=1, max_size=5, unique=True), st.one_of(far, st.just(0)))
def test_breakpoints_as_far_as_one_likes_and_next_to_each_other(steps: list[int], step: int) -> None:
    rule = ScheduledWeights({s: ((1.0, 0.0, 0.0), (0.0, 0.5, 0.5))[i % 2] for i, s in enumerate(steps)})
    weights = rule.weights_at(step)
    assert weights.sum().item() == pytest.approx(1, abs=1e-12)
    assert (weights >= 0).all()
    if step in steps:
        assert weights.tolist() == rule.settings["schedule"][step]


def test_steps_beyond_what_float64_tells_apart() -> None:
    rule = ScheduledWeights({2**60: (1.0, 0.0), 2**60 + 4: (0.0, 1.0)})
    assert [rule.weights_at(2**60 + i).tolist()[1] for i in range(-1, 6)] == [0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_the_example_in_the_docs() -> None:
    results = doctest.testmod(scheduled)
    assert (results.attempted, results.failed) == (2, 0)


def test_breakpoints_as_pairs() -> None:
    pairs = ScheduledWeights([(0, (1.0, 0.0)), (10, (0.0, 1.0))])
    assert pairs.weights_at(3).tolist() == ScheduledWeights({0: (1.0, 0.0), 10: (0.0, 1.0)}).weights_at(3).tolist()


def test_a_function_of_the_step() -> None:
    rule = ScheduledWeights(lambda step: (1 / (1 + step), step / (1 + step)))
    assert rule.weights_at(3).tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="finite"):
        ScheduledWeights(lambda step: (1.0, math.inf)).check([Objective("a", print), Objective("b", print)])


def test_one_reward_fades_while_another_stays_at_one() -> None:
    rule = ScheduledWeights({0: (1.0, 1.0), 10: (1.0, 0.0), 20: (1.0, -1.0)})
    assert [rule.weights_at(step).tolist() for step in (0, 5, 15)] == [[1.0, 1.0], [1.0, 0.5], [1.0, -0.5]]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({}, "needs breakpoints"),
        ({-1: (1.0, 0.0)}, "whole steps of 0 or more, got -1"),
        ({1.5: (1.0, 0.0)}, "whole steps of 0 or more, got 1.5"),
        ({float("inf"): (1.0, 0.0)}, "whole steps of 0 or more, got inf"),
        ({float("nan"): (1.0, 0.0)}, "whole steps of 0 or more, got nan"),
        ({"soon": (1.0, 0.0)}, "whole steps of 0 or more, got 'soon'"),
        ([(0, (1.0, 0.0)), (5, (1.0, 0.0)), (5, (0.0, 1.0))], r"two breakpoints at one step, got \[0, 5, 5\]"),
        ({0: (float("nan"), 1.0)}, "must be finite"),
        ({0: (1.0, 0.0), 5: (0.2, 0.2, 0.6)}, "same number"),
    ],
)
def test_wrong_schedules(schedule: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScheduledWeights(schedule)


class Watching(GRPOTrainer):
    """Notes the weights with which TRL combined each batch."""

    def _calculate_rewards(self, *args, **kwargs):
        self.used = [*getattr(self, "used", []), self.reward_weights.tolist()]
        return super()._calculate_rewards(*args, **kwargs)


def test_as_a_callback_on_trls_own_trainer(tmp_path: Path) -> None:
    config = GRPOConfig(
        str(tmp_path), use_cpu=True, bf16=False, max_steps=4, per_device_train_batch_size=4, num_generations=2,
        max_completion_length=4, gradient_checkpointing=False, report_to=[], save_strategy="no", disable_tqdm=True,
        logging_steps=2,
    )  # fmt: skip
    trainer = Watching(saved_policy(tmp_path / "policy"), [digits, brief], config, prompts())
    schedule = ScheduledWeights({0: (1.0, 0.0), 4: (0.0, 1.0)})
    trainer.add_callback(ScheduledWeightsCallback(schedule, trainer))
    trainer.train()
    assert torch.tensor(trainer.used).allclose(torch.tensor([[1, 0], [0.75, 0.25], [0.5, 0.5], [0.25, 0.75]]))
    logged = [entry for entry in trainer.state.log_history if "rewards/digits/mean" in entry]
    assert [entry["weights/digits"] for entry in logged] == [
        0.875,
        0.375,
    ]  # means of two steps, as all of TRL's figures
    assert [entry["weights/brief"] for entry in logged] == [0.125, 0.625]
    with pytest.raises(ValueError, match="3 weights for 2 reward functions"):
        ScheduledWeightsCallback(ScheduledWeights({0: (0.2, 0.2, 0.6)}), trainer)


def test_the_callback_is_refused_by_a_trainer_that_has_a_rule(tmp_path: Path) -> None:
    """Which would overwrite its weights, while both would be logged."""
    config = GRPOConfig(str(tmp_path / "run"), use_cpu=True, bf16=False, report_to=[])
    policy = saved_policy(tmp_path / "policy")
    trainer = MultiObjectiveTrainer(policy, [digits, brief], config, prompts(), weighting=FixedWeights())
    with pytest.raises(ValueError, match=r"those of its rule, FixedWeights.* weighting=ScheduledWeights"):
        ScheduledWeightsCallback(ScheduledWeights({0: (1.0, 0.0)}), trainer)
