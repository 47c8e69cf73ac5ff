import json
import random
import re

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from paretune.pareto import weight_lattice
from paretune.tasks import arithmetic, load
from paretune.tasks.arithmetic.problems import SIZES, Problem, draw, splits
from paretune.tasks.arithmetic.scoring import accuracy, clarity, conciseness
from paretune.tasks.arithmetic.styles import SHARES, style_of, write
from paretune.tasks.measuring import measure
from scripted import script

SUM = Problem((12, 30, 5, 31))  # 12+30=42, 42+5=47, 47+31=78

problems = st.builds(lambda seed: draw(random.Random(seed)), st.integers(0, 2**32))


def score(text: str, problem: Problem = SUM) -> tuple[float, float]:
    """(accuracy, clarity) of one answer."""
    return accuracy([text], [problem.answer])[0], clarity([text], [problem.numbers])[0]


# Problems


def test_splits_have_their_sizes_and_share_no_problem():
    sets = splits()
    assert {name: len(rows) for name, rows in sets.items()} == SIZES
    assert len({problem for rows in sets.values() for problem in rows}) == sum(SIZES.values())


def test_splits_do_not_change_between_calls_or_with_the_global_random_state():
    before = splits()
    splits.cache_clear()
    random.seed(1)
    assert splits() == before
    # The shipped metrics belong to these problems.
    assert before["validation"][0].prompt == "29+19+15+28+33=?\n"


@given(problems)
def test_problems_have_three_to_five_numbers_up_to_49(problem):
    assert 3 <= len(problem.numbers) <= 5
    assert all(1 <= number <= 49 for number in problem.numbers)
    assert problem.prompt == "+".join(map(str, problem.numbers)) + "=?\n"
    assert int(problem.answer) == sum(problem.numbers)


# Answers in each style


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("bare", "78"),
        ("paired", "12+30+5=47. 47+31=78."),
        ("chained", "12+30=42. 42+5=47. 47+31=78."),
        ("numbered", "step 1: 12+30=42. step 2: 42+5=47. step 3: 47+31=78."),
    ],
)
def test_a_style_looks_as_documented(style, text):
    assert write(SUM, style, random.Random(0)) == text


def test_partly_numbered_numbers_the_last_sums_only():
    texts = {write(SUM, "partly numbered", random.Random(seed)) for seed in range(50)}
    assert texts == {
        "12+30=42. 42+5=47. step 1: 47+31=78.",
        "12+30=42. step 1: 42+5=47. step 2: 47+31=78.",
    }


@given(problems, st.sampled_from(sorted(SHARES)), st.integers(0, 2**32))
def test_every_style_is_right_and_as_clear_as_its_numbering(problem, style, seed):
    text = write(problem, style, random.Random(seed))
    expected = text.count("step") / (len(problem.numbers) - 1)
    assert score(text, problem) == (1.0, pytest.approx(expected))
    if style == "numbered":
        assert expected == 1.0
    elif style == "partly numbered":
        assert 0.0 < expected < 1.0
    else:
        assert expected == 0.0


def test_shares_sum_to_one():
    assert sum(SHARES.values()) == pytest.approx(1.0)


