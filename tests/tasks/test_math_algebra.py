import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from paretune import tasks
from paretune.objectives.completions import last_box
from paretune.tasks import math_problems
from paretune.tasks.math_algebra.problems import read_hub, split_hub_rows
from paretune.tasks.math_problems import FILES, INSTRUCTION

DATA = Path(__file__).parents[2] / "../shared/data"
PUBLISHED = DATA / "math_algebra"
MATH500 = DATA / "math500"
SIZES = {"train": 1744, "validation": 593, "test": 594}

needs_published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"{PUBLISHED} is not there")


def row(**changes):
    plain = {
        "level": "Level 1",
        "type": "Algebra",
        "prompt": [{"content": f"Solve $x+1=3$. {INSTRUCTION}", "role": "user"}],
        "reward_model": {"ground_truth": "2", "style": "rule"},
    }
    return {**plain, **changes}


def write(folder, **splits):
    folder.mkdir(exist_ok=True)
    for split, file in FILES.items():
        pq.write_table(pa.Table.from_pylist(splits.get(split, [row()])), folder / file)
    return folder


def refusal(folder, kind):
    with pytest.raises(kind) as raised:
        tasks.load("math_algebra", data=folder)
    message = str(raised.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


# --- a local folder ---------------------------------------------------------------------------------------


@needs_published
def test_the_published_split_is_kept_row_by_row():
    task = tasks.load("math_algebra", data=PUBLISHED)
    for split, file in FILES.items():
        rows = getattr(task, split)
        published = pq.read_table(PUBLISHED / file).to_pylist()
        assert len(rows) == SIZES[split]
        assert rows.column_names == ["prompt", "answer", "level", "type"]
        assert list(rows["prompt"]) == [row["prompt"] for row in published]
        assert list(rows["answer"]) == [row["reward_model"]["ground_truth"] for row in published]
        assert list(rows["level"]) == [row["level"] for row in published]
        assert set(rows["type"]) == {"Algebra"}
        assert all(message["content"].endswith(f" {INSTRUCTION}") for [message] in rows["prompt"])


@needs_published
def test_the_published_answers_earn_the_reward_and_those_of_their_neighbours_do_not():
    task = tasks.load("math_algebra", data=str(PUBLISHED))
    accuracy = task.objectives[0]
    answers = list(task.test["answer"])
    boxed = [[{"role": "assistant", "content": rf"So it is $\boxed{{{answer}}}$."}] for answer in answers]
    assert accuracy.reward(completions=boxed, answer=answers) == [1.0] * 594
    some, neighbours = answers[:20], answers[1:21]
    assert sum(accuracy.reward(completions=boxed[:20], answer=neighbours)) == sum(
        a == b for a, b in zip(some, neighbours, strict=True)
    )


def test_a_missing_folder_and_a_missing_file_are_named(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nowhere", FileNotFoundError)
    folder = write(tmp_path / "data")
    (folder / "test.parquet").unlink()
    assert "lacks test.parquet: MATH algebra needs train.parquet" in refusal(folder, FileNotFoundError)


def test_the_columns_of_another_task_are_refused(tmp_path):
    other = row(subject="Algebra")
    del other["type"]
    message = refusal(write(tmp_path, validation=[other]), ValueError)
    assert "val.parquet' lacks the column type: MATH algebra needs prompt, reward_model, level, type" in message


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"prompt": "Solve $x+1=3$."}, "must have messages with role and content"),
        ({"reward_model": {"style": "rule"}}, "reward_model.ground_truth"),
        ({"reward_model": {"ground_truth": 2}}, "reward_model.ground_truth"),
    ],
)
def test_a_row_without_prompt_or_answer_is_named(tmp_path, changes, complaint):
    message = refusal(write(tmp_path, test=[row(**changes)]), ValueError)
    assert "Row 0 of" in message
    assert "test.parquet" in message
    assert complaint in message


# --- objectives and settings ------------------------------------------------------------------------------


def test_it_is_judged_and_trained_as_math500_is(tmp_path):
    algebra = tasks.load("math_algebra", data=write(tmp_path / "algebra"))
    rows = {split: [row(subject="Algebra")] for split in FILES}
    math500 = tasks.load("math500", data=write(tmp_path / "math500", **rows))
    assert (algebra.name, math500.name) == ("math_algebra", "math500")
    assert [repr(o) for o in algebra.objectives] == [repr(o) for o in math500.objectives]
    assert (algebra.model, algebra.settings) == (math500.model, math500.settings)
    assert algebra.mu is math500.mu is None  # the paper's belong to its clipped sums
    algebra.objectives[1].observe([10, 20])
    assert algebra.objectives[1].state_dict() != math500.objectives[1].state_dict()


# --- the Hub ----------------------------------------------------------------------------------------------


def hub_row(number, split="test", **changes):
    plain = {
        "problem": f"Solve $x-{number}={split == 'test':d}$.",
        "level": "Level 2",
        "type": "Algebra",
        "solution": rf"First $\boxed{{0}}$, no: $x=\boxed{{{number}}}$.",
    }
    return {**plain, **changes}


