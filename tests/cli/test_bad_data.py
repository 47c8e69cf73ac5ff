"""One's own rewards and data sets: what is wrong is said before the model is loaded, what is odd works."""

import json
import resource
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from paretune.cli import main
from paretune.cli.ready import check_ready
from paretune.cli.train import evaluates
from paretune.record.run_directory import read_evaluations, read_steps
from paretune.trainer import MultiObjectiveConfig
from paretune.weighting import FixedWeights, HypervolumeGuided
from records import read_completions
from told import parse

Refused = Callable[..., str]
Rows = Sequence[Mapping[str, Any]]
SUMS: Rows = [{"prompt": f"{i}+1="} for i in range(16)]
REWARDS = """
def digits(completions, **_):
    return [float(sum(c.isdigit() for c in str(text))) for text in completions]
def narrow(completions):
    return [1.0] * len(completions)
class Reward:
    pass
number = 3
"""
USER = {"role": "user", "content": "1+1="}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    (tmp_path / "mine.py").write_text(REWARDS)
    (tmp_path / "data").mkdir()
    return tmp_path


def write(folder: Path, **splits: Rows) -> None:
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def command(model: str, *flags: str, reward: str = "mine.digits", data: str = "data") -> list[str]:
    own = ["--reward_funcs", reward, "--dataset_name", data, "--model_name_or_path", model]
    return [
        "train", *own, "--rule", "fixed", "--weights", "1", "--num_generations", "4", "--max_steps", "1",
        "--per_device_train_batch_size", "8", "--max_completion_length", "4", "--output_dir", "run", *flags,
    ]  # fmt: skip


# --- rows -------------------------------------------------------------------------------------------------

ROWS: list[tuple[str, Rows, str]] = [
    ("no prompt", [{"question": "1+1="}] * 8, "has the columns ['question']: add a column 'prompt'"),
    ("empty text", [*SUMS, {"prompt": ""}], "row 16 of the train split of data has an empty prompt"),
    ("nothing", [*SUMS, {"prompt": None}], "row 16 of the train split of data has the prompt None"),
    ("nothing at all", [{"prompt": None}] * 8, "row 0 of the train split of data has the prompt None"),
    ("numbers", [{"prompt": i} for i in range(8)], "has the prompt 0 (int): expected text, or messages with role"),
    ("a number among texts", [*SUMS, {"prompt": 5}], "row 16 of the train split of data has the prompt 5 (int)"),
    ("a list of texts", [{"prompt": ["a", "b"]}] * 8, "has the prompt ['a', 'b'] (list)"),
    ("one message, not a list", [{"prompt": USER}] * 8, "(dict): expected text, or messages with role and content"),
    ("no messages", [{"prompt": []}] * 8, "has the prompt [] (list): expected text, or messages"),
    ("a message without a role", [{"prompt": [{"content": "a"}]}] * 8, "expected text, or messages with role"),
    ("a message without content", [{"prompt": [{"role": "user"}]}] * 8, "expected text, or messages with role"),
    ("a message with a number", [{"prompt": [{**USER, "content": 3}]}] * 8, "expected text, or messages with role"),
    ("a message that says nothing", [{"prompt": [{**USER, "content": ""}]}] * 8, "in which nothing is said"),
    ("a chat for a model without a template", [{"prompt": [USER]}] * 8, "the tokenizer has no chat template"),
    ("1 MB", [*SUMS, {"prompt": "1" * 1_000_000}], "a prompt of 1,000,000 tokens, and the model reads 128: shorten it"),
    ("a column that TRL fills", [{**row, "completions": "a"} for row in SUMS], "has a column 'completions'"),
    ("images beside texts", [{**row, "image": "a.png"} for row in SUMS], "has a column 'image', and TRL shows images"),
    ("fewer than a batch", SUMS[:1], "a batch takes 2 prompts (8 completions, 4 of each), and there are 1"),
    ("none", [], "cannot load the data set data: a file of it is empty"),
]


@pytest.mark.parametrize(("rows", "expected"), [case[1:] for case in ROWS], ids=[case[0] for case in ROWS])
@pytest.mark.turns
def test_rows(rows: Rows, expected: str, refused: Refused, place: Path, tiny_model: str) -> None:
    alike = rows and isinstance(rows[0].get("prompt"), str)  # else a reader of two kinds would complain
    write(place / "data", train=rows, test=SUMS if alike or not rows else rows)
    assert expected in refused(*command(tiny_model))
    assert not (place / "run").exists()


def test_rows_to_evaluate_on(refused: Refused, place: Path, tiny_model: str) -> None:
    write(place / "data", train=SUMS, test=[*SUMS, {"prompt": ""}])
    assert "row 16 of the validation split of data has an empty prompt" in refused(*command(tiny_model))


