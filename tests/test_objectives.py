import asyncio
import json
import math

import pytest
import torch

from paretune.objectives import (
    Conciseness,
    Objective,
    accuracy,
    apply_gates,
    check_objectives,
    clarity,
    completion_length,
    completion_text,
    prompt_text,
)

NAN = float("nan")


# clarity


def test_clarity_golden(golden):
    texts = [case["text"] for case in golden["clarity"]]
    assert clarity(texts) == [case["score"] for case in golden["clarity"]]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("1. a 2. b", 1.0),
        ("1. a 2 b", 0.0),
        ("Step 1: a STEP2- b", 1.0),
        ("(a) x (b) y", 1.0),
        ("[a) x [b) y", 0.0),
        ("xiv. a xv. b", 1.0),
        ("xiiii. a iiiii. b", 0.0),
        ("ab. c ef. d", 0.0),
        ("12) a 345: b", 1.0),
        ("1; a 2; b", 0.0),
        ("- a\n* b", 1.0),
        ("-a -b", 0.0),
        ("1. a - b", 1.0),
        ("1. a then b", 0.0),
        ("first a First", 1.0),
        ("Tenth, NEXT", 1.0),
        ("eleventh twelfth", 0.0),
        ("firstly, thenceforth", 0.0),
    ],
)
def test_clarity_grammar(steps, expected):
    assert clarity([steps + r" \boxed{42}"]) == [expected]
    assert clarity([steps + r" 42"]) == [0.0]
    assert clarity([steps + r" \boxed{ }"]) == [0.0]
    assert clarity([steps + r" \boxed 42"]) == [0.0]
    assert clarity([steps + r" \boxed{42} \boxed{}"]) == [expected]


# completions


def test_prompt_text():
    assert prompt_text("1+1=?") == "1+1=?"
    assert prompt_text([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1=?"}]) == "1+1=?"
    assert prompt_text([{"role": "system", "content": "Be brief."}]) == ""


def test_completion_text():
    chat = [
        {"role": "assistant", "content": "let me see"},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": r"1. a 2. b \boxed{42}"},
        {"role": "tool", "content": "ignored"},
    ]
    assert completion_text("text") == "text"
    assert completion_text(chat) == r"1. a 2. b \boxed{42}"
    assert accuracy([chat], answer=["42"]) == clarity([chat]) == [1.0]
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert completion_text([{"role": "assistant", "content": parts}]) == "ab"
    assert completion_text([{"role": "assistant", "content": None}]) == ""
    assert completion_text([{"role": "tool", "content": "x"}]) == ""
    assert completion_text([]) == ""
    for wrong in (3, None, ["a", "b"]):
        with pytest.raises(TypeError, match="string or a list of messages"):
            completion_text(wrong)


# conciseness


def test_conciseness_by_hand():
    reward = Conciseness()
    batch = [[0] * n for n in (2, 4, 9)]
    assert reward(completion_ids=batch, prompts=None) == [None, None, None]
    reward.observe([2, 4, 9])  # mean 5
    assert reward(completion_ids=batch) == [1.0, 1.0, 0.0]
    reward.observe([1, 1, 1])  # mean 3
    assert reward(completion_ids=batch) == [1.0, 0.0, 0.0]
    assert reward(completion_ids=[[0] * 3]) == [0.0]  # as long as the mean is not shorter


def test_conciseness_state_survives_json_and_scoring_leaves_it():
    reward = Conciseness()
    reward.observe([3, 5])
    reward.observe(torch.tensor([7, 9]))
    before = reward.state_dict()
    assert before == {"total": 24.0, "count": 4}
    reward(completion_ids=[[0] * 100])
    assert reward.state_dict() == before
    restored = Conciseness()
    restored.load_state_dict(json.loads(json.dumps(before)))
    assert restored(completion_ids=[[0] * 5, [0] * 6]) == [1.0, 0.0]
    restored.observe([100])
    assert reward.state_dict() == before


def test_completion_length():
    assert completion_length(completion_ids=[[1, 2, 3], []], prompts=["a", "b"]) == [3.0, 0.0]


# Objective


def test_objective_forwards_to_a_reward_that_observes():
    objective = Objective("conciseness", Conciseness(), metric=completion_length, maximize=False, bounds=(0, 512))
    objective.observe([2, 4])
    assert objective.state_dict() == {"total": 6.0, "count": 2}
    other = Objective("conciseness", Conciseness())
    other.load_state_dict(objective.state_dict())
    assert other.reward(completion_ids=[[0] * 2]) == [1.0]


@pytest.mark.parametrize("reward", [accuracy, torch.nn.Linear(2, 2), "a/reward-model"], ids=["def", "model", "path"])
def test_objective_without_state(reward):
    objective = Objective("x", reward)
    objective.observe([1, 2])
    assert objective.state_dict() == {}
    objective.load_state_dict({})
    assert objective.reward is reward
    assert (objective.metric, objective.maximize, objective.bounds, objective.gate) == (None, True, None, None)


def test_objective_takes_an_async_reward():
    async def slow(completions, **_):
        return [1.0 for _ in completions]

    objective = Objective("slow", slow)
    assert asyncio.run(objective.reward(completions=["a"])) == [1.0]


def test_objective_repr():
    objective = Objective(
        "length", Conciseness(), metric=completion_length, maximize=False, bounds=(1, 9), gate=("accuracy", 1)
    )
    assert repr(objective) == (
        "Objective('length', Conciseness, metric=completion_length, maximize=False, bounds=(1.0, 9.0), "
        "gate=('accuracy', 1.0))"
    )
    assert repr(Objective("a", "path")) == "Objective('a', 'path', maximize=True, bounds=None)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "non-empty string, got ''"),
        ({"name": 3}, "non-empty string, got 3"),
        ({"reward": 3}, "`reward` of 'x' .* got 3"),
        ({"reward": ""}, "`reward` of 'x' .* got ''"),
        ({"metric": "length"}, "`metric` of 'x' .* got 'length'"),
        ({"maximize": 1}, "`maximize` of 'x' .* got 1"),
        ({"bounds": (1, 1)}, r"`bounds` of 'x' .* got \(1, 1\)"),
        ({"bounds": (0, math.inf)}, r"got \(0, inf\)"),
        ({"bounds": (0, NAN)}, r"got \(0, nan\)"),
        ({"bounds": (0, 1, 2)}, r"got \(0, 1, 2\)"),
        ({"bounds": 5}, "got 5"),
        ({"gate": "accuracy"}, "`gate` of 'x' .* got 'accuracy'"),
        ({"gate": ("accuracy",)}, r"got \('accuracy',\)"),
        ({"gate": ("accuracy", NAN)}, r"got \('accuracy', nan\)"),
        ({"gate": ("", 1.0)}, r"got \('', 1.0\)"),
        ({"gate": ("x", 1.0)}, "names the objective itself"),
    ],
)
def test_objective_checks_its_arguments_at_once(arguments, message):
    given = {"name": "x", "reward": accuracy, **arguments}
    with pytest.raises(ValueError, match=message) as error:
        Objective(given.pop("name"), given.pop("reward"), **given)
    assert "\n" not in str(error.value)


