"""What a comparison came to, for runs whose figures are known."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comparison.runs import GREEDY, OBJECTIVES, TEST, batch, estimator, make_run, tear
from comparison.summaries import FIXED, MOVING, OTHER, STEPS, make
from paretune.cli.compare_table import primary_line
from paretune.comparison.figures import FIGURES, WITH_KNOWN_FRONT
from paretune.comparison.members import Member, comparison_members
from paretune.comparison.null_spread import null_spread
from paretune.comparison.plan import Arm, Plan, arm_of
from paretune.comparison.statistics import holm, paired
from paretune.comparison.summary import summarise
from paretune.record.json_files import read_json, write_json
from paretune.record.run_directory import read_run
from paretune.report.comparisons import read_comparison
from paretune.report.headlines import comparison_answer


def by_rule(summary: dict[str, Any], rule: str, against: str, figure: str = "hypervolume") -> dict[str, Any]:
    found = [
        contrast
        for contrast in [summary["primary"] or {}, *summary["contrasts"]]
        if (contrast.get("rule"), contrast.get("against"), contrast.get("figure")) == (rule, against, figure)
    ]
    assert len(found) == 1
    return found[0]


# --- differences --------------------------------------------------------------------------------------------


def test_two_arms_that_are_the_same_do_not_differ(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED, MOVING], seeds=(0, 1, 2, 3, 4), primary="gradient")
    make(tmp_path, plan, lambda member: 0.3 + 0.05 * member.seed)
    summary = summarise(tmp_path, plan)
    primary = summary["primary"]
    assert (primary["rule"], primary["against"], primary["kind"]) == ("gradient", "fixed", "primary")
    assert (primary["difference"], primary["p_sign_flip"], primary["n"]) == (0.0, 1.0, 5)
    assert (primary["low"], primary["reason"]) == (None, "5 equal differences: no spread to make an interval of")
    assert primary["probability_of_improvement"]["mean"] == 0.5
    assert summary["rules"]["gradient"]["versus_best_fixed"] == primary
    assert summary["incomplete"] == []


def test_differences_that_are_there_are_found(tmp_path: Path) -> None:
    gains = [0.02, 0.05, 0.03, 0.06, 0.04]
    plan = Plan("made-up", [FIXED, MOVING], seeds=(3, 4, 5, 6, 7), primary="gradient")
    make(tmp_path, plan, lambda m: 0.3 + 0.05 * m.seed + (gains[m.seed - 3] if m.arm is MOVING else 0.0))
    summary = summarise(tmp_path, plan)
    expected = paired(
        [0.3 + 0.05 * seed + gains[seed - 3] for seed in range(3, 8)], [0.3 + 0.05 * s for s in range(3, 8)]
    )
    primary = summary["primary"]
    assert primary["difference"] == pytest.approx(0.04)
    assert (primary["low"], primary["high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert primary["low"] > 0
    assert (primary["p_t"], primary["p_sign_flip"]) == (pytest.approx(expected.p_t), 2 / 32)
    greedy = by_rule(summary, "gradient", "fixed", "hypervolume_greedy")
    final = by_rule(summary, "gradient", "fixed", "final_hypervolume")
    assert (greedy["difference"], greedy["kind"]) == (pytest.approx(0.02), "secondary")
    assert (final["difference"], final["kind"]) == (pytest.approx(0.04), "secondary")
    rule = summary["rules"]["gradient"]
    assert rule["hypervolume"]["mean"] == pytest.approx(0.3 + 0.05 * 5 + 0.04)
    assert rule["hypervolume_greedy"]["mean"] == pytest.approx(0.5 * (0.3 + 0.05 * 5 + 0.04))


def test_fewer_than_three_seeds_say_why_there_is_no_interval(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED, MOVING], seeds=(0, 1), primary="gradient")
    make(tmp_path, plan, lambda m: 0.3 + 0.1 * m.seed + (0.2 if m.arm is MOVING else 0.0))
    summary = summarise(tmp_path, plan)
    reason = "2 seeds: an interval needs 3"
    assert summary["primary"]["difference"] == pytest.approx(0.2)
    assert [summary["primary"][name] for name in ("low", "p_t", "p_sign_flip", "reason")] == [None, None, None, reason]
    for name in ("hypervolume", "hypervolume_greedy", "final_hypervolume"):
        found = summary["rules"]["gradient"][name]
        assert (found["low"], found["high"], found["reason"], found["n"]) == (None, None, reason, 2)
    assert {contrast["p_holm"] for contrast in summary["contrasts"]} == {None}


def test_the_pairs_are_those_of_seeds_that_both_arms_have(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED, replace(MOVING, seeds=3)], seeds=(0, 1, 2, 3), primary="gradient")
    make(
        tmp_path,
        plan,
        lambda m: [0.2, 0.3, 0.5, 0.9][m.seed] + (0.01 * (1 + m.seed) if m.arm.name == "gradient" else 0),
    )
    primary = summarise(tmp_path, plan)["primary"]
    assert (primary["difference"], primary["n"]) == (pytest.approx(0.02), 3)


def test_the_line_of_the_primary_contrast_names_its_figure(tmp_path: Path) -> None:
    figure = "front_expected_utility"
    plan = Plan("made-up", [FIXED, MOVING], seeds=(0, 1, 2), primary="gradient", primary_figure=figure)
    make(tmp_path, plan, lambda m: {"fixed": 0.5}.get(m.arm.name, 0.3) + 0.01 * m.seed**2)
    found = summarise(tmp_path, plan)["primary"]
    assert " of expected utility of the chosen policies" in primary_line(found)


@pytest.mark.parametrize(
    ("arms", "primary", "told"),
    [
        ([FIXED, OTHER], "fixed", ("fixed", "fixed", "fixed is itself the best fixed")),
        ([MOVING, Arm("pama", "pama")], "gradient", ("gradient", None, "no fixed weights are compared")),
        ([FIXED, MOVING], "gradient", ("gradient", "fixed", "gradient has no run that can be judged")),
    ],
)
def test_a_primary_contrast_that_cannot_be_made_says_why(
    arms: list[Arm], primary: str, told: tuple[str, str | None, str], tmp_path: Path
) -> None:
    plan = Plan("made-up", arms, seeds=(0, 1, 2), primary=primary)
    make(tmp_path, plan, lambda m: {"fixed": 0.5}.get(m.arm.name, 0.3) + 0.01 * m.seed)
    if "no run" in told[2]:
        for directory in tmp_path.glob("gradient-*"):
            shutil.rmtree(directory)
    summary = summarise(tmp_path, plan)
    found = summary["primary"]
    assert (found["rule"], found["against"], found["reason"]) == told
    assert (found["kind"], found["n"]) == ("primary", 0)
    assert [found[key] for key in ("difference", "low", "high", "p_t", "p_sign_flip", "p_holm")] == [None] * 6
    assert told[2] in primary_line(found)
    write_json(tmp_path / "summary.json", summary)
    comparison = read_comparison(tmp_path)
    assert comparison is not None
    assert told[2] in comparison_answer(comparison)
    nobody = summarise(tmp_path, replace(plan, primary=None))
    assert nobody["primary"] is None


# --- which contrasts ----------------------------------------------------------------------------------------

NOISE = [0.0, 0.013, -0.011, 0.004]


def noisy(member: Member) -> float:
    """Different for every arm, by more for some seeds than for others."""
    rank = ["fixed", "other", "gradient", "pama", "average", "replay"].index(member.arm.name)
    return 0.3 + 0.02 * rank + NOISE[member.seed] * rank**2 + 0.03 * member.seed


def test_holm_s_family_is_that_of_the_secondary_contrasts(tmp_path: Path) -> None:
    arms = [FIXED, MOVING, Arm("pama", "pama"), arm_of("average", {}), arm_of("replay", {})]
    plan = Plan("made-up", arms, ("grpo", "rloo"), (0, 1, 2, 3), primary="gradient")
    make(tmp_path, plan, noisy)
    summary = summarise(tmp_path, plan)
    kinds = {
        (contrast["rule"], contrast["against"], contrast["figure"]): contrast["kind"]
        for contrast in [summary["primary"], *summary["contrasts"]]
    }
    assert kinds == {
        ("gradient-grpo", "fixed-grpo", "hypervolume"): "primary",
        ("gradient-grpo", "fixed-grpo", "hypervolume_greedy"): "secondary",
        ("gradient-grpo", "fixed-grpo", "final_hypervolume"): "secondary",
        **{("gradient-grpo", "fixed-grpo", name): "exploratory" for name in FIGURES if name not in WITH_KNOWN_FRONT},
        ("pama-grpo", "fixed-grpo", "hypervolume"): "secondary",
        ("average-grpo", "fixed-grpo", "hypervolume"): "secondary",
        ("replay-grpo", "fixed-grpo", "hypervolume"): "secondary",
        ("gradient-grpo", "average-grpo", "hypervolume"): "secondary",
        ("gradient-grpo", "replay-grpo", "hypervolume"): "secondary",
        ("gradient-rloo", "fixed-rloo", "hypervolume"): "exploratory",
        ("pama-rloo", "fixed-rloo", "hypervolume"): "exploratory",
        ("average-rloo", "fixed-rloo", "hypervolume"): "exploratory",
        ("replay-rloo", "fixed-rloo", "hypervolume"): "exploratory",
        ("gradient-rloo", "average-rloo", "hypervolume"): "exploratory",
        ("gradient-rloo", "replay-rloo", "hypervolume"): "exploratory",
    }
    secondary = [contrast for contrast in summary["contrasts"] if contrast["kind"] == "secondary"]
    assert [c["p_holm"] for c in secondary] == holm([c["p_t"] for c in secondary])
    assert all(c["p_holm"] >= c["p_t"] for c in secondary)
    others = [summary["primary"], *(c for c in summary["contrasts"] if c["kind"] == "exploratory")]
    assert {c["p_holm"] for c in others} == {None}
    assert all(c["p_t"] is not None for c in others)


@pytest.mark.parametrize("primary", ["gradient", "pama", None])
def test_every_arm_is_set_against_the_best_fixed_weights(tmp_path: Path, primary: str | None) -> None:
    arms = [FIXED, MOVING, Arm("pama", "pama"), arm_of("average", {})]
    plan = Plan("made-up", arms, seeds=(0, 1, 2), primary=primary)
    make(tmp_path, plan, noisy)
    summary = summarise(tmp_path, plan)
    for name in ("gradient", "pama", "average"):
        assert summary["rules"][name]["versus_best_fixed"] == by_rule(summary, name, "fixed")
    assert (summary["primary"] or {}).get("rule") == primary
    versus = summary["rules"]["fixed"]["versus_best_fixed"]
    assert versus == {"difference": None, "low": None, "high": None, "reason": "it is the best fixed"}


def test_of_fixed_weights_the_best_on_the_validation_split_are_the_baseline(tmp_path: Path) -> None:
    # On the test split it is the other way round.
    plan = Plan("made-up", [FIXED, OTHER, MOVING], seeds=(0, 1), primary="gradient")
    for member in comparison_members(plan):
        best, value = (0.6, 0.3) if member.arm is FIXED else (0.5, 0.4)
        make_run(
            tmp_path / member.directory,
            steps=STEPS,
            grid={0: (0.1, 0.5), 10: (best, 1.0), 20: (0.2, 0.2)},
            measured={TEST: {20: (value, 1.0)}},
        )
    summary = summarise(tmp_path, plan)
    assert summary["best_fixed"] == {"grpo": "fixed"}
    assert summary["primary"]["against"] == "fixed"
    assert summary["rules"]["other"]["versus_best_fixed"]["difference"] == pytest.approx(0.1)


def test_without_fixed_weights_there_is_no_baseline(tmp_path: Path) -> None:
    plan = Plan("made-up", [MOVING, arm_of("average", {})], seeds=(0, 1))
    make(tmp_path, plan, noisy)
    summary = summarise(tmp_path, plan)
    assert (summary["best_fixed"], summary["primary"]) == ({"grpo": None}, None)
    reasons = {rule["versus_best_fixed"]["reason"] for rule in summary["rules"].values()}
    assert reasons == {"no fixed weights are compared"}
    assert [(c["rule"], c["against"]) for c in summary["contrasts"]] == [("gradient", "average")]


def test_with_several_algorithms_labels_name_them(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED, MOVING], ("grpo", "reinforce++"), (0, 1), exploratory_seeds=1, primary="gradient")
    make(tmp_path, plan, noisy)
    summary = summarise(tmp_path, plan)
    seeds = {label: (rule["arm"], rule["algorithm"], rule["seeds"]) for label, rule in summary["rules"].items()}
    assert seeds == {
        "fixed-grpo": ("fixed", "grpo", [0, 1]),
        "gradient-grpo": ("gradient", "grpo", [0, 1]),
        "fixed-reinforce++": ("fixed", "reinforce++", [0]),
        "gradient-reinforce++": ("gradient", "reinforce++", [0]),
    }
    assert summary["best_fixed"] == {"grpo": "fixed-grpo", "reinforce++": "fixed-reinforce++"}


# --- what is missing ----------------------------------------------------------------------------------------


def test_a_failed_run_is_listed_and_counted(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED, MOVING], seeds=(0, 1, 2), primary="gradient")
    make(tmp_path, replace(plan, seeds=(0, 1)), lambda member: 0.5)
    make_run(tmp_path / "fixed-grpo-seed2", steps=STEPS, measured={TEST: {20: (0.5, 1.0)}, GREEDY: {20: (0.5, 1.0)}})
    make_run(tmp_path / "gradient-grpo-seed2", steps=STEPS, grid={0: (0.9, 0.9), 10: (0.2, 1.0)}, status="failed")
    summary = summarise(tmp_path, plan)
    rule = summary["rules"]["gradient"]
    assert (rule["seeds"], rule["failed"]) == ([0, 1, 2], [2])
    assert rule["hypervolume"]["mean"] == pytest.approx((0.5 + 0.5 + 0.2) / 3)
    assert (rule["hypervolume_greedy"]["n"], rule["hypervolume_greedy"]["mean"]) == (2, pytest.approx(0.25))
    failed = rule["runs"][2]
    assert (failed["seed"], failed["status"], failed["hypervolume"]) == (2, "failed", pytest.approx(0.2))
    assert (failed["hypervolume_greedy"], failed["final_greedy"]) == (None, None)
    assert summary["primary"]["difference"] == pytest.approx(-0.1)
    assert by_rule(summary, "gradient", "fixed", "hypervolume_greedy")["n"] == 2  # it was never decoded greedily
    assert summary["incomplete"] == ["gradient-grpo-seed2: failed; it counts with its last evaluated policies."]


def test_runs_that_are_missing_torn_or_at_work_are_named(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED], seeds=range(7))
    make(tmp_path, replace(plan, seeds=(0, 2, 6)), lambda member: 0.5)
    tear(tmp_path / "fixed-grpo-seed2/steps.jsonl")
    make_run(tmp_path / "fixed-grpo-seed3", status=None)
    make_run(tmp_path / "fixed-grpo-seed4")
    make_run(tmp_path / "fixed-grpo-seed5", status="failed", grid={})
    (tmp_path / "fixed-grpo-seed6/run.json").write_text('{"schema": 1, "status": "finished"}')
    summary = summarise(tmp_path, plan)
    lines = summary["incomplete"]
    assert lines[0] == "fixed-grpo-seed1: not run."
    assert lines[1].startswith("fixed-grpo-seed2: its files cannot be read: Line 1 of ")
    assert lines[2:] == [
        "fixed-grpo-seed3: running, or killed.",
        "fixed-grpo-seed4: finished, but not measured.",
        "fixed-grpo-seed5: failed before its first evaluation.",
        "fixed-grpo-seed6: its files cannot be read: no objectives are named.",
    ]
    assert not any("\n" in line for line in lines)
    assert (summary["rules"]["fixed"]["seeds"], summary["rules"]["fixed"]["failed"]) == ([0], [])


def test_before_anything_is_run(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED, MOVING], seeds=(0,), primary="gradient")
    summary = summarise(tmp_path, plan)
    assert summary == {
        "schema": 1, "task": "made-up", "rules": {},
        "incomplete": ["fixed-grpo-seed0: not run.", "gradient-grpo-seed0: not run."],
    }  # fmt: skip


def test_objectives_without_bounds_are_named(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED], seeds=(0,))
    make(tmp_path, plan, noisy, objectives=[OBJECTIVES[0], {**OBJECTIVES[1], "bounds": None}])
    (line,) = summarise(tmp_path, plan)["incomplete"]
    assert "length has no bounds" in line


# --- figures of an arm --------------------------------------------------------------------------------------


def test_cost_and_the_last_policy_s_objectives(tmp_path: Path) -> None:
    plan = Plan("made-up", [MOVING], seeds=(0, 1, 2))
    for seed in plan.seeds:
        steps = [
            batch(s, estimator=estimator("directional", "one-sided"), tokens=3000 + 100 * seed + s) for s in (1, 2)
        ]
        measured = {TEST: {10: (0.9, 0.9), 20: (0.1 * seed, 0.5)}, GREEDY: {20: (0.2 * seed, 0.4)}}
        make_run(tmp_path / f"gradient-grpo-seed{seed}", steps=steps, measured=measured)
    rule = summarise(tmp_path, plan)["rules"]["gradient"]
    means = {name: (found["mean"], found["sd"]) for name, found in rule["cost"].items()}
    assert means == {"tokens": (3102.0, 100.0), "forward": (6.0, 0.0), "backward": (4.0, 0.0), "seconds": (2.0, 0.0)}
    assert rule["objectives"]["accuracy"]["mean"] == pytest.approx(0.1)
    assert rule["objectives"]["length"]["mean"] == pytest.approx(50.0)
    assert rule["objectives_greedy"]["accuracy"]["mean"] == pytest.approx(0.2)
    assert rule["final_hypervolume"]["mean"] == pytest.approx(0.05)
    assert rule["runs"][1]["final"] == {"accuracy": 0.1, "length": 50.0}
    assert (rule["runs"][1]["forward"], rule["runs"][1]["tokens"]) == (6.0, 3102)
    assert rule["runs"][1]["directory"] == "gradient-grpo-seed1"


def test_time_to_the_target_is_that_of_the_runs_that_reached_it(tmp_path: Path) -> None:
    plan = Plan("made-up", [MOVING], seeds=(0, 1, 2, 3), target=0.25)
    for seed, volumes in enumerate([(0.3, 0.3, 0.3), (0.1, 0.3, 0.3), (0.1, 0.1, 0.3), (0.1, 0.3, 0.1)]):
        grid = {10 * i: (v, 1.0) for i, v in enumerate(volumes)}
        make_run(tmp_path / f"gradient-grpo-seed{seed}", grid=grid, measured={TEST: {20: (0.5, 0.5)}})
    summary = summarise(tmp_path, plan)
    rule = summary["rules"]["gradient"]
    found = rule["time_to_target"]
    assert (found["target"], found["reached"], found["n"]) == (0.25, 0.75, 4)
    assert (found["step"]["mean"], found["step"]["n"]) == (10.0, 3)
    assert (found["tokens"]["mean"], found["seconds"]["mean"]) == (1007.0, 10.0)
    times = [run["time_to_target"] for run in rule["runs"]]
    assert times[1:] == [
        {"step": 10, "tokens": 1007, "seconds": 10.0},
        {"step": 20, "tokens": 2007, "seconds": 20.0},
        None,
    ]
    assert summary["protocol"]["target"] == 0.25
    assert summarise(tmp_path, replace(plan, target=None))["rules"]["gradient"]["time_to_target"] is None


def test_the_paper_s_statistics_stand_beside_those_of_noise(tmp_path: Path) -> None:
    plan = Plan("made-up", [MOVING], seeds=(0, 1))
    for seed in plan.seeds:
        grid = {0: (0.2, 0.5), 10: (0.4 + 0.2 * seed, 0.6), 20: (0.7, 0.4)}
        make_run(tmp_path / f"gradient-grpo-seed{seed}", steps=STEPS, grid=grid, measured={TEST: {20: (0.5, 0.5)}})
    found = summarise(tmp_path, plan)["rules"]["gradient"]["reproduction"]
    null = null_spread([0.5, 50.0], [0.01, 1.0], [0, 10, 20], [True, False], [(0, 1), (0, 100)])
    accuracy, length = found["front_mean"]["accuracy"], found["front_mean"]["length"]
    assert (accuracy["mean"], accuracy["sd"]) == (pytest.approx(0.6), pytest.approx(0.1 / 2**0.5))  # of 0.55 and 0.65
    assert (length["mean"], length["sd"]) == (pytest.approx(50.0), 0.0)
    assert [accuracy["null_sd"], length["null_sd"]] == null["front_mean"]["sd"]
    assert found["steps_to_front"] == {"mean": 15.0, "sd": 0.0, "null_sd": null["steps_to_front"]["sd"]}


def test_without_a_front_or_noise_there_are_no_such_statistics(tmp_path: Path) -> None:
    plan = Plan("made-up", [MOVING], seeds=(0,))
    make_run(tmp_path / "gradient-grpo-seed0", steps=STEPS, grid={20: (0.0, 0.0)}, measured={TEST: {20: (0.0, 0.0)}})
    (tmp_path / "gradient-grpo-seed0/pareto.json").write_text('{"points": []}')
    nothing = {"mean": None, "sd": None, "null_sd": None}
    found = summarise(tmp_path, plan)["rules"]["gradient"]["reproduction"]
    assert found == {"front_mean": {"accuracy": nothing, "length": nothing}, "steps_to_front": nothing}
    # Evaluated twice without noise: a policy at the worst corner has a front of one point, the same in every run.
    file = tmp_path / "gradient-grpo-seed0/evaluations.jsonl"
    line = json.loads(file.read_text().splitlines()[0])
    line["standard_error"] = dict.fromkeys(line["standard_error"], None)
    file.write_text(f"{json.dumps(line)}\n{json.dumps({**line, 'step': 30})}\n")
    found = summarise(tmp_path, plan)["rules"]["gradient"]["reproduction"]
    assert found["steps_to_front"] == {"mean": None, "sd": None, "null_sd": 0.0}


# --- the file -----------------------------------------------------------------------------------------------


def test_what_is_written_holds_no_nan(tmp_path: Path) -> None:
    plan = Plan("made-up", [FIXED, MOVING], seeds=(0, 1, 2), primary="gradient", settings={"max_steps": 20})
    make(tmp_path, plan, lambda member: 0.3 + 0.1 * member.seed)
    run = tmp_path / "gradient-grpo-seed3"
    plan = replace(plan, seeds=(0, 1, 2, 3))
    make_run(run, steps=STEPS, measured={TEST: {20: (math.nan, 0.9)}}, errors=math.nan)
    make_run(tmp_path / "fixed-grpo-seed3", steps=STEPS, status="failed", grid={10: (0.5, math.nan)})
    summary = summarise(tmp_path, plan, jobs=2)
    write_json(tmp_path / "summary.json", summary)
    text = (tmp_path / "summary.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    read = read_json(tmp_path / "summary.json")
    assert read["rules"]["gradient"]["runs"][3]["final"] == {"accuracy": None, "length": pytest.approx(10.0)}
    assert read["rules"]["gradient"]["objectives"]["accuracy"]["n"] == 3  # of the runs that have one
    assert read["rules"]["gradient"]["objectives"]["length"]["n"] == 4
    assert read["rules"]["gradient"]["hypervolume"]["n"] == 4
    assert read["primary"]["n"] == 4
    header = read_run(run)
    assert {name: read[name] for name in ("task", "model", "max_steps", "objectives", "versions")} == {
        "task": "made-up", **{name: header[name] for name in ("model", "max_steps", "objectives", "versions")}
    }  # fmt: skip
    assert read["protocol"] == {
        "split": "test", "samples": None, "temperature": 1.0, "grid": 10, "threads": 1, "jobs": 2, "tuning_seeds": [],
        "configurations": None, "target": None, "settings": {"max_steps": 20},
    }  # fmt: skip
    assert (read["schema"], read["algorithms"], read["seeds"]) == (1, ["grpo"], [0, 1, 2, 3])
