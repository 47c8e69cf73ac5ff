"""From a command line to the objects of a run."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretune.cli import compare
from paretune.cli.bad_input import BadInputError
from paretune.cli.main import main
from paretune.cli.parser import StrictParser, make_parser
from paretune.cli.settings import Settings, resolve
from told import parse

pytestmark = pytest.mark.usefixtures("tasks_are_loaded_once")

GRADIENT = ["--rule", "gradient", "--rule_settings"]


class Audit:
    """Python keeps an audit hook until it ends, so this one does nothing most of the time."""

    hook: Callable[[str, tuple[Any, ...]], None] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.hook is not None:
            self.hook(event, arguments)


AUDIT = Audit()
sys.addaudithook(AUDIT)


def settings(tmp_path: Path, *argv: str) -> Settings:
    return parse([*argv, "--output_dir", str(tmp_path / "run")], prog="paretune train", defaults={})


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--rule", "fixed", "--preset", "balanced"], "FixedWeights(weights='balanced')"),
        (["--rule", "fixed", "--weights", "0.5,0.25,0.25"], "FixedWeights(weights=[0.5, 0.25, 0.25])"),
        (
            ["--rule", "scheduled", "--rule_settings", '{"schedule": {"0": [1, 0, 0], "9": [0, 0, 1]}}'],
            "ScheduledWeights(schedule={'0': [1, 0, 0], '9': [0, 0, 1]})",
        ),
        (
            ["--rule", "hypervolume", "--preset", "accuracy", "--rule_settings", '{"every": 5}'],
            "HypervolumeGuided(weights='accuracy', apply_to='update', reference='worst', scale=None, "
            "evaluate_on='validation', every=5)",
        ),
        (
            [*GRADIENT, '{"layers": "middle", "mu": 0.5}'],
            "GradientInfluence(mu=0.5, method='directional', layers='middle', average_over=1, every=1, floor=0.0, "
            "clip_norm=None, include_kl=False)",
        ),
        (["--rule", "pama"], "PAMA(credit='sample')"),
        (["--rule", "fixed"], "FixedWeights(weights=None)"),
        (["--rule", "fixed", "--priorities", "accuracy=2"], "FixedWeights(weights=[0.5, 0.25, 0.25])"),
        (
            ["--rule", "saturation", "--priorities", "clarity=3"],
            "SaturationAware(priorities={'clarity': 3.0}, gamma=0.5)",
        ),
        (
            ["--rule", "lagrangian", "--maximize", "accuracy", "--at_most", "conciseness=30", "--at_least=clarity=0.5"],
            "Lagrangian(maximize='accuracy', at_least={'clarity': 0.5}, at_most={'conciseness': 30.0}, "
            "gains=[0.05, 0.01, 0.0], limit=10.0)",
        ),
        (
            ["--rule", "pcd", "--maximize", "accuracy", "--rule_settings", '{"tau": {"clarity": 0.1}}'],
            "PCD(maximize='accuracy', tau={'clarity': 0.1}, decay=0.999, smoothing=0.9, halves=False)",
        ),
        (
            ["--rule", "gramian", "--priorities", "clarity=3", "--rule_settings", '{"halves": true}'],
            "GramianRule(method='upgrad', parameter=None, priorities={'clarity': 3.0}, smoothing=0.9, halves=True)",
        ),
        (["--rule", "pama", "--rule_settings", '{"credit": "batch"}'], "PAMA(credit='batch')"),
    ],
)
def test_rules(argv: list[str], expected: str, tmp_path: Path) -> None:
    made = settings(tmp_path, *argv)
    assert repr(made.rule) == expected


def test_a_rule_without_its_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ["--rule", "gramian", "--rule_settings", '{"method": "cagrad"}']
    monkeypatch.setitem(sys.modules, "torchjd.aggregation", None)
    with pytest.raises(
        BadInputError, match=r"'cagrad' needs TorchJD and its solvers: pip install 'paretune\[torchjd\]'"
    ):
        settings(tmp_path, *told)


def test_the_tasks_mu_is_the_default(tmp_path: Path) -> None:
    made = settings(tmp_path, "--rule", "gradient")
    assert made.rule.settings["mu"] == made.task.mu is not None


@pytest.mark.parametrize(
    "other", [{"method": "realised"}, {"method": "exact", "clip_norm": 1.0}, {"layers": "middle"}, {"include_kl": True}]
)
def test_where_influence_is_on_another_scale_mu_is_calibrated(other: dict[str, Any], tmp_path: Path) -> None:
    made = settings(tmp_path, *GRADIENT, json.dumps(other))
    assert made.rule.settings["mu"] is None
    at_default = {"layers": "all", "clip_norm": None, "include_kl": False}
    plain = settings(tmp_path, *GRADIENT, json.dumps(at_default))
    assert plain.rule.settings["mu"] == plain.task.mu
    made = settings(tmp_path, *GRADIENT, json.dumps({**other, "mu": 3.0}))
    assert made.rule.settings["mu"] == 3.0


@pytest.mark.parametrize(
    ("yaml", "name", "expected"),
    [
        ("{rule: nash, priorities: {clarity: 5e-1}}", "priorities", {"clarity": 0.5}),
        ("{rule: lagrangian, maximize: accuracy, at_least: {clarity: 5e-1}}", "at_least", {"clarity": 0.5}),
        ("{rule: pcd, maximize: accuracy, rule_settings: {tau: {clarity: 1e-1}}}", "tau", {"clarity": 0.1}),
    ],
)
def test_numbers_in_maps_of_a_file_are_numbers(yaml: str, name: str, expected: Any, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(yaml)
    assert settings(tmp_path, "--config", str(tmp_path / "run.yaml")).rule.settings[name] == expected


@pytest.mark.parametrize(
    ("yaml", "argv", "expected"),
    [
        (None, [], 1.5e-4),  # the task's
        ("learning_rate: 2e-4", [], 2e-4),  # YAML 1.1 reads that as a string
        ("learning_rate: 2.0e-4", ["--learning_rate", "5e-5"], 5e-5),
    ],
)
def test_flags_override_the_file_and_the_file_the_task(
    yaml: str | None, argv: list[str], expected: Any, tmp_path: Path
) -> None:
    if yaml is not None:
        (tmp_path / "run.yaml").write_text(yaml)
        argv = ["--config", str(tmp_path / "run.yaml"), *argv]
    assert settings(tmp_path, *argv).config.learning_rate == expected


def test_the_algorithm_is_the_estimator(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("algorithm: rloo")
    assert settings(tmp_path, "--config", str(tmp_path / "run.yaml")).config.advantage_estimator == "rloo"
    assert settings(tmp_path, "--algorithm=reinforce++").config.advantage_estimator == "reinforce++"


def test_length_bounds_hold_the_longest_completion(tmp_path: Path) -> None:
    [_, conciseness, _] = settings(tmp_path, "--max_completion_length", "80").task.objectives
    assert conciseness.bounds == (0.0, 80.0)
    [_, conciseness, _] = settings(tmp_path, "--max_completion_length", "40").task.objectives
    assert conciseness.bounds == (0.0, 60.0)  # shorter ones keep them, so that runs compare


def test_the_last_of_a_repeated_flag_counts(tmp_path: Path) -> None:
    given = settings(tmp_path, "--task", "math500", "--task=math_algebra", "--task", "arithmetic")
    assert (given.run.task, given.task.name) == ("arithmetic", "arithmetic")
    assert settings(tmp_path, "--task", "math500", "--task=arithmetic").task.name == "arithmetic"


@pytest.mark.parametrize(
    ("yaml", "flags", "expected"),
    [
        ("weights: [0.5, 0.25, 0.25]", [], [0.5, 0.25, 0.25]),
        ("weights: [1, 0, 0]", [], [1.0, 0.0, 0.0]),
        ("weights: 0.5,0.25,0.25", [], [0.5, 0.25, 0.25]),
        ("weights: [1, 0, 0]", ["--weights", "0.5,0.25,0.25"], [0.5, 0.25, 0.25]),
        ("", ["--weights", "0.5", "0.25", "0.25"], [0.5, 0.25, 0.25]),
    ],
)
def test_weights_are_a_list(yaml: str, flags: list[str], expected: list[float], tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(f"rule: fixed\n{yaml}")
    made = settings(tmp_path, "--config", str(tmp_path / "run.yaml"), *flags)
    assert made.rule.settings["weights"] == expected


@pytest.mark.parametrize(
    ("yaml", "flags", "expected"),
    [
        ("", ["--report_to", "tensorboard", "trackio"], ["tensorboard", "trackio"]),
        ("report_to: [tensorboard, trackio]", [], ["tensorboard", "trackio"]),
        ("", ["--report_to", "tensorboard"], ["tensorboard"]),
        ("report_to: [tensorboard]", [], ["tensorboard"]),
        ("report_to: [tensorboard, trackio]", ["--report_to", "none"], []),
    ],
)
def test_loggers_are_a_list(yaml: str, flags: list[str], expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(f"seed: 1\n{yaml}")
    assert settings(tmp_path, "--config", str(tmp_path / "run.yaml"), *flags).config.report_to == expected


def test_what_a_comparison_compares_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "rules: [balanced, fixed:0.6:0.3:0.1, mine]\nalgorithms: [grpo, rloo]\n"
        "arms: {mine: {configurations: [{weights: [0.5, 0.5, 0]}, {weights: '1,0,0'}]}}"
    )
    given = make_parser("paretune compare").read(["--config", str(tmp_path / "run.yaml")])
    own, made = compare.resolve(make_parser("paretune compare"), given)
    plan = compare.plan_of(own, made, given, None)
    compare.check(plan, made.task)
    assert [arm.name for arm in plan.arms] == ["balanced", "fixed-0.6-0.3-0.1", "mine"]
    assert [c["weights"] for c in plan.arms[2].configurations] == ["0.5,0.5,0", "1,0,0"]
    assert plan.algorithms == ["grpo", "rloo"]
    flags = make_parser("paretune compare").read(["--rules", "balanced", "gradient", "--algorithms", "grpo,rloo"])
    assert (flags["rules"], flags["algorithms"]) == ("balanced,gradient", "grpo,rloo")


class ModelWasLoadedError(BaseException):
    """Raised in place of loading a model; no Exception, so the command lets it pass."""


def test_a_command_reads_what_it_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each YAML file is opened once, and one parser is made."""
    opened: list[str] = []
    made: list[StrictParser] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(".yaml"):
            opened.append(os.path.realpath(arguments[0]))

    make = StrictParser.__init__

    def noted(parser: StrictParser, *args: Any, **keywords: Any) -> None:
        made.append(parser)
        make(parser, *args, **keywords)

    def load(*_: Any, **__: Any) -> None:
        raise ModelWasLoadedError

    monkeypatch.setattr(StrictParser, "__init__", noted)
    monkeypatch.setattr("paretune.cli.train.MultiObjectiveTrainer", load)
    files = {
        "run": "base: [algorithm.yaml, size.yaml]\nrule: fixed", "algorithm": "base: root.yaml\nalgorithm: rloo",
        "size": "base: root.yaml\nnum_generations: 4", "root": "task: arithmetic", "weights": "weights: [1, 0, 0]",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    told = [part for name in ("run", "weights", "run") for part in ("--config", str(tmp_path / f"{name}.yaml"))]
    make_parser.cache_clear()  # of other tests' parsers
    monkeypatch.setattr(AUDIT, "hook", note)
    with pytest.raises(ModelWasLoadedError):
        main(["train", *told, "--output_dir", str(tmp_path / "run")])
    assert sorted(opened) == sorted(os.path.realpath(tmp_path / f"{name}.yaml") for name in files)
    assert len(made) == 1


def test_evaluations_may_be_trls_in_a_file(tmp_path: Path) -> None:
    """A run with a plain GRPOConfig records `eval_temperature: null`, and can be run again from its record."""
    file = tmp_path / "settings.yaml"
    file.write_text("eval_temperature: null\n")
    parser = make_parser("paretune train")
    given = parser.read(["--config", str(file), "--output_dir", str(tmp_path / "run")])
    assert resolve(parser, given, {}).config.eval_temperature is None


def test_numbers_by_name_are_a_mapping_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "goal.yaml").write_text("rule: lagrangian\nmaximize: accuracy\nat_most: {conciseness: 30}\n")
    made = settings(tmp_path, "--config", str(tmp_path / "goal.yaml"))
    assert made.rule.settings["at_most"] == {"conciseness": 30.0}
