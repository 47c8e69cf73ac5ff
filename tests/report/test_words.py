"""Numbers, sentences, and the settings to run something again."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from paretune.record.entries import Evaluation, Objective
from paretune.record.figures import difference, figure, interval, p_value, signed, with_error
from paretune.record.summary_entries import Contrast, Estimate
from paretune.report.again import as_yaml, run_settings
from paretune.report.comparisons import Comparison, read_comparison
from paretune.report.headlines import comparison_answer, comparison_detail, run_answer, run_detail
from paretune.report.page import render
from paretune.report.run_page import run_page
from paretune.report.run_reading import read_run
from paretune.report.runs import Run
from paretune.report.samples import LONGEST, samples
from paretune.report.wording import compact, duration, joined, model_name, rule_name
from records import header_of

OBJECTIVES = [Objective("accuracy"), Objective("length", maximize=False), Objective("clarity")]


def a_run(first: Mapping[str, float], last: Mapping[str, float], error: float = 0.01) -> Run:
    errors = dict.fromkeys(first, error)
    return Run(
        Path("run"),
        header_of({}),
        OBJECTIVES,
        evaluations=[Evaluation(0, first, errors), Evaluation(60, last, errors, 192)],
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"), (0.0, "0.000"), (0.12345, "0.123"), (1.5, "1.500"), (45.21, "45.2"), (160.0, "160"),
        (245_024.0, "245\u202f024"), (-0.5, "−0.500"), (0.00052, "0.00052"), (-12.3, "−12.3"),
    ],
)  # fmt: skip
def test_figures(value: float | None, written: str) -> None:
    assert figure(value) == written


def test_words() -> None:
    assert (signed(0.1), signed(-0.1), signed(None)) == ("+0.100", "−0.100", "–")
    assert (interval(0.1, 0.2), interval(None, 0.2)) == ("0.100 to 0.200", "–")
    assert difference(-0.00718, -0.0116, -0.00276) == ("−0.0072", "−0.0116 to −0.0028")  # all to the same place
    assert difference(1.1e-5, -0.00329, 0.00331) == ("0.0000", "−0.0033 to 0.0033")
    assert difference(-1e-5, -0.00331, 0.00329) == ("0.0000", "−0.0033 to 0.0033")  # no minus before a zero
    assert difference(4.2, -30.0, 38.4) == ("+4", "−30 to 38")
    assert difference(0.1, 0.1, 0.1) == ("+0.100", "0.100 to 0.100")
    assert difference(0.1, None, None) == ("+0.100", "–")
    assert (with_error(44.36, 1.13), with_error(0.641, 0.0345)) == ("44.4 ± 1.1", "0.641 ± 0.035")  # the same place
    assert with_error(0.5, None) == "0.500"
    assert with_error(6.2e-9, 2.1e-9) == "6.2e−09 ± 2.1e−09"
    assert with_error(-6.2e-9, 3.4e-7) == "−0.1e−07 ± 3.4e−07"  # the larger one decides on the place
    assert with_error(6.2e-9, 0.02) == "0.000 ± 0.020"


@given(st.floats(-1e6, 1e6, allow_subnormal=False), st.floats(0, 1e6, allow_subnormal=False))
def test_a_value_and_its_error_have_one_unit_and_one_place(value: float, error: float) -> None:
    shown = [part.replace("−", "-").replace("\u202f", "") for part in with_error(value, error).split(" ± ")]
    units = {part.partition("e")[2] for part in shown}
    places = {len(part.partition("e")[0].partition(".")[2]) for part in shown}
    assert len(units) == len(places) == 1
    half = 0.5 * 10.0 ** (int(units.pop() or 0) - places.pop())
    assert [float(part) for part in shown] == pytest.approx([value, error], abs=half * (1 + 1e-9), rel=1e-9)
    assert max(map(abs, map(float, shown))) > 0 or max(abs(value), error) <= half
    assert [duration(s) for s in (None, 76.4, 102, 7300)] == ["–", "76 s", "1 min 42 s", "2 h 01 min"]
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert (p_value(0.0004), p_value(0.03)) == ("< 0.001", "0.030")
    assert rule_name("fixed", {"weights": [0.5, 0.25, 0.25]}) == "fixed weights 0.5, 0.25, 0.25"
    assert rule_name("fixed", {"weights": "balanced"}) == "fixed weights, balanced"
    assert (rule_name("gradient", {}), rule_name("", {})) == ("gradient rule", "unknown rule")
    assert compact({"mu": 5e-4, "clip_norm": None, "layers": [1, 2]}) == "mu 0.0005, layers [1, 2]"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ((0.7, 20.0, 0.9), "In 60 steps accuracy, length and clarity improved."),
        ((0.7, 40.0, 0.9), "In 60 steps accuracy and clarity improved and length got worse."),
        ((0.51, 40.0, 0.9), "In 60 steps clarity improved, length got worse, and accuracy did not change clearly."),
        ((0.5, 30.0, 0.5), "In 60 steps accuracy, length and clarity did not change clearly."),
    ],
)
def test_the_answer_of_a_run(last: tuple[float, float, float], said: str) -> None:
    first = {"accuracy": 0.5, "length": 30.0, "clarity": 0.5}
    run = a_run(first, dict(zip(first, last, strict=True)))
    assert run_answer(run) == said
    assert "length 30.0 → " in run_detail(run)
    assert "One run on one seed" in run_detail(run)


def test_the_answer_of_a_run_that_just_began() -> None:
    run = a_run({"accuracy": 0.5}, {"clarity": 0.5})
    assert run_answer(run) == "60 steps of training, with no objective measured at both ends."
    assert run_answer(replace(run, evaluations=run.evaluations[:1])) == "At step 0: accuracy 0.500."
    assert run_answer(replace(run, evaluations=[])) == "This run has no evaluation yet."
    assert run_detail(replace(run, evaluations=[])) == ""


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (Estimate(0.1, 0.05, 0.15), "a reaches a higher hypervolume than b: +0.100 (95 % interval 0.050 to 0.150)."),
        (
            Estimate(-0.1, -0.15, -0.05),
            "a reaches a lower hypervolume than b: −0.100 (95 % interval −0.150 to −0.050).",
        ),
        (
            Estimate(0.1, -0.05, 0.25),
            "No clear difference between a and b: hypervolume +0.10 (95 % interval −0.05 to 0.25).",
        ),
        (
            Estimate(0.1, reason="2 seeds: an interval needs 3"),
            "No clear answer on a against b: hypervolume +0.100, 2 se",
        ),
        (Estimate(reason="no seed"), "No answer on a against b yet: no seed."),
    ],
)
def test_the_answer_of_a_comparison(estimate: Estimate, said: str, comparison: Path) -> None:
    found = with_primary(comparison, Contrast("a", "b", "hypervolume", "primary", estimate))
    assert comparison_answer(found).startswith(said)
    assert "512 completions of the test split" in comparison_detail(found)


def test_without_a_primary_contrast(comparison: Path) -> None:
    assert comparison_answer(with_primary(comparison, None)).startswith("No contrast was named beforehand")


def with_primary(comparison: Path, contrast: Contrast | None) -> Comparison:
    found = read_comparison(comparison)
    assert found is not None
    return replace(found, primary=contrast)


def test_settings_to_run_it_again(run: Path) -> None:
    found = read_run(run)
    assert found is not None
    written = run_settings(found)
    assert written.startswith("# paretune train --config again.yaml")
    assert yaml.safe_load(written) == {
        "task": "arithmetic", "rule": "hypervolume", "rule_settings": {"weights": [0.4, 0.3, 0.3]}, "algorithm": "grpo",
        "model_name_or_path": "some/model", "seed": 0, "max_steps": 40, "learning_rate": 1e-6, "eval_steps": 10,
    }  # fmt: skip


def test_settings_have_one_spelling() -> None:
    settings = {"reward_weights": [1.0], "advantage_estimator": "rloo", "output_dir": "x", "beta": 0.1}
    rule = {"name": "gradient", "settings": {"mu": 5e-4}}
    header = {"task": "recall", "rule": rule, "settings": settings, "seed": 3}
    written = yaml.safe_load(run_settings(Run(Path("run"), header_of(header), [])))
    assert written == {
        "task": "recall", "rule": "gradient", "rule_settings": {"mu": 5e-4}, "seed": 3, "beta": 0.1
    }  # fmt: skip


NAMED = {"settings": {"task": "/home/me/my_task.py:task", "rule": "nash"}, "files": []}
IN_A_FUNCTION = {"name": "mine", "settings": {}, "source": {"name": None, "file": None, "sha256": None}}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"task": "arithmetic", "source": None}, "a script made it"),
        ({"task": None}, "a script made it"),  # of an earlier version
        ({"source": {"settings": {"task": "recall"}}, "rule": IN_A_FUNCTION}, "a class made inside a function"),
    ],
)
def test_what_no_command_can_repeat_is_a_comment(header: dict[str, Any], reason: str, run: Path) -> None:
    header = {"rule": {"name": "gradient"}, "settings": {"beta": 0.1}, "seed": 3, **header}
    told = Run(run, header_of(header), [])
    written = run_settings(told)
    assert reason in written.splitlines()[0]
    assert "# beta: 0.1" in written
    assert yaml.safe_load(written) is None
    page = render(run_page(told))
    assert "What it was told:" in page
    assert "To run it again" not in page


def test_what_was_named_is_named_again() -> None:
    header = {"task": "mine", "source": NAMED, "rule": {"name": "nash", "settings": {"alpha": 1.0}}, "model": "policy"}
    written = yaml.safe_load(run_settings(Run(Path("run"), header_of({**header, "settings": {"top_k": None}}), [])))
    assert written == {**NAMED["settings"], "rule_settings": {"alpha": 1.0}, "top_k": None}


def test_the_policy_of_the_task_itself_has_no_path() -> None:
    header = {"task": "arithmetic", "model": "/anyone/site-packages/paretune/tasks/arithmetic/policy", "seed": 3}
    assert model_name(header["model"], "arithmetic") is None
    assert "model_name_or_path" not in yaml.safe_load(run_settings(Run(Path("run"), header_of(header), [])))
    assert model_name(header["model"], "math500") == header["model"]
    assert model_name(None, None) == ""


def test_settings_that_were_not_recorded() -> None:
    assert "does not hold the trainer's other settings" in run_settings(
        Run(Path("run"), header_of({"task": "recall"}), [])
    )


@pytest.mark.parametrize(
    "value", ["0.5,0.25", "1e-6", "no", "12:30", "2026-11-23", "null", "a: b # c", "<b>\u202e\ud800"]
)
def test_yaml_keeps_texts(value: str) -> None:
    written = as_yaml({"key": value}).encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")
    read: dict[str, Any] = yaml.safe_load(written)
    assert read == {"key": value}


def test_samples_are_of_both_ends(run: Path) -> None:
    found = read_run(run)
    assert found is not None
    shown = samples(found)
    assert [sample.prompt for sample in shown] == ["0+30=?\n", "1+30=?\n", "2+30=?\n"]
    assert [answer.when for answer in shown[0].answers] == ["step 0", "step 40"]
    assert shown[0].answers[0].scores == "accuracy 1"
    long = replace(found, completions=[replace(found.completions[0], completion="x" * (LONGEST + 5))])
    [sample] = samples(long)
    assert sample.answers[0].text.endswith("x… (5 more letters)")
    assert samples(replace(found, completions=[])) == []
