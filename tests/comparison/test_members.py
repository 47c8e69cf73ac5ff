"""The runs of a plan, and how far each of them is."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparison.runs import GREEDY, TEST, VALIDATION, batch, checkpoint, make_run, measure, tear
from paretune.comparison.members import (
    Member,
    Standing,
    clear,
    comparison_members,
    copy,
    is_done,
    same_runs,
    standing,
    tuning_members,
)
from paretune.comparison.plan import Arm, Plan, arm_of

PROMPTS = {"validation": 32, "test": 64}
TWO = ({"weights": "0.5,0.5"}, {"weights": "0.9,0.1"})
PLAIN, TUNED = Arm("plain"), Arm("tuned", configurations=TWO)


def test_the_runs_come_seed_by_seed() -> None:
    plan = Plan("arithmetic", [Arm("a"), Arm("b", seeds=1)], ("grpo", "rloo"), (3, 1), exploratory_seeds=1)
    assert [member.directory for member in comparison_members(plan)] == [
        "a-grpo-seed3", "b-grpo-seed3", "a-rloo-seed3", "b-rloo-seed3", "a-grpo-seed1",
    ]  # fmt: skip
    assert tuning_members(plan) == []


def test_configurations_are_tried_under_the_first_algorithm() -> None:
    plan = Plan("arithmetic", [PLAIN, TUNED], ("rloo", "grpo"), (0,), tuning_seeds=(1000, 1001))
    assert [(member.directory, member.configuration, member.seed) for member in tuning_members(plan)] == [
        ("tuning/tuned-0-rloo-seed1000", 0, 1000),
        ("tuning/tuned-1-rloo-seed1000", 1, 1000),
        ("tuning/tuned-0-rloo-seed1001", 0, 1001),
        ("tuning/tuned-1-rloo-seed1001", 1, 1001),
    ]


@settings(max_examples=50, deadline=None)
@given(
    names=st.lists(st.from_regex(r"[a1][a1.+-]{0,4}", fullmatch=True), min_size=1, max_size=5, unique=True),
    algorithms=st.lists(st.sampled_from(["grpo", "rloo", "reinforce++"]), min_size=1, unique=True),
    configurations=st.integers(0, 12),
)
def test_no_two_runs_share_a_folder(names: list[str], algorithms: list[str], configurations: int) -> None:
    tried = [{"weights": str(i)} for i in range(configurations)]
    arms = [Arm(name, configurations=tried) for name in names]
    plan = Plan("arithmetic", arms, algorithms, (0, 1, 10, 11), tuning_seeds=(1000, 1001))
    folders = [member.directory for member in [*comparison_members(plan), *tuning_members(plan)]]
    assert len(set(folders)) == len(folders) == len(names) * (4 * len(algorithms) + 2 * configurations)


def test_what_training_is_told() -> None:
    plan = Plan("arithmetic", [TUNED], settings={"learning_rate": 0.1, "seed": 99}, tuning_seeds=(1000,))
    member = Member(TUNED, "rloo", 3, "folder")
    assert member.settings(plan, TUNED.configured(TWO[1])) == {
        "learning_rate": 0.1,
        "task": "arithmetic",
        "rule": "fixed",
        "weights": "0.9,0.1",
        "algorithm": "rloo",
        "seed": 3,
    }


def test_a_run_that_repeats_another_is_known_by_its_configuration() -> None:
    tuned = Arm("tuned", configurations=TWO)
    front, last = (Arm(name, configurations_of="tuned", chosen_by="hypervolume") for name in ("front", "last"))
    plan = Plan("arithmetic", [tuned, front, last, Arm("twin", weights="0.9,0.1")], seeds=(0, 1), tuning_seeds=(9,))
    chosen = {"tuned": tuned.configured(TWO[1]), "front": front.configured(TWO[1]), "last": last.configured(TWO[0])}
    wanted = [(m, chosen.get(m.arm.name, m.arm)) for m in comparison_members(plan)]
    # Another choice is another run, and so is the arm that was given the same weights by hand.
    assert same_runs(wanted) == {
        "front-grpo-seed0": "tuned-grpo-seed0",
        "front-grpo-seed1": "tuned-grpo-seed1",
    }
    assert same_runs([pair for pair in wanted if pair[0].seed == 0]) == {"front-grpo-seed0": "tuned-grpo-seed0"}
    assert same_runs([pair for pair in wanted if pair[0].arm.name != "tuned"]) == {}


def test_a_copy_is_all_of_a_run(tmp_path: Path) -> None:
    source = trained(tmp_path)
    (tmp_path / ".copy").mkdir()
    (tmp_path / ".copy" / "torn").touch()  # an earlier copy was interrupted
    copy(source, tmp_path / "copy")
    copied, made = ({p.relative_to(where) for p in where.rglob("*")} for where in (tmp_path / "copy", source))
    assert copied == made
    assert not (tmp_path / ".copy").exists()
    assert standing(tmp_path / "copy") == standing(source)
    copy(tmp_path / "nothing", tmp_path / "never")
    assert not (tmp_path / "never").exists()


# --- how far a run is ---------------------------------------------------------------------------------------


def test_no_run_is_waiting(tmp_path: Path) -> None:
    assert standing(tmp_path / "nowhere") == standing(tmp_path) == Standing("waiting")


@pytest.mark.parametrize(
    ("ended", "status"),
    [(None, "running"), ("interrupted", "running"), ("failed", "failed"), ("finished", "finished")],
)
def test_how_far_a_run_is(tmp_path: Path, ended: str | None, status: str) -> None:
    lines = [batch(4), batch(8)]
    make_run(tmp_path, steps=lines, status=ended)
    assert standing(tmp_path) == Standing(status, 8, 20)


def test_a_run_before_its_first_batch(tmp_path: Path) -> None:
    make_run(tmp_path, steps=[], status=None, max_steps=None)
    assert standing(tmp_path) == Standing("running", 0, None)


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    make_run(tmp_path, steps=[batch(1), batch(2)], status=None)
    with (tmp_path / "steps.jsonl").open("a") as file:
        file.write('{"batch": 3, "st')
    assert standing(tmp_path).step == 2


@pytest.mark.parametrize("file", ["run.json", "steps.jsonl"])
def test_a_record_that_cannot_be_read_is_waiting(tmp_path: Path, file: str) -> None:
    make_run(tmp_path)
    tear(tmp_path / file)
    assert standing(tmp_path) == Standing("waiting")


def test_a_record_without_a_status_is_running(tmp_path: Path) -> None:
    make_run(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1}))
    assert standing(tmp_path).status == "running"


# --- done ---------------------------------------------------------------------------------------------------


def member_of(configuration: int | None = None) -> Member:
    return Member(PLAIN, "grpo", 0, "run", configuration)


def trained(root: Path, status: str = "finished") -> Path:
    """A run with a front at steps 10 and 20, the last one at 30, and nothing measured yet."""
    directory = make_run(
        root / "run", grid={0: (0.2, 0.5), 10: (0.4, 0.6), 20: (0.6, 0.4), 30: (0.3, 0.3)}, status=status
    )
    for step in (10, 20, 30):
        checkpoint(directory, step)
    return directory


def test_a_run_is_done_once_all_is_measured(tmp_path: Path) -> None:
    member = member_of()
    assert not is_done(tmp_path, member, PROMPTS)
    directory = trained(tmp_path)
    for split, decoding in (TEST, GREEDY):
        for step in (10, 20, 30):
            assert not is_done(tmp_path, member, PROMPTS)
            measure(directory, split, decoding, {step: (0.5, 0.5)}, prompts=64)
    assert is_done(tmp_path, member, PROMPTS)
    assert not is_done(tmp_path, member, {**PROMPTS, "test": 65})
    assert not is_done(tmp_path, member_of(configuration=0), PROMPTS)  # which asks for the validation split, too


def test_a_tuning_run_is_measured_on_both_splits(tmp_path: Path) -> None:
    directory, member = trained(tmp_path), member_of(configuration=0)
    policies = dict.fromkeys((10, 20, 30), (0.5, 0.5))
    measure(directory, *TEST, policies, prompts=64)
    assert not is_done(tmp_path, member, PROMPTS)
    measure(directory, *VALIDATION, policies, prompts=32)
    assert is_done(tmp_path, member, PROMPTS)
    assert not is_done(tmp_path, member_of(), PROMPTS)  # which asks for greedy decoding, too


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_only_a_finished_run_is_done(tmp_path: Path, status: str) -> None:
    directory = trained(tmp_path, status)
    for split, decoding in (TEST, GREEDY):
        measure(directory, split, decoding, dict.fromkeys((10, 20, 30), (0.5, 0.5)))
    assert not is_done(tmp_path, member_of(), PROMPTS)


def test_with_broken_files_nothing_is_done(tmp_path: Path) -> None:
    directory = trained(tmp_path / "other")
    for split, decoding in (TEST, GREEDY):
        measure(directory, split, decoding, dict.fromkeys((10, 20, 30), (0.5, 0.5)))
    assert is_done(tmp_path / "other", member_of(), PROMPTS)
    tear(directory / "final_evaluations.jsonl")
    assert not is_done(tmp_path / "other", member_of(), PROMPTS)


def test_what_is_measured_stays_done_without_its_checkpoints(tmp_path: Path) -> None:
    directory, member = trained(tmp_path), member_of()
    policies = dict.fromkeys((10, 20, 30), (0.5, 0.5))
    measure(directory, *TEST, policies, prompts=64)
    for step in policies:
        shutil.rmtree(directory / f"checkpoint-{step}")
    assert not is_done(tmp_path, member, PROMPTS)  # and its greedy answers are not to be had any more
    measure(directory, *GREEDY, policies, prompts=64)
    assert is_done(tmp_path, member, PROMPTS)


# --- started anew -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, "interrupted", "failed"])
def test_what_did_not_finish_is_removed(tmp_path: Path, status: str | None) -> None:
    make_run(tmp_path / "run", status=status)
    make_run(tmp_path / "other", status=status)
    clear(tmp_path, member_of())
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_what_cannot_be_read_is_removed(tmp_path: Path) -> None:
    tear(make_run(tmp_path / "run") / "run.json")
    clear(tmp_path, member_of())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("broken", ["final_evaluations.jsonl", "pareto.json"])
def test_what_cannot_be_measured_is_removed(tmp_path: Path, broken: str) -> None:
    directory = trained(tmp_path)
    measure(directory, *TEST, {30: (0.5, 0.5)})
    tear(directory / broken)
    clear(tmp_path, member_of())
    assert not directory.exists()


def test_what_finished_is_kept_while_it_can_be_measured(tmp_path: Path) -> None:
    clear(tmp_path, member_of())  # there is none
    directory = trained(tmp_path)
    measure(directory, *TEST, {30: (0.5, 0.5)})
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    clear(tmp_path, member_of())
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before
    for step in (10, 20, 30):
        shutil.rmtree(directory / f"checkpoint-{step}")
    clear(tmp_path, member_of())
    assert not directory.exists()


def test_controls_are_runs_like_others() -> None:
    plan = Plan("arithmetic", [Arm("gradient", "gradient"), arm_of("replay", {})], seeds=(0, 1))
    assert [m.directory for m in comparison_members(plan)][1::2] == ["replay-grpo-seed0", "replay-grpo-seed1"]
