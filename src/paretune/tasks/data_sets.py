"""Data sets of the user's own: a folder, a single file, or a name on the Hub."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset

READERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv"}
"""Which of datasets' readers takes a file."""
VALIDATION = "validation"
SEED = 0
"""Decides which rows are split off for validation."""


def looks_local(name: str) -> bool:
    """Whether a name can only be meant as a path: by its slashes, its beginning, or the ending of a data file."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or Path(name).suffix in READERS


def name_of(dataset_name: str) -> str:
    """What a task on a data set is called: the file or the folder, wherever it lies, or the name on the Hub."""
    path = Path(dataset_name)
    return path.resolve().stem if path.exists() else dataset_name


def read_splits(
    name: str, config: str | None, *, train: str = "train", test: str | None = None, share: float | None = None
) -> tuple[Dataset, Dataset | None, Dataset | None]:
    """The rows to train on, to validate on and to test on.

    Args:
        name: a folder of parquet, JSON or CSV files, a single one, or a name on the Hub. Python files are not run.
        config: the data set's configuration.
        train: its split to train on; a single file is one split, ``train``.
        test: its split to test on; by default ``test``, where there is one.
        share: the share of the rows to train on, above 0 and below 1, that is split off for validation; always the
            same rows.

    Returns:
        Train, validation and test. Validation is the split ``validation``, where there is one, or what was split off.
        Where only one of the last two can be had, it serves for both; None where neither can.

    Raises:
        ValueError: if it cannot be read, lacks a split that was asked for, is empty or has no column ``prompt``, the
            share is out of range, or there is a split for validation beside it.
    """
    if share is not None and not 0 < share < 1:
        raise ValueError(f"--validation_share must be above 0 and below 1, got {share}.")
    found = _loaded(name, config)
    missing = [split for split in (train, test) if split is not None and split not in found]
    if missing:
        raise ValueError(
            f"the data set {name} has no split {missing[0]!r}; it has {', '.join(found)}: "
            "give --dataset_train_split and --dataset_test_split."
        )
    rows, validation, judged = found[train], found.get(VALIDATION), found.get(test or "test")
    if share is not None:
        if validation is not None:
            raise ValueError(f"the data set {name} has a split {VALIDATION!r} already: leave out --validation_share.")
        rows, validation = _parted(name, rows, share)
    first, second = (one if one is not None else other for one, other in ((validation, judged), (judged, validation)))
    return rows, first, second


def _loaded(name: str, config: str | None) -> dict[str, Any]:
    """The splits of a data set by their names."""
    path = Path(name)
    if not name.strip():
        raise ValueError("--dataset_name is empty: give a folder, a data file or a Hub name.")
    if not path.exists() and looks_local(name):
        raise ValueError(f"--dataset_name {name}: there is no such file or folder.")
    if path.is_file() and path.suffix not in READERS:
        raise ValueError(
            f"--dataset_name {name}: a data file ends in {', '.join(READERS)}; or give a folder, or a Hub name."
        )
    if path.is_file() and config is not None:
        raise ValueError(f"--dataset_config {config}: the file {name} has no configurations: leave it out.")
    resolved = str(path.resolve())
    if path.is_dir() and glob.escape(resolved) != resolved:
        raise ValueError(
            f"--dataset_name {name}: the path of a folder must hold none of * ? [, which stand for other letters, got "
            f"{resolved!r}: rename it, or give a single file."
        )
    try:
        if path.is_file():
            file = glob.escape(resolved)
            return dict(load_dataset(READERS[path.suffix], data_files={"train": file}))
        # Python files in it are not run: datasets refuses a folder that has a script of its own name.
        return dict(load_dataset(name, name=config))
    except Exception as error:  # a damaged file raises whatever the reader of its format does
        is_empty = isinstance(error, StopIteration) or "corresponds to no data" in str(error)
        reason = "a file of it is empty" if is_empty else str(error.__cause__ or error)
        raise ValueError(
            f"cannot load the data set {name}: {reason or type(error).__name__} (it must be a parquet, JSON or CSV "
            "file, a folder of these, or a Hub name)"
        ) from error


def _parted(name: str, rows: Dataset, share: float) -> tuple[Dataset, Dataset]:
    """The rows that stay, and those that are split off."""
    try:
        parts = rows.train_test_split(test_size=share, seed=SEED)
    except ValueError as error:
        raise ValueError(
            f"--validation_share {share} of the {len(rows)} rows of {name} leaves none to train on: give a smaller one."
        ) from error
    return parts["train"], parts["test"]
