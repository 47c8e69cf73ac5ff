import asyncio
import json
import math
import signal
import threading
import time
from pathlib import Path

import datasets
import pytest
import torch
from math_verify.errors import TimeoutException

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
from paretune.objectives.accuracy import _alarm

NAN = float("nan")
MATH500 = Path(__file__).parents[1] / "../shared/data/math500"


def score(text, truth):
    return accuracy([text], answer=[truth])[0]


def in_a_thread(function):
    """What a function returns in a thread that cannot receive signals."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join(timeout=60)
    assert not thread.is_alive()
    return result[0]


# accuracy


def test_accuracy_golden(golden):
    for case in golden["accuracy_string_match"]:
        if case["score"] == 1.0:
            assert score(case["completion"], case["ground_truth"]) == 1.0, case
    # where its 0 is no matter of notation, ours is 0 too
    assert score("no box 4", "4") == 0.0


@pytest.mark.parametrize(
    ("text", "truth", "expected"),
    [
        (r"\boxed{4}", "4", 1.0),
        (r"\boxed{5}", "4", 0.0),
        ("4", "4", 0.0),
        ("The answer is $4$.", "4", 0.0),
        (r"\boxed{5}, no, \boxed{4}", "4", 1.0),
        (r"\boxed{4}, no, \boxed{5}", "4", 0.0),
        (r"\boxed{4} and \boxed{}", "4", 1.0),
        (r"\boxed{4} and \boxed{ }", "4", 1.0),
        (r"\boxed{}", "4", 0.0),
        (r"\boxed{4", "4", 0.0),
        (r"\boxed{3} so \boxed{4", "3", 1.0),
        (r"\boxed 4", "4", 1.0),
        (r"so $\boxed 4$.", "4", 1.0),
        (r"so \boxed 4. Done", "4", 1.0),
        (r"\boxed\frac{1}{2}", "0.5", 1.0),
        (r"\boxed{3} or \boxed 4", "3", 0.0),
        (r"\boxedfoo{4}", "4", 0.0),
        (r"\boxed{\boxed{4}}", "4", 1.0),
        (r"{ \boxed{\{1, 2\}} }", r"\{2, 1\}", 1.0),
        (r"} \boxed{\frac{1}{2}} {", "1/2", 1.0),
        (r"\boxed{$\frac{1}{2}$}", r"$\frac12$", 1.0),
        ("\\\\boxed{4}", "4", 1.0),
        (r"\boxed{2\sqrt{3}}", r"\sqrt{12}", 1.0),
        (r"\boxed{x^2+2x+1}", "(x+1)^2", 1.0),
        (r"\boxed{0.333}", r"\frac{1}{3}", 0.0),
        (r"\boxed{4}", r"the answer \boxed{4}", 1.0),
        (r"\boxed{4}", 4, 1.0),
        (r"\boxed{the final answer is $4$ I hope, or 5}", "4", 0.0),
        (r"\boxed{4 or 5}", "4", 0.0),
        ("", "4", 0.0),
    ],
)
def test_accuracy_reads_the_last_box_only(text, truth, expected):
    assert score(text, truth) == expected


def test_accuracy_on_the_solutions_of_math500():
    """Every reference solution is right, and with another problem's answer nearly none is."""
    if not MATH500.is_dir():
        pytest.skip("shared/data/math500 does not stand beside this checkout")
    data = datasets.Dataset.from_parquet(str(MATH500 / "test.parquet"))
    truths = [row["ground_truth"] for row in data["reward_model"]]
    assert accuracy(data["solution"], answer=truths) == [1.0] * len(data)
    rotated = truths[1:] + truths[:1]
    same = sum(a == b for a, b in zip(truths, rotated, strict=True))
    assert sum(accuracy(data["solution"], answer=rotated)) <= same + 2


def test_an_alarm_that_is_lost_rings_again():
    # As in a callback of the garbage collector, from which no exception gets out.
    before = signal.getsignal(signal.SIGALRM)
    rang = []

    def lose_one():
        while True:
            try:
                time.sleep(10)
            except TimeoutException:
                rang.append(time.monotonic())
                if len(rang) == 2:
                    raise

    with pytest.raises(TimeoutException), _alarm(0.1):
        lose_one()
    assert rang[1] - rang[0] < 5
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize(
    "answer",
    ["9^{9^{9^{9}}}", "1000000000!", "(x+y+z+w)^{99}", "(" * 900, "{" * 400 + "}" * 400, "9" * 10**6, "😀" * 300],
    ids=lambda answer: answer[:12],
)
def test_hostile_answers_neither_hang_nor_raise(answer):
    started = time.monotonic()
    assert score(f"\\boxed{{{answer}}}", "4") == 0.0
    assert in_a_thread(lambda: score(f"\\boxed{{{answer}}}", "4")) == 0.0
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{" * 150_000,
        r"\boxed{" * 100_000 + "}" * 100_000,
        r"\boxed x{" * 100_000,
        "\\" * 10**6,
        "{" * 10**6,
        "step" + " " * 10**6,
        "1" * 10**6,
        r"\boxed{" + "$" * 10**6 + "x}",
    ],
    ids=lambda text: text[:9],
)
def test_a_megabyte_takes_a_moment(text):
    started = time.monotonic()
    assert score(text, "4") == 0.0
    clarity([text])
    assert time.monotonic() - started < 10


def test_accuracy_off_the_main_thread():
    assert in_a_thread(lambda: score(r"so \boxed{\frac{2}{4}}", "0.5")) == 1.0
    assert in_a_thread(lambda: score(r"so \boxed{2\sqrt{3}}", r"\sqrt{12}")) == 1.0
    assert in_a_thread(lambda: score(r"so \boxed{5}", "4")) == 0.0
    # a costly formula still counts when it is written as the truth is
    assert in_a_thread(lambda: score(r"so \boxed{9^{9^{9}}}", "9^{9^{9}}")) == 1.0


def test_accuracy_needs_an_answer_for_each():
    with pytest.raises(ValueError, match="1 values for 2 completions"):
        accuracy(["a", "b"], answer=["4"])


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