# Scoring, by hand


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("78", 1.0),
        ("78.", 1.0),
        ("47+31=78", 1.0),
        (" 78\n", 0.0),
        ("", 0.0),
        ("87", 0.0),
        ("178", 0.0),
        ("078", 0.0),
        ("-78", 0.0),
        ("47+78", 0.0),
        ("78 87", 0.0),
        ("87 78", 0.0),
        ("78. 87.", 0.0),
        ("78=87.", 0.0),
        ("47+31=78. step", 0.0),
        ("47+31=78..", 0.0),
        ("47+31=78. 78+1=79.", 0.0),
        ("76. 77. 78", 0.0),
        ("12+30=42. 42+5=47. 47+31=79.", 0.0),
    ],
)
def test_accuracy_reads_only_the_number_at_the_end(text, right):
    assert score(text)[0] == right


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("78", 0.0),
        ("12+30=42. 42+5=47. 47+31=78.", 0.0),
        ("step 1: 12+30=42. step 2: 42+5=47. step 3: 47+31=78.", 1.0),
        # A slip in a sum is accuracy's affair, as long as the next step goes on from it.
        ("step 1: 12+30=43. step 2: 43+5=48. step 3: 48+31=79.", 1.0),
        ("step 1: 12+30=43. step 2: 42+5=47. step 3: 47+31=78.", 1 / 3),
        # Some of the sums numbered, or fewer and longer steps.
        ("12+30=42. 42+5=47. step 1: 47+31=78.", 1 / 3),
        ("12+30=42. step 1: 42+5=47. step 2: 47+31=78.", 2 / 3),
        ("step 1: 12+30+5=47. step 2: 47+31=78.", 2 / 3),
        ("step 1: 12+30+5+31=78.", 1 / 3),
        ("step 1: 12+30=42. step 2: 42+5=47.", 2 / 3),
        ("step 1: 12+30=42. step 2: 42+5=47. step 3: 47+31=", 2 / 3),
        # Wrong numbering.
        ("step 1: 12+30=42. step 1: 42+5=47. step 1: 47+31=78.", 1 / 3),
        ("step 2: 12+30=42. step 3: 42+5=47. step 4: 47+31=78.", 0.0),
        ("step 01: 12+30=42. step 2: 42+5=47. step 3: 47+31=78.", 0.0),
        ("step 1: step 2: 12+30=42. step 3: 42+5=47.", 0.0),
        # Wrong form.
        ("step 1 12+30=42. step 2 42+5=47. step 3 47+31=78.", 0.0),
        ("step 1: 42. step 2: 47. step 3: 78.", 0.0),
        ("step 1: =42. step 2: =47. step 3: =78.", 0.0),
        ("step 1: 12+30. step 2: 42+5. step 3: 47+31.", 0.0),
        ("step 1: step 2: step 3:", 0.0),
        ("1: 12+30=42. 2: 42+5=47. 3: 47+31=78.", 0.0),
        # Other sums than the one asked for.
        ("step 1: 1+1=2. step 2: 2+1=3. step 3: 3+1=4.", 0.0),
        ("step 1: 12+30=42. step 2: 12+30=42. step 3: 12+30=42.", 1 / 3),
        ("step 1: 30+12=42. step 2: 42+5=47. step 3: 47+31=78.", 0.0),
        # Going on after the end dilutes.
        ("step 1: 12+30=42. step 2: 42+5=47. step 3: 47+31=78. step 4: 78+1=79.", 3 / 4),
        ("step 1: 12+30=42. step 2: 42+5=47. step 3: 47+31=78. 78. 78. 78.", 3 / 6),
        ("", 0.0),
    ],
)
def test_clarity_is_the_share_of_sums_shown_as_numbered_steps(text, expected):
    assert score(text)[1] == pytest.approx(expected)


@given(st.text("0123456789+=.: step\n", max_size=100), problems)
def test_scores_stay_in_their_range_whatever_is_written(text, problem):
    right, clear = score(text, problem)
    assert right in (0.0, 1.0)
    assert 0.0 <= clear <= 1.0


@given(problems, st.text("0123456789+=.: step", min_size=1, max_size=60))
def test_nothing_added_to_a_clear_answer_makes_it_clearer(problem, more):
    best = write(problem, "numbered", random.Random(0))
    assert score(best + more, problem)[1] <= score(best, problem)[1]


def test_conciseness_falls_by_a_sixtieth_a_token():
    assert conciseness([[1] * 3, [1] * 15, [1] * 60, [1] * 300]) == pytest.approx([0.95, 0.75, 0.0, 0.0])


# The task


def test_task_brings_data_objectives_and_settings():
    task = load("arithmetic")
    assert task.description == arithmetic.DESCRIPTION
    assert [len(rows) for rows in (task.train, task.validation, task.test)] == list(SIZES.values())
    row = task.validation[0]
    assert row["prompt"] == "+".join(map(str, row["numbers"])) + "=?\n"
    assert row["answer"] == str(sum(row["numbers"]))
    named = {objective.name: (objective.maximize, objective.bounds) for objective in task.objectives}
    assert named == {
        "accuracy": (True, (0.0, 1.0)),
        "conciseness": (False, (0.0, 60.0)),
        "clarity": (True, (0.0, 1.0)),
    }
    assert task.settings["max_completion_length"] == 60


def test_rewards_take_what_the_trainer_hands_them():
    task = load("arithmetic")
    rows = task.train[:3]
    completions = [write(Problem(tuple(terms)), "numbered", random.Random(0)) for terms in rows["numbers"]]
    columns = {
        "prompts": rows["prompt"],
        "completions": completions,
        "completion_ids": [list(range(len(text) + 1)) for text in completions],
        "answer": rows["answer"],
        "numbers": rows["numbers"],
    }
    scores = {objective.name: objective.reward(**columns) for objective in task.objectives}
    assert scores["accuracy"] == scores["clarity"] == [1.0, 1.0, 1.0]
    assert scores["conciseness"] == pytest.approx([max(0, 1 - (len(text) + 1) / 60) for text in completions])


def test_the_front_takes_the_best_kind_of_answer_for_each_sum():
    rows = Dataset.from_list([{"numbers": [1, 2, 3], "answer": "6"}, {"numbers": [10, 20, 30, 40, 5], "answer": "105"}])
    brief, clear, right = load("arithmetic").front(rows, [[0, 1, 0], [0, 0, 1], [1, 0, 0.5]])
    # Bare answers of two and four tokens, the end mark counted.
    assert brief.tolist() == pytest.approx([1.0, 1 - (2 + 4) / 120, 0.0])
    # "step 1: 1+2=3. step 2: 3+3=6." has 30 tokens. Four numbered sums are cut at 60, within the fourth.
    assert clear.tolist() == pytest.approx([0.5, (1 - 30 / 60) / 2, (1 + 3 / 4) / 2])
    # Right and as clear as it can be: numbered, and of the four sums the last two (10+20=30. 30+30=60. and so on).
    chained = "10+20=30. 30+30=60. step 1: 60+40=100. step 2: 100+5=105."
    assert len(chained) + 1 <= 60
    assert right.tolist() == pytest.approx([1.0, (0.5 + 1 - (len(chained) + 1) / 60) / 2, (1 + 2 / 4) / 2])


