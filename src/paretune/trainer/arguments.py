"""What the trainer is called with, checked before a model is loaded."""

import inspect
from collections.abc import Mapping, Sequence, Sized
from typing import Any

from trl import GRPOTrainer


def by_name(positional: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """TRL's arguments behind ``eval_dataset`` by their names, wherever they stood.

    Raises:
        TypeError: as TRL's trainer does, for too many, unknown ones, or one that is given twice.
    """
    before = [None] * 6  # the trainer itself, model, reward_funcs, args, train_dataset, eval_dataset
    bound = inspect.signature(GRPOTrainer.__init__).bind_partial(*before, *positional, **keywords)
    return dict(list(bound.arguments.items())[len(before) :])


def check_rows(name: str, rows: Any, *, needs_prompts: bool = True) -> None:
    """Raise ``ValueError`` unless a data set has rows with a prompt, as far as it tells without being read.

    Args:
        name: the argument's.
        rows: a data set, several of them by name, or None.
        needs_prompts: not where an environment brings the prompts.
    """
    if isinstance(rows, dict):
        for split, own in rows.items():
            check_rows(f"{name}[{split!r}]", own, needs_prompts=needs_prompts)
        return
    if isinstance(rows, Sized) and len(rows) == 0:
        raise ValueError(f"`{name}` is empty: give at least one row.")
    columns = getattr(rows, "column_names", None)
    if needs_prompts and isinstance(columns, list) and "prompt" not in columns:
        raise ValueError(f"`{name}` has no column 'prompt', it has {', '.join(columns)}: rename the one that holds it.")
