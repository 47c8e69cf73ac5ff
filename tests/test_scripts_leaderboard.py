"""The leaderboard, from comparisons by hand."""

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scipy.stats import ttest_1samp

from comparison.runs import OBJECTIVES, TEST, VALIDATION, make_run
from paretune.comparison.members import Member, comparison_members, tuning_members
from paretune.comparison.plan import Arm, Plan, read_plan, write_plan
from paretune.comparison.summary import summarise
from paretune.record.json_files import write_json
from paretune.record.known_front import append_known_front
from scripted import script

ROOT = Path(__file__).parents[1]

SEARCHED = [(0.36, 0.36), (0.81, 0.09)]
"""Two configurations: the first has the better geometric mean, the second the worse regret."""
GAINS = {
    "best-fixed": (0.36, 0.36), "best-fixed-front": (0.36, 0.36), "nash": (0.64, 0.36), "tour": (0.49, 0.49),
    "steerable": (0.59, 0.59),
}  # fmt: skip


@pytest.fixture(scope="module")
def leaderboard() -> ModuleType:
    return script("leaderboard")


def comparison(root: Path, better: float) -> Path:
    """Three seeds; seed s of the rule nash has a first gain that is `better` times as high, and higher by s %."""
    arms = [
        Arm("best-fixed", configurations=[{"weights": "1,1"}, {"weights": "9,1"}], chosen_by="share_of_best"),
        Arm("best-fixed-front", configurations_of="best-fixed", chosen_by="front_regret"),
        Arm("nash", "nash"), Arm("tour", "tour"), Arm("steerable", "steerable"),
    ]  # fmt: skip
    plan = Plan("made-up", arms, seeds=(0, 1, 2), tuning_seeds=(1000,), primary="nash", primary_figure="share_of_best")
    write_plan(root, plan)
    for member in [*tuning_members(plan), *comparison_members(plan)]:
        if member.configuration is None:
            first, second = GAINS[member.arm.name]
            measure(root, member, (first * better * (1 + member.seed / 100), second) if member.arm.name == "nash" else
                    (first, second))  # fmt: skip
        else:
            measure(root, member, SEARCHED[member.configuration])
    write_json(root / "summary.json", summarise(root, plan))
    return root


def measure(root: Path, member: Member, gains: tuple[float, float]) -> None:
    """A run whose one policy has these gains; a tuning run is measured on the validation split, too."""
    splits = (TEST,) if member.configuration is None else (TEST, VALIDATION)
    run = make_run(root / member.directory, measured={split: {20: gains} for split in splits})
    for split, _ in splits:
        best = {"value": 0.75, "gains": [0.75, 0.75], "gap": 0.0}
        told = {"split": split, "prompts": 64, "objectives": OBJECTIVES, "weights": [[0.0, 1.0], [1.0, 0.0]]}
        append_known_front(run, {**told, "gains": [[0.3, 1.0], [1.0, 0.3]], "best_geometric_mean": best})


def wider_tour(root: Path) -> Path:
    """Of two amplitudes the second is the better one when tuned, and better than the tour's default."""
    forms = [{"rule_settings": {"amplitude": amplitude}} for amplitude in (0.5, 2.0)]
    arm = Arm("tour-searched", "tour", configurations=forms, chosen_by="front_regret")
    plan = Plan("made-up", [arm], seeds=(0, 1), tuning_seeds=(1000,))
    write_plan(root, plan)
    for member in [*tuning_members(plan), *comparison_members(plan)]:
        chosen = 1 if member.configuration is None else member.configuration
        measure(root, member, [(0.36, 0.36), (0.64, 0.64)][chosen])
    write_json(root / "summary.json", summarise(root, plan))
    return root


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    parent = tmp_path_factory.mktemp("boards")
    return [comparison(parent / name, better) for name, better in (("a", 1.0), ("b", 0.81), ("c", 0.36))]


def test_contrasts_by_hand(leaderboard: ModuleType, folders: list[Path]) -> None:
    tasks = [leaderboard.Task.read(folder) for folder in folders]
    nash, tour = leaderboard.PRIMARY
    found = [task.gain("nash", "best-fixed", "share_of_best") for task in tasks]
    for factor, one in zip((1.0, 0.9, 0.6), found, strict=True):  # the square roots
        shares = [(0.48 * factor * (1 + s / 100) ** 0.5 - 0.36) / 0.75 for s in range(3)]
        assert one.difference == pytest.approx(sum(shares) / 3)
    together = leaderboard.overall(tasks, nash)
    means = [one.difference for one in found]
    assert together.mean.mean == pytest.approx(sum(means) / 3)
    assert together.p_t == pytest.approx(ttest_1samp(means, 0.0).pvalue)
    # A regret is better when it is less: over both corners of the lattice 0.64 against 0.51.
    assert leaderboard.overall(tasks, tour).mean.mean == pytest.approx(0.13)