def test_check_objectives():
    right, short = Objective("right", accuracy), Objective("short", Conciseness(), gate=("right", 1.0))
    check_objectives([short, right])
    with pytest.raises(ValueError, match="empty"):
        check_objectives([])
    with pytest.raises(ValueError, match="'right' twice"):
        check_objectives([right, short, Objective("right", clarity)])
    with pytest.raises(ValueError, match="`gate` of 'short' names 'right': choose one of short"):
        check_objectives([short])


# gates


def test_gates_by_hand():
    objectives = [
        Objective("right", accuracy),
        Objective("short", Conciseness(), gate=("right", 0.7)),
        Objective("clear", clarity, gate=("short", 0.5)),
    ]
    rewards = torch.tensor(
        [
            [1.0, 1.0, 1.0],  # open
            [0.0, 1.0, 1.0],  # shut for short; clear looks at short as it was scored
            [0.7, -2.0, 1.0],  # at the threshold in float32: open; a negative reward shuts clear
            [NAN, 1.0, 1.0],  # the gate does not apply
            [0.0, NAN, 1.0],  # the own reward does not apply, nor does clear's gate
        ]
    )
    before = rewards.clone()
    expected = torch.tensor([[1.0, 1, 1], [0, 0, 1], [0.7, -2, 0], [NAN, NAN, 1], [0, NAN, NAN]])
    torch.testing.assert_close(apply_gates(rewards, objectives), expected, rtol=0.0, atol=0.0, equal_nan=True)
    torch.testing.assert_close(rewards, before, rtol=0.0, atol=0.0, equal_nan=True)


def test_no_gates_change_nothing():
    rewards = torch.randn(8, 2)
    assert torch.equal(apply_gates(rewards, [Objective("a", accuracy), Objective("b", clarity)]), rewards)


@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_gates_need_a_column_an_objective(shape):
    with pytest.raises(ValueError, match=r"\[N, 1\]"):
        apply_gates(torch.zeros(shape), [Objective("a", accuracy)])