def test_odd_rows_work(place: Path, tiny_model: str) -> None:
    """Other scripts and emoji, the same row again and again, line breaks and controls, columns of any name."""
    texts = ["💥 数字 १२ \u202e اثنان =", *["1+1="] * 5, "1\n\t\x00\x1b[31m+1=", "=" * 100]
    rows = [{"prompt": text, "größe": 1, "self": [1], "kwargs": None} for text in texts]
    write(place / "data", train=rows, test=rows)
    every_row = ["--eval_strategy", "steps", "--eval_steps", "1", "--gradient_checkpointing", "false"]
    assert main(command(tiny_model, *every_row)) == 0
    assert [line["step"] for line in read_steps("run")] == [1]
    assert [line["samples"] for line in read_evaluations("run")] == [len(rows)]
    assert [line["prompt"] for line in read_completions("run")] == texts


# --- chats ------------------------------------------------------------------------------------------------

PLAIN = "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }} {% endfor %}"
ESCAPE = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
TEMPLATES: list[tuple[str, str, Any, str]] = [
    ("torn", "{% for", [USER], "the chat template of the model refuses row 0 of the train split of data"),
    ("looking for Python's classes", ESCAPE, [USER], "is unsafe"),
    ("that refuses a role", "{% if messages[0]['role'] != 'user' %}{{ raise_exception('Users only.') }}{% endif %}a",
     [{**USER, "role": "wizard"}], "refuses row 8 of the train split of data: Users only."),
    ("beyond the model's context", PLAIN, [{**USER, "content": "1" * 200}], "tokens, and the model reads 128"),
    ("among texts", PLAIN, "1+1=", "row 8 of the train split of data is text, the rows before are a list of messages"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "last", "expected"), [c[1:] for c in TEMPLATES], ids=[c[0] for c in TEMPLATES])
def test_chats(template: str, last: Any, expected: str, refused: Refused, place: Path, tiny_model: str) -> None:
    shutil.copytree(tiny_model, place / "chat")
    (place / "chat" / "chat_template.jinja").write_text(template)
    rows = [{"prompt": [USER]}] * 8
    write(place / "data", train=[*rows, {"prompt": last}], test=rows)
    assert expected in refused(*command("chat"))


ENDLESS: list[tuple[str, str]] = [
    ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "takes more than 1 s for row 0"),
    ("{% for i in range(99999) %}{% set _ = range(99999)|list %}{% endfor %}", "takes more than 1 s for row 0"),
    ("{{ lipsum(n=1000000000) }}", "takes more than 1 s for row 0"),
    ("{{ 7**(10**7) }}", "takes more than 1 s for row 0"),
    ("{% for i in range(10**9) %}{% endfor %}", "Range too big"),
    ("{{ 'x' * 10**10 }}", "MemoryError"),
    ("{{ 'x'|center(10**10) }}", "MemoryError"),
    ("{{ 'x' * 11000000 }}", "makes 11,000,000 characters of row 0"),
    ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "maximum recursion depth exceeded"),
]


