"""What is drawn: fronts, means over seeds, distributions."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.comparison.statistics import estimate
from paretune.pareto import dominates
from paretune.record.entries import Evaluation, Header, Objective
from paretune.record.fields import Fields
from paretune.report import comparison_charts, run_charts, run_page
from paretune.report.charts import (
    Chart,
    CubeChart,
    CurveChart,
    DistributionChart,
    Group,
    PairChart,
    ParallelChart,
    RowChart,
    best_in_two,
    thinned,
)
from paretune.report.comparisons import Comparison, read_comparison
from paretune.report.noise import within_noise
from paretune.report.run_reading import read_run
from paretune.report.runs import Run
from report.records import ARMS, OBJECTIVES, write_comparison, write_run

VALUES = st.integers(0, 6).map(float)


def read(directory: Path) -> Run:
    found = read_run(directory)
    assert found is not None
    return found


def compared(directory: Path) -> Comparison:
    found = read_comparison(directory)
    assert found is not None
    return found


def curves(groups: list[Group]) -> list[CurveChart]:
    [group] = groups
    found = [chart for chart in group.charts if isinstance(chart, CurveChart)]
    assert len(found) == len(group.charts)
    return found


@given(st.lists(st.tuples(VALUES, VALUES)), st.booleans(), st.booleans())
def test_best_in_two_is_what_no_point_dominates(points: list[tuple[float, float]], up: bool, right: bool) -> None:
    best = best_in_two(points, Objective("x", maximize=right), Objective("y", maximize=up))
    beaten = {i for point in points for i, is_beaten in enumerate(dominates(point, points, [right, up])) if is_beaten}
    assert sorted({point for i, point in enumerate(points) if i not in beaten}) == best


@given(st.integers(0, 200), st.integers(2, 50))
def test_thinned_keeps_both_ends(length: int, most: int) -> None:
    kept = thinned(length, most)
    assert len(kept) == min(length, most)
    assert kept == sorted(set(kept))
    if length:
        assert (kept[0], kept[-1]) == (0, length - 1)


@given(st.lists(st.floats(0.5, 2.0) | st.sampled_from([0.5, 0.7, 0.9, 1.1, 1.3, 2.0]), min_size=1))
def test_a_distribution_counts_every_batch_once(scales: list[float]) -> None:
    chart = run_charts.distribution("name", "title", scales, 0)
    assert sum(chart.shares) == pytest.approx(1)
    assert (chart.edges[0], chart.edges[-1], len(chart.shares)) == (0.5, 2.0, 15)
    assert chart.mean == pytest.approx(sum(scales) / len(scales))
    for low, high, share in zip(chart.edges, chart.edges[1:], chart.shares, strict=False):
        within = sum(low + 1e-6 < scale < high - 1e-6 for scale in scales)
        assert share >= within / len(scales) - 1e-9


def test_a_distribution_elsewhere_has_the_bins_it_needs() -> None:
    chart = run_charts.distribution("name", "title", [0.05, 3.21], 0)
    assert (chart.edges[0], chart.edges[-1]) == (0.0, 3.3)
    assert (chart.shares[0], chart.shares[-1]) == (0.5, 0.5)


def test_the_charts_of_a_run(run: Path) -> None:
    found = read(run)
    pairs, whole = run_charts.fronts(found)
    assert [chart.title for chart in pairs.charts] == [
        "conciseness against accuracy", "clarity against accuracy", "clarity against conciseness",
    ]  # fmt: skip
    assert [type(chart) for chart in whole.charts] == [CubeChart, ParallelChart]
    pair = pairs.charts[0]
    assert isinstance(pair, PairChart)
    marks = pair.sets[0].marks
    assert len(marks) == 5
    assert [mark.kind for mark in marks].count("start") == 1
    assert marks[0].lines[0].startswith("step 0, initial policy")
    assert marks[0].lines[1] == "hypervolume rule"
    assert " ± 0.030" in marks[0].lines[2]
    assert [chart.reverse for chart in curves(run_charts.objective_curves(found))] == [False, True, False]
    assert pair.sets[0].marks[0].label == "0"
    assert [len(chart.curves) for chart in curves(run_charts.weights(found))] == [3]
    assert run_charts.influence(found) == []  # this rule measures none
    distribution, over_training = run_charts.meta_reward(found)[0].charts
    assert isinstance(distribution, DistributionChart)
    assert over_training.name == "meta-reward-steps"
    over_steps, over_tokens, over_seconds = curves(run_charts.hypervolume(found))
    assert over_steps.curves[0].x == [0, 10, 20, 30, 40]
    assert over_tokens.curves[0].x[-1] == 160_000
    assert over_steps.curves[0].y == over_seconds.curves[0].y
    assert all(a <= b for a, b in pairwise(over_steps.curves[1].y))  # the archive's never falls


def test_weights_are_a_stack_that_begins_with_the_initial_ones(run: Path) -> None:
    [chart] = curves(run_charts.weights(read(run)))
    assert chart.stacked
    assert [(curve.x[0], curve.y[0]) for curve in chart.curves] == [(0, 0.4), (0, 0.3), (0, 0.3)]
    older = replace(read(run), header=replace(read(run).header, initial_weights={}))
    assert curves(run_charts.weights(older))[0].curves[0].x[0] == 1
    negative = [replace(batch, weights={"accuracy": -0.5, "clarity": 1.5}) for batch in older.batches]
    assert not curves(run_charts.weights(replace(older, batches=negative)))[0].stacked


def test_fixed_weights_are_drawn_beside_those_that_move(comparison: Path) -> None:
    for chart in curves(comparison_charts.weights(compared(comparison))):
        assert [curve.label for curve in chart.curves] == ["balanced", "accuracy", "gradient", "hypervolume"]


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8))
def test_what_is_on_the_front_by_noise_alone(points: list[tuple[float, float]]) -> None:
    objectives = [Objective("x"), Objective("y", maximize=False)]
    errors = {"x": 0.5, "y": 0.5}  # two values are clearly apart from 2 · √0.5 on: from 2 on whole numbers
    evaluations = [Evaluation(i, {"x": x, "y": y}, errors, front=True) for i, (x, y) in enumerate(points)]
    run = Run(Path("run"), Header.of(Fields({}, "")), objectives, evaluations=evaluations)
    others = [[point for j, point in enumerate(points) if j != i] for i, _ in enumerate(points)]
    expected = [i for i, (x, y) in enumerate(points) if any(x - a < 2 and b - y < 2 for a, b in others[i])]
    assert [e.step for e in within_noise(run)] == expected


def test_bars_are_drawn_where_noise_may_make_the_front(run: Path) -> None:
    found = read(run)
    for errors in ({}, {"accuracy": 1.0, "conciseness": 50.0, "clarity": 1.0}):
        noisy = replace(found, evaluations=[replace(e, errors=errors) for e in found.evaluations])
        pair = run_charts.fronts(noisy)[0].charts[0]
        assert isinstance(pair, PairChart)
        assert [dict(mark.errors) for mark in pair.sets[0].marks] == [errors] * len(found.evaluations)
    assert "may be there by noise alone" in run_page(noisy).sections[0].lead


def test_error_bars_are_one_standard_error(run: Path) -> None:
    [curve] = curves(run_charts.objective_curves(read(run)))[0].curves
    assert [h - y for h, y in zip(curve.high, curve.y, strict=True)] == pytest.approx([0.03] * 5)  # type: ignore[operator]


def test_influence_of_the_gradient_rule(tmp_path: Path) -> None:
    found = read(write_run(tmp_path / "run", ARMS[2]))
    [chart] = curves(run_charts.influence(found))
    assert [curve.label for curve in chart.curves] == ["accuracy", "conciseness", "clarity"]
    assert found.scales == []
    assert run_charts.meta_reward(found) == []


def test_what_the_rule_went_by_is_drawn(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ARMS[0])
    lines = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    for i, line in enumerate(lines):
        gains = {"accuracy": i / 100, "conciseness": 0.5, "clarity": None}
        line["signals"] = {"gain": gains, "lambda": {"accuracy": 2.0}}
    (folder / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    gain, multiplier = curves(run_charts.signals(read(folder)))
    assert [curve.label for curve in gain.curves] == ["accuracy", "conciseness"]  # of the third nothing is known
    assert gain.curves[0].y[:3] == [0.0, 0.01, 0.02]
    assert (gain.y_title, multiplier.y_title) == ("gain", "lambda")
    assert run_charts.signals(read(write_run(tmp_path / "other", ARMS[0]))) == []


def test_long_runs_are_thinned_and_say_so(tmp_path: Path) -> None:
    found = read(write_run(tmp_path / "run", ARMS[2], steps=1200, every=400))
    [chart] = curves(run_charts.weights(found))
    assert len(chart.curves[0].x) == run_charts.MOST_POINTS
    assert (chart.curves[0].x[0], chart.curves[0].x[-1]) == (0, 1200)
    assert run_charts.weights(found)[0].caption.endswith("500 of 1200 batches are drawn.")
    compared_too = compared(write_comparison(tmp_path / "comparison", seeds=3, steps=300))
    [group] = comparison_charts.weights(compared_too)
    assert [len(curve.x) for chart in curves([group]) for curve in chart.curves] == [comparison_charts.MOST_POINTS] * 12
    assert group.caption.endswith("200 of up to 300 batches are drawn.")


@pytest.mark.parametrize(("count", "types"), [(1, []), (2, [PairChart, ParallelChart])])
def test_fewer_objectives(tmp_path: Path, count: int, types: list[type[Chart]]) -> None:
    found = read(write_run(tmp_path / "run", objectives=OBJECTIVES[:count]))
    drawn = [type(chart) for group in run_charts.fronts(found) for chart in group.charts]
    assert drawn == types
    assert len(curves(run_charts.objective_curves(found))) == count


def test_of_many_objectives_all_are_there_to_choose_from(run: Path) -> None:
    objectives = [Objective(f"o{i}", bounds=(0.0, 1.0)) for i in range(6)]
    found = read(run)
    evaluations = [replace(e, metrics={o.name: 0.5 for o in objectives}) for e in found.evaluations]
    [whole] = run_charts.fronts(replace(found, objectives=objectives, evaluations=evaluations))
    assert [type(chart) for chart in whole.charts] == [PairChart, CubeChart, ParallelChart]
    for chart in whole.charts:
        assert isinstance(chart, PairChart | CubeChart | ParallelChart)
        assert chart.objectives == objectives


def test_bands_are_means_and_t_intervals_over_seeds(comparison: Path) -> None:
    found = compared(comparison)
    chart = curves(comparison_charts.objective_curves(found))[0]
    assert [curve.label for curve in chart.curves] == ["balanced", "accuracy", "gradient", "hypervolume"]
    values = [run.evaluations[2].metrics["accuracy"] for run in found.arms[0].runs]
    expected = estimate(values)
    curve = chart.curves[0]
    assert (curve.x[2], curve.seeds) == (20, [4] * 5)
    assert (curve.y[2], curve.low[2], curve.high[2]) == (expected.mean, expected.low, expected.high)
    assert all(c.group == c.number for c in chart.curves)


def test_bands_of_weights_end_where_weights_do(comparison: Path) -> None:
    found = compared(comparison)
    arm = next(arm for arm in found.arms if arm.label == "gradient")
    corners = [{"accuracy": 1.0 - i % 2, "conciseness": 0.0, "clarity": i % 2} for i in range(len(arm.runs))]
    opposite = [
        replace(run, batches=[run.batches[0], *(replace(batch, weights=corner) for batch in run.batches[1:])])
        for run, corner in zip(arm.runs, corners, strict=True)
    ]
    charts = curves(comparison_charts.weights(replace(found, arms=[replace(arm, runs=opposite)])))
    assert {curve.label for chart in charts for curve in chart.curves} == {"gradient"}
    bands = [(curve.low[-1], curve.y[-1], curve.high[-1]) for chart in charts for curve in chart.curves]
    assert bands == [(0.0, 0.5, 1.0), (None, 0.0, None), (0.0, 0.5, 1.0)]  # four equal seeds: no interval


def test_a_step_of_too_few_seeds_is_left_out(comparison: Path) -> None:
    found = compared(comparison)
    arm = found.arms[0]
    early = [replace(run, evaluations=run.evaluations[:3]) for run in arm.runs[:2]]
    shorter = replace(found, arms=[replace(arm, runs=[*early, *arm.runs[2:]])])
    [curve] = curves(comparison_charts.objective_curves(shorter))[0].curves
    assert (curve.x, curve.seeds) == ([0, 10, 20], [4, 4, 4])


def test_two_seeds_are_two_thin_lines(tmp_path: Path) -> None:
    found = compared(write_comparison(tmp_path / "two", seeds=2))
    chart = curves(comparison_charts.objective_curves(found))[0]
    assert len(chart.curves) == 8
    assert all(curve.thin and not curve.low and curve.seeds is None for curve in chart.curves)
    assert len({curve.number for curve in chart.curves}) == 4


def test_only_arms_that_do_it_are_drawn(comparison: Path) -> None:
    found = compared(comparison)
    drawn = {curve.label for chart in curves(comparison_charts.influence(found)) for curve in chart.curves}
    assert drawn == {"gradient"}
    [distributions] = comparison_charts.meta_rewards(found)
    assert [chart.title for chart in distributions.charts] == ["hypervolume"]


def test_fronts_are_of_the_policies_measured_again(comparison: Path) -> None:
    found = compared(comparison)
    pair = comparison_charts.fronts(found)[0].charts[0]
    assert isinstance(pair, PairChart)
    drawn = {tuple(mark.values.items()) for one in pair.sets for mark in one.marks}
    assert drawn == {tuple(e.metrics.items()) for arm in found.arms for run in arm.runs for e in run.measured_again}
    assert "seed 0, step" in pair.sets[0].marks[0].lines[0]


def test_rows(comparison: Path) -> None:
    found = compared(comparison)
    hypervolume, final = comparison_charts.contrasts(found)[0].charts
    assert isinstance(hypervolume, RowChart)
    assert isinstance(final, RowChart)
    assert hypervolume.differences
    assert [row.label for row in hypervolume.rows] == [
        "gradient − balanced", "hypervolume − balanced", "gradient − hypervolume",
    ]  # fmt: skip
    assert [row.strong for row in hypervolume.rows] == [True, False, False]
    assert len(final.rows) == 1
    results = comparison_charts.results(found)[0].charts[0]
    assert isinstance(results, RowChart)
    assert [len(row.dots) for row in results.rows] == [4] * 4
    row = results.rows[2]
    assert row.main is not None
    assert row.main.value == pytest.approx(sum(dot.value for dot in row.dots) / 4)
    tuning, search = comparison_charts.tuning(found)[0].charts
    assert isinstance(tuning, RowChart)
    assert tuning.rows[0].main is not None
    assert tuning.rows[0].main.lines == ["gradient", "rule_settings mu 0.03", "hypervolume 0.230"]
    assert isinstance(search, CurveChart)
    assert search.curves[0].x == (1.0, 2.0, 3.0)