def test_the_policy_before_training_by_hand(leaderboard: ModuleType, folders: list[Path]) -> None:
    found = leaderboard.before_training(leaderboard.Task.read(folders[0]))
    assert found == pytest.approx((0.2 * 0.5) ** 0.5 / 0.75)


def test_one_steerable_policy_beside_its_rivals(leaderboard: ModuleType, folders: list[Path]) -> None:
    regret, volume = leaderboard.steering_rows(leaderboard.Task.read(folders[0]))
    # Of the searched ones together the best first gain is 0.81 and the best second one 0.36.
    assert regret[1:6] == ["front regret", "0.410", "0.510", "0.640", "0.415"]
    assert regret[6].startswith("+0.1")
    assert volume[1:6] == ["hypervolume", "0.348", "0.240", "0.130", "0.170"]
    assert regret[-1] == volume[-1] == "3"


def test_a_searched_tour_beside_the_task_s_own_arms(
    leaderboard: ModuleType, folders: list[Path], tmp_path: Path
) -> None:
    searched, alone = leaderboard.Task.read(wider_tour(tmp_path / "a")), leaderboard.Task.read(folders[0])
    regret, volume = leaderboard.wider_tour_rows(searched, alone)
    assert regret[:6] == ["a", "amplitude 2.0", "front regret", "0.360", "0.510", "0.640"]
    assert regret[6].startswith("+0.15")
    assert regret[-1] == volume[-1] == "2"
    assert "| a | amplitude 2.0 | hypervolume |" in leaderboard.tables([alone], [], [searched])


def test_of_the_arms_on_one_objective_the_best_one_counts(leaderboard: ModuleType, folders: list[Path]) -> None:
    task = leaderboard.Task.read(folders[0])
    rules = dict(task.summary["rules"])
    rules["only-1"], rules["only-2"] = rules["tour"], rules["best-fixed"]
    telling = leaderboard.Task("a", "made-up", {**task.summary, "rules": rules}, task.directory)
    assert leaderboard.board([telling], "share_of_best")["best of only-k"]["a"].mean == pytest.approx(0.49 / 0.75)
    assert leaderboard.board([telling], "front_regret")["best of only-k"]["a"].mean == pytest.approx(0.51)
    assert not any(row[1].startswith("only-") for row in leaderboard.time_rows(telling))


def test_the_best_arm_stands_first_and_the_file_says_what_the_tables_say(
    leaderboard: ModuleType, folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    told = tmp_path / "board.json"
    argv = [*map(str, folders), "--to", str(told), "--figures", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["leaderboard.py", *argv])
    assert leaderboard.main() == 0
    content = json.loads(told.read_text())
    assert next(iter(content["arms"]["share_of_best"])) == "steerable"
    assert next(iter(content["arms"]["front_regret"])) == "steerable"
    assert content["contrasts"]["nash"]["a"]["n"] == 3
    for drawn in ("leaderboard.svg", "fronts.svg"):
        assert "<svg" in (tmp_path / drawn).read_text()
    said = capsys.readouterr().out
    assert "| nash against best-fixed | share of best |" in said
    assert said.count("\n| tour | ") == len(leaderboard.BOARDS)


def test_the_page_says_what_the_records_say(leaderboard: ModuleType) -> None:
    """`make leaderboard` on the committed records changes nothing."""
    plan = re.search(r"^LEADERBOARD := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert plan is not None
    records = [path for name in plan[1].split() if (path := ROOT / f"records/leaderboard/{name}.tar.xz").is_file()]
    tours = sorted((ROOT / "records" / "leaderboard-tour").glob("*.tar.xz"))
    page = (ROOT / "docs" / "results.md").read_text("utf-8")
    with leaderboard.comparisons([*records, *tours]) as unpacked:
        every = [leaderboard.Task.read(folder) for folder in unpacked]
        tasks, searched = every[: len(records)], every[len(records) :]
        found = [leaderboard.overall(tasks, contrast) for contrast in leaderboard.PRIMARY]
        assert leaderboard.with_tables(page, leaderboard.tables(tasks, found, searched)) == page


RECORDS = sorted((ROOT / "records").glob("leaderboard*/*.tar.xz"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
@pytest.mark.turns
def test_a_recorded_summary_says_what_its_runs_say(leaderboard: ModuleType, record: Path) -> None:
    with leaderboard.comparisons([record]) as [folder]:
        judged = leaderboard.Task.read(folder).summary
        anew = summarise(folder, read_plan(folder), jobs=judged["protocol"]["jobs"])
        assert same(json.loads(json.dumps(anew)), judged)


def same(one: Any, other: Any) -> bool:
    """Whether plain JSON values agree, floats as far as two machines agree in the last bits of a logarithm."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-9, abs=1e-12)
    return bool(one == other)
