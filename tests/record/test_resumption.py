import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.record.directory_lock import is_in_use
from paretune.record.json_lines import read_lines
from paretune.record.record import RunRecord
from paretune.record.resumption import OtherRunError, check_resumable
from paretune.record.run_directory import (
    GROWING,
    read_completions,
    read_evaluations,
    read_front,
    read_run,
    read_steps,
)
from records import HEADER, files_of, one_line, opened, step, whole_checkpoint


def test_resuming_cuts_the_records_back(tmp_path):
    record = opened(tmp_path)
    for number in range(1, 6):
        record.append_step(step(2 * number))
    record.append_evaluation({"step": 0})
    record.append_evaluation({"step": 4})
    record.append_evaluation({"step": 4, "purpose": "rule"})  # asked for when the next batch began
    record.append_evaluation({"step": 5})
    record.write_front([0.0], None, [{"step": 10}])
    record.finish("interrupted", error="stopped")
    started = read_run(tmp_path)["started"]
    run = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**run, "started": "2001-01-01T00:00:00+00:00"}))
    assert started != "2001-01-01T00:00:00+00:00"

    record = RunRecord(tmp_path)
    record.resume(4, {**HEADER, "max_steps": 90})
    run = read_run(tmp_path)
    assert (run["status"], run["ended"], run["max_steps"]) == ("running", None, 90)
    assert run["started"] == "2001-01-01T00:00:00+00:00"
    assert "error" not in run
    assert [line["step"] for line in read_steps(tmp_path)] == [2, 4]
    assert [line["step"] for line in read_evaluations(tmp_path)] == [0, 4]
    with pytest.raises(FileNotFoundError, match=r"no pareto\.json yet"):
        read_front(tmp_path)
    record.append_step(step(6))
    assert [line["step"] for line in read_steps(tmp_path)] == [2, 4, 6]
    record.close()


@pytest.mark.parametrize("torn", [b"{", b'{"batch": 3, "st', b'{"step": 3, "name": "\xc3', b"\x00\x00\x00"])
def test_a_torn_last_line_is_left_out_and_then_cut_off(tmp_path, torn):
    record = opened(tmp_path)
    record.append_step(step(1))
    record.append_step(step(2))
    record.close()
    with (tmp_path / "steps.jsonl").open("ab") as file:
        file.write(torn)
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2]
    record.resume(2, HEADER)
    assert (tmp_path / "steps.jsonl").read_bytes().count(b"\n") == 2
    record.append_step(step(3))
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 2, 3]
    record.close()


def test_the_lines_that_a_checkpoint_counts_stay_and_no_others(tmp_path):
    record = opened(tmp_path)
    record.append_step(step(1))
    record.append_evaluation({"step": 1, "purpose": "grid"})
    counted = record.lines()
    assert counted == {"steps.jsonl": 1, "logs.jsonl": 0, "evaluations.jsonl": 1, "completions.jsonl": 0}
    record.append_evaluation({"step": 1, "purpose": "grid", "again": True})  # by hand, after the checkpoint
    record.append_step(step(2))
    record.close()
    record.resume(1, HEADER, lines=counted)
    assert read_steps(tmp_path) == [step(1)]
    assert read_evaluations(tmp_path) == [{"step": 1, "purpose": "grid"}]
    assert record.lines() == counted
    record.append_step(step(2))
    assert record.lines() == {**counted, "steps.jsonl": 2}
    record.close()
    with pytest.raises(RuntimeError, match="is not open"):
        record.lines()


def test_a_run_that_begins_again_keeps_no_line(tmp_path):
    record = opened(tmp_path)
    record.append_evaluation({"step": 0, "purpose": "grid"})  # which it will make again
    record.append_completion({"step": 0})
    record.append_step(step(1))
    (tmp_path / "final_evaluations.jsonl").write_text('{"step": 1}\n')
    record.write_front([0.0], None, [])
    record.close()
    started = read_run(tmp_path)["started"]
    record.resume(0, HEADER, lines={})
    assert read_steps(tmp_path) == read_evaluations(tmp_path) == read_completions(tmp_path) == []
    assert (tmp_path / "final_evaluations.jsonl").read_text() == ""
    assert not (tmp_path / "pareto.json").exists()
    assert read_run(tmp_path)["started"] == started
    record.append_step(step(1))
    record.close()


def test_final_evaluations_of_policies_that_stay_stay(tmp_path):
    opened(tmp_path).finish("finished")
    (tmp_path / "final_evaluations.jsonl").write_text('{"step": 2}\n{"step": 4}\n{"step": 6}\n{"st')
    record = RunRecord(tmp_path)
    record.resume(4, HEADER)
    record.close()
    assert (tmp_path / "final_evaluations.jsonl").read_text() == '{"step": 2}\n{"step": 4}\n'


def edit(name, old, new):
    def damage(directory):
        text = (directory / name).read_text()
        assert old in text
        (directory / name).write_text(text.replace(old, new))

    return damage


