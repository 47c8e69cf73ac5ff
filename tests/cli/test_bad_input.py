"""Whatever is wrong: one line that says what, and exit status 2, before anything long starts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretune.cli import main
from policies import prompts, saved_policy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused; returns the line it says."""

    def run(*argv: Any) -> str:
        capsys.readouterr()
        assert main([str(a) for a in argv]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1, said
        assert len(said[0]) < 400
        return said[0]

    return run


TRAIN: list[tuple[str, list[str], str]] = [
    ("unknown task", ["--task", "poetry"], "Unknown task 'poetry': choose one of arithmetic"),
    (
        "unknown rule",
        ["--rule", "magic"],
        "unknown rule 'magic': choose one of fixed,",
    ),
    ("unknown algorithm", ["--algorithm", "ppo"], "'ppo' (choose from"),
    ("unknown flag", ["--lerning_rate", "1"], "unknown flag --lerning_rate: did you mean learning_rate?"),
    ("abbreviation", ["--learning", "1"], "unknown flag --learning: did you mean learning_rate?"),
    ("hyphens", ["--learning-rate", "1"], "unknown flag --learning-rate: did you mean learning_rate?"),
    ("TRL's other names", ["--advantage_estimator", "rloo"], "here it is spelled algorithm"),
    ("TRL's weights", ["--reward_weights", "1"], "here it is spelled weights"),
    ("stray word", ["now"], "unknown argument 'now'"),
    ("not a number", ["--max_steps", "many"], "invalid int value: 'many'"),
    ("not a choice", ["--combine", "losses"], "'losses' (choose from"),
    ("too few weights", ["--rule", "fixed", "--weights", "0.5,0.5"], "2 values for 3 objectives"),
    ("negative weight", ["--rule", "fixed", "--weights", "1.5,-0.25,-0.25"], "must not be negative"),
    ("weights not summing to 1", ["--rule", "fixed", "--weights", "0.5,0.5,0.5"], "must sum to 1"),
    ("weights that are no numbers", ["--rule", "fixed", "--weights", "a,b,c"], "must be numbers with commas"),
    ("weights and preset", ["--rule", "fixed", "--weights", "1,0,0", "--preset", "balanced"], "not both"),
    ("no weights", ["--rule", "fixed"], "needs --weights"),
    ("no preferences", ["--rule", "hypervolume"], "needs --weights"),
    ("weights for a rule that finds them", ["--rule", "gradient", "--weights", "1,0,0"], "finds its own weights"),
    ("weights for PAMA", ["--rule", "pama", "--weights", "1,0,0"], "finds its own weights"),
    ("a preset for PAMA", ["--rule", "pama", "--preset", "balanced"], "leave out --weights and --preset"),
    ("PAMA with a wrong setting", ["--rule", "pama", "--rule_settings", '{"credit": "token"}'], "sample, batch, got"),
    ("unknown preset", ["--rule", "fixed", "--preset", "fair"], "Unknown preset 'fair'"),
    ("rule settings that are no JSON", ["--rule_settings", "{mu: 1}"], "not valid JSON"),
    ("rule settings that are no object", ["--rule_settings", "[1]"], "must be a JSON object"),
    ("unknown rule setting", ["--rule_settings", '{"speed": 1}'], "unexpected keyword argument 'speed'"),
    ("rule setting out of range", ["--rule_settings", '{"mu": -1}'], "`mu` must be positive and finite, got -1"),
    ("one generation", ["--num_generations", "1"], "at least 2 generations"),
    ("groups that do not fit", ["--num_generations", "7"], "must be divisible by num_generations (7)"),
    ("data for a task that has its own", ["--data", "somewhere"], "leave it out"),
    ("missing data folder", ["--task", "math500", "--data", "no/such/folder"], "no/such/folder"),
    ("missing model folder", ["--model_name_or_path", "./no/such/model"], "./no/such/model"),
    ("resume without a checkpoint", ["--resume", "--output_dir", "nothing-here"], "holds no checkpoint"),
    ("missing config", ["--config", "no.yaml"], "--config no.yaml: No such file"),
    ("config without a value", ["--config"], "--config needs a YAML file"),
    ("rewards without data", ["--reward_funcs", "my.reward"], "needs --dataset_name too"),
    ("rewards and a task", ["--task", "arithmetic", "--reward_funcs", "my.reward"], "not both"),
    ("launch flag without its value", ["--num_processes"], "--num_processes needs a value"),
]


@pytest.mark.parametrize(("argv", "expected"), [case[1:] for case in TRAIN], ids=[case[0] for case in TRAIN])
def test_train(
    argv: list[str], expected: str, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expected in refused("train", *argv)
    assert list(tmp_path.iterdir()) == []  # nothing written


YAML: list[tuple[str, str, str]] = [
    ("unknown key", "lerning_rate: 1", "unknown setting 'lerning_rate': did you mean learning_rate?"),
    ("hidden key", "advantage_estimator: rloo", "here it is spelled algorithm"),
    ("text for a number", "learning_rate: fast", "learning_rate expects a number, got 'fast' (str)"),
    ("number for a whole number", "max_steps: 1.5", "max_steps expects a whole number, got 1.5 (float)"),
    ("text for a truth value", "gradient_checkpointing: maybe", "expects true or false, got 'maybe'"),
    ("truth value for a number", "max_steps: true", "max_steps expects a whole number, got True"),
    ("a bare no", "save_strategy: no", "quote it"),
    ("list for text", "task: [arithmetic]", "task expects text, got ['arithmetic'] (list)"),
    ("wrong choice", "combine: losses", "combine expects one of rewards, advantages, got 'losses'"),
    ("torn", "task: [arithmetic", "is not valid YAML"),
    ("no mapping", "- task", "must hold `setting: value` lines, found list"),
    ("empty", "", "must hold `setting: value` lines, found NoneType"),
    ("bytes", "\x00\x01", "is not valid YAML"),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in YAML], ids=[case[0] for case in YAML])
def test_yaml(text: str, expected: str, refused: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    assert expected in refused("train", "--config", path, "--output_dir", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_output_directory_in_use(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert "already holds a run" in refused("train", "--output_dir", tmp_path)
    assert (tmp_path / "run.json").read_text() == "{}"


def test_output_directory_that_is_a_file(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    assert "is a file: choose a folder" in refused("train", "--output_dir", tmp_path / "run")


def test_hypervolume_without_bounds(
    refused: Callable[..., str], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rewards.py").write_text("def long(completions, **_):\n    return [len(c) for c in completions]\n")
    for split in ("train", "test"):
        prompts().to_parquet(tmp_path / "data" / f"{split}.parquet")
    own = ["--reward_funcs", "my_rewards.long", "--dataset_name", "data", "--model_name_or_path", model]
    said = refused("train", *own, "--rule", "hypervolume", "--weights", "1")
    assert "needs bounds of every objective's metric; without are: long" in said
    assert "no split" in refused("train", *own, "--dataset_test_split", "exam")
    own[1] = "my_rewards.short"
    assert "my_rewards.short" in refused("train", *own)
    (tmp_path / "wrong_rewards.py").write_text("def one(completions, **_):\n    return [1.0]\n")
    own[1] = "wrong_rewards.one"
    short = ["--max_steps", "1", "--num_generations", "4", "--max_completion_length", "4", "--output_dir", "run"]
    assert "'one' returned 1 rewards, but 8 were expected" in refused("train", *own, *short)
    own[1] = "short"
    assert "write it as my.module.reward" in refused("train", *own)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["trian"], "unknown command 'trian': did you mean 'train'?"),
        (["fly"], "choose one of check, train, compare, report, pick, evaluate, divergence, list"),
        (["list", "all"], "takes no arguments, got all"),
        (["evaluate"], "which checkpoint or run?"),
        (["evaluate", "no-such-checkpoint"], "no checkpoint folder no-such-checkpoint"),
        (["evaluate", ".", "--split", "exam"], "one of train, validation, test, got 'exam'"),
        (["evaluate", "."], "holds no config.json"),
    ],
)
def test_other_commands(
    argv: list[str], expected: str, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expected in refused(*argv)
