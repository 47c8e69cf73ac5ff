"""The choice of each arm's configuration."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparison.runs import TEST, VALIDATION, batch, make_run, tear
from paretune.comparison.plan import Arm, Plan
from paretune.comparison.summary import configured_arms
from paretune.comparison.tuning import Tried, chosen, expected_best, tried

WEIGHTS = ("1,0", "0.5,0.5", "0,1")
ARM = Arm("tuned", rule_settings={"scale": 2}, configurations=[{"weights": w} for w in WEIGHTS])
PLAN = Plan("arithmetic", [Arm("plain"), ARM], ("rloo", "grpo"), (0, 1), tuning_seeds=(1000, 1001))


def runs(root: Path, volumes: Mapping[tuple[int, int], tuple[float, float]], **fields: object) -> None:
    """Tuning runs, by configuration and seed what they came to on the validation and on the test split."""
    for (i, seed), (validation, test) in volumes.items():
        make_run(
            root / f"tuning/tuned-{i}-rloo-seed{seed}",
            measured={VALIDATION: {20: (validation, 1.0)}, TEST: {20: (test, 1.0)}},
            **fields,  # type: ignore[arg-type]
        )


def figures(found: Sequence[Tried | None]) -> list[tuple[float, float] | None]:
    return [None if one is None else (round(one.validation, 9), round(one.test, 9)) for one in found]


def test_the_best_on_the_validation_split_is_chosen_whatever_the_test_split_says(tmp_path: Path) -> None:
    runs(tmp_path, {(0, 1000): (0.2, 0.9), (1, 1000): (0.5, 0.1), (2, 1000): (0.4, 0.5)})
    runs(tmp_path, {(0, 1001): (0.4, 0.9), (1, 1001): (0.3, 0.2), (2, 1001): (0.3, 0.6)})
    found = tried(tmp_path, PLAN, ARM)
    assert figures(found) == [(0.3, 0.9), (0.4, 0.15), (0.35, 0.55)]
    assert chosen(found) == 1
    best = found[1]
    assert best is not None
    assert best.arm == ARM.configured({"weights": "0.5,0.5"})
    assert {seed: outcome.hypervolume["sampled"] for seed, outcome in best.runs.items()} == {1000: 0.1, 1001: 0.2}
    assert tried(tmp_path, PLAN, PLAN.arm("plain")) == []


@pytest.mark.parametrize(
    ("figure", "best"), [("hypervolume", 0), ("smallest_gain", 1), ("geometric_mean", 2), ("front_regret", None)]
)
def test_the_figure_that_an_arm_names_ranks_the_runs_that_it_shares(
    tmp_path: Path, figure: str, best: int | None
) -> None:
    """The first has the best front, the second and third the better last policies; no true front is known."""
    points = [{10: (1.0, 0.8), 20: (0.9, 0.05)}, {20: (0.5, 0.5)}, {20: (0.45, 0.6)}]
    for i, measured in enumerate(points):
        make_run(tmp_path / f"tuning/tuned-{i}-rloo-seed1000", measured={VALIDATION: measured, TEST: measured})
    arm = Arm("other", rule_settings={"scale": 2}, configurations_of="tuned", chosen_by=figure)
    plan = Plan("arithmetic", [ARM, arm], ("rloo",), tuning_seeds=(1000,))
    found = tried(tmp_path, plan, arm)
    assert chosen(found) == best
    assert [one and one.arm.weights for one in found] == list(WEIGHTS)
    assert configured_arms(tmp_path, plan)["tuned"] == ARM.configured(ARM.configurations[0])


def test_tokens_are_those_of_one_run(tmp_path: Path) -> None:
    runs(tmp_path, {(0, 1000): (0.2, 0.2)}, steps=[batch(1, tokens=3000)])
    runs(tmp_path, {(0, 1001): (0.2, 0.2)}, steps=[batch(1, tokens=5000)])
    found = tried(tmp_path, PLAN, ARM)[0]
    assert found is not None
    assert found.tokens == 4000


def test_of_equal_ones_the_first_is_chosen(tmp_path: Path) -> None:
    runs(tmp_path, {(0, 1000): (0.1, 0.1), (1, 1000): (0.3, 0.1), (2, 1000): (0.3, 0.2)})
    assert chosen(tried(tmp_path, PLAN, ARM)) == 1


def test_runs_that_are_missing_torn_or_at_work_are_left_out(tmp_path: Path) -> None:
    runs(tmp_path, {(0, 1000): (0.2, 0.2), (1, 1000): (0.9, 0.9), (1, 1001): (0.4, 0.3), (2, 1000): (0.9, 0.9)})
    tear(tmp_path / "tuning/tuned-1-rloo-seed1000/run.json")
    make_run(tmp_path / "tuning/tuned-0-rloo-seed1001", status=None, measured={VALIDATION: {20: (1.0, 1.0)}})
    tear(tmp_path / "tuning/tuned-2-rloo-seed1000/final_evaluations.jsonl")
    make_run(tmp_path / "tuning/tuned-2-rloo-seed1001", measured={VALIDATION: {20: (1.0, 1.0)}})  # not on test
    found = tried(tmp_path, PLAN, ARM)
    assert figures(found) == [(0.2, 0.2), (0.4, 0.3), None]
    assert chosen(found) == 1


def test_nothing_to_choose_from(tmp_path: Path) -> None:
    found = tried(tmp_path, PLAN, ARM)
    assert found == [None, None, None]
    assert chosen(found) is None
    assert expected_best([]) == []


def test_a_failed_run_counts_with_its_last_policies(tmp_path: Path) -> None:
    runs(tmp_path, {(0, 1000): (0.6, 0.5), (1, 1000): (0.3, 0.3)})
    runs(tmp_path, {(0, 1001): (0.1, 0.3)}, status="failed")
    make_run(tmp_path / "tuning/tuned-1-rloo-seed1001", status="failed", grid={0: (0.6, 1.0)})  # before a checkpoint
    make_run(tmp_path / "tuning/tuned-2-rloo-seed1000", status="failed", grid={})  # before any evaluation
    found = tried(tmp_path, PLAN, ARM)
    assert figures(found) == [(0.35, 0.4), (0.45, 0.45), None]
    assert chosen(found) == 1


# --- expected best ------------------------------------------------------------------------------------------


def one(validation: float, test: float, tokens: float = 100.0) -> Tried:
    return Tried(ARM, validation, validation, test, tokens, {})


@given(
    tests=st.lists(st.floats(0, 1), min_size=1, max_size=7),
    ranks=st.permutations(range(7)),
    tokens=st.lists(st.integers(1, 1000), min_size=7, max_size=7),
)
def test_the_expected_best_is_the_mean_over_all_subsets(
    tests: list[float], ranks: list[int], tokens: list[int]
) -> None:
    found = [one(ranks[i] / 10, test, tokens[i]) for i, test in enumerate(tests)]
    lines = expected_best(found)
    assert [line["configurations"] for line in lines] == list(range(1, len(found) + 1))
    for line in lines:
        subsets = list(combinations(found, line["configurations"]))
        best = [max(subset, key=lambda tried: tried.validation).test for subset in subsets]
        assert line["hypervolume"] == pytest.approx(sum(best) / len(best))
        spent = [sum(tried.tokens for tried in subset) for subset in subsets]
        assert line["tokens"] == pytest.approx(sum(spent) / len(spent))


def test_the_expected_best_by_hand() -> None:
    # Ranked by validation the test figures are 0.1, 0.4, 0.2. Of two the better is the second once, the third twice.
    lines = expected_best([one(0.9, 0.2), one(0.3, 0.1), one(0.5, 0.4)])
    assert [line["hypervolume"] for line in lines] == pytest.approx([0.7 / 3, 0.8 / 3, 0.2])
    assert [line["tokens"] for line in lines] == [100.0, 200.0, 300.0]
