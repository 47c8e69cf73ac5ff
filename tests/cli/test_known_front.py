"""From a task's true front to a run's record and its figures, with policies made by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

import fronts
from paretune import tasks
from paretune.cli import main
from paretune.comparison.plan import Arm, Plan
from paretune.comparison.summary import summarise
from paretune.objectives import Objective
from paretune.tasks.enumeration import best_answers
from policies import ALPHABET, policy, tokenizer

PROMPTS = 128
OBJECTIVES: list[dict[str, Any]] = [{"name": name, "maximize": True, "bounds": [0.0, 1.0]} for name in "ab"]


def writes(letter: str) -> Any:
    """A reward for answers that are this letter."""
    return lambda completions, **_: [float(text == letter) for text in completions]


def front(rows: Any, weights: Any) -> Any:
    """An answer is one letter, and earns one of the rewards at most."""
    return best_answers([[[1.0, 0.0], [0.0, 1.0]]] * len(rows), weights)


def letters(**fields: Any) -> tasks.Task:
    """The task to write an a, or a b."""
    rows = Dataset.from_dict({"prompt": [f"{i}=" for i in range(PROMPTS)]})
    told: dict[str, Any] = {
        "name": "letters", "description": "", "train": rows, "validation": rows, "test": rows,
        "objectives": [Objective(name, writes(name), bounds=(0.0, 1.0)) for name in "ab"], "model": "none", "mu": None,
        "settings": {"max_completion_length": 1, "num_generations": 2, "per_device_train_batch_size": 16,
                     "per_device_eval_batch_size": 128, "eval_temperature": 1.0},
        "front": front,
    }  # fmt: skip
    return tasks.Task(**{**told, **fields})


def unigram(directory: Path, **odds: float) -> Path:
    """A policy that writes letters with these odds, whatever stands before.

    All embeddings lie along one direction, so the last hidden state is the same for every input, and the logit of a
    token is its embedding's length times a constant.
    """
    model = policy(layers=1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "norm" in name else 0.0)
        width = model.config.hidden_size
        lengths = torch.full((len(ALPHABET) + 3,), 1.0)
        for letter, share in odds.items():
            lengths[3 + ALPHABET.index(letter)] = 10 + np.log(share) / width**0.5
        model.get_input_embeddings().weight[:, 0] = lengths
    model.save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    return directory


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose policies play the best for either reward, and at last half of both."""
    monkeypatch.setattr(tasks, "load", lambda *_, **__: letters())
    points = {10: (1.0, 0.0), 20: (0.0, 1.0), 30: (0.5, 0.5)}
    directory = fronts.run(tmp_path / "fixed-grpo-seed0", points, objectives=OBJECTIVES, task="letters")
    for step, odds in ((10, {"a": 1.0}), (20, {"b": 1.0}), (30, {"a": 0.5, "b": 0.5})):
        fronts.checkpoint(directory, step, unigram(tmp_path / f"model-{step}", **odds))
    return directory


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "known_front.jsonl").read_text().splitlines()]


def test_policies_that_play_the_optimum_have_no_regret(run: Path) -> None:
    assert main(["evaluate", str(run)]) == 0
    plan = Plan("letters", [Arm("fixed", weights="0.5,0.5")], seeds=(0,))
    found = summarise(run.parent, plan)["rules"]["fixed"]["figures"]
    figures, error = {name: figure["mean"] for name, figure in found.items()}, 0.5 / PROMPTS**0.5
    assert figures["front_regret"] == pytest.approx(0.0, abs=1e-6)
    # Half of the answers a and half of them b: the best geometric mean, but for the luck of the samples.
    assert abs(figures["geometric_mean"] - 0.5) < 4 * error
    assert abs(figures["share_of_best"] - 1.0) < 8 * error
    # h(w) is the larger weight, from 127/127 down to 64/127 and up again, and one policy of two halves is worth 1/2.
    assert figures["regret"] == pytest.approx(np.mean(np.arange(64, 128)) / 127 - 0.5, abs=4 * error)
    (line,) = lines(run)
    assert (line["split"], line["prompts"], len(line["weights"])) == ("test", PROMPTS, 128)
    assert line["best_geometric_mean"]["value"] == pytest.approx(0.5)


def test_a_front_is_kept_once_for_each_split_and_number_of_prompts(run: Path) -> None:
    for flags in ([], [], ["--split", "validation"], ["--eval_samples", "16"]):
        assert main(["evaluate", str(run), *flags]) == 0
    assert [(line["split"], line["prompts"]) for line in lines(run)] == [
        ("test", PROMPTS), ("validation", PROMPTS), ("test", 16),
    ]  # fmt: skip


@pytest.mark.parametrize("task", [letters(front=None), letters(objectives=[Objective("a", writes("a"))])])
def test_a_task_without_a_front_or_bounds_leaves_none(
    task: tasks.Task, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "load", lambda *_, **__: task)
    assert main(["evaluate", str(run)]) == 0
    assert not (run / "known_front.jsonl").exists()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda rows, weights: weights[:, 0], "should give gains in [0, 1] of shape (128, 2)"),
        (lambda rows, weights: 2 * weights, "values from 0.0 to 2.0"),
        (lambda rows, weights: rows["none"], "failed on 128 test prompts"),
    ],
)
def test_what_is_no_front_is_refused_before_anything_is_measured(
    broken: Any, said: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tasks, "load", lambda *_, **__: letters(front=broken))
    assert main(["evaluate", str(run)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert said in told[0]
    assert not (run / "final_evaluations.jsonl").exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda line: line | {"gains": line["gains"][:-1]}, "'gains'"),
        (lambda line: line | {"weights": [[1.0]] * 128}, "weights should have rows of 2 finite numbers"),
        (lambda line: line | {"best_geometric_mean": {}}, "'value'"),
    ],
)
@pytest.mark.turns
def test_a_damaged_front_is_one_line_and_the_report_does_without(
    damage: Any, said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run)]) == 0
    (line,) = lines(run)
    (run / "known_front.jsonl").write_text(json.dumps(damage(line)) + "\n")
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert said in told[0]
    assert main(["report", str(run)]) == 0
    assert "known_front.jsonl" in capsys.readouterr().err
    assert "regret" not in (run / "report.html").read_text()


def test_other_bounds_than_the_task_s_leave_the_front_unknown(run: Path) -> None:
    assert main(["evaluate", str(run), "--bounds", "a=0:2"]) == 0
    assert not (run / "known_front.jsonl").exists()
