"""Environments of TRL's (``environment_factory``) bring prompts, tools and rewards of their own."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from paretune import FixedWeights, HypervolumeGuided, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from policies import digits, policy, prompts, tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental", "ignore:.*response_schema")


class Counting:
    """Asks for a number, and rewards the answers to odd ones."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self._number = 0

    def reset(self, **_: Any) -> str:
        self._number += 1
        return f"{self._number}+1="

    def add(self, a: int, b: int) -> int:
        """Add two numbers.

        Args:
            a: one of them.
            b: the other.

        Returns:
            Their sum.
        """
        return a + b


class Rewarding(Counting):
    def get_reward(self) -> float:
        return float(self._number % 2)


class Private(Counting):
    def _reward(self) -> float:
        return float(self._number % 2)


def options(directory: Path, **kwargs: Any) -> dict[str, Any]:
    return {
        "output_dir": str(directory), "use_cpu": True, "bf16": False, "learning_rate": 1e-2, "max_steps": 2,
        "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 4,
        "gradient_checkpointing": False, "report_to": [], "save_strategy": "no", "logging_steps": 1,
        "disable_tqdm": True, **kwargs,
    }  # fmt: skip


def characters() -> Any:
    made = tokenizer()
    made.chat_template = files("trl").joinpath("chat_templates/qwen3.jinja").read_text()
    return made


def held(**kwargs: Any) -> Any:
    """A policy with room for a chat template's prompt."""
    made = policy(**kwargs)
    made.config.max_position_embeddings = 4096
    return made


def text_of(completions: list[Any], **_: Any) -> list[float]:
    return digits([completion[-1]["content"] or "" for completion in completions])


DATA: dict[str, tuple[Callable[[], Any], Any]] = {
    "none": (lambda: None, Rewarding),
    "without a prompt": (lambda: Dataset.from_dict({"level": [1, 2, 3, 4]}), Rewarding),
    "by name": (lambda: Dataset.from_dict({"environment": ["a", "b"] * 4}), {"a": Rewarding, "b": Counting}),
}


@pytest.mark.parametrize("positional", [False, True])
@pytest.mark.parametrize("data", DATA)
@pytest.mark.turns
def test_training_in_an_environment_is_trls(data: str, positional: bool, tmp_path: Path) -> None:
    rows, factory = DATA[data]
    trained = []
    for kind in (GRPOTrainer, MultiObjectiveTrainer):
        config = GRPOConfig(**options(tmp_path / kind.__name__))
        extra = {"weighting": FixedWeights([0.5, 0.5])} if kind is MultiObjectiveTrainer else {}
        if kind is GRPOTrainer:
            config.reward_weights = None
        between = [None, None, (None, None), None, None, None, None]
        if positional:
            trainer = kind(held(), [text_of], config, rows(), None, characters(), *between, factory, **extra)
        else:
            trainer = kind(
                held(), [text_of], config, rows(), processing_class=characters(), environment_factory=factory, **extra
            )
        if kind is GRPOTrainer:
            trainer.reward_weights = torch.tensor([0.5, 0.5])
        trainer.train()
        trained.append(list(trainer.model.parameters()))
    assert all(torch.equal(p, q) for p, q in zip(*trained, strict=True))
    recorded = [one["name"].rpartition(":")[2] for one in read_run(tmp_path / "MultiObjectiveTrainer")["environments"]]
    assert recorded == [one.__name__ for one in (factory.values() if isinstance(factory, dict) else [factory])]
    directory = tmp_path / "MultiObjectiveTrainer"
    assert [o["name"] for o in read_run(directory)["objectives"]] == ["text_of", "Rewarding"]
    assert len(read_steps(directory)) == 2


def test_it_may_bring_the_only_objective(tmp_path: Path) -> None:
    config = MultiObjectiveConfig(**options(tmp_path))
    trainer = MultiObjectiveTrainer(
        held(), args=config, processing_class=characters(), environment_factory=Rewarding, weighting=FixedWeights([1.0])
    )
    trainer.train()
    assert trainer.weights == {"Rewarding": 1.0}


def test_evaluation_rows_need_no_prompt_either(tmp_path: Path) -> None:
    config = MultiObjectiveConfig(**options(tmp_path, eval_strategy="steps", eval_steps=1))
    rows = Dataset.from_dict({"level": [1, 2, 3]})
    trainer = MultiObjectiveTrainer(
        held(), [text_of], config, rows, rows, processing_class=characters(), environment_factory=Rewarding,
        weighting=FixedWeights([0.5, 0.5]),
    )  # fmt: skip
    trainer.train()
    assert [line["samples"] for line in read_evaluations(tmp_path)] == [3, 3]


def test_without_an_environment_they_do(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"environment": ["a"]})
    with pytest.raises(ValueError, match="`train_dataset` has no column 'prompt', it has environment"):
        MultiObjectiveTrainer(
            "/nowhere/model", [text_of], GRPOConfig(**options(tmp_path)), rows, weighting=FixedWeights([1.0])
        )


@pytest.mark.parametrize("positional", [([None] * 20), ([None] * 9 + [Rewarding])], ids=["too many", "one too many"])
def test_too_many_arguments_are_refused_as_by_trl(positional: list[Any], tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="too many positional arguments"):
        MultiObjectiveTrainer(
            "/nowhere/model", [digits], GRPOConfig(**options(tmp_path)), prompts(), None, *positional,
            weighting=FixedWeights([1.0]),
        )  # fmt: skip


def test_the_hypervolume_rule_says_what_to_do_about_an_environments_objective(tmp_path: Path) -> None:
    config = options(tmp_path, eval_strategy="steps", eval_steps=1)
    rows, own = Dataset.from_dict({"level": [1, 2, 3]}), Objective("text_of", text_of, bounds=(0, 1))

    def make(objectives: list[Objective], environment: Any) -> MultiObjectiveTrainer:
        return MultiObjectiveTrainer(
            held(), objectives, MultiObjectiveConfig(**config), rows, rows, processing_class=characters(),
            environment_factory=environment, weighting=HypervolumeGuided([0.5, 0.5]),
        )  # fmt: skip

    with pytest.raises(ValueError, match=r"without are: Rewarding.*'Rewarding' is the environment's own `get_reward`"):
        make([own], Rewarding)
    advised = Objective("Rewarding", lambda environments, **_: [e._reward() for e in environments], bounds=(0, 1))
    make([own, advised], Private).train()
    assert read_run(tmp_path)["status"] == "finished"
