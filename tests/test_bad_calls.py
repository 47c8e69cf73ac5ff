"""Python calls that are wrong: the named exception, with one line that says what, before a model is loaded."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretune import (
    PAMA,
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
    ParetoArchive,
    ScheduledWeights,
    tasks,
)
from policies import digits, prompts

Call = Callable[[], Any]
HALVES = FixedWeights([0.5, 0.5])


def objective(**options: Any) -> Call:
    return lambda: Objective(**{"name": "a", "reward": digits, **options})


CALLS: list[tuple[str, Call, str]] = [
    # Objectives.
    ("no name", objective(name=""), "`name` of an objective must be a non-empty string, got ''"),
    ("a number for a name", objective(name=3), "`name` of an objective must be a non-empty string, got 3"),
    ("no reward", objective(reward=None), "`reward` of 'a' must be a function, a reward model or the path of one"),
    ("a number for a reward", objective(reward=3), "must be a function, a reward model or the path of one, got 3"),
    ("a number for a metric", objective(metric=3), "`metric` of 'a' must be a function or None, got 3"),
    ("text for a truth value", objective(maximize="no"), "`maximize` of 'a' must be True or False, got 'no'"),
    ("bounds the wrong way round", objective(bounds=(1, 0)), "must be two finite numbers (low, high), low < high"),
    ("one bound", objective(bounds=(1,)), "must be two finite numbers (low, high), low < high, got (1,)"),
    ("a bound of NaN", objective(bounds=(0, math.nan)), "must be two finite numbers (low, high)"),
    ("bounds that are none", objective(bounds=3), "must be two finite numbers (low, high), low < high, got 3"),
    ("a gate on itself", objective(gate=("a", 1)), "names the objective itself: name another one"),
    ("a gate without threshold", objective(gate="b"), "must be (name of an objective, finite threshold), got 'b'"),
    ("a gate at NaN", objective(gate=("b", math.nan)), "finite threshold), got ('b', nan)"),
    # Rules.
    ("a negative preference", lambda: HypervolumeGuided([-1, 2]), "`weights` must not be negative, got -1, 2"),
    ("preferences beyond 1", lambda: HypervolumeGuided([0.5, 0.6]), "`weights` must sum to 1, got 0.5, 0.6 (sum 1.1)"),
    ("no weights", lambda: FixedWeights([]), "`weights` is empty: give one weight for each objective"),
    ("a weight of NaN", lambda: FixedWeights([math.nan, 1]), "`weights` must be finite float32 numbers, got nan, 1"),
    ("a weight in words", lambda: FixedWeights(["half", "half"]), "must be a number for each objective, got ['half',"),  # type: ignore[list-item]
    ("one number for weights", lambda: FixedWeights(1), "`weights` must be a number for each objective, got 1"),  # type: ignore[arg-type]
    ("an unknown preset", lambda: FixedWeights("fair"), "Unknown preset 'fair': choose one of accuracy,"),
    ("no breakpoints", lambda: ScheduledWeights({}), "`schedule` needs breakpoints"),
    ("a number for a plan", lambda: ScheduledWeights(5), "`schedule` must map steps to weights, got 5"),  # type: ignore[arg-type]
    ("weights without steps", lambda: ScheduledWeights([0.5, 0.5]), "`schedule` must map steps to weights, got [0.5"),  # type: ignore[list-item]
    ("a negative step", lambda: ScheduledWeights({-1: [1]}), "`schedule` needs breakpoints at"),
    ("breakpoints of two lengths", lambda: ScheduledWeights({0: [1], 1: [0.5, 0.5]}), "the same number of weights"),
    ("an unknown place", lambda: HypervolumeGuided([1], apply_to="loss"), "`apply_to` must be one of update,"),  # type: ignore[arg-type]
    ("an unknown reference", lambda: HypervolumeGuided([1], reference="best"), "`reference` must be 'worst', 'init"),  # type: ignore[arg-type]
    ("a reference for two", lambda: HypervolumeGuided([1], reference=[0, 0]), "has 2 values for 1 weights"),
    ("a scale of 0", lambda: HypervolumeGuided([1], scale=0), "`scale` must be finite and above 0, got 0"),
    ("never", lambda: HypervolumeGuided([1], every=0), "`every` must be a whole number of 1 or more, got 0"),
    ("half a time", lambda: GradientInfluence(every=1.5), "`every` must be a whole number of 1 or more, got 1.5"),  # type: ignore[arg-type]
    ("an unknown place to look", lambda: HypervolumeGuided([1], evaluate_on="test"), "`evaluate_on` must be"),  # type: ignore[arg-type]
    ("a μ of 0", lambda: GradientInfluence(mu=0), "`mu` must be finite and above 0, got 0"),
    ("a μ of NaN", lambda: GradientInfluence(mu=math.nan), "`mu` must be finite and above 0, got nan"),
    ("an unknown method", lambda: GradientInfluence(method="guess"), "`method` must be one of directional,"),
    ("no blocks", lambda: GradientInfluence(layers=[]), "needs block indices of 0 or more, got []"),
    ("true blocks", lambda: GradientInfluence(layers=[True]), "block indices of 0 or more, got [True]"),
    ("a bare block", lambda: GradientInfluence(layers=3), "needs block indices of 0 or more, got 3"),  # type: ignore[arg-type]
    ("clipping to no number", lambda: GradientInfluence(method="exact", clip_norm=float("nan")), "`clip_norm` must be"),
    ("blocks of a name", lambda: GradientInfluence(layers="top"), "`layers` must be 'all', 'middle' or a list"),  # type: ignore[arg-type]
    ("an average over none", lambda: GradientInfluence(average_over=0), "must be a whole number of 1 or more, got 0"),
    ("a floor of 1", lambda: GradientInfluence(floor=1), "`floor` must be in [0, 1/K), got 1"),
    ("clipping of what is not there", lambda: GradientInfluence(clip_norm=1.0), "use method='exact'"),
    ("unknown credit", lambda: PAMA(credit="token"), "`credit` must be one of sample, batch, got 'token'"),  # type: ignore[arg-type]
    # The archive.
    ("no objectives", lambda: ParetoArchive([], []), "`maximize` is empty: give one bool for each objective"),
    ("references of another number", lambda: ParetoArchive([True], [0, 0]), "has 2 values for 1 objectives"),
    ("a reference of NaN", lambda: ParetoArchive([True], [math.nan]), "`reference` must be finite, got [nan]"),
    ("an archive's bounds reversed", lambda: ParetoArchive([True], [0], [(1, 0)]), "low < high"),
    ("bounds of another number", lambda: ParetoArchive([True], [0], [(0, 1)] * 2), "has 2 pairs for 1 objectives"),
    ("a point of two", lambda: ParetoArchive([True], [0]).add([1, 2]), "`point` must have 1 values, got"),
    # Tasks.
    ("an unknown task", lambda: tasks.load("poetry"), "unknown task 'poetry': choose one of arithmetic,"),
    ("a task's path", lambda: tasks.load("../arithmetic"), "unknown task '../arithmetic'"),
    ("a task's data where there are none", lambda: tasks.load("arithmetic", "x"), "got data 'x': leave it out"),
    ("no sandbox where none is", lambda: tasks.load("arithmetic", unsafe_no_sandbox=True), "runs no programs"),
    ("an unknown task's description", lambda: tasks.describe("poetry"), "unknown task 'poetry'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "expected"), [case[1:] for case in CALLS], ids=[case[0] for case in CALLS])
def test_refused(call: Call, expected: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (the words are checked below)
        call()
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"advantage_estimator": "ppo"}, "`advantage_estimator` must be one of grpo, rloo, reinforce++, got 'ppo'"),
    ({"combine": "losses"}, "`combine` must be 'rewards' or 'advantages', got 'losses'"),
    ({"eval_samples": 0}, "`eval_samples` must be 1 or more, got 0"),
    ({"eval_temperature": math.nan}, "`eval_temperature` must be 0 or more, got nan"),
    ({"front_checkpoints": -1}, "`front_checkpoints` must be 0 or more, got -1"),
    ({"num_generations": 1}, "at least 2 generations"),
    ({"num_generations": 0}, "`num_generations` must be 2 or more: GRPO compares at least 2 generations of a prompt"),
    ({"learning_rate": math.nan}, "`learning_rate` must be 0 or more, got nan"),
    ({"learning_rate": "small"}, "`learning_rate` must be 0 or more, got 'small'"),
    ({"temperature": 0.0}, "`temperature` must be above 0, got 0.0"),
    ({"max_steps": 0}, "`max_steps` must be 1 or more, or -1 to go by num_train_epochs, got 0"),
    ({"beta": -0.1}, "`beta` must be 0 or more, got -0.1"),
    ({"loss_type": "gpro"}, "`loss_type` must be one of grpo, dapo, dr_grpo, bnpo, cispo, sapo, luspo, vespo, got"),
    ({"num_generations": 7}, "must be divisible by num_generations (7)"),
    ({"per_device_train_batch_size": 12}, "must be divisible by num_generations (8)"),
]


@pytest.mark.parametrize(("options", "expected"), CONFIGS, ids=[str(options) for options, _ in CONFIGS])
def test_refused_settings(options: dict[str, Any], expected: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (as above)
        MultiObjectiveConfig(str(tmp_path), **options)
    assert expected in str(refused.value)


TRAINERS: list[tuple[str, dict[str, Any], str]] = [
    ("no objectives", {"objectives": []}, "`objectives` is empty: give at least one"),
    ("none", {"objectives": None}, "`objectives` is empty: give at least one"),
    ("a number for an objective", {"objectives": [3]}, "must be a function, a reward model or the path of one, got 3"),
    ("one name for two", {"objectives": [Objective("a", digits)] * 2}, "different names, got 'a' twice"),
    ("a gate on nothing", {"objectives": [Objective("a", digits, gate=("b", 1))]}, "names 'b': choose one of a"),
    ("weights for two", {"weighting": HALVES}, "`weights` has 2 values for 1 objectives (digits)"),
    ("a preset for three", {"weighting": FixedWeights("balanced")}, "needs three objectives, got 1"),
    ("no rule", {"weighting": None}, "`weighting` must be a rule, such as FixedWeights([...]), got None"),
    (
        "a rule's class",
        {"weighting": GradientInfluence},
        "`weighting` must be a rule, such as FixedWeights([...]), got",
    ),
    ("no rows", {"train_dataset": prompts().select([])}, "`train_dataset` is empty: give at least one row"),
    (
        "no prompts",
        {"train_dataset": prompts().rename_column("prompt", "question")},
        "has no column 'prompt'",
    ),
    ("an empty split", {"eval_dataset": {"a": prompts(), "b": prompts().select([])}}, "`eval_dataset['b']` is empty"),
    ("TRL's weights, too", {"reward_weights": [1.0]}, "the weights are the rule's"),
    ("no bounds", {"weighting": HypervolumeGuided([1.0])}, "needs bounds of every objective's metric"),
]


@pytest.mark.parametrize(("changed", "expected"), [c[1:] for c in TRAINERS], ids=[c[0] for c in TRAINERS])
def test_refused_trainers(changed: dict[str, Any], expected: str, tmp_path: Path) -> None:
    """The model is not there: nothing of it is looked at before the rest fits."""
    options = dict(changed)
    args = MultiObjectiveConfig(str(tmp_path), report_to=[], reward_weights=options.pop("reward_weights", None))
    given = {"objectives": [digits], "weighting": FixedWeights([1.0]), "train_dataset": prompts(), **options}
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (as above)
        MultiObjectiveTrainer("no/such/model", args=args, **given)
    assert expected in str(refused.value)
