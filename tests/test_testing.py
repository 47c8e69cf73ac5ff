"""The conformance test of rules: ours pass it, and each kind of fault is named."""

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import paretune
from paretune import PCD, FixedWeights, GradientInfluence, Lagrangian, ScheduledWeights
from paretune.testing import check_rule
from paretune.weighting import RULES, Batch, Scalarization, WeightingRule, rule_class

NEEDS_SETTINGS = {
    "scheduled": lambda objectives: ScheduledWeights({0: [1 / len(objectives)] * len(objectives)}),
    "lagrangian": lambda objectives: Lagrangian("o0", at_least={o.name: 0.6 for o in objectives[1:]}),
    "pcd": lambda objectives: PCD("o0"),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.turns
def test_our_rules_pass(name: str) -> None:
    check_rule(NEEDS_SETTINGS.get(name, RULES[name]), updates=100)


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_our_rules_stand_ten_thousand_updates(name: str) -> None:
    check_rule(NEEDS_SETTINGS.get(name, RULES[name]))


def test_a_rule_with_settings_of_its_own_passes() -> None:
    check_rule(GradientInfluence(floor=0.001, average_over=2, every=2, method="realised"), updates=100)
    check_rule(FixedWeights("accuracy"), updates=10)  # takes three objectives only


class Good(WeightingRule):
    name = "good"
    description = "equal weights"

    def __init__(self, sharpness: float = 1.0) -> None:
        self.sharpness = sharpness
        self.seen = 0

    def update(self, batch: Batch) -> Scalarization:
        self.seen += 1
        return Scalarization(torch.full((len(batch.names),), 1 / len(batch.names), dtype=torch.float64))

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: Any) -> None:
        self.seen = state["seen"]


def test_the_rule_of_the_docs_passes(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs/rules/write-a-rule.md").read_text()
    (tmp_path / "more_spread.py").write_text(text.split("```python\n")[1].split("```")[0])
    check_rule(rule_class(str(tmp_path / "more_spread.py:MoreSpread")), updates=10)


class TooFewWeights(Good):
    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(super().update(batch).weights[:1])


class NotFinite(Good):
    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(batch.rewards.double().mean(dim=0))


class AtRandom(Good):
    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(torch.rand(len(batch.names), dtype=torch.float64))


class Forgetful(Good):
    def update(self, batch: Batch) -> Scalarization:
        result = super().update(batch)
        return Scalarization(result.weights, scale=1.0 + self.seen)

    def load_state_dict(self, state: Any) -> None:
        pass


class Meddler(Good):
    def update(self, batch: Batch) -> Scalarization:
        batch.rewards.zero_()
        return super().update(batch)


class Favourite(Good):
    def update(self, batch: Batch) -> Scalarization:
        weights = torch.zeros(len(batch.names), dtype=torch.float64)
        weights[0] = 1.0
        return Scalarization(weights)


class KnownFavourite(Favourite):
    knows_order = True


class NoPlainState(Good):
    def state_dict(self) -> dict[str, Any]:
        return {"seen": torch.tensor(self.seen)}


class OpenEnded(Good):
    def __init__(self, **options: Any) -> None:
        super().__init__()


class Refuses(Good):
    def check(self, objectives: Sequence[Any]) -> None:
        raise ValueError("never")


class Unnamed(WeightingRule):
    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(torch.ones(len(batch.names), dtype=torch.float64))


def test_a_good_rule_passes_as_class_as_object_and_as_function() -> None:
    for rule in (Good, Good(2.0), lambda objectives: Good(float(len(objectives))), KnownFavourite):
        check_rule(rule, updates=10)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (TooFewWeights, "one weight for each of 2 objectives"),
        (NotFinite, "its weights are finite"),
        (AtRandom, "the same"),
        (Forgetful, "its state, saved as JSON"),
        (Meddler, "leaves the batch as it is"),
        (Favourite, "knows_order"),
        (NoPlainState, "plain JSON values"),
        (OpenEnded, "names each of its settings"),
        (Refuses, "its check refuses all"),
        (Unnamed, "a text as its `name`"),
        (int, "derived from paretune.weighting.WeightingRule"),
    ],
)
def test_each_fault_is_named(rule: Any, expected: str) -> None:
    with pytest.raises(AssertionError, match="A rule") as error:
        check_rule(rule, updates=10)
    assert expected in str(error.value)


def test_settings_are_the_arguments_of_the_constructor() -> None:
    assert Good().settings == {"sharpness": 1.0}
    assert Good(3.0).settings == {"sharpness": 3.0}
    assert repr(Good(sharpness=2.0)) == "Good(sharpness=2.0)"
    assert FixedWeights(torch.tensor([0.25, 0.75])).settings == {"weights": [0.25, 0.75]}
    assert ScheduledWeights(random.sample).settings == {"schedule": "random:Random.sample"}


# ----- rules by name


def test_a_rule_is_found_by_its_name_and_by_its_import_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rule_class("gradient") is GradientInfluence
    assert rule_class("paretune.weighting.gradient:GradientInfluence") is GradientInfluence
    text = "from paretune.weighting import FixedWeights\nclass Mine(FixedWeights):\n    name = 'mine'\n"
    (tmp_path / "my_own_rule.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    mine = rule_class("my_own_rule:Mine")
    assert mine.name == "mine"
    assert rule_class(str(tmp_path / "my_own_rule.py") + ":Mine") is mine  # one file is one module
    assert rule_class("./my_own_rule.py:Mine") is mine


def test_every_rule_can_be_imported_from_the_package() -> None:
    for rule in RULES.values():
        assert getattr(paretune, rule.__name__) is rule
        assert getattr(paretune.weighting, rule.__name__) is rule


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("gradeint", "unknown rule 'gradeint': did you mean gradient?"),
        ("nothing like it", "choose one of ctwa, "),
        ("no_such_module:Rule", "No module named 'no_such_module'"),
        ("paretune.weighting:Rule", "has no attribute 'Rule'"),
        ("json:dumps", "is no rule: name a class derived from"),
        ("no_such_file.py:Rule", "there is no file"),
        ("quits.py:Rule", "SystemExit: 0"),
        ("raises.py:Rule", "RuntimeError: no luck"),
    ],
)
def test_a_rule_that_cannot_be_found_is_one_line(
    given: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quits.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "raises.py").write_text("raise RuntimeError('no\\n luck')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        rule_class(given)
    assert "\n" not in str(error.value)
