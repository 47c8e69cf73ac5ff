"""Training once more, or where a run is already, works or is refused before a model is loaded."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from trl import GRPOConfig, GRPOTrainer

from paretune import (
    PAMA,
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
    ScheduledWeights,
)
from paretune.objectives import Conciseness, completion_length
from paretune.record.directory_lock import RunInUseError
from paretune.record.record import RunRecord
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from paretune.weighting import WeightingRule
from policies import StopAfter, digits, letters, prompts, saved_policy

NO_MODEL = "/nowhere/model"
"""Loading it fails: whatever is refused before has been refused in time."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"), dropout=0.1, padding=0)


def trainer_of(model: str, directory: Path, rule: WeightingRule | None = None, **kwargs: Any) -> MultiObjectiveTrainer:
    options = {
        "learning_rate": 1e-2, "max_steps": 3, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 8, "gradient_checkpointing": False, "report_to": [], "logging_steps": 1,
        "save_strategy": "no", "eval_strategy": "steps", "eval_steps": 1,
        "disable_tqdm": True, "write_report": False, **kwargs,
    }  # fmt: skip
    objectives = [
        Objective("digits", digits, bounds=(0, 1)),
        Objective("conciseness", Conciseness(), metric=completion_length, maximize=False, bounds=(0, 8)),
        Objective("letters", letters, bounds=(0, 8)),
    ]
    rule = rule or FixedWeights("balanced")
    config = MultiObjectiveConfig(str(directory), **options)
    return MultiObjectiveTrainer(model, objectives, config, prompts(), prompts(6), weighting=rule)


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file() and p.name != ".lock"}


SAVED = {"save_strategy": "steps", "save_steps": 1}


# --- the same trainer once more ----------------------------------------------------------------------------


@pytest.mark.parametrize("saved", [{}, SAVED], ids=["without checkpoints", "with checkpoints"])
def test_a_second_train_is_refused_at_once(saved: dict[str, Any], model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, max_steps=1, **saved)
    trainer.train()
    before, state = files_of(tmp_path), json.dumps(trainer._state())
    with pytest.raises(FileExistsError, match=r"holds a run already: .*`overwrite_output_dir=True`") as refused:
        trainer.train()
    assert ("go on from checkpoint-1" in str(refused.value)) == bool(saved)
    assert (files_of(tmp_path), json.dumps(trainer._state())) == (before, state)


