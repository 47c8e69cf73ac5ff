"""Figures beside the hypervolume, on runs by hand whose figures can be worked by hand."""

from io import StringIO
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparison.runs import OBJECTIVES, TEST, as_objectives, checkpoint, make_run, metrics
from paretune.cli.compare_table import print_result
from paretune.cli.screen import Screen
from paretune.comparison.figures import FIGURES, WITH_KNOWN_FRONT, front_figures, last_figures
from paretune.comparison.outcome import outcome_of
from paretune.comparison.plan import Arm, Plan
from paretune.comparison.summary import summarise
from paretune.pareto import weight_lattice
from paretune.record.json_files import read_json, write_json
from paretune.record.known_front import KnownFront, append_known_front
from paretune.record.run_directory import delete_run
from paretune.report import worth
from paretune.report.comparisons import read_comparison
from paretune.report.run_reading import read_run

WEIGHTS = [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
GAINS = [[0.2, 1.0], [0.7, 0.7], [1.0, 0.2]]
"""The best policies under these weightings are worth 1, 0.7 and 1."""


def front(**fields: Any) -> dict[str, Any]:
    """A line of known_front.jsonl."""
    best = {"value": 0.7, "gains": [0.7, 0.7], "gap": 0.0}
    told = {"split": "test", "prompts": 64, "objectives": OBJECTIVES, "weights": WEIGHTS, "gains": GAINS}
    return {**told, "best_geometric_mean": best, **fields}


def known() -> KnownFront:
    return KnownFront("test", 64, as_objectives(OBJECTIVES), WEIGHTS, GAINS, 0.7)


def figures_of(objectives: Any, policies: Any, last: Any, front: KnownFront | None) -> dict[str, float]:
    """Those of the last policy, and those of all together."""
    return {**last_figures(objectives, last, front), **front_figures(objectives, policies, front)}


def test_figures_worked_by_hand() -> None:
    policies = [metrics((0.9, 0.1)), metrics((0.4, 0.9))]
    found = figures_of(as_objectives(OBJECTIVES), policies, policies[1], known())
    assert list(found) == list(FIGURES)
    assert found["geometric_mean"] == pytest.approx(sqrt(0.36))
    assert found["share_of_best"] == pytest.approx(0.6 / 0.7)
    assert found["smallest_gain"] == pytest.approx(0.4)
    assert found["regret"] == pytest.approx(((1 - 0.9) + (0.7 - 0.65) + (1 - 0.4)) / 3)
    assert found["front_regret"] == pytest.approx(((1 - 0.9) + (0.7 - 0.65) + (1 - 0.9)) / 3)
    # The lattice of two objectives, 0 to 127 of 127, is even: on average both gains count the same.
    assert found["expected_utility"] == pytest.approx((0.4 + 0.9) / 2)
    # 0.9 w + 0.1 (1 − w) beats 0.4 w + 0.9 (1 − w) from w = 8/13 = 78.2/127 on: from 79 on.
    shares = [n / 127 for n in range(128)]
    worth = [0.9 - 0.5 * w if n < 79 else 0.1 + 0.8 * w for n, w in enumerate(shares)]
    assert found["front_expected_utility"] == pytest.approx(sum(worth) / 128)
    # Above (0.1, 0.1) only the second is left: 0.3 × 0.8. Above (−0.1, −0.1): 1 × 0.2 + 0.5 × 1 − 0.5 × 0.2.
    assert found["hypervolume_within"] == pytest.approx(0.3 * 0.8 / 0.9**2)
    assert found["hypervolume_beyond"] == pytest.approx((1.0 * 0.2 + 0.5 * 1.0 - 0.5 * 0.2) / 1.1**2)


def test_without_a_true_front_what_needs_it_is_not_known_and_the_rest_is() -> None:
    policies = [metrics((0.4, 0.9))]
    found = figures_of(as_objectives(OBJECTIVES), policies, policies[0], None)
    assert {name for name, value in found.items() if np.isnan(value)} == set(WITH_KNOWN_FRONT)


def test_a_policy_that_lacks_a_metric_has_no_figures_and_adds_none_to_the_front() -> None:
    whole, lacking = metrics((0.4, 0.9)), {"accuracy": 1.0}
    objectives = as_objectives(OBJECTIVES)
    found, alone = (figures_of(objectives, ps, lacking, known()) for ps in ([whole, lacking], [lacking]))
    assert found["front_regret"] == figures_of(objectives, [whole], whole, known())["front_regret"]
    assert np.isnan(found["geometric_mean"])
    assert all(np.isnan(value) for value in alone.values())


def test_without_objectives_there_are_no_figures() -> None:
    found = figures_of([], [{}, {"accuracy": 1.0}], {}, None)
    assert all(np.isnan(value) for value in found.values())


def test_a_front_of_the_best_policies_has_no_regret() -> None:
    weights = weight_lattice(2)
    policies = [metrics(gains) for gains in GAINS]
    front = KnownFront(
        "test", 64, as_objectives(OBJECTIVES), weights, [max(GAINS, key=lambda g, w=w: w @ g) for w in weights], 0.7
    )
    found = figures_of(as_objectives(OBJECTIVES), policies, policies[1], front)
    assert found["front_regret"] == pytest.approx(0.0, abs=1e-12)
    assert found["share_of_best"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "other",
    [
        {"split": "validation"},
        {"prompts": 32},
        {"objectives": [OBJECTIVES[0], {**OBJECTIVES[1], "bounds": [0.0, 200.0]}]},
    ],
)
def test_a_run_is_held_only_against_the_front_of_its_own_prompts_and_bounds(
    other: dict[str, Any], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", measured={TEST: {20: (0.4, 0.9)}})
    append_known_front(run, front(**other))
    outcome = outcome_of(run)
    assert outcome is not None
    assert np.isnan(outcome.figures["regret"])
    append_known_front(run, front())
    outcome = outcome_of(run)
    assert outcome is not None
    assert outcome.figures["regret"] == pytest.approx(0.25)


def test_a_summary_has_the_figures_of_arms_and_runs_and_says_where_there_are_none(tmp_path: Path) -> None:
    plan = Plan("made-up", [Arm("fixed", weights="0.5,0.5"), Arm("moving", "gradient")], seeds=(0, 1, 2),
                primary="moving")  # fmt: skip
    for name, best in (("fixed", 0.5), ("moving", 0.6)):
        for seed in plan.seeds:
            gains = (best + 0.01 * seed, best + 0.01 * seed)
            run = make_run(tmp_path / f"{name}-grpo-seed{seed}", measured={TEST: {20: gains}})
            append_known_front(run, front())
    summary = summarise(tmp_path, plan)
    write_json(tmp_path / "summary.json", summary)
    summary = read_json(tmp_path / "summary.json")
    arm = summary["rules"]["moving"]
    assert arm["figures"]["geometric_mean"]["mean"] == pytest.approx(0.61)
    assert arm["figures"]["share_of_best"]["mean"] == pytest.approx(0.61 / 0.7)
    assert arm["figures"]["regret"]["low"] < 0.9 - 0.61 < arm["figures"]["regret"]["high"]
    assert [run["figures"]["smallest_gain"] for run in arm["runs"]] == pytest.approx([0.6, 0.61, 0.62])
    contrast = next(c for c in summary["contrasts"] if c["figure"] == "geometric_mean")
    assert (contrast["rule"], contrast["against"], contrast["kind"]) == ("moving", "fixed", "exploratory")
    assert contrast["difference"] == pytest.approx(0.1)
    for seed in plan.seeds:
        (tmp_path / f"fixed-grpo-seed{seed}" / "known_front.jsonl").unlink()
    found = summarise(tmp_path, plan)["rules"]["fixed"]["figures"]
    assert {name: found[name]["mean"] for name in WITH_KNOWN_FRONT} == dict.fromkeys(WITH_KNOWN_FRONT)
    assert {found[name]["reason"] for name in WITH_KNOWN_FRONT} == {"the true front is not known"}
    assert found["geometric_mean"]["mean"] == pytest.approx(0.51)


def test_a_run_that_is_deleted_or_begun_anew_leaves_no_front(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    append_known_front(run, front())
    checkpoint(run, 20)
    delete_run(run)
    assert not (run / "known_front.jsonl").exists()


def test_tables_show_the_figures_and_leave_out_what_is_not_known(tmp_path: Path) -> None:
    plan = Plan("made-up", [Arm("fixed", weights="0.5,0.5")], seeds=(0,))
    run = make_run(tmp_path / "fixed-grpo-seed0", grid={20: (0.4, 0.9)}, measured={TEST: {20: (0.4, 0.9)}})
    shown = {}
    for known in (False, True):
        if known:
            append_known_front(run, front())
        summary = summarise(tmp_path, plan)
        write_json(tmp_path / "summary.json", summary)
        console = Screen(record=True, width=200, file=StringIO())
        print_result(summary, tmp_path, tmp_path / "report.html", [], console)
        pages = [worth.of_run(read_run(run)), worth.of_comparison(read_comparison(tmp_path))]  # type: ignore[arg-type]
        shown[known] = [console.export_text(), *map(str, pages)]
    for place, text in enumerate(shown[True]):
        assert "0.600" in text, place  # √0.36
        assert "regret" in text, place
        assert "0.857" in text, place  # 0.6 of 0.7
        assert "0.250" in text, place
    for place, text in enumerate(shown[False]):
        assert "0.600" in text, place
        assert "regret" not in text, place
        assert "share of the best" not in text, place
