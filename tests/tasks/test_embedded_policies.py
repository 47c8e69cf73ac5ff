"""The embedded policies of the tasks with a known front: what they hold, what they do, and that they can be remade."""

import importlib.util
import json
import random
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, tasks
from paretune.pareto import regret, weight_lattice
from paretune.record.run_directory import read_steps
from paretune.steering import Template
from paretune.tasks.measuring import measure
from scripted import script

NAMES = ("treasure", "recall", "change", "charter", "call")

load = cache(tasks.load)


@cache
def policy(name: str) -> tuple[Any, Any]:
    folder = load(name).model
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def recorded(name: str) -> dict[str, Any]:
    return json.loads((Path(load(name).model) / "metrics.json").read_text())


def styles_of(name: str) -> ModuleType:
    return importlib.import_module(f"paretune.tasks.{name}.styles")


@pytest.mark.parametrize("name", NAMES)
def test_policies_are_small_stored_in_half_and_loaded_whole(name: str) -> None:
    model, _ = policy(name)
    folder = Path(load(name).model)
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.bfloat16}  # noqa: SIM118 (no mapping)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1_000_000
    assert model.num_parameters() == recorded(name)["parameters"]


@pytest.mark.parametrize("name", NAMES)
def test_a_token_is_a_character_and_everything_fits(name: str) -> None:
    task, styles, (model, tokenizer) = load(name), styles_of(name), policy(name)
    rng = random.Random(0)
    longest = 0
    for _ in range(100):
        problem = styles.draw(rng)
        answer = styles.write(problem, rng.choice(list(styles.SHARES)), rng)
        even = [1 / len(task.objectives)] * len(task.objectives)
        text = Template([objective.name for objective in task.objectives]).format(problem.prompt, even) + answer
        ids = tokenizer(text)["input_ids"]
        assert len(ids) == len(text)
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text
        assert len(answer) < task.settings["max_completion_length"]
        longest = max(longest, len(text))
    assert longest + 2 <= model.config.max_position_embeddings == tokenizer.model_max_length


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.turns
def test_policies_reproduce_their_recorded_metrics(name: str) -> None:
    """96 problems × 4 samples against the record's 256 × 8: four standard errors of the difference."""
    task = load(name)
    rows, longest = task.validation.select(range(96)), task.settings["max_completion_length"]
    found = measure(*policy(name), rows, task.objectives, styles_of(name).style_of, longest, samples=4, seed=1)
    expected = recorded(name)["sampled"]
    for objective in task.objectives:
        assert found[objective.name] == pytest.approx(expected[objective.name], abs=0.12), objective.name


@pytest.mark.parametrize("name", NAMES)
def test_policies_leave_training_something_to_choose_and_something_to_win(name: str) -> None:
    task, metrics = load(name), recorded(name)
    styles = metrics["sampled"]["styles"]
    assert sorted(style["share"] for style in styles.values())[-2] > 0.15
    assert max(style["share"] for style in styles.values()) < 0.7
    gains_of_it = [metrics["sampled"][objective.name] for objective in task.objectives]
    count = len(gains_of_it)
    weights = np.vstack([weight_lattice(count, 3), np.full((1, count), 1 / count)])
    support = (weights * task.front(task.validation, weights)).sum(axis=1)
    assert (support >= weights @ gains_of_it).all()
    assert regret(gains_of_it, weights[:-1], support[:-1]) > 0.05
    assert support[-1] - weights[-1] @ gains_of_it > 0.05  # not the best under equal weights, either


@pytest.mark.parametrize(
    "name", ["arithmetic", *(name for name in NAMES if name != "charter")]
)  # its page says that it does not
def test_policies_take_priorities_for_a_hint(name: str) -> None:
    """An objective that the prefix asks for alone is served better than by the prefixes that ask for another one."""
    asked, served = recorded(name)["asked"], {}
    for objective in load(name).objectives:
        low, high = objective.bounds
        others = [means[objective.name] for alone, means in asked.items() if alone != objective.name]
        more = (asked[objective.name][objective.name] - np.mean(others)) / (high - low)
        served[objective.name] = more if objective.maximize else -more
    assert np.mean(list(served.values())) > 0.01, served


def test_training_by_plain_trl_settings_is_in_float32(tmp_path: Path) -> None:
    task = load("recall")
    config = MultiObjectiveConfig(
        str(tmp_path),
        **{**task.settings, "max_steps": 1, "per_device_train_batch_size": 16, "eval_strategy": "no"},
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    weighting = FixedWeights([0.4, 0.3, 0.3])
    trainer = MultiObjectiveTrainer(
        task.model, task.objectives, config, task.train, task.validation, weighting=weighting
    )
    trainer.train()
    assert {parameter.dtype for parameter in trainer.model.parameters()} == {torch.float32}
    step = read_steps(tmp_path)[0]
    assert set(step["rewards"]) == {"recall", "precision", "brevity"}


@pytest.mark.parametrize(
    ("name", "family"), [("recall", ["recall"]), ("treasure", ["treasure", "treasure_convex", "treasure_scaled"])]
)
def test_a_warm_up_leaves_out_what_its_policy_is_judged_on(name: str, family: list[str]) -> None:
    kept = [set(rows["prompt"]) for task in map(load, family) for rows in (task.validation, task.test)]
    assert script("make_policy").held_out(load(name)) == set.union(*kept)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_remade_policies_have_the_shipped_metrics(name: str, tmp_path: Path) -> None:
    remake = script("make_policy")
    metrics = remake.make(remake.arguments(["--task", name, "--output_dir", str(tmp_path)]))
    for objective in load(name).objectives:
        expected = recorded(name)["sampled"][objective.name]
        assert metrics["sampled"][objective.name] == pytest.approx(expected, abs=0.02), objective.name
