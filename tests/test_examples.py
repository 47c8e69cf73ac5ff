"""The scripts of examples/ and the notebook run, without a network, and are short enough to read."""

import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paretune import Task, tasks

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = ("own_rewards", "thresholds", "tour", "steer", "custom_rule", "schedule_for_grpo", "rloo", "online_dpo")


def cells() -> list[dict[str, Any]]:
    """The code cells of the notebook."""
    notebook = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shortened(task: Task) -> Task:
    """A task with 16 prompts for validation, and answers of at most 12 tokens."""
    settings = {**task.settings, "max_completion_length": 12}
    return replace(task, validation=task.validation.select(range(16)), settings=settings)


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_is_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.turns
def test_it_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step, and on few validation prompts with short answers, which rule the time."""
    monkeypatch.chdir(tmp_path)
    load = tasks.load
    monkeypatch.setattr(tasks, "load", lambda name: shortened(load(name)))
    assert not runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](max_steps=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_it_runs_as_it_stands(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]()


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in cells():
        text = "".join(cell["source"]).replace('"max_steps": 20', '"max_steps": 1, "eval_samples": 8')
        exec(compile(text, "quickstart.ipynb", "exec"), names)
    assert names["trainer"].state.global_step == 1


def test_the_notebook_shows_its_outputs() -> None:
    assert all(cell["outputs"] for cell in cells())
