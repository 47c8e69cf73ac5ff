"""Bayesian optimisation of fixed weights, on made-up functions and on runs made by hand."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from comparison.runs import TEST, VALIDATION, make_run, measure
from paretune import tasks
from paretune.cli import compare
from paretune.comparison.launchers import Job
from scripted import script

FLOOR = 0.1
TOP = (0.55, 0.3, 0.15)


@pytest.fixture(scope="module")
def sweep() -> ModuleType:
    pytest.importorskip("botorch", reason="pip install -r scripts/requirements-bayesian-sweep.txt")
    return script("bayesian_sweep")


class Concave:
    """1 − ‖w − top‖², on two seeds with a little noise."""

    def __init__(self) -> None:
        self.tried: list[Sequence[float]] = []
        self.values: list[list[float]] = []

    def __call__(self, tried: Sequence[Sequence[float]]) -> list[list[float]]:
        rng = np.random.default_rng(len(tried))
        for weights in tried[len(self.values) :]:
            self.tried.append(weights)
            height = 1 - sum((w - top) ** 2 for w, top in zip(weights, TOP, strict=True))
            self.values.append([height + rng.normal(0, 0.003) for _ in range(2)])
        return self.values


def test_the_top_of_a_concave_function_is_found_within_the_budget(sweep: ModuleType) -> None:
    worth = Concave()
    found = sweep.search(worth, 3, 10, FLOOR)
    assert len(worth.tried) == 10
    for weights in worth.tried:
        assert sum(weights) == pytest.approx(1.0, abs=3e-4)
        assert min(weights) >= FLOOR - 1e-4
    assert max(abs(w - top) for w, top in zip(found, TOP, strict=True)) < 0.1
    # The process knows more than the design that it began with.
    assert max(map(max, worth.values[4:])) > max(map(max, worth.values[:4]))


def test_a_sweep_goes_on_where_it_was(sweep: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    worth = Concave()
    before = sweep.first_weightings(3, 4, FLOOR)
    assert len(before) == 2
    monkeypatch.setattr(sweep, "proposed", lambda tried, values, floor: [*TOP])
    assert sweep.search(worth, 3, 3, FLOOR, before) == [*TOP]
    assert worth.tried == [*before, [*TOP]]


PLAN = """
task: treasure
rules: best-fixed
tuning_seeds: 2
arms:
  best-fixed:
    configurations:
      - weights: 0.05,0.95
      - weights: 0.35,0.65
      - weights: 0.65,0.35
      - weights: 0.95,0.05
"""


def test_runs_on_record_are_not_made_again_and_the_arm_found_can_be_compared(
    sweep: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def launcher(jobs: Sequence[Job], at_once: int, tick: Callable[[], None]) -> Iterator[tuple[Job, bool]]:
        """Runs by hand, of which equal weights are best."""
        task = tasks.load("treasure")
        for job in jobs:
            made.append(job.name)
            weight = float(job.task["settings"]["weights"].split(",")[0])
            gains = (0.9 - (weight - 0.5) ** 2, 0.5)
            directory = Path(job.task["directory"])
            for split, rows in ((TEST, task.test), (VALIDATION, task.validation)):
                assert rows is not None
                if directory.exists():
                    measure(directory, *split, {20: gains}, prompts=len(rows))
                else:
                    make_run(directory, measured={split: {20: gains}}, prompts=len(rows))
            yield job, True

    monkeypatch.setitem(compare.LAUNCHERS, "local", launcher)
    plan, out = tmp_path / "plan.yaml", tmp_path / "sweep"
    plan.write_text(PLAN)
    monkeypatch.setattr("sys.argv", ["bayesian_sweep.py", str(plan), "--output_dir", str(out)])
    assert sweep.main() == 0
    assert len(made) == len(set(made)) == 8  # four weightings on two seeds, as the plan's search has
    found = yaml.safe_load((out / "bayesian.yaml").read_text())
    first, _ = map(float, found["arms"]["bayesian"]["weights"].split(","))
    assert abs(first - 0.5) < 0.2
    assert sweep.main() == 0
    assert len(made) == 8
    assert yaml.safe_load((out / "bayesian.yaml").read_text()) == found
    assert (found["rules"], found["arms"]["bayesian"]["rule"]) == ("bayesian", "fixed")
