"""A task, rewards, data and a rule of one's own, in files outside of the package, in every command."""

import json
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoModelForSequenceClassification

from cli.in_this_process import in_this_process
from paretune import tasks
from paretune.cli import compare, main, train
from paretune.cli.parser import make_parser
from paretune.named_objects import sha256_of
from paretune.record.json_lines import read_lines
from paretune.record.reader import RunReader
from paretune.record.run_directory import read_run, read_steps
from paretune.report.again import run_settings
from paretune.report.run_reading import read_run as read_whole
from warm import started

POLICY = tasks.load("arithmetic").model
TASK = '''
import asyncio
import json
from pathlib import Path

from datasets import Dataset

import my_scoring
from paretune import Objective, Task


async def digits(completions, **_):
    await asyncio.sleep(0)
    return [sum(c.isdigit() for c in text) / max(len(text), 1) for text in completions]


def on_even_sums(completions, answer, **_):
    """Has nothing to say of the odd ones."""
    return [float(a in text) if int(a) % 2 == 0 else None for text, a in zip(completions, answer)]


def tokens(completion_ids, **_):
    return [float(len(ids)) for ids in completion_ids]


OBJECTIVES = [
    Objective("digits", digits, bounds=(0, 1)),
    Objective("even", on_even_sums, bounds=(0, 1)),
    Objective("signs", my_scoring.signs, bounds=(0, 1), gate=("digits", 0.1)),
    Objective("short", lambda completion_ids, **_: [-float(len(ids)) for ids in completion_ids],
              metric=tokens, maximize=False, bounds=(0, 24)),
]


def task(data=Path(__file__).parent / "sums.jsonl"):
    rows = [json.loads(line) for line in Path(data).read_text().splitlines()]
    return Task("sums", Dataset.from_list(rows[:16]), Dataset.from_list(rows[16:24]), Dataset.from_list(rows[24:]),
                OBJECTIVES, settings={"num_generations": 4, "max_completion_length": 8})
'''
SCORING = """
def signs(completions, **_):
    return [sum(c in "+=" for c in text) / max(len(text), 1) for text in completions]
"""
RULE = '''
import torch

from paretune.weighting import Scalarization, WeightingRule


class Mine(WeightingRule):
    """The objectives take turns."""

    name = "mine"
    description = "the objectives take turns"

    def __init__(self, every: int = 1):
        self.every = every
        self.batches = 0

    def state_dict(self):
        return {"batches": self.batches}

    def load_state_dict(self, state):
        self.batches = state["batches"]

    def update(self, batch):
        weights = torch.full((len(batch.names),), 0.1, dtype=torch.float64)
        weights[self.batches // self.every % len(batch.names)] = 1 - 0.1 * (len(batch.names) - 1)
        self.batches += 1
        return Scalarization(weights)
'''
SMALL = ["--per_device_train_batch_size", "8", "--per_device_eval_batch_size", "16", "--eval_samples", "4"]
GRID = ["--eval_strategy", "steps", "--eval_steps", "1", "--save_steps", "1", "--logging_steps", "1"]
NAMES = ["digits", "even", "signs", "short"]
BY_TASK = ["--task", "my_task.py:task", "--model_name_or_path", "policy"]
BY_REWARDS = [
    "--reward_funcs", "my_task:OBJECTIVES", "--dataset_name", "sums.jsonl", "--validation_share", "0.25",
    "--model_name_or_path", "policy", "--num_generations", "4", "--max_completion_length", "8",
]  # fmt: skip


