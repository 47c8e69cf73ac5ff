"""What the trainer is called with, checked before a model is loaded."""

import inspect
from collections.abc import Mapping, Sequence, Sized
from typing import Any

from trl import GRPOConfig, GRPOTrainer

from paretune.objectives import Objective, check_objectives
from paretune.trainer.config import MultiObjectiveConfig
from paretune.weighting import WeightingRule


def by_name(positional: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """TRL's arguments behind ``eval_dataset`` by their names, wherever they stood.

    Raises:
        TypeError: as TRL's trainer does, for too many, unknown ones, or one that is given twice.
    """
    before = [None] * 6  # the trainer itself, model, reward_funcs, args, train_dataset, eval_dataset
    bound = inspect.signature(GRPOTrainer.__init__).bind_partial(*before, *positional, **keywords)
    return dict(list(bound.arguments.items())[len(before) :])


def settings_of(args: GRPOConfig | None, model: Any) -> MultiObjectiveConfig:
    """The settings that a trainer was given, or the default ones.

    Raises:
        ValueError: if they are another trainer's, set the weights, or have a value outside its range.
    """
    if args is None:
        name = model if isinstance(model, str) else model.config._name_or_path
        args = MultiObjectiveConfig(f"{name.split('/')[-1]}-paretune")
    if not isinstance(args, GRPOConfig):
        raise ValueError(
            f"`args` must be a MultiObjectiveConfig or a trl.GRPOConfig, got a {type(args).__name__}: convert it. (For "
            "RLOO give MultiObjectiveConfig(advantage_estimator='rloo'); with trl's own RLOOConfig there is "
            "paretune.integrations.trl.RLOOTrainer.)"
        )
    if args.reward_weights is not None:
        raise ValueError(
            f"`reward_weights`={args.reward_weights} is set, but the weights are the rule's: leave it out and "
            "give weighting=FixedWeights([...]) or another rule."
        )
    return MultiObjectiveConfig.from_grpo(args)


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


def check_fit(rule: WeightingRule, objectives: Sequence[Objective], brought: Sequence[Objective] = ()) -> None:
    """Raise ``ValueError`` if objectives do not fit together, or the rule does not fit them.

    Args:
        rule: the rule.
        objectives: all of them.
        brought: those that an environment brings as its own rewards.
    """
    try:
        check_objectives(objectives)
        rule.check(objectives)
    except ValueError as error:
        if not brought:
            raise
        name = brought[0].name
        raise ValueError(
            f"{error} ({', '.join(map(repr, (o.name for o in brought)))} is the environment's own `get_reward`. To "
            f"give it a metric or bounds, rename that method to `_reward`, and give Objective({name!r}, lambda "
            "environments, **_: [e._reward() for e in environments], bounds=(low, high)).)"
        ) from error
