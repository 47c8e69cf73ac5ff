"""A run is resumed, or refused in one line with nothing changed, whatever stands in its checkpoint and its record."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paretune import GradientInfluence, HypervolumeGuided, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.objectives import Conciseness, completion_length
from paretune.record.directory_lock import RunInUseError
from paretune.record.parsing import RecordError
from paretune.record.resumption import OtherRunError
from paretune.record.run_directory import read_run, read_steps
from paretune.trainer.checkpoints import BrokenCheckpointError
from paretune.weighting import WeightingRule
from policies import digits, prompts, saved_policy
from records import files_of

RULES: dict[str, Callable[[], WeightingRule]] = {
    "gradient": lambda: GradientInfluence(average_over=2),
    "hypervolume": lambda: HypervolumeGuided([0.5, 0.5]),
}
GONE = object()
OTHERS: list[Any] = [None, "x", [], [1], {}, {"x": 1}, 10**400, 10**18, -1, True, GONE]
REFUSED = (BrokenCheckpointError, RecordError, OtherRunError, RunInUseError, FileNotFoundError)


def trainer_of(model: str, directory: Path, rule: str, steps: int) -> MultiObjectiveTrainer:
    config = MultiObjectiveConfig(
        str(directory), learning_rate=1e-2, max_steps=steps, per_device_train_batch_size=4, num_generations=2,
        max_completion_length=4, gradient_checkpointing=False, report_to=[], save_strategy="steps", save_steps=2,
        eval_strategy="steps", eval_steps=1, disable_tqdm=True, logging_steps=1,
    )  # fmt: skip
    objectives = [
        Objective("digits", digits, bounds=(0, 1)),
        Objective("conciseness", Conciseness(), metric=completion_length, maximize=False, bounds=(0, 4)),
    ]
    return MultiObjectiveTrainer(model, objectives, config, prompts(), prompts(2), weighting=RULES[rule]())


class Run:
    """A finished run of two steps, which an edit changes and a third step is asked of."""

    def __init__(self, model: str, directory: Path, rule: str) -> None:
        self._model, self._rule = model, rule
        self._whole, self.directory = directory / "whole", directory / "run"
        trainer_of(model, self._whole, rule, 2).train()
        self.checkpoint = self.directory / "checkpoint-2"
        self._trainer: MultiObjectiveTrainer | None = None

    def begin(self) -> None:
        """Undo the last edit."""
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.copytree(self._whole, self.directory)

    def resumed_or_refused(self) -> str:
        """Why it was refused, or an empty text."""
        before = files_of(self.directory)
        self._trainer = self._trainer or trainer_of(self._model, self.directory, self._rule, 3)
        said = ""
        try:
            self._trainer.train(resume_from_checkpoint=True)
        except REFUSED as error:
            said = str(error)
        if said:
            assert files_of(self.directory) == before
            assert "\n" not in said
            return said
        self._trainer = None
        assert [line["step"] for line in read_steps(self.directory)] == [1, 2, 3]
        assert read_run(self.directory)["status"] == "finished"
        return ""


def made(rule: str, factory: pytest.TempPathFactory) -> Run:
    directory = factory.mktemp(rule)
    return Run(saved_policy(directory / "policy"), directory, rule)


@pytest.fixture(scope="module")
def gradient(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made("gradient", tmp_path_factory)


@pytest.fixture(scope="module")
def hypervolume(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made("hypervolume", tmp_path_factory)


@pytest.fixture(params=RULES)
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.getfixturevalue(request.param)
    return found


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a JSON value, but for what is logged."""
    if path:
        yield path
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree[:1]) if isinstance(tree, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key)) if key != "log_history" else iter([(key,)])


def edit(file: Path, path: tuple[Any, ...], value: Any) -> None:
    content = json.loads(file.read_text())
    inside = content
    for key in path[:-1]:
        inside = inside[key]
    if value is not GONE:
        inside[path[-1]] = value
    else:
        del inside[path[-1]]
    file.write_text(json.dumps(content))


FILES = ("paretune.json", "trainer_state.json")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.turns
def test_any_value_in_the_place_of_another(run: Run, data: st.DataObject) -> None:
    run.begin()
    file = run.checkpoint / data.draw(st.sampled_from(FILES))
    path = data.draw(st.sampled_from(list(places(json.loads(file.read_text())))))
    edit(file, path, data.draw(st.sampled_from(OTHERS)))
    run.resumed_or_refused()


