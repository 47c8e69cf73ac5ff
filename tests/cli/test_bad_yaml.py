"""YAML files that are wrong: one line that says what, and exit status 2."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.utils import is_deepspeed_available

from paretune.cli.parser import make_parser
from paretune.cli.regular_files import LARGEST
from paretune.cli.settings import make_rule
from told import parse

pytestmark = pytest.mark.usefixtures("tasks_are_loaded_once")

Refused = Callable[..., str]

NINE = "[{0},{0},{0},{0},{0},{0},{0},{0},{0}]"
LAUGHS = "\n".join(f"k{i}: &a{i} {NINE.format(f'*a{i - 1}' if i else 'ha')}" for i in range(20))

YAML: list[tuple[str, str | bytes, str]] = [
    ("unknown key", "lerning_rate: 1", "unknown setting 'lerning_rate': did you mean learning_rate?"),
    ("hidden key", "advantage_estimator: rloo", "here it is spelled algorithm"),
    ("a number as key", "1: 2", "unknown setting 1"),
    ("no key", "~: 2", "unknown setting None"),
    ("a list as key", "? [a, b]\n: 1", "unhashable key"),
    ("TRL's environment", "env: {HOME: /tmp}", "unknown setting 'env'"),
    ("a key twice", "seed: 1\nmax_steps: 2\nseed: 3", "seed is given twice, in lines 1 and 3"),
    ("a key twice inside", "rule_settings:\n  mu: 1.0\n  mu: 2.0", "mu is given twice, in lines 2 and 3"),
    ("text for a number", "learning_rate: fast", "learning_rate expects a number, got 'fast' (str)"),
    ("number for a whole number", "max_steps: 1.5", "max_steps expects a whole number, got 1.5 (float)"),
    ("text for a truth value", "gradient_checkpointing: maybe", "expects true or false, got 'maybe'"),
    ("truth value for a number", "max_steps: true", "max_steps expects a whole number, got True"),
    ("a list where a number is due", "max_steps: [1, 2]", "max_steps expects a whole number, got [1, 2] (list)"),
    ("a mapping where a number is due", "seed: {a: 1}", "seed expects a whole number, got {'a': 1} (dict)"),
    ("a date where text is due", "task: 2020-01-01", "task expects text, got datetime.date(2020, 1, 1) (date)"),
    ("a date that is none", "task: 2020-99-99", "is not valid YAML: month must be in 1..12"),
    ("a bare no", "save_strategy: no", "quote it"),
    ("nothing where a number is due", "max_steps:", "max_steps expects a whole number, got None"),
    ("nothing where one is needed", "max_completion_length:", "--max_completion_length needs a value of 1 or more"),
    ("list for text", "task: [arithmetic]", "task expects text, got ['arithmetic'] (list)"),
    ("text for a list", "reward_funcs: my.reward", "reward_funcs expects a list, got 'my.reward' (str)"),
    ("weights as a mapping", "rule: fixed\nweights: {a: 1}", "weights expects text or a list, got {'a': 1} (dict)"),
    (
        "weights as a list of lists",
        "rule: fixed\nweights: [[1, 0, 0]]",
        "expects text or a list, got [[1, 0, 0]]",
    ),
    ("weights as a list of words", "rule: fixed\nweights: [a, b, c]", "must be numbers with commas between them"),
    ("weights as a list too short", "rule: fixed\nweights: [0.5, 0.5]", "2 values for 3 objectives"),
    ("a checkpoint in a list", "resume_from_checkpoint: [a]", "expects true or false or text, got ['a'] (list)"),
    ("a number of a checkpoint", "resume: 2", "resume expects true or false or text, got 2 (int)"),
    ("wrong choice", "combine: losses", "combine expects one of rewards, advantages, got 'losses'"),
    ("NaN", "learning_rate: .nan", "--learning_rate must be 0 or more, got nan"),
    ("infinity", "temperature: .inf", "--temperature must be above 0, got inf"),
    ("a NUL", 'output_dir: "a\\0b"', "output_dir has a NUL in it"),
    ("a mapping's unknown key", "rule_settings: {speed: 1}", "--rule nash has no setting 'speed'"),
    ("a mapping's number as key", "rule_settings: {1: 2}", "--rule nash has no setting 1"),
    ("a list for a mapping", "rule_settings: [1]", "rule_settings expects a mapping or text, got [1] (list)"),
    (
        "a list where a setting is a number",
        "rule: gradient\nrule_settings: {mu: [1]}",
        "mu expects a number, got [1] (list)",
    ),
    ("torn", "task: [arithmetic", "is not valid YAML"),
    ("a tab", "rule_settings:\n\tmu: 1", "found character '\\t' that cannot start any token"),
    ("two documents", "seed: 1\n---\nseed: 2", "expected a single document"),
    ("no mapping", "- task", "must hold `setting: value` lines, got list"),
    ("a word", "arithmetic", "must hold `setting: value` lines, got str"),
    ("empty", "", "must hold `setting: value` lines, got NoneType"),
    ("a comment", "# later", "must hold `setting: value` lines, got NoneType"),
    ("bytes", "\x00\x01", "is not valid YAML"),
    ("binary", bytes(range(256)), "is not valid YAML: 'utf-8' codec"),
    ("UTF-16", "seed: 1".encode("utf-16"), "is not valid YAML: 'utf-8' codec"),
    ("10 MB", "# " + "x" * 10 * LARGEST, "has 10,000,002 bytes: no more than 1,000,000 are read"),
    ("a call", "task: !!python/object/apply:os.system ['touch called']", "could not determine a constructor"),
    ("a function", "task: !!python/name:os.system", "could not determine a constructor"),
    ("a tag of one's own", "task: !mine 1", "could not determine a constructor for the tag '!mine'"),
    ("an alias to nothing", "task: *none", "found undefined alias 'none'"),
    ("an alias that holds itself", "rule_settings: &a\n  x: *a", "an alias in line 1 contains itself"),
    ("a base that holds itself", "base: &a [*a]", "an alias in line 1 contains itself"),
    ("aliases that multiply", LAUGHS, "values with its aliases: settings take at most 10,000"),
    ("aliases that multiply by merging", "a: &a {b: 1}\nc: {<<: [" + ", ".join(["*a"] * 9999) + "]}", "at most 10,000"),
    ("lists within lists", "rule_settings: " + "[" * 5000 + "]" * 5000, "is nested too deeply"),
    ("a great many values", "reward_funcs: [" + "a," * 400_000 + "a]", "holds more than 10,000 values"),
    ("a number of 401 digits", f"max_steps: {10**400}", "the number in line 1 has 401 characters"),
    ("a number of 5,000 digits", "max_steps: " + "9" * 5000, "the number in line 1 has 5,000 characters"),
    ("a number of a million digits", "max_steps: 0x" + "f" * 900_000, "the number in line 1 has 900,002 characters"),
    ("a number of 300,000 minutes", "max_steps: 1" + ":59" * 300_000, "the number in line 1 has 900,001 characters"),
    (
        "a number of hours and a half",
        "learning_rate: 1" + ":59" * 300 + ".5",
        "the number in line 1 has 903 characters",
    ),
    ("a number as key, too long", "1" * 500 + ": 1", "the number in line 1 has 500 characters"),
    ("a truth value by its tag", "task: !!bool maybe", "is not valid YAML: KeyError: 'maybe'"),
    ("an empty number by its tag", 'seed: !!int ""', "is not valid YAML: IndexError"),
    ("a time by its tag", "task: !!timestamp now", "is not valid YAML: AttributeError"),
    ("a time zone that is none", "task: 2020-01-01T00:00:00+99:99", "is not valid YAML: offset must be"),
    ("a set", "reward_funcs: !!set {a}", "reward_funcs expects a list, got {'a'} (set)"),
    ("bytes by their tag", "task: !!binary aGk=", "task expects text, got b'hi' (bytes)"),
    ("a merge of a number", "<<: 3", "is not valid YAML: while constructing a mapping"),
    ("a merge of itself", "rule_settings: &a\n  <<: *a", "an alias in line 1 contains itself"),
    ("a base with a NUL", 'base: "a\\0b"', "embedded null byte"),
    ("a base of bytes", "base: !!binary aGk=", "base expects a file or a list of files"),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in YAML], ids=[case[0] for case in YAML])
def test_yaml(
    text: str | bytes, expected: str, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    assert expected in refused("train", "--config", path, "--output_dir", tmp_path / "run")
    assert list(tmp_path.iterdir()) == [path]


NO_FILES = {
    ".": "a folder, a pipe or a device",
    "/dev/null": "a folder, a pipe or a device",
    "/dev/zero": "a folder, a pipe or a device",
    "pipe": "a folder, a pipe or a device",
    "a_link": "a folder, a pipe or a device",
    "a_loop": "Too many levels of symbolic links",
    "/proc/self/environ": "environ ",  # a regular file that says it is empty
}


@pytest.mark.parametrize(("name", "expected"), NO_FILES.items())
@pytest.mark.parametrize("flag", ["--config", "base", "--config_file"])
def test_no_file(
    flag: str, name: str, expected: str, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe without a writer would be waited for, a device would be read without end."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("a_link").symlink_to("pipe")
    Path("a_loop").symlink_to("a_loop")
    if flag == "base":
        Path("run.yaml").write_text(f"base: {name}")
    said = refused("train", *(["--config", "run.yaml"] if flag == "base" else [flag, name]))
    assert expected in said or (flag, name) == ("--config_file", "a_loop")
    assert not Path("runs").exists()


@pytest.mark.parametrize("setting", ["accelerator_config", "fsdp_config", "deepspeed"])
def test_no_file_of_json(setting: str, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert f"--{setting} pipe: 'pipe' is no regular file" in refused("train", f"--{setting}", "pipe")
    Path("run.yaml").write_text(f"{setting}: pipe")
    assert f"--{setting} pipe: 'pipe' is no regular file" in refused("train", "--config", "run.yaml")


def test_a_number_that_yaml_reads_as_text_is_one(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("learning_rate: 1e-4\nrule: gradient\nrule_settings: {mu: 1e-5}")
    made = parse(["--config", str(tmp_path / "run.yaml"), "--output_dir", "run"], prog="paretune train", defaults={})
    assert made.config.learning_rate == 1e-4
    assert make_rule(made.run, made.task).settings["mu"] == 1e-5


def test_aliases_and_merges_of_ordinary_size_work(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("rule_settings: &a {mu: 1.0}\nchat_template_kwargs: {<<: *a, mu: 2.0}")
    found = make_parser("paretune train").read(["--config", str(tmp_path / "run.yaml")])
    assert found == {"rule_settings": {"mu": 1.0}, "chat_template_kwargs": {"mu": 2.0}}


ARMS: list[tuple[str, str]] = [
    ("[mine]", "arms expects a mapping or text, got ['mine'] (list)"),
    ("{mine: 3}", "`arms` must map names to {rule, weights"),
    ("{1: {preset: balanced}}", "arms: 1 is no name: put it in quotes"),
    ("{mine: {speed: 1}}", "unexpected keyword argument 'speed'"),
    ("{mine: {rule: magic}}", "mine: --rule: unknown rule 'magic'"),
    ("{mine: {rule: [1]}}", "arm 'mine': rule expects text, got [1] (list)"),
    ("{mine: {weights: [a, b, c]}}", "arm 'mine': weights expects text, got ['a', 'b', 'c'] (list)"),
    ("{mine: {weights: [0.5, 0.5]}}", "mine: --rule fixed: `weights` has 2 values for 3 objectives"),
    ("{mine: {preset: balanced, seeds: many}}", "arm 'mine': seeds expects a whole number, got 'many' (str)"),
    ("{mine: {preset: balanced, algorithms: grpo}}", "arm 'mine': algorithms expects a list, got 'grpo' (str)"),
    ("{mine: {preset: balanced, algorithms: [ppo]}}", "Unknown algorithm 'ppo'"),
    ("{mine: {rule: gradient, rule_settings: fast}}", "rule_settings expects a mapping, got 'fast' (str)"),
    ("{mine: {rule: gradient, rule_settings: {mu: big}}}", "mine: --rule gradient: mu expects a number, got 'big'"),
    ("{mine: {rule: gradient, configurations: [1]}}", "configurations expects a list, got [1] (list)"),
    ("{mine: {configurations: [{rule_settings: 3}]}}", "configurations: rule_settings expects a mapping, got 3 (int)"),
    ("{mine: {control: replay, of: none}}", "'mine' takes its weights from 'none'"),
    ("{../mine: {preset: balanced}}", "use letters, digits and . _ + -, not '../mine'"),
]


@pytest.mark.parametrize(("arms", "expected"), ARMS, ids=[arms for arms, _ in ARMS])
def test_arms_of_a_comparison(arms: str, expected: str, refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "comparison.yaml"
    name = "../mine" if "../mine" in arms else "mine"
    path.write_text(f"rules: {name}\narms: {arms}\n")
    assert expected in refused("compare", "--config", path, "--output_dir", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


LAUNCH: list[Any] = [
    ("torn", "foo: [", "is not valid YAML: while parsing a flow node"),
    ("empty", "", "is no configuration of accelerate: 'NoneType' object"),
    ("a list", "- FSDP", "is no configuration of accelerate: 'list' object"),
    ("nothing said", "num_processes: 8", "A `distributed_type` must be specified in the config file"),
    ("aliases that multiply", LAUGHS + "\ndistributed_type: *a19", "values with its aliases: settings take at most"),
    ("lists within lists", "[" * 5000 + "]" * 5000, "is nested too deeply"),
    ("unknown kind", "distributed_type: MAGIC", "is not a valid DistributedType"),
    ("unknown key", "distributed_type: 'NO'\nspeed: 1", "had unknown keys (['speed'])"),
    pytest.param(
        "no accelerator", "distributed_type: FSDP", "FSDP shards over accelerators, and there is none here",
        marks=pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator"),
    ),
    pytest.param(
        "no DeepSpeed", "distributed_type: DEEPSPEED", "DeepSpeed is not installed: `pip install",
        marks=pytest.mark.skipif(is_deepspeed_available(), reason="DeepSpeed is installed"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("case", "text", "expected"), LAUNCH)
@pytest.mark.turns
def test_accelerates_own_file(case: str, text: str, expected: str, refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "launch.yaml"
    path.write_text(text)
    assert expected in refused("train", "--config_file", path, "--output_dir", tmp_path / "run"), case
    assert list(tmp_path.iterdir()) == [path]
