"""The plans of the leaderboard: every one can be run, and those about robustness change what they say, no more."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from paretune import tasks
from paretune.cli.command_line import read
from paretune.cli.compare import check, plan_of, resolve
from paretune.cli.compare_worker import work
from paretune.comparison.outcome import Outcome, judged
from paretune.comparison.plan import Plan
from paretune.named_objects import load
from paretune.pareto import best_geometric_mean
from paretune.weighting.base import Batch, Evaluation

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "recipes" / "comparisons" / "leaderboard"
MISLEADING = FOLDER / "robustness.py"
CHANGED = [f"{task}_{change}" for task in ("treasure", "recall") for change in ("noisy", "copied", "dead")]
WITHOUT_TASK = ("rules", "tour-searched", "rloo", "reinforce++", "robustness", "robustness-tasks")
"""Plans that name no task: they are laid over one that does, or the command line names it."""


def plan(*files: str, **given: str) -> Plan:
    argv = [word for file in files for word in ("--config", str(FOLDER / f"{file}.yaml"))]
    argv += [word for name, value in given.items() for word in (f"--{name}", value)]
    line = read("compare", argv)
    own, settings = resolve(line.parser, line.given)
    found = plan_of(own, settings, line.given, None)
    check(found, settings.task)
    return found


def own_tasks() -> list[str]:
    """Plans that name a task themselves."""
    return sorted(
        p.stem for p in FOLDER.glob("*.yaml") if p.stem not in WITHOUT_TASK and not p.stem.endswith("-objectives")
    )


@pytest.fixture(autouse=True)
def _from_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where plans are run, which name rules by their files."""
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    "task", [pytest.param(t, marks=pytest.mark.slow) if t == "charter" else t for t in own_tasks()]
)  # charter takes seconds to load
def test_a_task_s_plan(task: str) -> None:
    found = plan(task)
    assert {"nash", "tour", "best-fixed", "best-fixed-front"} <= {arm.name for arm in found.arms}
    assert found.configurations == 10


@pytest.mark.parametrize("algorithm", ["rloo", "reinforce++"])
@pytest.mark.parametrize("task", ["treasure", "recall"])
def test_an_algorithm_has_a_search_of_its_own(task: str, algorithm: str) -> None:
    found, under_grpo = plan(task, algorithm), plan(task)
    assert (list(found.algorithms), list(found.seeds)) == ([algorithm], [0, 1, 2, 3, 4])
    assert found.arm("best-fixed") == under_grpo.arm("best-fixed")
    assert {"nash", "tour", "equal", "gradient"} <= {arm.name for arm in found.arms}


@pytest.mark.parametrize("task", ["treasure", "recall"])
def test_misled_rules_train_as_the_task_s_own_comparison_does(task: str) -> None:
    found, alone = plan("robustness", task=task), plan(task)
    assert (found.settings, found.threads, found.primary_figure) == (
        alone.settings, alone.threads, alone.primary_figure,
    )  # fmt: skip
    assert len(found.arms) == 6
    assert all(found.seeds_of(arm, "grpo") == [0, 1, 2, 3, 4] for arm in found.arms)


