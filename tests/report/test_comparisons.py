"""A comparison's records as plain data, as this package writes them and with parts missing."""

import json
import re
import shutil
from pathlib import Path

import pytest

from paretune.comparison.plan import Arm, Plan, write_plan
from paretune.comparison.summary import summarise
from paretune.record.json_files import write_json
from paretune.report import NothingToReportError, comparison_page, read_records, write_report
from paretune.report.charts import CurveChart, Group, PairChart
from paretune.report.comparisons import Comparison, is_comparison, read_comparison
from paretune.report.page import Table
from report.records import ARMS, OBJECTIVES, STEERABLE, write_run


@pytest.fixture
def copy(comparison: Path, tmp_path: Path) -> Path:
    return shutil.copytree(comparison, tmp_path / "comparison")


def read(directory: Path) -> Comparison:
    found = read_comparison(directory)
    assert found is not None
    return found


def test_a_whole_comparison(comparison: Path) -> None:
    assert is_comparison(comparison)
    found = read(comparison)
    assert found.notes == []
    assert found.incomplete == ["gradient, seed 9: the run failed"]
    assert [arm.label for arm in found.arms] == ["balanced", "accuracy", "gradient", "hypervolume"]
    assert [len(arm.runs) for arm in found.arms] == [4] * 4
    gradient = found.arm("gradient")
    assert gradient is not None
    assert gradient.estimates["hypervolume"].n == 4
    assert [c.chosen for c in gradient.configurations] == [False, True, False]
    assert gradient.best_fixed is not None
    assert found.primary is not None
    assert found.every_contrast[0] is found.primary
    assert len(found.every_contrast) == 4
    assert found.arms[0].summary.inside("versus_best_fixed").text("reason") == "it is the best fixed"


def test_as_the_comparison_writes_it(tmp_path: Path) -> None:
    root = tmp_path / "real"
    plan = Plan(
        "arithmetic",
        [Arm("balanced", preset="balanced"), Arm("gradient", "gradient"), Arm("pama", "pama")],
        seeds=(0, 1, 2),
        primary="gradient",
    )
    write_plan(root, plan)
    for name, arm in (("balanced", ARMS[0]), ("gradient", ARMS[2])):
        for seed in plan.seeds:
            write_run(root / f"{name}-grpo-seed{seed}", arm, seed=seed, measured_again=True)
    write_json(root / "summary.json", summarise(root, plan))
    found = read(root)
    assert found.notes == []
    assert found.incomplete == ["pama-grpo, seeds 0, 1, 2: not run."]
    assert [arm.label for arm in found.arms] == ["balanced", "gradient"]
    assert all(run.measured_again for arm in found.arms for run in arm.runs)
    assert found.arms[1].estimates["hypervolume"].low is not None
    page = comparison_page(found)
    assert page.answer.startswith("gradient reaches a higher hypervolume than balanced: +0.0")
    [contrasts] = [section for section in page.sections if section.name == "contrasts"]
    titles = [chart.title for block in contrasts.blocks if isinstance(block, Group) for chart in block.charts]
    assert "Difference in hypervolume of the last policy" in titles
    assert {
        "results",
        "contrasts",
        "fronts",
        "objectives",
        "weights",
        "influence",
        "hypervolume",
        "archive",
        "cost",
    } <= {section.name for section in page.sections}


def test_a_steerable_rule_shows_its_dial(tmp_path: Path) -> None:
    ends = [Arm(o["name"], weights=",".join(str(float(o is other)) for other in OBJECTIVES)) for o in OBJECTIVES]
    plan = Plan("arithmetic", [*ends, Arm("steerable", "steerable")], seeds=(0, 1, 2), primary="steerable")
    write_plan(tmp_path, plan)
    for arm, made in zip(plan.arms, (ARMS[1], ARMS[0], ARMS[2], STEERABLE), strict=True):
        for seed in plan.seeds:
            write_run(tmp_path / f"{arm.name}-grpo-seed{seed}", made, seed=seed, measured_again=True)
    write_json(tmp_path / "summary.json", summarise(tmp_path, plan))
    page = comparison_page(read(tmp_path))
    [section] = [section for section in page.sections if section.name == "dial"]
    [table] = [block for block in section.blocks if isinstance(block, Table)]
    assert [row[:2] for row in table.rows] == [["steerable", o["name"]] for o in OBJECTIVES]
    assert [table.columns[2], table.columns[4]] == ["rank correlation", "range"]
    assert [row[2:5] for row in table.rows] == [["1.000", "1.000", value] for value in ("0.500", "30.0", "0.500")]
    assert re.fullmatch(r"\d\.\d+", table.rows[0][5])  # of what the runs on accuracy alone reach
    [group] = [block for block in section.blocks if isinstance(block, Group)]
    for chart in group.charts:
        assert isinstance(chart, CurveChart)
        [curve] = chart.curves
        # Half the priority, and the mean of 0, 0.01 and 0.02 over the seeds
        assert (curve.x, curve.y) == ([0, 0.5, 1], pytest.approx([0.01, 0.26, 0.51]))
        assert curve.low[0] < 0.01 < curve.high[0]
    [fronts] = [section for section in page.sections if section.name == "fronts"]
    pair = next(b.charts[0] for b in fronts.blocks if isinstance(b, Group))
    assert isinstance(pair, PairChart)
    seen = [mark.lines[0] for marks in pair.sets for mark in marks.marks if "at accuracy 100 %" in mark.lines[0]]
    assert seen == [f"steerable, seed {seed}, step 40, at accuracy 100 %" for seed in plan.seeds]


