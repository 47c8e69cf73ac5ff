"""Priorities in the data: prepared before training for a rule that steers, and gathered with each batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor

from paretune.objectives import Objective
from paretune.steering import COLUMN, Template, steered
from paretune.trainer.config import MultiObjectiveConfig
from paretune.weighting import WeightingRule


def steered_rows(
    rule: WeightingRule, objectives: Sequence[Objective], args: MultiObjectiveConfig, rows: Any, *, own_data: bool
) -> tuple[Any, Template | None]:
    """The training data as a rule that steers needs them, with its template; for any other rule as they are.

    Raises:
        ValueError: if the rule's template cannot be used, or there are no rows to prepare.
    """
    wanted = rule.steering
    if wanted is None:
        return rows, None
    if rows is None or not own_data:
        raise ValueError(
            f"{rule!r} writes priorities into the prompts of the data: give a `train_dataset`, and no "
            "`environment_factory`."
        )
    names, example = [objective.name for objective in objectives], next(iter(rows))["prompt"]
    template = Template(names, wanted.template, example=example)
    prepared = steered(
        rows,
        template,
        concentration=wanted.concentration,
        plain_share=wanted.plain_share,
        seed=args.seed,
        repeats=args.max_steps > 0,  # else the data say how long training takes
    )
    return prepared, template


def gathered_priorities(inputs: Sequence[Mapping[str, Any]], count: int) -> Tensor | None:
    """What the prompts of a batch say, ``[N, K]`` on the CPU, over all processes; None where the data say nothing.

    A column of that name that holds something else than K numbers on the simplex is the user's own affair.
    """
    told = [row.get(COLUMN) for row in inputs] if COLUMN in inputs[0] else [None]
    everywhere = gather_object(told)
    if not all(map(_is_row, everywhere)) or {len(row) for row in everywhere} != {count}:
        return None
    values = torch.tensor(everywhere, dtype=torch.float64)
    on_simplex = bool((values >= 0).all()) and bool(torch.allclose(values.sum(dim=1), values.new_ones(len(values))))
    return values if on_simplex else None


def _is_row(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, int | float) for one in value)