@pytest.mark.parametrize("task", ["treasure", "recall"])
def test_a_searched_tour_meets_the_seeds_of_the_task_s_own_comparison(task: str) -> None:
    found, alone = plan("tour-searched", task=task), plan(task)
    assert (found.settings, found.threads, found.tuning_seeds) == (alone.settings, alone.threads, alone.tuning_seeds)
    assert set(found.seeds_of(found.arm("tour-searched"), "grpo")) < set(alone.seeds)
    assert found.arm("tour-searched").chosen_by == alone.arm("best-fixed-front").chosen_by


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.turns
def test_the_front_of_a_changed_task(name: str) -> None:
    """It is what the task's own front becomes: the noisy one's is the same, a copy's share counts twice."""
    original, change = name.split("_")
    plain, changed = tasks.load(original), tasks.load(f"{MISLEADING}:{name}")
    assert plain.front is not None
    assert changed.front is not None
    assert changed.test is not None
    rows, count = changed.test.select(range(8)), len(plain.objectives)
    rng = np.random.default_rng(0)
    weights = rng.dirichlet([1.0] * len(changed.objectives), size=5)
    own = weights.copy()
    if change == "copied":
        own[:, 0] += own[:, -1]
    found = changed.front(rows, weights)
    assert np.allclose(found[:, :count], plain.front(rows, own[:, :count]))
    if change == "copied":
        assert np.array_equal(found[:, 0], found[:, -1])
    if change == "dead":
        assert (found[:, -1] == 0.1).all()
        best = best_geometric_mean(lambda w: plain.front(rows, w), count, tolerance=1e-4).value
        with_it = best_geometric_mean(lambda w: changed.front(rows, w), count + 1, tolerance=1e-4).value
        assert with_it ** (count + 1) == pytest.approx(0.1 * best**count, rel=1e-2)


@pytest.fixture(scope="module")
def misleading() -> ModuleType:
    return sys.modules[load(f"{MISLEADING}:Nash").value.__module__]


def batch(metrics: list[list[float]]) -> Batch:
    """Of two completions, on bounds of 0 and 1."""
    count = len(metrics[0])
    return Batch(
        names=[f"o{k}" for k in range(count)], rewards=torch.tensor(metrics), advantages=torch.ones(2, count),
        lengths=torch.ones(2), num_generations=2, learning_rate=1.0, step=0,
        evaluation=Evaluation(0, [0.0] * count, [0.0] * count, 2), metrics=torch.tensor(metrics),
        bounds=[(0.0, 1.0)] * count, maximize=[True] * count,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (1.0, [0.4, 0.8]),
        (1.3, [(0.4 + 0.15) / 1.3, (0.8 + 0.15) / 1.3]),
        (0.7, [(0.4 - 0.15) / 0.7, (0.8 - 0.15) / 0.7]),
        (None, [0.5, 0.5]),
    ],
)
def test_what_a_misled_rule_reads(width: float | None, expected: list[float], misleading: ModuleType) -> None:
    """Two completions: without bounds the mean is in the middle of what was seen."""
    for rule in (misleading.Nash(width), misleading.Tour(width)):
        found = rule.update(batch([[0.3, 0.7], [0.5, 0.9]]))
        assert found.signals["gain"].tolist() == pytest.approx(expected)


def on_task(task: str, **given: str) -> tuple[str, dict[str, str]]:
    return "robustness-tasks", {"task": task, **given}


@pytest.mark.parametrize(
    ("file", "given"),
    [
        on_task(f"{MISLEADING}:treasure_dead"),
        pytest.param("robustness", {"task": "treasure"}, marks=pytest.mark.slow),
        pytest.param("robustness", {"task": "recall"}, marks=pytest.mark.slow),
        *(pytest.param(*on_task(f"{MISLEADING}:{name}"), marks=pytest.mark.slow) for name in CHANGED),
        pytest.param(*on_task("treasure", learning_rate="1e-3"), marks=pytest.mark.slow),
        pytest.param(*on_task("recall", learning_rate="2.5e-4"), marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_every_arm_about_robustness_trains_and_is_judged(file: str, given: dict[str, str], tmp_path: Path) -> None:
    found = plan(file, **given)
    short = {"max_steps": 2, "eval_steps": 2, "save_steps": 2, "per_device_train_batch_size": 16, "eval_samples": 8,
             "write_report": False}  # fmt: skip
    for arm in found.arms:
        told = {**found.settings, **found.task_settings, "rule": arm.rule, **arm.settings, **short}
        work(tmp_path / arm.name, told, [["test", ["sampled"], 8]])
        outcome = judged(tmp_path / arm.name)
        assert isinstance(outcome, Outcome)
        assert 0 < outcome.figures["share_of_best"] < 1.2