def test_no_answer_of_the_warm_up_is_worth_more_than_the_front():
    task, rng = load("arithmetic"), random.Random(0)
    problems = [draw(rng) for _ in range(40)]
    rows = Dataset.from_list([{"numbers": list(p.numbers), "answer": p.answer} for p in problems])
    weights = weight_lattice(3, 6)
    support = (weights * task.front(rows, weights)).sum(axis=1)
    for style in SHARES:
        texts = [write(problem, style, rng)[:60] for problem in problems]
        ids = [[0] * min(len(text) + 1, 60) for text in texts]
        earned = [
            accuracy(texts, rows["answer"]), conciseness(ids), clarity(texts, rows["numbers"]),
        ]  # fmt: skip
        gains = [sum(values) / len(values) for values in earned]
        assert (weights @ gains <= support + 1e-9).all()


def test_given_data_are_refused_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))) as caught:
        load("arithmetic", tmp_path)
    assert "\n" not in str(caught.value)


# The shipped policy


@pytest.fixture(scope="module")
def policy():
    folder = load("arithmetic").model
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def recorded():
    return json.loads((arithmetic.POLICY / "metrics.json").read_text())


def test_policy_is_small(policy, recorded):
    model, _ = policy
    assert 0.7e6 < model.num_parameters() < 0.9e6
    assert model.num_parameters() == recorded["parameters"]
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert sum(file.stat().st_size for file in arithmetic.POLICY.iterdir()) < 4_000_000


def test_tokenizer_gives_a_token_a_character_and_back(policy):
    _, tokenizer = policy
    for problem in splits()["validation"][:20]:
        for style in SHARES:
            text = problem.prompt + write(problem, style, random.Random(0))
            ids = tokenizer(text)["input_ids"]
            assert len(ids) == len(text)
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text


def test_accuracy_and_clarity_compete_for_the_tokens_of_long_sums():
    for problem in splits()["train"]:
        tokens = {style: len(write(problem, style, random.Random(0))) + 1 for style in SHARES}
        assert max(tokens["bare"], tokens["paired"], tokens["chained"]) <= arithmetic.TOKEN_BUDGET
        assert (tokens["numbered"] > arithmetic.TOKEN_BUDGET) == (len(problem.numbers) == 5)


def test_policy_fits_its_context(policy):
    model, tokenizer = policy
    width = len(Problem((49,) * 5).prompt) + len(write(Problem((49,) * 5), "numbered", random.Random(0))) + 1
    assert width <= model.config.max_position_embeddings == tokenizer.model_max_length


def test_policy_reproduces_its_recorded_metrics(policy, recorded):
    """96 problems × 4 samples against the record's 256 × 8: four standard errors of the difference."""
    task = load("arithmetic")
    rows = task.validation.select(range(96))
    sampled = measure(*policy, rows, task.objectives, style_of, 60, samples=4, seed=1)
    expected = recorded["sampled"]
    assert sampled["accuracy"] == pytest.approx(expected["accuracy"], abs=0.12)
    assert sampled["clarity"] == pytest.approx(expected["clarity"], abs=0.10)
    assert sampled["conciseness"] == pytest.approx(expected["conciseness"], abs=5.0)


def test_policy_can_move_in_every_direction(policy, recorded):
    """Each kind of answer is drawn often enough that a group of eight nearly always holds a choice."""
    shares = {name: style["share"] for name, style in recorded["sampled"]["styles"].items()}
    assert set(shares) == {"bare", "chained", "numbered"}
    assert min(shares.values()) > 0.15


def test_styles_are_told_apart():
    kinds = {style: style_of(write(SUM, style, random.Random(0))) for style in SHARES}
    assert kinds == {
        "bare": "bare",
        "paired": "chained",
        "chained": "chained",
        "partly numbered": "numbered",
        "numbered": "numbered",
    }


@pytest.mark.slow
def test_remade_policy_has_the_shipped_metrics(recorded, tmp_path):
    remake = script("make_policy")
    metrics = remake.make(remake.arguments(["--output_dir", str(tmp_path)]))
    for kind in ("sampled", "greedy"):
        for name, scale in (("accuracy", 1), ("conciseness", 60), ("clarity", 1)):
            assert metrics[kind][name] == pytest.approx(recorded[kind][name], abs=0.02 * scale), (kind, name)
