"""What of a run leaves it besides its record: scalars and config for trackers, and the report."""

import re
from pathlib import Path
from typing import Any

import pytest

from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.objectives import completion_length
from paretune.record.reader import RunReader
from paretune.trainer.trackers import config_of
from policies import brief, digits, letters, prompts, saved_policy

NAMES = ("loss", "hypervolume", "scale")
"""Of the objectives: names that TRL and the trainer have scalars of."""


def trainer_of(model: str, directory: Path, **kwargs: Any) -> MultiObjectiveTrainer:
    objectives = [
        Objective(NAMES[0], digits, bounds=(0, 1)),
        Objective(NAMES[1], brief, metric=completion_length, maximize=False, bounds=(0, 10)),
        Objective(NAMES[2], letters, bounds=(0, 8)),
    ]
    options = {
        "learning_rate": 1e-2, "max_steps": 2, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 10, "gradient_checkpointing": False, "report_to": [], "logging_steps": 1,
        "save_strategy": "no", "eval_strategy": "steps", "eval_steps": 1,
        "disable_tqdm": True, **kwargs,
    }  # fmt: skip
    config = MultiObjectiveConfig(str(directory), **options)
    return MultiObjectiveTrainer(model, objectives, config, prompts(), prompts(6), weighting=GradientInfluence(mu=1e-2))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def trained(model: str, tmp_path_factory: pytest.TempPathFactory) -> MultiObjectiveTrainer:
    """A trainer whose run went to TensorBoard, and its model card."""
    pytest.importorskip("tensorboard")
    trainer = trainer_of(model, tmp_path_factory.mktemp("run"), report_to=["tensorboard"])
    trainer.train()
    trainer.create_model_card()
    return trainer


def test_every_scalar_has_a_name_of_its_own(trained: MultiObjectiveTrainer) -> None:
    keys = {key for entry in trained.state.log_history for key in entry}
    for name in NAMES:
        assert {f"weights/{name}", f"influence/{name}", f"rewards/{name}/mean"} <= keys
        assert {f"eval_metrics/{name}", f"eval_standard_error/{name}"} <= keys
    assert {"rule/scale", "rule/combine_cosine", "rule/influence_error", "eval_hypervolume", "eval_loss"} <= keys
    last = [entry for entry in trained.state.log_history if "eval_hypervolume" in entry][-1]
    evaluation = RunReader(trained.args.output_dir).grid[-1]
    assert [last[f"eval_metrics/{name}"] for name in NAMES] == [evaluation.metrics[name] for name in NAMES]
    assert last["eval_hypervolume"] == evaluation.archive


def test_the_documentation_explains_every_scalar(trained: MultiObjectiveTrainer) -> None:
    page = (Path(__file__).parents[2] / "docs" / "trl.md").read_text(encoding="utf-8")
    table = page.partition("## What is logged")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = [re.escape(name) for cell in cells for name in re.findall("`(.+?)`", cell)]
    known = re.compile("|".join(re.sub(r"\\{\w+\\}", ".+", name) for name in named))
    keys = {key for entry in trained.state.log_history if "train_runtime" not in entry for key in entry}
    unknown = [key for key in sorted(keys) if not known.fullmatch(key)]
    # TRL's of an evaluation have the names of those of training.
    assert [key for key in unknown if not known.fullmatch(key.removeprefix("eval_"))] == [
        "eval_runtime", "eval_samples_per_second", "eval_steps_per_second",
    ]  # fmt: skip


def test_trl_s_scalars_are_in_the_record(trained: MultiObjectiveTrainer) -> None:
    logged = [entry for entry in trained.state.log_history if "loss" in entry]
    found = RunReader(trained.args.output_dir).logs
    assert [log.step for log in found] == [1, 2]
    for log, entry in zip(found, logged, strict=True):
        assert {"reward", "entropy", "completions/mean_length", "grad_norm"} <= log.values.keys()
        assert all(entry[name] == value for name, value in log.values.items())
        assert not any(name.startswith(("weights/", "influence/", "rule/")) for name in log.values)


def test_trackers_know_the_rule_and_its_settings(trained: MultiObjectiveTrainer) -> None:
    told = trained.args.to_dict()  # the config in W&B and trackio
    assert (told["rule"], told["rule_settings"]["mu"], told["algorithm"]) == ("gradient", 1e-2, "grpo")
    assert [objective["name"] for objective in told["objectives"]] == list(NAMES)
    assert told["learning_rate"] == 1e-2
    assert not set(config_of(RunReader(trained.args.output_dir).header.content)) & set(
        MultiObjectiveConfig(trained.args.output_dir).to_dict()
    )


def test_the_model_card_names_rule_and_paper(trained: MultiObjectiveTrainer) -> None:
    card = (Path(trained.args.output_dir) / "README.md").read_text(encoding="utf-8")
    assert "The rule gradient of paretune set the weights" in card
    assert "arXiv 2509.11452" in card


def test_tensorboard_has_scalars_and_hyperparameters(trained: MultiObjectiveTrainer) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    [events] = Path(trained.args.output_dir).rglob("events.out.tfevents*")
    log = EventAccumulator(str(events))
    log.Reload()
    tags = log.Tags()["scalars"]
    assert {f"train/weights/{NAMES[0]}", f"eval/metrics/{NAMES[1]}", "eval/hypervolume"} <= set(tags)
    held = log.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    told = HParamsPluginData.FromString(held).session_start_info.hparams
    assert told["rule"].string_value == "gradient"
    assert "0.01" in told["rule_settings"].string_value
    assert told["learning_rate"].number_value == 1e-2


def test_training_writes_a_report_unless_it_is_told_not_to(
    trained: MultiObjectiveTrainer, model: str, tmp_path: Path
) -> None:
    page = (Path(trained.args.output_dir) / "report.html").read_text(encoding="utf-8")
    assert "Training" in page
    assert "training-1" in page
    trainer = trainer_of(model, tmp_path, write_report=False, max_steps=1)
    trainer.train()
    assert not (tmp_path / "report.html").exists()


def test_a_report_that_cannot_be_written_loses_no_training(model: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.warns(UserWarning, match="`paretune report .*` tries again"):
        trainer_of(model, tmp_path, max_steps=1).train()
    assert RunReader(tmp_path).header.status == "finished"