class Counting:
    """A reward whose state is what it goes on with, not a copy."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.called_after: list[int] = []

    def observe(self, lengths: list[int]) -> None:
        self.batches.append(len(lengths))

    def __call__(self, completions: list[str], **_: Any) -> list[float]:
        self.called_after.append(len(self.batches))
        return [0.5] * len(completions)

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.batches = state["batches"]


def test_the_state_before_the_first_run_stays_what_it_was(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, max_steps=1, overwrite_output_dir=True, eval_strategy="no")
    counting = Counting()
    trainer.objectives[0].reward = counting
    trainer.reward_funcs[0] = counting
    for _ in range(3):
        trainer.train()
    assert counting.called_after == [1, 1, 1]


RULES: list[WeightingRule] = [
    FixedWeights("balanced"),
    ScheduledWeights({0: (1.0, 0.0, 0.0), 3: (0.0, 0.5, 0.5)}),
    HypervolumeGuided([0.4, 0.3, 0.3]),
    GradientInfluence(mu=1e-2),
    GradientInfluence(method="realised"),
    PAMA(),
]


@pytest.mark.parametrize(
    "rule", [pytest.param(r, marks=[] if r.name == "hypervolume" else pytest.mark.slow, id=repr(r)) for r in RULES]
)
def test_a_second_run_in_the_place_of_the_first(rule: WeightingRule, model: str, tmp_path: Path) -> None:
    """It begins with the policy as it is, and with all else as a new trainer has it."""
    trainer = trainer_of(model, tmp_path, rule, overwrite_output_dir=True, **SAVED)
    (tmp_path / "notes.txt").write_text("mine")
    trainer.train()
    first = read_steps(tmp_path)
    trainer.save_model(str(tmp_path / "kept"))
    state = torch.get_rng_state()
    trainer.train()
    lines = read_steps(tmp_path)
    assert [(line["batch"], line["step"]) for line in lines] == [(1, 1), (2, 2), (3, 3)]
    assert lines != first
    assert (tmp_path / "notes.txt").read_text() == "mine"

    trainer.processing_class.save_pretrained(tmp_path / "kept")
    again = trainer_of(str(tmp_path / "kept"), tmp_path / "again", type(rule)(**rule.settings), **SAVED)
    torch.set_rng_state(state)
    again.train()
    assert [{**line, "seconds": None} for line in lines] == [
        {**line, "seconds": None} for line in read_steps(tmp_path / "again")
    ]
    assert read_evaluations(tmp_path) == read_evaluations(tmp_path / "again")
    for p, q in zip(trainer.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("rule", [HypervolumeGuided([0.4, 0.3, 0.3]), GradientInfluence()], ids=lambda r: r.name)
@pytest.mark.turns
def test_after_a_callback_has_stopped_it_it_goes_on(rule: WeightingRule, model: str, tmp_path: Path) -> None:
    """In the middle of a batch: TRL's trainer would go on with the rollouts of another life."""
    told = {"max_steps": 6, "per_device_train_batch_size": 4, "steps_per_generation": 2, "eval_on_start": True}
    whole = trainer_of(model, tmp_path / "whole", type(rule)(**rule.settings), **told)
    whole.train()
    trainer = trainer_of(model, tmp_path / "halves", rule, **told, save_strategy="steps", save_steps=2)
    stop = StopAfter(3)
    trainer.add_callback(stop)
    trainer.train()
    trainer.remove_callback(stop)
    trainer.train(resume_from_checkpoint=True)
    assert trainer.args.eval_on_start
    for p, q in zip(trainer.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(p, q)
    runs = [tmp_path / "whole", tmp_path / "halves"]
    lines = [[{**line, "seconds": None} for line in read_steps(run)] for run in runs]
    assert lines[0] == lines[1]
    assert read_evaluations(runs[0]) == read_evaluations(runs[1])


def test_a_policy_that_has_moved_does_not_begin_again(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path)

    def fails(**_: Any) -> list[float]:
        raise ValueError("not now")

    trainer.add_callback(StopAfter(1))
    trainer.train()
    record = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**record, "status": "failed"}))
    before = files_of(tmp_path)
    with pytest.raises(ValueError, match="has trained its policy already: make a new one"):
        trainer.train(resume_from_checkpoint=True)
    assert files_of(tmp_path) == before


def test_an_evaluation_after_a_training_that_failed_is_not_of_the_run(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, eval_strategy="no")
    reward = trainer.reward_funcs[0]

    def fails(**_: Any) -> list[float]:
        raise KeyError("not now")

    trainer.reward_funcs[0] = fails
    with pytest.raises(KeyError):
        trainer.train()
    trainer.reward_funcs[0] = reward
    trainer.evaluate()
    assert trainer.run_log.archives["grid"].steps == []


# --- another trainer in the same directory ------------------------------------------------------------------


LENGTHS = {"steps": {}, "epochs": {"max_steps": -1, "num_train_epochs": 0.25}}


@pytest.mark.parametrize("length", LENGTHS)
def test_a_finished_run_without_a_checkpoint_is_refused_before_a_model_is_loaded(
    length: str, model: str, tmp_path: Path
) -> None:
    trainer_of(model, tmp_path, **LENGTHS[length]).train()
    with pytest.raises(FileExistsError, match="holds a run already, which is finished: give another `output_dir`"):
        trainer_of(NO_MODEL, tmp_path, **LENGTHS[length])


