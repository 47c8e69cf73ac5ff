"""YAML files that build on others, and several of them on one command line."""

import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from paretune.cli.bad_input import BadInputError
from paretune.cli.parser import make_parser

PARSER = make_parser("paretune train")


def write(folder: Path, **files: str) -> Path:
    """Write `name="text"` as name.yaml, `sub__name="text"` as sub/name.yaml."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def config_of(*argv: Any) -> dict[str, Any]:
    return PARSER.read([str(a) for a in argv])


def test_a_file_wins_over_its_bases_and_later_bases_over_earlier_ones(tmp_path: Path) -> None:
    write(
        tmp_path,
        bases__first="seed: 1\nmax_steps: 1\nlearning_rate: 1e-1\nbeta: 0.1",
        bases__root="logging_steps: 7",
        bases__second="base: root.yaml\nmax_steps: 2\nlearning_rate: 1e-2",  # paths are from a file's own folder
        recipes__run="base: [../bases/first.yaml, ../bases/second.yaml]\nlearning_rate: 1e-3",
    )
    expected = {"seed": 1, "max_steps": 2, "learning_rate": 1e-3, "beta": 0.1, "logging_steps": 7}
    assert config_of("--config", tmp_path / "recipes" / "run.yaml") == expected
    assert config_of(f"--config={tmp_path / 'recipes' / 'run.yaml'}") == expected


def test_a_mapping_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path, base="rule_settings: {mu: 1.0, every: 2}", run="base: base.yaml\nrule_settings: {mu: 2.0}")
    assert config_of("--config", tmp_path / "run.yaml") == {"rule_settings": {"mu": 2.0}}


def test_a_second_config_wins_over_the_first_and_flags_over_both(tmp_path: Path) -> None:
    write(tmp_path, one="seed: 1\nmax_steps: 1\nbeta: 0.1", two="seed: 2\nmax_steps: 2")
    argv = ["--config", str(tmp_path / "one.yaml"), "--config", str(tmp_path / "two.yaml")]
    assert config_of(*argv) == {"seed": 2, "max_steps": 2, "beta": 0.1}
    flags = [*argv, "--seed", "3", "--output_dir", str(tmp_path / "run")]
    _, config, _ = PARSER.make(PARSER.read(flags))
    assert (config.seed, config.max_steps, config.beta) == (3, 2, 0.1)


def test_a_file_of_which_nothing_is_left_gets_a_warning(tmp_path: Path) -> None:
    write(tmp_path, part="beta: 0.1", whole="base: root.yaml\nseed: 1", root="beta: 0.2", same="beta: 0.2")
    part, whole, same = (str(tmp_path / f"{name}.yaml") for name in ("part", "whole", "same"))
    with pytest.warns(UserWarning, match=r"part\.yaml changes nothing: .* give it after them"):
        assert config_of("--config", part, "--config", whole) == {"beta": 0.2, "seed": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert config_of("--config", whole, "--config", part) == {"beta": 0.1, "seed": 1}
        assert config_of("--config", same, "--config", whole) == {"beta": 0.2, "seed": 1}  # in no other order either
        assert config_of("--config", part, "--beta", "0.3") == {"beta": 0.3}


def test_two_files_may_share_a_base(tmp_path: Path) -> None:
    write(tmp_path, root="seed: 1", a="base: root.yaml", b="base: root.yaml", run="base: [a.yaml, b.yaml]")
    assert config_of("--config", tmp_path / "run.yaml") == {"seed": 1}


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 15 levels that name the next twice, the lowest would be read 16,384 times."""
    levels = {f"f{i}": f"base: [f{i + 1}.yaml, ./f{i + 1}.yaml]" for i in range(15)}
    write(tmp_path, **levels, f15="seed: 7")
    opened: list[str] = []
    open_it = os.open
    monkeypatch.setattr(os, "open", lambda path, *flags: (opened.append(Path(path).name), open_it(path, *flags))[1])
    assert config_of("--config", tmp_path / "f0.yaml", "--config", tmp_path / "f3.yaml") == {"seed": 7}
    assert sorted(opened) == sorted(f"f{i}.yaml" for i in range(16))


