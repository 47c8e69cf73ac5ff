"""Reading SafeSQL's files."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from paretune import tasks
from paretune.tasks.safesql.problems import VALIDATION, read_folder

DATA = Path(__file__).parents[4] / "shared" / "data" / "safesql"


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "program_id": f"program_{number}",
        "prompt": [{"role": "user", "content": "Write a program."}],
        "construct_db": "import sqlite3",
        "test_cases": [{"input": "1\n", "output": "one", "success": True}],
        "test_attacks": ["' OR 1=1 --"],
        **changes,
    }


def write(folder: Path, train: list[dict[str, Any]], test: list[dict[str, Any]]) -> Path:
    for name, rows in (("train", train), ("test", test)):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return folder


def test_validation_is_cut_from_training_and_never_from_test(tmp_path: Path) -> None:
    train, test = [row(n) for n in range(100)], [row(n) for n in range(100, 110)]
    splits = read_folder(write(tmp_path, train, test))
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 40, "validation": VALIDATION, "test": 10}
    names = {split: set(rows["program_id"]) for split, rows in splits.items()}
    assert names["train"] | names["validation"] == {own["program_id"] for own in train}
    assert names["test"] == {own["program_id"] for own in test}
    # The same problems, whatever the order of the file.
    (tmp_path / "other").mkdir()
    again = read_folder(write(tmp_path / "other", train[::-1], test))
    assert again["validation"]["program_id"] == splits["validation"]["program_id"]


def test_the_published_files() -> None:
    if not DATA.is_dir():
        pytest.skip("the published files are not here")
    splits = read_folder(DATA)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 279, "validation": 60, "test": 85}
    first = splits["test"][0]
    assert first["program_id"] == "program_77"
    assert "```python" in first["prompt"][0]["content"]
    assert len(first["test_inputs"]) == len(first["test_outputs"]) == 20


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"program_id": ""}, "Row 3 of .* must have a name in program_id, got ''"),
        ({"prompt": []}, r"messages with role and content in prompt, got \[\]"),
        ({"prompt": [{"role": "user", "content": None}]}, "messages with role and content in prompt"),
        ({"construct_db": None}, "a Python program in construct_db, got None"),
        ({"test_cases": []}, r"tests with input and output in test_cases, got \[\]"),
        ({"test_cases": [{"input": "1", "output": None, "success": True}]}, "tests with input and output"),
        ({"test_attacks": None}, "texts in test_attacks, got None"),
        ({"program_id": "program_1"}, "has the program_id 'program_1' twice"),
    ],
)
def test_a_bad_row_is_named(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    train = [row(n, **(changes if n == 3 else {})) for n in range(70)]
    with pytest.raises(ValueError, match=expected):
        read_folder(write(tmp_path, train, [row(100)]))


def test_a_problem_of_both_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'program_5' is in both"):
        read_folder(write(tmp_path, [row(n) for n in range(70)], [row(5)]))


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_folder(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"lacks train\.parquet, test\.parquet"):
        read_folder(tmp_path)
    write(tmp_path, [row(n) for n in range(VALIDATION)], [row(100)])
    with pytest.raises(ValueError, match="has 60 problems: 60 are for validation"):
        read_folder(tmp_path)
    pq.write_table(pa.table({"prompt": ["x"]}), tmp_path / "test.parquet")
    with pytest.raises(ValueError, match="lacks the column program_id, construct_db"):
        read_folder(tmp_path)
    (tmp_path / "test.parquet").write_text("no parquet")
    with pytest.raises(ValueError, match="cannot be read as parquet"):
        read_folder(tmp_path)


def test_without_data_it_says_so() -> None:
    with pytest.raises(FileNotFoundError, match="not on the Hub: give a local folder"):
        tasks.load("safesql")


def test_only_a_task_that_runs_programs_can_do_without_a_sandbox() -> None:
    with pytest.raises(ValueError, match="'arithmetic' runs no programs"):
        tasks.load("arithmetic", unsafe_no_sandbox=True)