def write(folder: Path) -> Path:
    """The user's files."""
    folder.mkdir(exist_ok=True)
    (folder / "my_task.py").write_text(TASK)
    (folder / "my_scoring.py").write_text(SCORING)
    (folder / "my_rule.py").write_text(RULE)
    rows = [{"prompt": f"{i}+{i // 2}=?\n", "answer": str(i + i // 2)} for i in range(32)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(POLICY, folder / "policy", dirs_exist_ok=True)
    return folder


def forget() -> None:
    """Import the user's modules anew, as another process would."""
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]


def paretune(folder: Path, *argv: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([str(a) for a in argv]) == 0


def lines(run: Path) -> list[dict[str, Any]]:
    """What happened in a run, without the clock."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_steps(run)]


@dataclass(frozen=True)
class Home:
    """The user's folder, a run that was made there, and how its task was named."""

    folder: Path
    named: list[str]

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def given(self) -> dict[str, Any]:
        """What the command said of the task."""
        if self.named is BY_TASK:
            return {"task": "my_task.py:task"}
        return {"reward_funcs": ["my_task:OBJECTIVES"], "dataset_name": "sums.jsonl", "validation_share": 0.25}

    @property
    def train(self) -> list[str]:
        return ["train", *self.named, "--rule", "my_rule.py:Mine", *SMALL, *GRID, "--output_dir", "run"]


@pytest.fixture(scope="module", params=[BY_TASK, BY_REWARDS], ids=["task", "rewards"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Trained for three steps: killed after one of them and resumed by the same command, or resumed by the record."""
    forget()
    found = Home(write(tmp_path_factory.mktemp("home")), request.param)
    if request.param is BY_REWARDS:
        paretune(found.folder, *found.train, "--max_steps", "2")
        paretune(found.folder.parent, "train", "--output_dir", found.run, "--resume", "--max_steps", "3")
        return found
    killed = started(found.folder, *found.train, "--max_steps", "3")
    steps = found.run / "steps.jsonl"
    while killed.is_alive() and not (steps.exists() and len(read_lines(steps)) > 1):
        time.sleep(0.01)
    killed.kill()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    paretune(found.folder, *found.train, "--max_steps", "3", "--resume")
    return found


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder, from which the user's modules are yet to be imported."""
    forget()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.turns
def test_it_trains_and_resumes(home: Home) -> None:
    steps = read_steps(home.run)
    assert [line["step"] for line in steps] == [1, 2, 3]
    assert [max(line["weights"], key=line["weights"].get) for line in steps] == NAMES[:3]
    run = read_run(home.run)
    assert (run["status"], run["task"]) == ("finished", "sums")
    assert [(o["name"], o["maximize"]) for o in run["objectives"]] == [
        *((n, True) for n in NAMES[:3]),
        ("short", False),
    ]
    assert run["source"]["files"] == [
        {"file": str(home.folder / name), "sha256": sha256_of(home.folder / name)}
        for name in (("my_task.py", "my_rule.py") if home.named is BY_TASK else
                     ("my_task.py", "sums.jsonl", "my_rule.py"))
    ]  # fmt: skip
    assert run["source"]["given"] == home.given  # as the command said it that began the run
    named = {"rule": f"{home.folder}/my_rule.py:Mine", "model_name_or_path": f"{home.folder}/policy"}
    if home.named is BY_TASK:
        assert run["source"]["settings"] == {"task": f"{home.folder}/my_task.py:task", **named}
    else:
        objects, data = [f"{home.folder}/my_task.py:OBJECTIVES"], f"{home.folder}/sums.jsonl"
        assert run["source"]["settings"] == {
            "reward_funcs": objects, "dataset_name": data, "validation_share": 0.25, **named
        }  # fmt: skip


def test_it_is_measured_by_its_record(home: Home, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = shutil.copytree(home.run, elsewhere / "copy")
    paretune(elsewhere, "evaluate", run, "--split", "test", "--eval_samples", "2")
    measured = read_lines(run / "final_evaluations.jsonl")
    assert {(line["split"], line["prompts"]) for line in measured} == {("test", 2)}
    assert set(measured[0]["metrics"]) == set(NAMES)
    assert all(0 < line["metrics"]["short"] <= 8 for line in measured)  # tokens: as long as in training
    paretune(elsewhere, "evaluate", run / "checkpoint-3", "--split", "validation", "--eval_samples", "2")
    said = capsys.readouterr()
    assert "on 2 validation completions" in " ".join(said.out.split())
    assert "has changed" not in said.err


def test_another_task_is_measured_beside_the_record(
    home: Home, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(home.run, elsewhere / "copy")
    paretune(elsewhere, "evaluate", run, "--split", "test", "--eval_samples", "2")
    before = (run / "final_evaluations.jsonl").read_bytes()
    shutil.copytree(home.folder, elsewhere / "moved", ignore=shutil.ignore_patterns("run", "policy"))
    if home.named is BY_TASK:
        moved = ["--task", "moved/my_task.py:task"]
    else:
        moved = ["--reward_funcs", "moved/my_task.py:OBJECTIVES", "--dataset_name", "moved/sums.jsonl"]
        moved += ["--validation_share", "0.25", "--max_completion_length", "8"]
    capsys.readouterr()
    paretune(elsewhere, "evaluate", run, "--split", "test", "--eval_samples", "2", *moved)
    assert "another task" not in capsys.readouterr().out  # the same files in another place
    assert (run / "final_evaluations.jsonl").read_bytes() == before
    rows = [{"prompt": f"{i}+0=?\n", "answer": str(i)} for i in range(8)]
    (elsewhere / "others.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    others = ["--reward_funcs", f"{home.folder}/my_task.py:OBJECTIVES", "--dataset_name", "others.jsonl"]
    others += ["--validation_share", "0.25", "--eval_samples", "2", "--max_completion_length", "8"]
    paretune(elsewhere, "evaluate", run, "--split", "test", *others)
    said = capsys.readouterr().out
    assert "was trained on another task or other data: its record stays as it is" in said
    assert "on 2 test completions" in " ".join(said.split())
    assert (run / "final_evaluations.jsonl").read_bytes() == before


@pytest.mark.turns
def test_it_is_trained_again_by_its_record(home: Home, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_whole(home.run)
    assert found is not None
    (elsewhere / "again.yaml").write_text(run_settings(found))
    paretune(elsewhere, "train", "--config", "again.yaml", "--output_dir", "again")
    assert lines(elsewhere / "again") == lines(home.run)
    same = {key: value for key, value in read_run(home.run)["source"].items() if key != "given"}
    assert read_run(elsewhere / "again")["source"].items() >= same.items()
    capsys.readouterr()
    paretune(elsewhere, "divergence", home.run, elsewhere / "again", "--samples", "2")
    assert "0.000" in capsys.readouterr().out
    assert [line["kl"]["mean"] for line in read_lines(elsewhere / "divergence.jsonl")] == pytest.approx(
        [0] * 3, abs=1e-6
    )
    paretune(elsewhere, "report", "again")
    paretune(elsewhere, "pick", "again", "--at-least", "short=24", "--output_dir", "picked")
    assert (elsewhere / "picked" / "config.json").is_file()
    assert "save this as again.yaml" in (elsewhere / "again" / "report.html").read_text()


def edited(run: Path, copy: Path, **source: Any) -> Path:
    """A run with another source in its record."""
    shutil.copytree(run, copy)
    header = read_run(copy)
    header["source"] = {**header["source"], **source} if source else None
    (copy / "run.json").write_text(json.dumps(header))
    return copy


def test_files_that_have_changed_are_named(home: Home, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [{"file": str(home.folder / name), "sha256": "0" * 64} for name in ("my_task.py", "gone.py")]
    paretune(elsewhere, "train", "--resume", "--output_dir", edited(home.run, elsewhere / "run", files=files))
    said = capsys.readouterr()
    assert "is finished after 3 steps" in said.out
    [line] = said.err.strip().splitlines()
    assert line.startswith(f"paretune: {home.folder / 'my_task.py'} has changed since")


def test_a_record_does_not_say_whose_code_to_trust(home: Home, elsewhere: Path) -> None:
    code = {"trust_remote_code": True}
    settings = {**read_run(home.run)["source"]["settings"], "model_init_kwargs": {**code, "use_cache": False}}
    run = edited(home.run, elsewhere / "run", settings=settings)
    header = read_run(run)
    (run / "run.json").write_text(json.dumps({**header, "settings": {**header["settings"], **code}}))
    told = train.recorded(make_parser("paretune train"), RunReader(run).header, {"output_dir": str(run)})
    assert told["rule"] == f"{home.folder}/my_rule.py:Mine"
    assert told["model_init_kwargs"] == {"use_cache": False}
    assert "trust_remote_code" not in told


def test_the_task_of_a_script_is_to_be_named(home: Home, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = edited(home.run, elsewhere / "run")
    for argv in (["evaluate", run], ["evaluate", run / "checkpoint-3"], ["divergence", run, home.run]):
        assert main([str(a) for a in argv]) == 2
        [line] = capsys.readouterr().err.strip().splitlines()
        assert f"{run}/run.json does not name its task, for a script made the run: give --task" in line
    paretune(elsewhere, "report", run)
    assert "To run it again" not in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--bounds", "short=0:12"], "has other bounds of short: resume it with --bounds short=0:24"),
        (["--rule_settings", '{"every": 0.5}'], "every expects a whole number"),
        (["--rule", "fixed"], "not fixed: resume it as it was"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_told_on_resumption_joins_the_record(
    more: list[str], expected: str, home: Home, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(home.run, elsewhere / "run")
    before = (elsewhere / "run" / "run.json").read_bytes()
    assert main(["train", "--resume", "--output_dir", "run", "--max_steps", "9", *more]) == 2
    assert expected in capsys.readouterr().err
    assert (elsewhere / "run" / "run.json").read_bytes() == before


def test_a_reward_model(home: Home, elsewhere: Path) -> None:
    judge = elsewhere / "judge"
    shutil.copytree(home.folder / "policy", judge)
    settings = AutoConfig.from_pretrained(judge, num_labels=1)
    AutoModelForSequenceClassification.from_config(settings).save_pretrained(judge)
    rewards = ["--reward_funcs", "judge", "my_scoring.signs", "--dataset_name", home.folder / "sums.jsonl"]
    shutil.copy(home.folder / "my_scoring.py", elsewhere)
    model = ["--model_name_or_path", home.folder / "policy", "--num_generations", "4", "--max_completion_length", "4"]
    paretune(elsewhere, "train", *rewards, *model, *SMALL, "--rule", "fixed", "--max_steps", "1", "--output_dir", "run")
    assert set(read_steps(elsewhere / "run")[0]["rewards"]) == {"judge", "signs"}
    assert read_run(elsewhere / "run")["source"]["settings"]["reward_funcs"] == [
        str(judge), f"{elsewhere / 'my_scoring.py'}:signs"
    ]  # fmt: skip


@pytest.mark.turns
def test_it_is_checked(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    paretune(home.folder, "check", *home.named, "--batches", "1", *SMALL)
    said = capsys.readouterr().out
    assert all(name in said for name in NAMES)


FIXED = "fixed:0.25:0.25:0.25:0.25"
COMPARED = ["--rules", f"{FIXED},my_rule:Mine", "--max_steps", "1", "--test_samples", "2"]


@pytest.mark.turns
def test_it_is_compared(home: Home, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compare.LAUNCHERS, "local", in_this_process)
    flags = ["compare", *COMPARED, "--seeds", "1", *SMALL, *GRID]
    paretune(home.folder, *flags, *home.named, "--output_dir", elsewhere / "question")
    plan = json.loads((elsewhere / "question" / "comparison.json").read_text())
    summary = json.loads((elsewhere / "question" / "summary.json").read_text())
    assert plan["task"] == summary["task"] == "sums"
    assert [arm["rule"] for arm in plan["arms"]] == ["fixed", f"{home.folder}/my_rule.py:Mine"]
    assert list(summary["rules"]) == ["fixed-0.25-0.25-0.25-0.25", "Mine"]
    assert (
        plan["source"]["settings"].items()
        <= read_run(elsewhere / "question" / "Mine-grpo-seed0")["source"]["settings"].items()
    )
    # One more seed, by the plan alone, from another folder: its runs are made, the others are kept.
    paretune(elsewhere, "compare", "--rules", FIXED, "--seeds", "2", "--output_dir", "question")
    summary = json.loads((elsewhere / "question" / "summary.json").read_text())
    assert summary["rules"]["fixed-0.25-0.25-0.25-0.25"]["seeds"] == [0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["local", "ray"])
def test_it_is_compared_in_processes_of_their_own(home: Home, elsewhere: Path, launcher: str) -> None:
    flags = ["compare", *COMPARED, "--seeds", "2", "--jobs", "2", "--launcher", launcher, *SMALL, *GRID]
    paretune(home.folder, *flags, *home.named, "--output_dir", elsewhere / "question")
    paretune(elsewhere, "report", "question")
    summary = json.loads((elsewhere / "question" / "summary.json").read_text())
    assert [rule["seeds"] for rule in summary["rules"].values()] == [[0, 1]] * 2
