"""The conformance test of rules: ours pass it, and each kind of fault is named."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import paretune
from paretune import PCD, FixedWeights, GradientInfluence, Lagrangian, ScheduledWeights
from paretune.testing import check_rule
from paretune.weighting import (
    RULES,
    Batch,
    InfluenceRequest,
    Measurements,
    Scalarization,
    WeightingRule,
    rule_class,
)

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


class WeightsInAList(Good):
    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(super().update(batch).weights.tolist())


class WithoutAResult(Good):
    def update(self, batch: Batch) -> Any:
        super().update(batch)


class FactorNowhere(Good):
    def update(self, batch: Batch) -> Scalarization:
        return replace(super().update(batch), scale=1.5, apply_to="updates")


class SignalsInAList(Good):
    def update(self, batch: Batch) -> Scalarization:
        return replace(super().update(batch), signals={"seen": [0.0] * len(batch.names)})


class FirstObjectiveTrains(Good):
    def update(self, batch: Batch) -> Scalarization:
        return replace(super().update(batch), advantages=batch.advantages[:, 0].double())


class AsksOfNobody(Good):
    def measurements(self) -> Any:
        return "rollouts"


class AsksForAnotherEvaluation(Good):
    def measurements(self) -> Measurements:
        return Measurements(evaluation="rollout")


class AsksForAnotherInfluence(Good):
    def measurements(self) -> Measurements:
        return Measurements(influence=InfluenceRequest(method="directonal"))


class ByInfluence(Good):
    def measurements(self) -> Measurements:
        return Measurements(influence=InfluenceRequest(method="exact"))

    def update(self, batch: Batch) -> Scalarization:
        if batch.influence is None:
            return super().update(batch)
        return Scalarization(torch.softmax(batch.influence, dim=0))  # NaN where an objective does not apply


class ByTheLastUpdate(Good):
    def measurements(self) -> Measurements:
        return Measurements(influence=InfluenceRequest(method="realised"))

    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(torch.softmax(batch.influence.nan_to_num(), dim=0))  # None in the first batch


class ByPriorities(Good):
    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(batch.priorities.mean(dim=0))  # None with ordinary data


class ByWidth(Good):
    def measurements(self) -> Measurements:
        return Measurements(evaluation="rollouts")

    def update(self, batch: Batch) -> Scalarization:
        widths = torch.tensor([high - low for low, high in batch.bounds])  # None before a range was seen
        return Scalarization((widths / widths.sum()).double())


class BeginsWithOnes(Good):
    def initial_weights(self, count: int) -> Any:
        return [1.0] * count


class SeedsEverything(Good):
    def update(self, batch: Batch) -> Scalarization:
        random.seed(3)
        return super().update(batch)


class Aliased(Good):
    """Its state is what it goes on with."""

    def __init__(self) -> None:
        self.counts = [0]

    def update(self, batch: Batch) -> Scalarization:
        self.counts[0] += 1
        weights = torch.full((len(batch.names),), 1 / len(batch.names), dtype=torch.float64)
        return Scalarization(weights, scale=1.0 + self.counts[0])

    def state_dict(self) -> dict[str, Any]:
        return {"counts": self.counts}

    def load_state_dict(self, state: Any) -> None:
        self.counts = state["counts"]


class CountsByNumber(Aliased):
    def state_dict(self) -> dict[str, Any]:
        return {"counts": {0: self.counts[0]}}

    def load_state_dict(self, state: Any) -> None:
        self.counts = [state["counts"][0]]  # in JSON the key is "0"


class WithoutAState(Good):
    def state_dict(self) -> Any:
        return None


class OfTwoLines(Good):
    description = "equal\nweights"


class NeedsToBeTold(Good):
    def __init__(self, sharpness: float) -> None:
        super().__init__(sharpness)


class Unnamed(WeightingRule):
    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(torch.ones(len(batch.names), dtype=torch.float64))


def test_a_good_rule_passes_as_class_as_object_and_as_function() -> None:
    for rule in (Good, Good(2.0), lambda objectives: Good(float(len(objectives))), KnownFavourite):
        check_rule(rule, updates=10)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (TooFewWeights, "the weights [0.5] for 2 objectives: a rule must return one finite weight for each"),
        (NotFinite, "a rule must return one finite weight for each"),
        (AtRandom, "the same"),
        (Forgetful, "its state, saved as JSON"),
        (Meddler, "leaves the batch as it is"),
        (Favourite, "knows_order"),
        (NoPlainState, "plain JSON values"),
        (OpenEnded, "names each of its settings"),
        (Refuses, "its check refuses all"),
        (Unnamed, "a text as its `name`"),
        (WeightsInAList, "a tensor of one weight for each of 1 objectives"),
        (WithoutAResult, "update returns a Scalarization. Found: None"),
        (FactorNowhere, "apply_to='updates': it must be one of update, advantage, reward"),
        (SignalsInAList, "signals (seen) that are no tensors of 1 values"),
        (FirstObjectiveTrains, "its advantages do not go by the order of the objectives"),
        (AsksOfNobody, "measurements returns Measurements. Found: 'rollouts'"),
        (AsksForAnotherEvaluation, "an evaluation on 'validation' or 'rollouts', or None. Found: 'rollout'"),
        (AsksForAnotherInfluence, "its influence is one of directional, realised"),
        (ByInfluence, "a rule must return one finite weight for each"),
        (ByTheLastUpdate, "a batch in which evaluation, influence, gramian"),
        (ByPriorities, "priorities is None. Found: AttributeError"),
        (ByWidth, "a batch in which influence, influence_method"),
        (BeginsWithOnes, "initial_weights(1) returns a tensor of 1 finite weights. Found: [1.0]"),
        (SeedsEverything, "leaves the random numbers of training alone"),
        (Aliased, "a state that it gave or took up stays as it is"),
        (CountsByNumber, "its load_state_dict takes its state, saved as JSON. Found: KeyError: 0"),
        (WithoutAState, "state_dict returns a dict. Found: None"),
        (OfTwoLines, "a text as its `description`, one line"),
        (NeedsToBeTold, "its class can be made without arguments"),
        (int, "derived from paretune.weighting.WeightingRule"),
        ("good", "takes a rule, its class, or a function from objectives to a rule. Found: 'good'"),
        (lambda objectives: None, "a function from objectives returns a rule. Found: None"),
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
