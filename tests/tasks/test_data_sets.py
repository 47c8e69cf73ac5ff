"""A user's data set: a folder, a single file of each kind, and what is split off."""

from pathlib import Path

import pytest
from datasets import Dataset

from paretune.tasks.data_sets import name_of, read_splits

ROWS = Dataset.from_dict({"prompt": [f"{i}+{i}=" for i in range(20)], "answer": [2 * i for i in range(20)]})
WRITE = {
    ".parquet": ROWS.to_parquet, ".jsonl": ROWS.to_json, ".csv": ROWS.to_csv,
    ".json": lambda path: ROWS.to_json(path, lines=False),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITE)
def test_a_single_file(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"my [sums]*{kind}"  # nothing in its name is a pattern
    WRITE[kind](file)
    train, validation, test = read_splits(str(file), None)
    assert (train.to_list(), validation, test) == (ROWS.to_list(), None, None)
    assert name_of(str(file)) == "my [sums]*"


def test_a_share_is_split_off_the_same_each_time(tmp_path: Path) -> None:
    ROWS.to_json(tmp_path / "sums.jsonl")
    parts = [read_splits(str(tmp_path / "sums.jsonl"), None, share=0.2) for _ in range(2)]
    assert [[rows.to_list() for rows in one] for one in parts[:1]] == [[rows.to_list() for rows in parts[1]]]
    train, validation, test = parts[0]
    assert (len(train), len(validation)) == (16, 4)
    assert sorted([*train["answer"], *validation["answer"]]) == ROWS["answer"]
    assert test is validation  # there is nothing else


@pytest.mark.parametrize(
    ("splits", "share", "expected"),
    [
        (["train"], None, (None, None)),
        (["train", "test"], None, ("test", "test")),
        (["train", "validation"], None, ("validation", "validation")),
        (["train", "validation", "test"], None, ("validation", "test")),
        (["train", "test"], 0.5, ("train", "test")),
    ],
)
def test_the_splits_of_a_folder(
    splits: list[str], share: float | None, expected: tuple[str | None, str | None], tmp_path: Path
) -> None:
    for split in splits:
        Dataset.from_dict({"prompt": [split] * 4}).to_json(tmp_path / "data" / f"{split}.jsonl")
    train, *others = read_splits(str(tmp_path / "data"), None, share=share)
    assert tuple(None if rows is None else rows["prompt"][0] for rows in others) == expected
    assert len(train) == (4 if share is None else 2)
    assert name_of(str(tmp_path / "data")) == name_of(str(tmp_path / "data" / ".")) == "data"
