"""Training data that say priorities: drawn by the seed and the row, so that nothing is random while training."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.steering.template import Template

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

COLUMN = "priorities"
"""The column that holds each row's priorities, ``[K]`` on the simplex."""
LEAST = 4096
"""Rows up to which a small set is repeated."""
SPECIAL_SHARE = 0.1
"""Of the draws, the share that is a corner or the centre, each as often."""


def steered(
    rows: "Dataset | IterableDataset",
    template: Template,
    *,
    concentration: float,
    plain_share: float,
    seed: int,
    repeats: bool,
) -> "Dataset | IterableDataset":
    """Rows whose prompts say the priorities in their column :data:`COLUMN`.

    Args:
        rows: with a column ``prompt``.
        template: writes priorities into a prompt.
        concentration: of the Dirichlet distribution, above 0.
        plain_share: the share of rows whose prompt stays as it is and means equal priorities.
        seed: decides the draws, together with the number of a row and its copy.
        repeats: whether a set of fewer than :data:`LEAST` rows is repeated, each copy with draws of its own.

    Raises:
        ValueError: if the rows have priorities already.
    """
    columns: Iterable[str] = rows.column_names or ()
    if COLUMN in columns:
        raise ValueError(f"`train_dataset` has a column {COLUMN!r}, which the rule draws itself: rename or remove it.")
    if repeats and plain_share < 1 and hasattr(rows, "select"):
        rows = rows.select([*range(len(rows))] * -(-LEAST // len(rows)))
    count = len(template.names)

    def say(prompts: Sequence[Any], numbers: Sequence[int]) -> dict[str, list[Any]]:
        drawn = [
            draw(count, concentration=concentration, plain_share=plain_share, seed=seed, number=number)
            for number in numbers
        ]
        said = zip(prompts, drawn, strict=True)
        return {
            "prompt": [prompt if told is None else template.format(prompt, told) for prompt, told in said],
            COLUMN: [[1 / count] * count if told is None else told for told in drawn],
        }

    return rows.map(say, with_indices=True, batched=True, input_columns=["prompt"])


def stating(
    rows: "Dataset | IterableDataset", template: Template, priorities: Sequence[float]
) -> "Dataset | IterableDataset":
    """Rows whose prompts all state the same priorities, by which one setting of a dial is measured.

    Args:
        rows: with a column ``prompt``.
        template: writes priorities into a prompt.
        priorities: of each objective, in order.
    """
    return rows.map(lambda prompt: {"prompt": template.format(prompt, priorities)}, input_columns=["prompt"])


def draw(count: int, *, concentration: float, plain_share: float, seed: int, number: int) -> list[float] | None:
    """The priorities of a row, in whole per cent; None for one that says nothing.

    Args:
        count: K.
        concentration: of the Dirichlet distribution.
        plain_share: how often it is None.
        seed: with `number` it decides the draw.
        number: of the row, counted through all copies.
    """
    generator = np.random.default_rng((seed, number))
    if generator.random() < plain_share:
        return None
    if generator.random() < SPECIAL_SHARE:
        which = int(generator.integers(count + 1))
        return [1 / count] * count if which == count else [float(k == which) for k in range(count)]
    return _per_cent(generator.dirichlet([concentration] * count))


def _per_cent(shares: "np.ndarray[Any, Any]") -> list[float]:
    """The shares in whole per cent that sum to 1: the largest remainders are rounded up."""
    hundredths = np.floor(100 * shares).astype(int)
    missing = 100 - int(hundredths.sum())
    hundredths[np.argsort(hundredths - 100 * shares, kind="stable")[:missing]] += 1
    return [int(value) / 100 for value in hundredths]
