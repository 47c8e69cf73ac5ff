"""A run that is read with bounds is the run that would have been recorded with them."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comparison.runs import OBJECTIVES, TEST, make_run
from paretune.bounded_run import BoundedRun
from paretune.comparison.outcome import outcome_of
from paretune.record.reader import RunReader

UNBOUNDED = [{**objective, "bounds": None} for objective in OBJECTIVES]
BOUNDS = {"accuracy": (0.0, 1.0), "length": (0.0, 100.0)}
gain = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.lists(st.tuples(gain, gain), min_size=1, max_size=6))
def test_bounds_laid_over_are_as_good_as_recorded_ones(
    points: list[tuple[float, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    grid = {10 * i: gains for i, gains in enumerate(points)}
    told = {"grid": grid, "measured": {TEST: {10: points[0], 20: points[-1]}}}
    folder = tmp_path_factory.mktemp("runs")
    recorded = make_run(folder / "with", **told)  # type: ignore[arg-type]
    without = make_run(folder / "without", objectives=UNBOUNDED, **told)  # type: ignore[arg-type]
    read, laid_over = RunReader(recorded), BoundedRun(without, bounds=BOUNDS)
    assert laid_over.header.objectives == read.header.objectives
    assert laid_over.evaluations == read.evaluations
    assert [(p.step, p.metrics) for p in laid_over.front or []] == [(p.step, p.metrics) for p in read.front or []]
    assert outcome_of(without, bounds=BOUNDS) == outcome_of(recorded)
    assert BoundedRun(recorded).front == read.front  # nothing given: all as recorded


def test_given_bounds_win_over_recorded_ones(tmp_path: Path) -> None:
    """Accuracies of 0.2, 0.4 and 0.5 and lengths of 50: the gains of the last on (0.3, 0.5) and (0, 200)."""
    run = make_run(tmp_path / "run", measured={TEST: {20: (0.5, 0.5)}})
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    found = BoundedRun(run, bounds={"accuracy": (0.3, 0.5), "length": (0.0, 200.0)})
    assert [evaluation.archive for evaluation in found.grid] == pytest.approx([0.0, 0.5 * 0.75, 1.0 * 0.75])
    assert [point.step for point in found.front or []] == [20]
    outcome = outcome_of(run, bounds={"length": (0.0, 200.0)})
    assert outcome is not None
    assert outcome.hypervolume["sampled"] == pytest.approx(0.5 * 0.75)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_with_an_objective_still_without_bounds_nothing_is_computed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", objectives=UNBOUNDED)
    found = BoundedRun(run, bounds={"accuracy": (0.0, 1.0)})
    assert found.front is None
    assert {evaluation.archive for evaluation in found.grid} == {None}
    assert [objective.bounds for objective in found.header.objectives] == [(0.0, 1.0), None]
