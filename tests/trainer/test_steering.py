"""One policy steered by priorities, in real training."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, concatenate_datasets
from trl import GRPOConfig, GRPOTrainer

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, Objective, Steerable
from paretune.objectives import prompt_text
from paretune.record.reader import RunReader
from paretune.steering import COLUMN, FILE, Template, lattice
from paretune.weighting import Batch, Scalarization, WeightingRule
from policies import StopAfter, brief, digits, letters, policy, prompts, saved_policy, tokenizer

SMOLLM2 = Path(__file__).parents[2] / "models" / "SmolLM2-135M-Instruct"
NAMES = ["digits", "brief", "letters"]
REWARDS = [digits, brief, letters]


class Seeing(Steerable):
    """Keeps what the trainer shows it."""

    name = "seeing"

    def update(self, batch: Batch) -> Scalarization:
        self.batches = [*getattr(self, "batches", []), batch]
        return super().update(batch)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def settings(directory: Path, **told: Any) -> dict[str, Any]:
    return {
        "output_dir": str(directory), "use_cpu": True, "bf16": False, "learning_rate": 1e-2, "max_steps": 3,
        "per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 8,
        "gradient_checkpointing": False, "report_to": [], "save_strategy": "no", "disable_tqdm": True, **told,
    }  # fmt: skip


def trainer_of(
    model: Any, directory: Path, rule: WeightingRule, *, rows: Any = None, rewards: Any = None, **told: Any
) -> MultiObjectiveTrainer:
    config = MultiObjectiveConfig(**settings(directory, **told))
    rewards = rewards or [Objective(f.__name__, f, bounds=(0, 8)) for f in REWARDS]
    return MultiObjectiveTrainer(model, rewards, config, rows or prompts(), prompts(2), weighting=rule)


def said_by(prompt: str) -> list[float] | None:
    """The priorities that a prompt says, in tenths; None for a plain one."""
    digits_of_it, gap, _ = prompt.rpartition(" ")
    return [float(digit) for digit in digits_of_it.split(":")] if gap else None


@pytest.mark.parametrize(
    "told",
    [
        {"num_iterations": 2, "max_steps": 4, "remove_unused_columns": True},
        {"per_device_train_batch_size": 4, "steps_per_generation": 4, "gradient_accumulation_steps": 2},
    ],
)
def test_a_group_shares_the_priorities_that_its_prompt_says(told: dict[str, Any], model: str, tmp_path: Path) -> None:
    shown: list[list[str]] = []

    def looking(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
        shown.append(list(prompts))
        return letters(completions)

    rule = Seeing(plain_share=0.3)
    rewards = [Objective("digits", digits, bounds=(0, 1)), Objective("looking", looking, bounds=(0, 8))]
    trainer_of(model, tmp_path, rule, rewards=rewards, **told).train()
    seen = []
    for batch, prompts_of_it in zip(rule.batches, shown, strict=True):
        assert batch.priorities is not None
        assert batch.priorities.shape == batch.rewards.shape
        for row, prompt in zip(batch.priorities.tolist(), prompts_of_it, strict=True):
            tenths = said_by(prompt)
            if tenths is None:
                assert row == [0.5, 0.5]
            else:
                assert tenths == pytest.approx([min(10 * value, 9) for value in row], abs=0.51)
        groups = batch.priorities.view(-1, batch.num_generations, 2)
        assert torch.equal(groups, groups[:, :1].expand_as(groups))
        seen += groups[:, 0, 0].tolist()
    assert len(set(seen)) > 2


def test_training_is_trls_where_nothing_is_said_and_nothing_fed_back(model: str, tmp_path: Path) -> None:
    weights = [1 / 3] * 3
    stock = GRPOTrainer(model, REWARDS, GRPOConfig(**settings(tmp_path / "stock"), reward_weights=weights), prompts())
    stock.train()
    ours = trainer_of(model, tmp_path / "ours", Steerable(feedback=False, plain_share=1.0), rewards=REWARDS)
    ours.train()
    for p, q in zip(ours.model.parameters(), stock.model.parameters(), strict=True):
        assert torch.equal(p, q)


def test_a_resumed_run_goes_on_as_if_never_stopped(model: str, tmp_path: Path) -> None:
    told = {
        "save_strategy": "steps", "save_steps": 1, "num_iterations": 2, "max_steps": 4, "eval_strategy": "steps",
        "eval_steps": 1, "dial_steps": 2,
    }  # fmt: skip
    whole = trainer_of(model, tmp_path / "whole", Steerable(), **told)
    whole.train()
    first = trainer_of(model, tmp_path / "halves", Steerable(), **told)
    first.add_callback(StopAfter(2))
    first.train()
    resumed = trainer_of(model, tmp_path / "halves", Steerable(), **told)
    resumed.train(resume_from_checkpoint=True)
    for p, q in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(p, q)
    assert whole._state() == resumed._state()
    lines = [
        [(one.step, one.priorities, one.metrics, one.tokens) for one in (*run.grid, *run.dial_in_training)]
        for run in (RunReader(tmp_path / "whole"), RunReader(tmp_path / "halves"))
    ]
    assert lines[0] == lines[1]
    assert {line[0] for line in lines[0] if line[1]} == {2, 4}
    template = Template.load(tmp_path / "whole" / "checkpoint-4")
    assert (template.names, template.example) == (NAMES, "0+3=")


def test_measuring_the_dial_leaves_training_as_it_was(model: str, tmp_path: Path) -> None:
    told = {"eval_strategy": "steps", "eval_steps": 1, "max_steps": 2}
    plain = trainer_of(model, tmp_path / "plain", Steerable(), **told)
    plain.train()
    turned = trainer_of(model, tmp_path / "turned", Steerable(), **told, dial_steps=2)
    turned.train()
    for p, q in zip(plain.model.parameters(), turned.model.parameters(), strict=True):
        assert torch.equal(p, q)
    before, run = RunReader(tmp_path / "plain"), RunReader(tmp_path / "turned")
    assert [one.metrics for one in run.grid] == [one.metrics for one in before.grid]
    assert [one.step for one in run.grid] == [1, 2]
    assert {one.step for one in run.dial_in_training} == {2}
    measured = [[(one.priorities or {})[name] for name in NAMES] for one in run.dial_in_training]
    assert measured == lattice(3)
    first = run.dial_in_training[0]
    assert (first.samples, first.example["prompt"]) == (2, "0+3=")
    assert set(first.metrics) == set(NAMES)
    assert turned.state.log_history[-2]["eval_metrics/digits"] == plain.state.log_history[-2]["eval_metrics/digits"]
    assert before.dial_in_training == []


def test_other_rules_see_priorities_that_the_data_bring(model: str, tmp_path: Path) -> None:
    class Looking(FixedWeights):
        def update(self, batch: Batch) -> Scalarization:
            self.seen = batch.priorities
            return super().update(batch)

    own = [[0.25, 0.25, 0.5]] * 16
    for column, expected in ((own, own[0]), (["high"] * 16, None), ([[1.0, 1.0, 1.0]] * 16, None), (None, None)):
        rows = prompts() if column is None else prompts().add_column(COLUMN, column)
        rule = Looking([0.5, 0.3, 0.2])
        trainer = trainer_of(model, tmp_path, rule, rows=rows, max_steps=1, overwrite_output_dir=True)
        trainer.train()
        assert (None if rule.seen is None else rule.seen[0].tolist()) == expected
        assert trainer.template is None
        trainer.save_model(str(tmp_path / "saved"))
        assert not (tmp_path / "saved" / FILE).exists()


def test_a_chat_is_told_in_a_line(tmp_path: Path) -> None:
    chatty, rule = tokenizer(), Steerable(plain_share=0.0)
    chatty.chat_template = files("trl").joinpath("chat_templates/qwen3.jinja").read_text()
    said: set[str] = set()

    def looking(prompts: list[Any], completions: list[Any], **_: Any) -> list[float]:
        said.update(prompt[0]["content"] for prompt in prompts if prompt[0]["role"] == "system")
        assert {prompt_text(prompt)[-1] for prompt in prompts} == {"="}
        return [float(len(completion[0]["content"])) for completion in completions]

    rows = Dataset.from_list([{"prompt": [{"role": "user", "content": row["prompt"]}]} for row in prompts()])
    config = MultiObjectiveConfig(**settings(tmp_path, max_steps=2))
    small = policy()
    trainer = MultiObjectiveTrainer(small, looking, config, rows, processing_class=chatty, weighting=rule)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    assert said
    assert all(line.startswith("Priorities: looking 100 %") for line in said)
    assert Template.load(tmp_path / "saved").example == [{"role": "user", "content": "0+3="}]


@pytest.mark.slow
@pytest.mark.skipif(not SMOLLM2.is_dir(), reason="`make smollm2` has not been run")
def test_a_real_chat_model_takes_three_batches(tmp_path: Path) -> None:
    def cheerful(completions: list[Any], **_: Any) -> list[float]:
        return [float("!" in completion[0]["content"]) for completion in completions]

    def short(completions: list[Any], **_: Any) -> list[float]:
        return [1 / (1 + len(completion[0]["content"])) for completion in completions]

    questions = ("Why is the sky blue?", "What is a sum?", "Who are you?", "What is the capital of France?")
    rows = Dataset.from_list([{"prompt": [{"role": "user", "content": question}]} for question in questions])
    told = {"learning_rate": 1e-6, "per_device_train_batch_size": 4, "num_generations": 2, "max_completion_length": 8}
    config = MultiObjectiveConfig(**settings(tmp_path, **told))
    rewards = [Objective("cheerful", cheerful, bounds=(0, 1)), Objective("short", short, bounds=(0, 1))]
    trainer = MultiObjectiveTrainer(str(SMOLLM2), rewards, config, rows, weighting=Steerable())
    trainer.train()
    run = RunReader(tmp_path)
    assert [batch.batch for batch in run.batches] == [1, 2, 3]
    assert trainer.template is not None
    assert "cheerful 100 %" in trainer.template.format(rows[0]["prompt"], [1, 0])[0]["content"]


def test_data_that_do_not_fit_are_one_line(model: str, tmp_path: Path) -> None:
    rows = concatenate_datasets([prompts()]).add_column(COLUMN, [[0.2, 0.3, 0.5]] * 16)
    with pytest.raises(ValueError, match="a column 'priorities'"):
        trainer_of(model, tmp_path, Steerable(), rows=rows)
    with pytest.raises(ValueError, match=r"cannot be loaded|names no object"):
        trainer_of(model, tmp_path, Steerable(template="nothing"))
    config = MultiObjectiveConfig(**settings(tmp_path))
    with pytest.raises(ValueError, match="environment_factory"):
        MultiObjectiveTrainer(model, REWARDS, config, prompts(), weighting=Steerable(), environment_factory=dict)