@pytest.mark.parametrize(("template", "expected"), ENDLESS, ids=[template for template, _ in ENDLESS])
@pytest.mark.turns
def test_a_template_that_computes_for_ever(
    template: str, expected: str, refused: Refused, place: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paretune.cli.prompts.TEMPLATE_SECONDS", 1.0)
    shutil.copytree(tiny_model, place / "chat")
    (place / "chat" / "chat_template.jinja").write_text(template)
    write(place / "data", train=[{"prompt": [USER]}] * 8, test=[{"prompt": [USER]}] * 8)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    assert expected in refused(*command("chat"))
    assert not (place / "run").exists()
    assert resource.getrlimit(resource.RLIMIT_AS) == limits


def test_a_chat_that_begins_the_answer_works(place: Path, tiny_model: str) -> None:
    shutil.copytree(tiny_model, place / "chat")
    (place / "chat" / "chat_template.jinja").write_text(PLAIN)
    rows = [{"prompt": [USER, {"role": "assistant", "content": "2"}]}] * 8
    write(place / "data", train=rows, test=rows)
    check_ready(parse(command("chat")[1:], prog="paretune train", defaults={}))


# --- files ------------------------------------------------------------------------------------------------

Files = Mapping[str, str | bytes]
GOOD = json.dumps(SUMS[0]) + "\n"
LOADS = f"open({'ran'!r}, 'w')\nimport datasets\n"
EVALUATED = ["--eval_strategy", "steps", "--eval_steps", "1"]
FOLDERS: list[tuple[str, Files, list[str], str]] = [
    ("empty", {}, [], "cannot load the data set data"),
    ("with text alone", {"README.md": "Later."}, [], "it must be a parquet, JSON or CSV file, a folder of these"),
    ("JSON lines, torn", {"train.jsonl": GOOD + '{"prom', "test.jsonl": GOOD}, [], "JSON parse error"),
    ("CSV, torn", {"train.csv": 'prompt,a\n"1+1=,2\n', "test.csv": "prompt,a\n1,2\n"}, [], "EOF inside string"),
    ("parquet, torn", {"train.parquet": b"PAR1" + b"x" * 50}, [], "magic bytes not found"),
    ("columns that differ", {"train.jsonl": GOOD, "test.jsonl": '{"prompt": "a", "b": 1}\n'}, [], "don't match"),
    (
        "no split to evaluate on",
        {"train.jsonl": GOOD},
        EVALUATED,
        "data has no validation split, and something is evaluated",
    ),
    ("no split for the first look", {"train.jsonl": GOOD}, ["--eval_on_start"], "data has no validation split"),
    ("no such split there", {"train.jsonl": GOOD}, ["--dataset_test_split", "exam"], "no split 'exam'; it has train"),
    ("no split to train on", {"test.jsonl": GOOD}, [], "has no split 'train'; it has test: give --dataset_train"),
    ("no such split", {"train.jsonl": GOOD, "test.jsonl": GOOD}, ["--dataset_test_split", "exam"], "no split 'exam'"),
    ("an empty split", {"train.jsonl": GOOD, "test.jsonl": ""}, [], "cannot load the data set data"),
    ("no such configuration", {"train.jsonl": GOOD}, ["--dataset_config", "mine"], "BuilderConfig 'mine' not found"),
    ("a loading script", {"data.py": LOADS, "train.jsonl": GOOD, "test.jsonl": GOOD}, [], "scripts are no longer"),
]


@pytest.mark.parametrize(("files", "flags", "expected"), [c[1:] for c in FOLDERS], ids=[c[0] for c in FOLDERS])
def test_folders(files: Files, flags: list[str], expected: str, refused: Refused, place: Path, tiny_model: str) -> None:
    for name, content in files.items():
        (place / "data" / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert expected in refused(*command(tiny_model, *flags))
    assert not (place / "ran").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./nowhere", "--dataset_name ./nowhere: there is no such file or folder."),
        ("", "--dataset_name is empty: give a folder"),
        ("mine.py", "--dataset_name mine.py: a data file ends in .parquet, .jsonl, .json, .csv; or give a folder"),
    ],
)
def test_no_folder(name: str, expected: str, refused: Refused, place: Path, tiny_model: str) -> None:
    del place
    assert expected in refused(*command(tiny_model, data=name))


def test_a_folder_whose_path_is_a_pattern(refused: Refused, place: Path, tiny_model: str) -> None:
    (place / "data [1]").mkdir()
    (place / "data [1]" / "train.jsonl").write_text(GOOD)
    assert "must hold none of * ? [" in refused(*command(tiny_model, data="data [1]"))


def test_a_train_split_is_enough_where_nothing_is_evaluated(
    place: Path, tiny_model: str, refused_late: Refused
) -> None:
    write(place / "data", train=SUMS)
    assert main(command(tiny_model, "--save_steps", "1")) == 0
    assert [line["step"] for line in read_steps("run")] == [1]
    assert read_evaluations("run") == []
    own = command(tiny_model)[1:7]  # the task, as every command names it
    assert "data has no validation split, and something is evaluated" in refused_late("check", *own)
    assert "data has no test split, and something is evaluated" in refused_late("evaluate", "run/checkpoint-1", *own)
    assert "data has no test split, and something is evaluated" in refused_late("evaluate", "run")  # by its record


@pytest.mark.parametrize("setting", ["resume: run/checkpoint-1", "resume_from_checkpoint: true"])
def test_a_configuration_says_where_to_go_on(setting: str, place: Path, tiny_model: str) -> None:
    write(place / "data", train=SUMS)
    assert main(command(tiny_model, "--save_steps", "1")) == 0
    (place / "on.yaml").write_text(setting)
    assert main(command(tiny_model, "--save_steps", "1", "--config", "on.yaml", "--max_steps", "2")) == 0
    assert [line["step"] for line in read_steps("run")] == [1, 2]


def test_what_is_evaluated(tmp_path: Path) -> None:
    never, own = MultiObjectiveConfig(str(tmp_path)), FixedWeights([1.0])
    assert not evaluates(never, own)
    assert evaluates(never, HypervolumeGuided([1.0]))
    assert not evaluates(never, HypervolumeGuided([1.0], evaluate_on="rollouts"))
    assert evaluates(MultiObjectiveConfig(str(tmp_path), eval_strategy="steps", eval_steps=1), own)
    assert evaluates(MultiObjectiveConfig(str(tmp_path), eval_on_start=True), own)