@pytest.mark.slow
def test_every_value_in_the_place_of_every_other(run: Run) -> None:
    for name in FILES:
        run.begin()
        for path in list(places(json.loads((run.checkpoint / name).read_text()))):
            for value in OTHERS:
                run.begin()
                edit(run.checkpoint / name, path, value)
                run.resumed_or_refused()


@pytest.mark.parametrize(
    "key",
    [("tokens",), ("batch",), ("weights",), ("rule", "batches"), ("archives", "grid", "points"), ("objectives",),
     ("latest", "metrics"), ("objectives", "conciseness", "count")],
)  # fmt: skip
@pytest.mark.turns
def test_a_null_where_a_number_belongs_is_refused(run: Run, key: tuple[str, ...]) -> None:
    run.begin()
    edit(run.checkpoint / "paretune.json", key, None)
    assert run.resumed_or_refused()


@pytest.mark.parametrize(
    "key", [("epoch",), ("global_step",), ("logging_steps",), ("train_batch_size",), ("log_history",),
            ("stateful_callbacks", "TrainerControl", "args", "should_training_stop")],
)  # fmt: skip
@pytest.mark.parametrize("value", [None, "x", [1]])
def test_a_foreign_value_in_trainer_state_json_is_refused(gradient: Run, key: tuple[str, ...], value: Any) -> None:
    gradient.begin()
    edit(gradient.checkpoint / "trainer_state.json", key, value)
    assert gradient.resumed_or_refused()


@pytest.mark.parametrize("value", [{}, {"x": 1}])
def test_a_state_without_the_trainers_control_is_refused(gradient: Run, value: dict[str, int]) -> None:
    gradient.begin()
    edit(gradient.checkpoint / "trainer_state.json", ("stateful_callbacks",), value)
    assert "lacks 'TrainerControl'" in gradient.resumed_or_refused()


def flip(path: Path) -> None:
    """Damage a file without changing its size."""
    content = bytearray(path.read_bytes())
    for i in range(len(content) // 2, len(content)):
        content[i] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
@pytest.mark.parametrize("damage", ["torn", "flipped", "of something else"])
@pytest.mark.turns
def test_a_binary_file_that_is_damaged_is_refused(gradient: Run, file: str, damage: str) -> None:
    gradient.begin()
    path = gradient.checkpoint / file
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "flipped":
        flip(path)
    else:
        torch.save({"x": 1}, path)
        state = json.loads((gradient.checkpoint / "paretune.json").read_text())
        edit(gradient.checkpoint / "paretune.json", ("files",), {**state["files"], file: path.stat().st_size})
    assert "checkpoint" in gradient.resumed_or_refused()


DEEP = "[" * 100_000
RECORDS: list[tuple[str, str]] = [
    ("run.json", DEEP),
    ("run.json", '{"schema": 1, "objectives": ' + "[" * 500 + "]" * 500 + "}"),
    ("run.json", '{"schema": Infinity}'),
    ("steps.jsonl", DEEP + "\n"),
    ("steps.jsonl", '{"step": 1, "batch": 1, "weights": [1]}\n{"step": 2, "batch": 2}\n'),
    ("steps.jsonl", '{"step": 1e999, "batch": 1}\n{"step": 2, "batch": 2}\n'),
    ("evaluations.jsonl", '{"step": 0, "metrics": {"digits": "x"}}\n' * 3),
    ("evaluations.jsonl", '{"step": 0, "metrics": {"digits": 1' + "0" * 400 + "}}\n" * 3),
    ("completions.jsonl", '{"step": 0, "prompt": 3}\n' * 12),
    ("final_evaluations.jsonl", '{"step": {}}\n'),
]


@pytest.mark.parametrize(("file", "content"), RECORDS, ids=[f"{i} {file}" for i, (file, _) in enumerate(RECORDS)])
def test_a_foreign_record_is_refused(gradient: Run, file: str, content: str) -> None:
    gradient.begin()
    (gradient.directory / file).write_text(content)
    assert file in gradient.resumed_or_refused()


def test_a_whole_run_is_resumed(gradient: Run) -> None:
    gradient.begin()
    assert gradient.resumed_or_refused() == ""