def test_without_a_steerable_rule_there_is_no_dial(comparison: Path) -> None:
    page = comparison_page(read(comparison))
    assert "dial" not in {section.name for section in page.sections}


def test_a_search_for_the_time_of_one_run_stands_beside_the_rules(comparison: Path) -> None:
    tables = [
        block
        for section in comparison_page(read(comparison)).sections
        for block in section.blocks
        if isinstance(block, Table) and "random search over fixed weights" in block.caption
    ]
    assert [[row[0], *row[2:]] for row in tables[0].rows] == [
        [rule, "1.5", "0.123"] for rule in ("gradient", "hypervolume")
    ]


def test_without_a_summary_the_runs_are_shown_by_their_folders(copy: Path) -> None:
    (copy / "summary.json").unlink()
    found = read(copy)
    assert [arm.label for arm in found.arms] == ["accuracy-grpo", "balanced-grpo", "gradient-grpo", "hypervolume-grpo"]
    assert [run.header.seed for run in found.arms[0].runs] == [0, 1, 2, 3]
    assert "summary.json is missing: no statistics" in found.notes[0]
    assert comparison_page(found).answer == "No answer yet: there is no summary of this comparison."


def test_what_is_missing_is_named(copy: Path) -> None:
    (copy / "comparison.json").write_text("[]")
    shutil.rmtree(copy / "gradient-grpo-seed2")
    (copy / "balanced-grpo-seed1" / "steps.jsonl").unlink()
    shutil.copytree(copy / "balanced-grpo-seed0", copy / "balanced-grpo-seed7")
    shutil.rmtree(copy / "accuracy-grpo-seed3")
    (copy / "accuracy-grpo-seed3").mkdir()  # nothing of a run in it
    notes = "\n".join(read(copy).notes)
    assert "comparison.json must hold a JSON object, got list" in notes
    assert "gradient: no records of gradient-grpo-seed2" in notes
    assert "accuracy: no records of accuracy-grpo-seed3" in notes
    assert "balanced-grpo-seed1/steps.jsonl is missing" in notes
    assert "does not know these runs, which are left out: balanced-grpo-seed7" in notes


def test_seeds_are_in_order(copy: Path) -> None:
    (copy / "summary.json").unlink()
    shutil.copytree(copy / "balanced-grpo-seed0", copy / "balanced-grpo-seed10")
    found = read(copy).arm("balanced-grpo")
    assert found is not None
    assert [run.directory.name for run in found.runs][-2:] == ["balanced-grpo-seed3", "balanced-grpo-seed10"]


def test_folders_outside_are_not_read(copy: Path) -> None:
    summary = json.loads((copy / "summary.json").read_text())
    outside = write_run(copy.parent / "outside-grpo-seed0")
    summary["rules"]["balanced"]["runs"][0]["directory"] = f"../{outside.name}"
    (copy / "summary.json").write_text(json.dumps(summary))
    found = read(copy).arm("balanced")
    assert found is not None
    assert outside not in [run.directory.resolve() for run in found.runs]


def test_nothing_usable(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{")
    assert read_comparison(tmp_path) is None
    with pytest.raises(NothingToReportError, match="holds nothing to report"):
        read_records(tmp_path)
    with pytest.raises(NothingToReportError, match="is no folder"):
        read_records(tmp_path / "summary.json")


def test_a_comparison_whose_runs_all_failed_still_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({"schema": 1, "rules": {}, "incomplete": ["gradient: not run."]}))
    report = write_report(tmp_path)
    assert "gradient: not run." in report.path.read_text()
