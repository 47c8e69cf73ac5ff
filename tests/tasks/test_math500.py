import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from paretune import tasks
from paretune.tasks.math500.problems import split_hub_rows
from paretune.tasks.math_problems import FILES, INSTRUCTION
from paretune.tasks.smollm2 import MAX_COMPLETION_LENGTH

PUBLISHED = Path(__file__).parents[2] / "../shared/data/math500"

needs_published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"{PUBLISHED} is not there")


def row(number=0, **changes):
    plain = {
        "prompt": [{"content": f"What is {number}+1? {INSTRUCTION}", "role": "user"}],
        "reward_model": {"ground_truth": str(number + 1), "style": "rule"},
        "level": 1,
        "subject": "Prealgebra",
        "unique_id": f"test/prealgebra/{number}.json",
    }
    return {**plain, **changes}


def write(folder, **splits):
    folder.mkdir(exist_ok=True)
    for split, file in FILES.items():
        rows = splits.get(split, [row()])
        table = pa.Table.from_pylist(rows) if rows else pa.Table.from_pylist([row()]).slice(0, 0)
        pq.write_table(table, folder / file)
    return folder


def refusal(folder, kind):
    with pytest.raises(kind) as raised:
        tasks.load("math500", data=folder)
    message = str(raised.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


@needs_published
def test_the_published_split_is_kept_row_by_row():
    task = tasks.load("math500", data=PUBLISHED)
    assert [len(split) for split in (task.train, task.validation, task.test)] == [300, 100, 100]
    for split, file in FILES.items():
        rows = getattr(task, split)
        published = pq.read_table(PUBLISHED / file).to_pylist()
        assert rows.column_names == ["prompt", "answer", "level", "subject"]
        assert list(rows["prompt"]) == [row["prompt"] for row in published]
        assert list(rows["answer"]) == [row["reward_model"]["ground_truth"] for row in published]
        assert list(rows["level"]) == [row["level"] for row in published]
        assert list(rows["subject"]) == [row["subject"] for row in published]


@needs_published
def test_the_published_solutions_earn_the_rewards():
    task = tasks.load("math500", data=str(PUBLISHED))
    accuracy, conciseness, clarity = task.objectives
    assert [objective.name for objective in task.objectives] == ["accuracy", "conciseness", "clarity"]
    published = pq.read_table(PUBLISHED / "test.parquet").to_pylist()[:20]
    solutions = [[{"role": "assistant", "content": row["solution"]}] for row in published]
    answers = task.test["answer"][:20]
    assert accuracy.reward(completions=solutions, answer=answers) == [1.0] * 20
    wrong = [[{"role": "assistant", "content": r"\boxed{\text{no idea}}"}]] * 20
    assert accuracy.reward(completions=wrong, answer=answers) == [0.0] * 20
    steps = [
        [{"role": "assistant", "content": r"1. Add. 2. Halve. \boxed{3}"}],
        [{"role": "assistant", "content": "3"}],
    ]
    assert clarity.reward(completions=steps) == [1.0, 0.0]
    assert conciseness.metric(completion_ids=[[1, 2, 3], [4]]) == [3.0, 1.0]
    conciseness.observe([3, 1])
    assert conciseness.reward(completion_ids=[[1, 2, 3], [4]]) == [0.0, 1.0]


def test_objectives_are_bounded_and_length_by_what_a_completion_may_have(tmp_path):
    task = tasks.load("math500", data=write(tmp_path))
    assert [objective.bounds for objective in task.objectives] == [(0, 1), (0, MAX_COMPLETION_LENGTH), (0, 1)]
    assert [objective.maximize for objective in task.objectives] == [True, False, True]
    assert task.settings["max_completion_length"] == MAX_COMPLETION_LENGTH


def test_two_loads_share_no_running_mean(tmp_path):
    first, second = (tasks.load("math500", data=write(tmp_path)) for _ in range(2))
    first.objectives[1].observe([10, 20])
    assert first.objectives[1].state_dict() != second.objectives[1].state_dict()


def test_settings_are_accepted_by_trl(tmp_path):
    from trl import GRPOConfig

    task = tasks.load("math500", data=write(tmp_path))
    config = GRPOConfig(output_dir=str(tmp_path / "run"), use_cpu=True, bf16=False, **task.settings)
    assert config.generation_batch_size % config.num_generations == 0


@needs_published
def test_hub_rows_become_the_published_prompts_split_300_100_100():
    published = [row for file in FILES.values() for row in pq.read_table(PUBLISHED / file).to_pylist()]
    hub_rows = [
        {
            "problem": row["prompt"][0]["content"].removesuffix(f" {INSTRUCTION}"),
            "answer": row["reward_model"]["ground_truth"],
            "level": row["level"],
            "subject": row["subject"],
            "unique_id": row["unique_id"],
        }
        for row in published
    ]
    splits = split_hub_rows(hub_rows)
    assert {split: len(rows) for split, rows in splits.items()} == {
        "train": 300,
        "validation": 100,
        "test": 100,
    }
    seen = [
        (row["prompt"][0]["content"], row["answer"], row["level"], row["subject"])
        for rows in splits.values()
        for row in rows
    ]
    expected = [
        (row["prompt"][0]["content"], row["reward_model"]["ground_truth"], row["level"], row["subject"])
        for row in published
    ]
    assert Counter(seen) == Counter(expected)
    assert all(len(row["prompt"]) == 1 and row["prompt"][0]["role"] == "user" for row in splits["train"])

    random.Random(0).shuffle(hub_rows)
    again = split_hub_rows(hub_rows)
    assert all(again[split].to_list() == splits[split].to_list() for split in splits)


def hub_row(number, **changes):
    plain = {
        "problem": f"What is {number}+1?",
        "answer": str(number + 1),
        "level": 1,
        "subject": "Prealgebra",
        "unique_id": f"test/prealgebra/{number}.json",
    }
    return {**plain, **changes}


def test_the_hub_split_is_the_same_on_every_machine_and_for_ever():
    splits = split_hub_rows(hub_row(number) for number in range(500))
    assert {split: rows["answer"][:3] for split, rows in splits.items()} == {
        "train": ["214", "279", "381"],
        "validation": ["103", "92", "4"],
        "test": ["315", "447", "237"],
    }


def test_a_changed_hub_data_set_is_refused():
    with pytest.raises(ValueError, match="must have 500 problems, got 499"):
        split_hub_rows(hub_row(number) for number in range(499))
    with pytest.raises(ValueError, match="lacks answer"):
        split_hub_rows(hub_row(number, answer=None) for number in range(500))


def test_a_missing_folder_and_a_missing_file_are_named(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nowhere", FileNotFoundError)
    folder = write(tmp_path / "data")
    (folder / "val.parquet").unlink()
    assert "lacks val.parquet" in refusal(folder, FileNotFoundError)
    assert "does not exist" in refusal(folder / "train.parquet", FileNotFoundError)


@pytest.mark.parametrize("split", list(FILES))
def test_a_file_that_is_no_parquet_an_empty_one_and_one_without_a_column_are_named(tmp_path, split):
    folder = write(tmp_path / "data", **{split: []})
    assert f"{FILES[split]}' has no rows" in refusal(folder, ValueError)

    column_short = row()
    del column_short["reward_model"], column_short["level"]
    folder = write(tmp_path / "data", **{split: [column_short]})
    message = refusal(folder, ValueError)
    assert f"{FILES[split]}' lacks the column reward_model, level" in message

    (folder / FILES[split]).write_text("torn")
    assert f"{FILES[split]}' cannot be read as parquet" in refusal(folder, ValueError)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"prompt": "What is 1+1?"}, "must have messages with role and content"),
        ({"prompt": []}, "must have messages with role and content"),
        ({"prompt": [{"content": "What is 1+1?"}]}, "must have messages with role and content"),
        ({"reward_model": {"style": "rule"}}, "reward_model.ground_truth"),
        ({"reward_model": {"ground_truth": 2}}, "reward_model.ground_truth"),
        ({"reward_model": None}, "reward_model.ground_truth"),
    ],
)
def test_a_row_without_prompt_or_answer_is_named(tmp_path, changes, complaint):
    message = refusal(write(tmp_path, validation=[row(0, **changes)]), ValueError)
    assert "Row 0 of" in message
    assert "val.parquet" in message
    assert complaint in message
