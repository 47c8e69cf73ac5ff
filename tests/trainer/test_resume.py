"""A run that was stopped at a checkpoint and resumed is, bit for bit, the run that was never stopped."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune import (
    PAMA,
    PCD,
    FixedWeights,
    GradientInfluence,
    GramianRule,
    HypervolumeGuided,
    Lagrangian,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    NashWelfare,
    Objective,
    ScheduledWeights,
    Tchebycheff,
)
from paretune.objectives import Conciseness, completion_length
from paretune.record.run_directory import read_evaluations, read_steps
from paretune.weighting import RULES as registered  # noqa: N811
from paretune.weighting import WeightingRule
from policies import StopAfter, digits, letters, prompts, saved_policy
from records import read_completions, read_front

PREFERENCES = [0.4, 0.3, 0.3]
RULES: dict[str, Callable[[], WeightingRule]] = {
    "fixed": lambda: FixedWeights(PREFERENCES),
    "scheduled": lambda: ScheduledWeights({0: (1.0, 0.0, 0.0), 3: (0.0, 0.5, 0.5)}),
    "hypervolume": lambda: HypervolumeGuided(PREFERENCES),
    "hypervolume-reward": lambda: HypervolumeGuided(PREFERENCES, apply_to="reward", reference="initial"),
    "hypervolume-rollouts": lambda: HypervolumeGuided(PREFERENCES, evaluate_on="rollouts"),
    "hypervolume-every": lambda: HypervolumeGuided(PREFERENCES, apply_to="advantage", every=2),
    "directional": lambda: GradientInfluence(average_over=3),
    "realised": lambda: GradientInfluence(method="realised"),
    "exact": lambda: GradientInfluence(method="exact", floor=0.05),
    "pama": lambda: PAMA(),
    "lagrangian": lambda: Lagrangian("digits", at_most={"conciseness": 4.0}),
    "pcd": lambda: PCD("digits", {"letters": 0.1}),
    "crossed": lambda: GradientInfluence(method="crossed"),
    "gramian-halves": lambda: GramianRule("pcgrad", halves=True),
    "nash-validation": lambda: NashWelfare({"digits": 2.0}, source="validation"),
    "tchebycheff-samples": lambda: Tchebycheff(of="samples"),
}
RULES |= {name: rule for name, rule in registered.items() if name not in {*RULES, "gradient"}}
ESTIMATORS = ("grpo", "rloo", "reinforce++")
QUICK = [("directional", "grpo"), ("realised", "rloo"), ("hypervolume", "reinforce++"), ("hypervolume-every", "grpo")]
QUICK += [("tour", "grpo"), ("tchebycheff-samples", "rloo")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"), dropout=0.1)


def trainer_of(model: str, directory: Path, rule: WeightingRule, **kwargs: Any) -> MultiObjectiveTrainer:
    options = {
        "learning_rate": 1e-2, "max_steps": 4, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 8, "gradient_checkpointing": False, "report_to": [], "logging_steps": 1,
        "save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 1,
        "disable_tqdm": True, "write_report": False,
        **kwargs,
    }  # fmt: skip
    objectives = [
        Objective("digits", digits, bounds=(0, 1)),
        Objective("conciseness", Conciseness(), metric=completion_length, maximize=False, bounds=(0, 8)),
        Objective("letters", letters, bounds=(0, 8)),
    ]
    config = MultiObjectiveConfig(str(directory), **options)
    return MultiObjectiveTrainer(model, objectives, config, prompts(), prompts(6), weighting=rule)


def halves(model: str, directory: Path, rule: Callable[[], WeightingRule], *, stop: int, **kwargs: Any) -> Any:
    """The run stopped after `stop` steps and resumed from the newest checkpoint."""
    first = trainer_of(model, directory, rule(), **kwargs)
    first.add_callback(StopAfter(stop))
    first.train()
    resumed = trainer_of(model, directory, rule(), **kwargs)
    resumed.train(resume_from_checkpoint=True)
    return resumed


def timeless(directory: Path) -> list[dict[str, Any]]:
    return [{**line, "seconds": None} for line in read_steps(directory)]


def assert_same_run(a: MultiObjectiveTrainer, b: MultiObjectiveTrainer) -> None:
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        assert torch.equal(p, q)
    states = [trainer.optimizer.state_dict()["state"] for trainer in (a, b)]
    assert states[0].keys() == states[1].keys()
    for i, entries in states[0].items():
        for key, value in entries.items():
            assert torch.equal(value, states[1][i][key]), (i, key)
    assert json.dumps(a._state()) == json.dumps(b._state())  # rule, archives, running means
    assert a.weights == b.weights
    first, second = Path(a.args.output_dir), Path(b.args.output_dir)
    assert timeless(first) == timeless(second)
    for read in (read_evaluations, read_completions, read_front):
        assert read(first) == read(second)


@pytest.mark.parametrize(
    ("rule", "estimator"),
    [
        pytest.param(rule, estimator, marks=[] if (rule, estimator) in QUICK else pytest.mark.slow)
        for rule in RULES
        for estimator in ESTIMATORS
    ],
)
@pytest.mark.filterwarnings("ignore:HypervolumeGuided")
@pytest.mark.turns
def test_a_resumed_run_goes_on_as_if_never_stopped(rule: str, estimator: str, model: str, tmp_path: Path) -> None:
    whole = trainer_of(model, tmp_path / "whole", RULES[rule](), advantage_estimator=estimator)
    whole.train()
    resumed = halves(model, tmp_path / "halves", RULES[rule], stop=3, advantage_estimator=estimator)
    assert [line["step"] for line in read_steps(tmp_path / "whole")] == [1, 2, 3, 4]
    assert_same_run(whole, resumed)


SETTINGS: dict[str, dict[str, Any]] = {
    "a second epoch": {"max_steps": 11, "save_steps": 9},  # one has eight batches
    "the end of an epoch": {"max_steps": 10, "save_steps": 8},
    "accumulation": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    "two updates a batch": {"per_device_train_batch_size": 4, "steps_per_generation": 2},
    "two passes over a batch": {"num_iterations": 2},
    "a reference policy": {"beta": 0.1},
    "weights on advantages": {"combine": "advantages"},
}


@pytest.mark.parametrize(
    "settings", [pytest.param(name, marks=[] if name == "a second epoch" else pytest.mark.slow) for name in SETTINGS]
)
def test_under_other_settings(settings: str, model: str, tmp_path: Path) -> None:
    told = SETTINGS[settings]
    whole = trainer_of(model, tmp_path / "whole", GradientInfluence(), **told)
    whole.train()
    stop = told.get("save_steps", 2) + 1
    assert_same_run(whole, halves(model, tmp_path / "halves", GradientInfluence, stop=stop, **told))


def test_in_the_middle_of_a_batch_a_resumed_run_begins_the_next_one(model: str, tmp_path: Path) -> None:
    """TRL keeps no rollouts: what is left of the batch is not trained on, but its line stands, with its weights."""
    told = {"per_device_train_batch_size": 4, "steps_per_generation": 2, "save_steps": 3, "max_steps": 7}
    resumed = halves(model, tmp_path, GradientInfluence, stop=4, **told)
    assert resumed.state.global_step == 7
    lines = read_steps(tmp_path)
    assert [(line["batch"], line["step"]) for line in lines] == [(1, 2), (2, 3), (3, 5), (4, 7)]
    assert all(sum(line["weights"].values()) == pytest.approx(1.0) for line in lines)


def test_a_run_that_ends_in_the_middle_of_a_batch_has_its_line(model: str, tmp_path: Path) -> None:
    told = {"per_device_train_batch_size": 4, "steps_per_generation": 2, "max_steps": 1, "save_strategy": "no"}
    trainer_of(model, tmp_path, FixedWeights(PREFERENCES), **told).train()
    (line,) = read_steps(tmp_path)
    assert (line["batch"], line["step"], line["weights"]["digits"]) == (1, 1, 0.4)