BY_HAND = [
    pytest.param(lambda d: (d / "steps.jsonl").unlink(), r"steps\.jsonl' has 0 lines up to step 4, but there were 4"),
    pytest.param(edit("steps.jsonl", '"step": 4', '"step": 5'), r"steps\.jsonl' has 3 lines up to step 4"),
    pytest.param(lambda d: (d / "evaluations.jsonl").write_text('{"step": 2}\n'), r"evaluations\.jsonl' has 1 lines"),
    pytest.param(edit("steps.jsonl", '"batch": 2,', '"batch": 2'), r"Line 2 of '.*steps\.jsonl' is no JSON"),
    pytest.param(edit("steps.jsonl", '"step": 3', '"step": "3"'), r"Line 3 of '.*steps\.jsonl': step must be a whole"),
    pytest.param(lambda d: (d / "evaluations.jsonl").write_text("[]\n"), r"Line 1 of '.*evaluations\.jsonl' is list"),
    pytest.param(lambda d: (d / "run.json").write_text(""), r"run\.json' is no JSON"),
    pytest.param(edit("run.json", '"schema": 1', '"schema": 9'), r"run\.json' has the schema 9"),
    pytest.param(lambda d: (d / "run.json").unlink(), r"it has no run\.json"),
]


@pytest.mark.parametrize(("damage", "complaint"), BY_HAND)
def test_a_record_that_does_not_go_with_the_checkpoint_is_named_and_left_alone(tmp_path, damage, complaint):
    record = opened(tmp_path)
    for number in range(1, 5):
        record.append_step(step(number))
    for number in (2, 4):
        record.append_evaluation({"step": number})
    counted = record.lines()
    whole_checkpoint(tmp_path, 4)
    record.append_step(step(5))
    record.write_front([0.0], None, [])
    record.close()
    damage(tmp_path)
    before = files_of(tmp_path)
    attempts = (
        lambda: check_resumable(tmp_path, 4, counted),
        lambda: RunRecord(tmp_path).resume(4, HEADER, lines=counted),
    )
    for attempt in attempts:
        with pytest.raises((OSError, ValueError), match=complaint) as raised:
            attempt()
        one_line(raised)
    assert files_of(tmp_path) == before
    assert not is_in_use(tmp_path)


def test_half_a_checkpoint_is_in_nobodys_way(tmp_path):
    record = opened(tmp_path)
    record.append_step(step(1))
    counted = record.lines()
    record.close()
    (whole_checkpoint(tmp_path, 2) / "paretune.json").unlink()
    check_resumable(tmp_path, 1, counted)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The record of a run of six steps, and how many lines it had before the first and after each."""
    directory = tmp_path_factory.mktemp("interrupted")
    record = opened(directory)
    counted = [record.lines()]
    for number in range(1, 7):
        record.append_step(step(number, note="é{漢}"))
        record.append_log({"step": number, "kl": 0.1})
        if number % 2 == 0:
            record.append_evaluation({"step": number, "purpose": "grid"})
            record.append_completion({"step": number, "prompt": "2+2=\n"})
        counted.append(record.lines())
        record.append_evaluation({"step": number, "purpose": "rule"})
    record.close()
    return directory, counted


@settings(max_examples=40, deadline=None)
@given(
    which=st.sampled_from(GROWING),
    place=st.floats(0, 1),
    at=st.integers(0, 6),
)
def test_cut_off_anywhere_a_run_goes_on_without_a_hole_or_says_so(tmp_path_factory, interrupted, which, place, at):
    """From a checkpoint whose lines are all there each stands exactly once; from another nothing is changed."""
    template, counted = interrupted
    directory = tmp_path_factory.mktemp("runs") / "run"
    shutil.copytree(template, directory)
    record = RunRecord(directory)
    all_lines = [read_lines(directory / file) for file in GROWING]
    content = (directory / which).read_bytes()
    (directory / which).write_bytes(content[: round(place * len(content))])
    left = [read_lines(directory / file) for file in GROWING]  # readable, each file a part from its beginning
    assert all(lines == whole[: len(lines)] for lines, whole in zip(left, all_lines, strict=True))
    before = files_of(directory)
    if all(len(lines) >= due for lines, due in zip(left, counted[at].values(), strict=True)):
        record.resume(at, HEADER, lines=counted[at])
        kept = [lines[:due] for lines, due in zip(all_lines, counted[at].values(), strict=True)]
        assert [read_lines(directory / file) for file in GROWING] == kept
        record.append_step(step(at + 1))
        assert read_steps(directory) == [*kept[0], step(at + 1)]
        record.close()
    else:
        with pytest.raises(ValueError, match=f"{which}' has \\d lines up to step {at}, but there were"):
            record.resume(at, HEADER, lines=counted[at])
        assert files_of(directory) == before


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"rule": {"name": "fixed"}}, "has the rule gradient, not fixed"),
        ({"algorithm": "rloo"}, "has the algorithm grpo, not rloo"),
        ({"objectives": [{"name": "accuracy"}]}, "has the objectives accuracy, length, not accuracy"),
    ],
)
def test_a_run_goes_on_as_what_it_was(tmp_path, changed, complaint):
    header = {
        "rule": {"name": "gradient", "settings": {"mu": 1.0}},
        "algorithm": "grpo",
        "objectives": [{"name": "accuracy"}, {"name": "length"}],
    }
    record = RunRecord(tmp_path)
    record.start(header)
    record.append_step(step(1))
    record.finish("interrupted")
    before = (tmp_path / "run.json").read_text()
    with pytest.raises(OtherRunError, match=complaint):
        record.resume(1, {**header, **changed})
    assert (tmp_path / "run.json").read_text() == before
    record.resume(1, {**header, "rule": {"name": "gradient", "settings": {"mu": 2.0}}, "max_steps": 9})
    record.finish("finished")