def test_links_multiply_no_work(tmp_path: Path) -> None:
    write(tmp_path, **{f"f{i}": f"base: [a/f{i + 1}.yaml, b/f{i + 1}.yaml]" for i in range(15)}, f15="seed: 7")
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(tmp_path)
    with pytest.raises(BadInputError, match="builds on more than 100 files: merge some of them"):
        config_of("--config", tmp_path / "f0.yaml")


def test_a_base_is_looked_for_beside_the_link(tmp_path: Path) -> None:
    write(tmp_path, here__base="seed: 1", there__base="seed: 2", there__run="base: base.yaml")
    (tmp_path / "here" / "run.yaml").symlink_to(tmp_path / "there" / "run.yaml")
    assert config_of("--config", tmp_path / "here" / "run.yaml") == {"seed": 1}
    assert config_of("--config", tmp_path / "there" / "run.yaml") == {"seed": 2}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({f"f{i}": f"base: f{i + 1}.yaml" for i in range(300)}, "f0.yaml builds on more than 20 files in a row"),
        ({"f0": f"base: {[f'f{i}.yaml' for i in range(1, 200)]}", **{f"f{i}": "seed: 1" for i in range(1, 200)}},
         "builds on more than 100 files"),
        ({"f0": "base: [f1.yaml, f2.yaml]", **{f"f{i}": "seed: 1 # " + "x" * 600_000 for i in (1, 2)}},
         "the files have more than 1,000,000 bytes together"),
    ],
    ids=["deep", "wide", "large"],
)  # fmt: skip
def test_there_is_an_end_to_building(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    write(tmp_path, **files)
    with pytest.raises(BadInputError, match=expected):
        config_of("--config", tmp_path / "f0.yaml")


REFUSED: list[tuple[str, dict[str, str], str]] = [
    ("missing", {"run": "base: none.yaml"}, "run.yaml: base {}/none.yaml: No such file"),
    ("itself", {"run": "base: run.yaml"}, "run.yaml: base {}/run.yaml leads back to itself: {}/run.yaml → {}/run.yaml"),
    (
        "a cycle",
        {"run": "base: a.yaml", "a": "base: b.yaml", "b": "base: ./a.yaml"},
        "b.yaml: base {}/a.yaml leads back to itself: {}/run.yaml → {}/a.yaml → {}/b.yaml → {}/a.yaml",
    ),
    ("a number", {"run": "base: 1"}, "run.yaml: base expects a file or a list of files, got 1."),
    ("a list of numbers", {"run": "base: [1]"}, "run.yaml: base expects a file or a list of files, got [1]."),
    ("nothing", {"run": "base:"}, "run.yaml: base expects a file or a list of files, got None."),
    ("unknown key", {"run": "base: a.yaml", "a": "speed: 1"}, "a.yaml: unknown setting 'speed'"),
    ("overridden, but wrong", {"run": "base: a.yaml\nseed: 1", "a": "seed: x"}, "a.yaml: seed expects a whole number"),
    ("torn", {"run": "base: a.yaml", "a": "seed: [1"}, "a.yaml is not valid YAML"),
    ("empty", {"run": "base: a.yaml", "a": ""}, "a.yaml must hold `setting: value` lines"),
]


@pytest.mark.parametrize(("files", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    write(tmp_path, **files)
    with pytest.raises(BadInputError) as refused:
        config_of("--config", tmp_path / "run.yaml")
    assert expected.replace("{}", str(tmp_path)) in str(refused.value)


def test_a_flag_is_no_file_to_build_on() -> None:
    with pytest.raises(BadInputError, match="unknown flag --base"):
        PARSER.read(["--base", "a.yaml"])