def hub_rows(train=1744, test=1187):
    return [hub_row(n, "train") for n in range(train)], [hub_row(n) for n in range(test)]


def test_hub_rows_become_prompts_with_the_instruction_and_the_last_box_as_their_answer():
    train, test = hub_rows()
    splits = split_hub_rows(train, test)
    assert {split: len(rows) for split, rows in splits.items()} == SIZES
    asked = f"Solve $x-7=0$. {INSTRUCTION}"
    [found] = [row for row in splits["train"] if row["prompt"][0]["content"] == asked]
    assert found == {
        "prompt": [{"role": "user", "content": asked}],
        "answer": "7",
        "level": "Level 2",
        "type": "Algebra",
    }
    # The test problems are split in two, those for training are not touched.
    assert sorted(map(int, splits["train"]["answer"])) == list(range(1744))
    assert sorted(map(int, [*splits["validation"]["answer"], *splits["test"]["answer"]])) == list(range(1187))


def test_the_hub_split_is_the_same_on_every_machine_and_for_ever():
    train, test = hub_rows()
    splits = split_hub_rows(train, test)
    for rows in (train, test):
        random.Random(0).shuffle(rows)
    again = split_hub_rows(train, test)
    assert all(again[split].to_list() == splits[split].to_list() for split in splits)
    assert {split: rows["answer"][:3] for split, rows in splits.items()} == {
        "train": ["1355", "965", "382"],
        "validation": ["493", "1006", "950"],
        "test": ["186", "265", "965"],
    }


@needs_published
def test_the_published_problems_come_back_from_hub_rows():
    rows = {
        split: [
            {
                "problem": row["prompt"][0]["content"].removesuffix(f" {INSTRUCTION}"),
                "solution": rf"Hence $\boxed{{{row['reward_model']['ground_truth']}}}$.",
                "level": row["level"],
                "type": row["type"],
            }
            for row in pq.read_table(PUBLISHED / file).to_pylist()
        ]
        for split, file in FILES.items()
    }
    ours = split_hub_rows(rows["train"], rows["validation"] + rows["test"])
    published = tasks.load("math_algebra", data=PUBLISHED)

    def content(*splits):
        return Counter((r["prompt"][0]["content"], r["answer"].strip(), r["level"]) for rows in splits for r in rows)

    assert content(ours["train"]) == content(published.train)
    assert content(ours["validation"], ours["test"]) == content(published.validation, published.test)


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"It is $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"Either $\boxed{1}$ or rather $\boxed{ x^{2} }$", r"x^{2}"),
        (r"So $\boxed 4$.", "4"),
        (r"$\boxed{3}$, that is $\boxed{}$", "3"),
        ("It is 4.", None),
    ],
)
def test_the_answer_is_in_the_last_box(solution, answer):
    assert last_box(solution) == answer


@pytest.mark.skipif(not MATH500.is_dir(), reason=f"{MATH500} is not there")
def test_the_last_box_is_what_was_published_as_the_answer_of_500_solutions_of_math():
    for file in FILES.values():
        for published in pq.read_table(MATH500 / file).to_pylist():
            assert last_box(published["solution"]) == published["reward_model"]["ground_truth"]


@pytest.mark.parametrize(
    ("split", "change", "complaint"),
    [
        ("train", None, r"\(algebra, train\) must have 1744 problems, got 1743"),
        ("test", None, r"\(algebra, test\) must have 1187 problems, got 1186"),
        ("train", {"solution": None}, r"\(algebra, train\) lacks solution: give a local folder"),
        ("test", {"solution": "It is\n4."}, r"\(algebra, test\) has no .*answer, got 'It is"),
    ],
)
def test_a_changed_hub_data_set_is_refused(split, change, complaint):
    rows = dict(zip(("train", "test"), hub_rows(), strict=True))
    rows[split] = rows[split][1:] + ([] if change is None else [hub_row(0, split, **change)])
    with pytest.raises(ValueError, match=complaint) as raised:
        split_hub_rows(**rows)
    assert "\n" not in str(raised.value)
    assert "--data" in str(raised.value)


def test_both_splits_of_the_algebra_part_are_fetched(monkeypatch):
    train, test = hub_rows()
    asked = []

    def published(name, config, split):
        asked.append((name, config, split))
        return {"train": train, "test": test}[split]

    monkeypatch.setattr(math_problems, "load_dataset", published)
    splits = read_hub()
    assert asked == [("DigitalLearningGmbH/MATH-lighteval", "algebra", split) for split in ("train", "test")]
    assert {split: len(rows) for split, rows in splits.items()} == SIZES


@pytest.mark.parametrize("error", [ConnectionError("no route\nto host"), ValueError("no cache for config 'algebra'")])
def test_without_the_hub_one_line_says_what_to_do(monkeypatch, error):
    def unreachable(*_, **__):
        raise error

    monkeypatch.setattr(math_problems, "load_dataset", unreachable)
    with pytest.raises(FileNotFoundError, match=r"could not be fetched from the Hub .*--data") as raised:
        tasks.load("math_algebra")
    assert "\n" not in str(raised.value)