@pytest.mark.parametrize("length", LENGTHS)
def test_that_a_complete_run_has_nothing_to_do_is_said_before_a_model_is_loaded(
    length: str, model: str, tmp_path: Path
) -> None:
    trainer_of(model, tmp_path, **SAVED, **LENGTHS[length]).train()
    with (
        pytest.warns(UserWarning, match=r"resumed, it has nothing to do, and train.* will refuse to begin another"),
        pytest.raises((OSError, ValueError), match=NO_MODEL),
    ):
        trainer_of(NO_MODEL, tmp_path, **SAVED, **LENGTHS[length])


def test_it_can_be_made_longer_or_overwritten(model: str, tmp_path: Path) -> None:
    trainer_of(model, tmp_path, max_steps=1, **SAVED).train()
    longer = trainer_of(model, tmp_path, max_steps=2, **SAVED)
    with pytest.raises(FileExistsError, match=r"go on from checkpoint-1 by train\(resume_from_checkpoint=True\)"):
        longer.train()
    longer.train(resume_from_checkpoint=True)
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2]
    (tmp_path / "report.html").write_text("of the first run")
    trainer_of(model, tmp_path, max_steps=1, overwrite_output_dir=True, write_report=False).train()
    assert [line["step"] for line in read_steps(tmp_path)] == [1]
    assert not [path.name for path in tmp_path.glob("*") if path.name.startswith(("checkpoint-", "report"))]
    assert "overwrite_output_dir" not in read_run(tmp_path)["settings"]


def test_a_run_that_is_resumed_overwrites_nothing(model: str, tmp_path: Path) -> None:
    trainer_of(model, tmp_path, max_steps=1, **SAVED).train()
    trainer = trainer_of(model, tmp_path, max_steps=2, overwrite_output_dir=True, **SAVED)
    trainer.train(resume_from_checkpoint=True)
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_that_still_runs_is_left_alone(overwrite: bool, tmp_path: Path) -> None:
    record = RunRecord(tmp_path)
    record.start({})
    before = files_of(tmp_path)
    with pytest.raises(RunInUseError, match="is in use by another run"):
        trainer_of(NO_MODEL, tmp_path, overwrite_output_dir=overwrite)
    assert files_of(tmp_path) == before
    record.close()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("run.json", '{"schema": 1, ', "run.json' is no JSON.*put it right, give another"),
        ("run.json", '{"schema": 7}', "has the schema 7"),
        ("steps.jsonl", "", "holds a run without its run.json: give another"),
    ],
)
def test_a_broken_run_is_refused_before_a_model_is_loaded(file: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(FileExistsError, match=message):
        trainer_of(NO_MODEL, tmp_path)


def test_a_directory_with_a_run_of_trls(model: str, tmp_path: Path) -> None:
    options = {"use_cpu": True, "bf16": False, "max_steps": 2, "per_device_train_batch_size": 8, "num_generations": 4}
    options |= {"max_completion_length": 8, "gradient_checkpointing": False, "report_to": [], **SAVED}
    GRPOTrainer(model, [digits], GRPOConfig(str(tmp_path / "run"), **options), prompts()).train()
    before = files_of(tmp_path)
    with pytest.raises(FileExistsError, match="holds checkpoints without paretune's record") as refused:
        trainer_of(NO_MODEL, tmp_path / "run")
    assert files_of(tmp_path) == before
    # Both pieces of advice can be followed.
    checkpoint = str(tmp_path / "run" / "checkpoint-2")
    assert f"with {checkpoint!r} as the model" in str(refused.value)
    trainer_of(checkpoint, tmp_path / "other", max_steps=1).train()
    trainer_of(checkpoint, tmp_path / "run", max_steps=1, overwrite_output_dir=True).train()
    assert [line["step"] for line in read_steps(tmp_path / "run")] == [1]
    assert not list((tmp_path / "run").glob("checkpoint-*"))
