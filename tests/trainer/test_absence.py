"""Objectives that apply to some prompts only: what they say of influence, in training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer
from paretune.record.run_directory import read_steps
from policies import StopAfter, brief, digits, letters, saved_policy


def letters_of_code(completions: list[str], kind: list[str], **_: Any) -> list[float | None]:
    return [value if k == "code" else None for value, k in zip(letters(completions), kind, strict=True)]


def brief_in_mathematics(completion_ids: list[list[int]], kind: list[str], **_: Any) -> list[float | None]:
    return [value if k == "math" else None for value, k in zip(brief(completion_ids), kind, strict=True)]


def mixed(kinds: str, count: int = 32) -> Dataset:
    """Prompts of these kinds again and again, m for mathematics, c for code."""
    names = {"m": "math", "c": "code"}
    rows = [kinds[i % len(kinds)] for i in range(count)]
    return Dataset.from_dict({"prompt": [f"{i}+{i}=" for i in range(count)], "kind": [names[k] for k in rows]})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def trained(
    model: str,
    out: Path,
    kinds: str,
    rule: GradientInfluence,
    of: Any,
    stop: int = 0,
    resume: bool = False,
    **options: Any,
) -> MultiObjectiveTrainer:
    settings = {
        "learning_rate": 1e-2, "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 8,
        "gradient_checkpointing": False, "report_to": [], "save_strategy": "no",
        "disable_tqdm": True, "write_report": False,
        "shuffle_dataset": False, "lr_scheduler_type": "constant", "logging_steps": 1, **options,
    }  # fmt: skip
    trainer = MultiObjectiveTrainer(model, of, MultiObjectiveConfig(str(out), **settings), mixed(kinds), weighting=rule)
    if stop:
        trainer.add_callback(StopAfter(stop))
    trainer.train(resume_from_checkpoint=resume)
    return trainer


@pytest.mark.parametrize("method", ["directional", "exact", "realised"])
@pytest.mark.turns
def test_in_a_batch_without_code_code_has_no_influence_and_keeps_its_weight(
    method: Any, model: str, tmp_path: Path
) -> None:
    rule = GradientInfluence(method=method)
    trained(model, tmp_path, "mmmc", rule, [brief_in_mathematics, letters_of_code, digits], max_steps=9)
    lines = read_steps(tmp_path)
    was_code = [line["rewards"]["letters_of_code"] is not None for line in lines]
    assert was_code == [i % 4 == 3 for i in range(9)]
    weights = [1 / 3] + [line["weights"]["letters_of_code"] for line in lines]
    for i, line in enumerate(lines):
        of = i - 1 if method == "realised" else i  # the batch that the influence is of
        if of < 0:
            assert line["influence"] is None
            continue
        assert (line["influence"]["letters_of_code"] is not None) == was_code[of]
        assert (line["influence"]["brief_in_mathematics"] is None) == was_code[of]
        assert line["influence"]["digits"] is not None
        assert (weights[i + 1] == weights[i]) == (not was_code[of])


def test_influence_is_that_of_the_mean_where_an_objective_applies(model: str, tmp_path: Path) -> None:
    """One prompt of code beside three of mathematics counts as if it had been alone."""
    rule = GradientInfluence(method="exact", mu=1.0)
    trainer = trained(
        model, tmp_path, "mmmc", rule, [brief, letters_of_code], max_steps=1, gradient_accumulation_steps=4,
        learning_rate=0.0,
    )  # fmt: skip
    [line] = read_steps(tmp_path)
    assert trainer._rollouts.rewards.isnan().sum(dim=0).tolist() == [0, 12]
    of_sums = trainer._meter.before_update(trainer._buffered_inputs, trainer._rollouts.per_objective()).gramian
    shares = torch.tensor([1.0, 0.25], dtype=torch.float64)
    expected = (of_sums / shares[:, None] / shares).sum(dim=1)
    assert list(line["influence"].values()) == pytest.approx(expected.tolist(), rel=1e-5)


@pytest.mark.parametrize("method", ["directional", "realised"])
@pytest.mark.turns
def test_a_run_resumed_after_a_batch_without_code_goes_on_as_if_it_had_not_ended(
    method: Any, model: str, tmp_path: Path
) -> None:
    def weights(name: str, **options: Any) -> list[dict[str, float]]:
        rule = GradientInfluence(method=method, average_over=2)
        trained(model, tmp_path / name, "mc", rule, [brief, letters_of_code], max_steps=6, **options)
        return [line["weights"] for line in read_steps(tmp_path / name)]

    expected = weights("whole")
    saved: dict[str, Any] = {"save_strategy": "steps", "save_steps": 1}
    weights("halves", stop=3, **saved)
    assert weights("halves", resume=True, **saved) == expected