Change = Mapping[str, Any]
MATH: list[tuple[str, Change, str]] = [
    ("no answers", {"reward_model": None}, "must have its answer as a string in reward_model.ground_truth"),
    ("a number for an answer", {"reward_model": {"ground_truth": 2}}, "must have its answer as a string"),
    ("text for messages", {"prompt": "1+1="}, "must have messages with role and content as its prompt"),
    ("an empty message", {"prompt": [{**USER, "content": ""}]}, "in which nothing is said"),
    ("a missing column", {"level": ...}, "lacks the column level"),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in MATH], ids=[case[0] for case in MATH])
def test_a_tasks_own_data(change: Change, expected: str, refused: Refused, place: Path, tiny_model: str) -> None:
    row = {"prompt": [USER], "reward_model": {"ground_truth": "2"}, "level": "1", "subject": "Algebra", **change}
    table = pa.Table.from_pylist([{key: value for key, value in row.items() if value is not ...}] * 64)
    for split in ("train", "val", "test"):
        pq.write_table(table, place / "data" / f"{split}.parquet")
    said = refused("train", "--task", "math500", "--data", "data", "--model_name_or_path", tiny_model)
    assert expected in said


# --- rewards ----------------------------------------------------------------------------------------------

PATHS: list[tuple[str, str]] = [
    ("digits", "write it as my.module.reward, module:object or"),
    ("mine.", "write it as my.module.reward, module:object or"),
    (".digits", "write it as my.module.reward, module:object or"),
    ("mine..digits", "write it as my.module.reward, module:object or"),
    ("mine.py", "write it as my.module.reward, module:object or file.py:object"),
    ("", "--reward_funcs '' names no reward"),
    ("mine.letters", "module 'mine' has no attribute 'letters'"),
    ("nobodys.digits", "No module named 'nobodys'"),
    ("mine.number", "mine.number is of type int: name a function"),
    ("os.path", "os.path is of type module: name a function"),
    ("mine.Reward", "mine.Reward is the class Reward: name a function"),
    ("mine.narrow", "cannot be called as rewards are: got an unexpected keyword argument 'prompts'"),
]


@pytest.mark.parametrize(("path", "expected"), PATHS, ids=[path for path, _ in PATHS])
def test_reward_paths(path: str, expected: str, refused: Refused, place: Path, tiny_model: str) -> None:
    write(place / "data", train=SUMS, test=SUMS)
    assert expected in refused(*command(tiny_model, reward=path))


MODULES: list[tuple[str, str, str]] = [
    ("torn", "def digits(:\n", "SyntaxError: invalid syntax"),
    ("raising", "raise RuntimeError('no')\n", "RuntimeError: no"),
    ("exiting", "import sys\nsys.exit(3)\n", "SystemExit: 3"),
    ("exiting_well", "import sys\nsys.exit(0)\n", "SystemExit: 0"),
    ("importing", "import nobodys\n", "No module named 'nobodys'"),
]


@pytest.mark.parametrize(("name", "code", "expected"), MODULES, ids=[case[0] for case in MODULES])
def test_reward_modules(name: str, code: str, expected: str, refused: Refused, place: Path, tiny_model: str) -> None:
    (place / f"{name}_rewards.py").write_text(code)
    said = refused(*command(tiny_model, reward=f"{name}_rewards.digits"))
    assert f"--reward_funcs '{name}_rewards.digits' cannot be loaded: {expected}" in said


def test_hypervolume_without_bounds(refused: Refused, place: Path, tiny_model: str) -> None:
    write(place / "data", train=SUMS, test=SUMS)
    said = refused(*command(tiny_model, "--rule", "hypervolume"))
    assert "needs bounds of every objective's metric; without are: digits" in said


def test_the_same_reward_twice(refused: Refused, place: Path, tiny_model: str) -> None:
    write(place / "data", train=SUMS, test=SUMS)
    said = refused(*command(tiny_model, "--reward_funcs", "mine.digits", "mine.digits"))
    assert "--reward_funcs names mine.digits twice" in said


def test_too_few_rewards(refused_late: Refused, place: Path, tiny_model: str) -> None:
    write(place / "data", train=SUMS, test=SUMS)
    (place / "short_rewards.py").write_text("def one(completions, **_):\n    return [1.0]\n")
    said = refused_late(*command(tiny_model, reward="short_rewards.one"))
    assert "'one' returned 1 values for 8 completions" in said
