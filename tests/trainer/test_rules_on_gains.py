"""Rules that read gains or gradients, make rewards or hand over advantages, in real training."""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune import (
    FAMO,
    PCD,
    Decoupled,
    FrontTour,
    GradNorm,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    NashWelfare,
    Objective,
    Product,
)
from paretune.objectives import completion_length
from paretune.objectives.seen_ranges import SeenRanges
from paretune.record.run_directory import read_steps
from paretune.weighting import FixedWeights, WeightingRule
from policies import brief, digits, letters, prompts, saved_policy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def trained(
    model: str, directory: Path, rule: WeightingRule, *, bounded: bool = True, **options: Any
) -> MultiObjectiveTrainer:
    settings = {
        "learning_rate": 1e-2, "max_steps": 4, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 8, "gradient_checkpointing": False, "report_to": [], "logging_steps": 1,
        "save_strategy": "no", "disable_tqdm": True, "write_report": False, **options,
    }  # fmt: skip
    objectives = [
        Objective("digits", digits, bounds=(0, 1) if bounded else None),
        Objective("conciseness", brief, metric=completion_length, maximize=False, bounds=(0, 8) if bounded else None),
        Objective("letters", letters, bounds=(0, 8) if bounded else None),
    ]
    config = MultiObjectiveConfig(str(directory), **settings)
    trainer = MultiObjectiveTrainer(model, objectives, config, prompts(), weighting=rule)
    trainer.train()
    return trainer


def test_nash_weighs_by_the_gains_of_the_batch(model: str, tmp_path: Path) -> None:
    trainer = trained(model, tmp_path, NashWelfare(smoothing=0.0))
    lines = read_steps(tmp_path)
    assert len(lines) == 4
    for line in lines:
        gains = line["signals"]["gain"]
        assert gains["digits"] == pytest.approx(line["rewards"]["digits"])
        assert gains["conciseness"] == pytest.approx(1 - (1 - line["rewards"]["conciseness"]) * 16 / 8)
        assert gains["letters"] == pytest.approx(line["rewards"]["letters"] / 8)
        scores = {name: 1 / (gain + 0.02) for name, gain in gains.items()}
        expected = {name: score / sum(scores.values()) for name, score in scores.items()}
        if 0 not in line["weights"].values():  # an objective that does not vary has no weight
            assert line["weights"] == pytest.approx(expected, rel=1e-6)
    logged = [entry for entry in trainer.state.log_history if "signals/gain/digits" in entry]
    assert [entry["signals/gain/digits"] for entry in logged] == pytest.approx(
        [line["signals"]["gain"]["digits"] for line in lines]
    )


def test_the_tour_knows_how_far_training_is(model: str, tmp_path: Path) -> None:
    trained(model, tmp_path, FrontTour(amplitude=5.0, alpha=0.0))
    weights = [line["weights"] for line in read_steps(tmp_path)]
    firsts = [max(line, key=line.__getitem__) for line in weights]
    assert firsts == ["digits", "letters", "letters", "conciseness"]  # at 0, 1/4, 1/2 and 3/4 of the way round


def test_famo_goes_by_what_the_last_update_did(model: str, tmp_path: Path) -> None:
    trained(model, tmp_path, FAMO(rate=0.5, smoothing=0.0))
    lines = read_steps(tmp_path)
    assert lines[0]["influence"] is None
    assert set(lines[0]["signals"]["logit"].values()) == {0.0}
    for line in lines[1:]:
        assert line["estimator"]["method"] == "realised"
        progress, gains, logits = (line["signals"][name] for name in ("progress", "gain", "logit"))
        for name, influence in line["influence"].items():
            assert progress[name] * influence >= 0
        scores = {name: math.exp(logits[name]) / (1.001 - gains[name]) for name in gains}
        if 0 not in line["weights"].values():  # an objective that does not vary has no weight
            expected = {name: score / sum(scores.values()) for name, score in scores.items()}
            assert line["weights"] == pytest.approx(expected, rel=1e-6)
    assert len(set(lines[-1]["signals"]["logit"].values())) > 1


def test_rules_on_the_gramian_train_on_the_weighted_sum_of_advantages(model: str, tmp_path: Path) -> None:
    trained(model, tmp_path / "norm", GradNorm(smoothing=0.0, alpha=2.0))
    for line in read_steps(tmp_path / "norm"):
        assert line["estimator"]["method"] == "exact"
        left, norms = line["signals"]["left"], line["signals"]["norm"]
        if 0 not in norms.values():
            scores = {name: left[name] ** 2 / norms[name] for name in norms}
            expected = {name: score / sum(scores.values()) for name, score in scores.items()}
            assert line["weights"] == pytest.approx(expected, rel=1e-6)
    # One step is that of the same weights, fixed and on advantages.
    pcd = trained(model, tmp_path / "pcd", PCD("letters", tau=0.0, smoothing=0.0), max_steps=1)
    (line,) = read_steps(tmp_path / "pcd")
    solution = line["signals"]["solution"]
    assert line["weights"] == pytest.approx({name: value / sum(solution.values()) for name, value in solution.items()})
    weights = [line["weights"][name] for name in pcd.reward_func_names]
    fixed = trained(model, tmp_path / "fixed", FixedWeights(weights), max_steps=1, combine="advantages")
    for p, q in zip(pcd.model.parameters(), fixed.model.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)


def test_gdpo_trains_as_trls_normalize_then_sum(model: str, tmp_path: Path) -> None:
    ours = trained(model, tmp_path / "rule", Decoupled())
    theirs = trained(
        model, tmp_path / "trl", FixedWeights([1 / 3] * 3), multi_objective_aggregation="normalize_then_sum"
    )
    for p, q in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("estimator", ["grpo", "rloo", "reinforce++"])
@pytest.mark.turns
def test_a_rules_own_reward_trains_as_that_reward_alone(model: str, tmp_path: Path, estimator: str) -> None:
    def product(completions: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        gains = zip(digits(completions), (1 - len(i) / 8 for i in completion_ids), letters(completions), strict=True)
        return [max(a, 0.05) * max(b, 0.05) * max(c / 8, 0.05) for a, b, c in gains]

    ours = trained(model, tmp_path / "rule", Product(), advantage_estimator=estimator)
    options = {**json.loads(json.dumps({"max_steps": 4})), "advantage_estimator": estimator}
    config = MultiObjectiveConfig(
        str(tmp_path / "alone"), learning_rate=1e-2, per_device_train_batch_size=8, num_generations=4,
        max_completion_length=8, gradient_checkpointing=False, report_to=[], save_strategy="no", disable_tqdm=True,
        **options,
    )  # fmt: skip
    alone = MultiObjectiveTrainer(model, product, config, prompts(), weighting=FixedWeights([1.0]))
    alone.train()
    for p, q in zip(ours.model.parameters(), alone.model.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-5)


def test_without_bounds_gains_lie_on_the_range_seen_so_far_and_a_line_says_so(model: str, tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained(model, tmp_path, NashWelfare(), bounded=False)
    said = [str(w.message) for w in caught if "range that training has seen" in str(w.message)]
    assert len(said) == 1
    assert said[0].startswith("Bounds are missing for digits, conciseness, letters.")
    for line in read_steps(tmp_path):
        gains = [gain for gain in line["signals"]["gain"].values() if gain is not None]
        assert all(0 <= gain <= 1 for gain in gains)
        assert set(line["ranges"]) == {"digits", "conciseness", "letters"}
        assert all(found is None or found[0] < found[1] for found in line["ranges"].values())
        assert sum(line["weights"].values()) == pytest.approx(1.0)


def test_a_range_that_was_seen_is_not_owned_by_outliers() -> None:
    ranges = SeenRanges([(None, None)] * 2)
    assert ranges.ranges == [None, None]
    metrics = torch.stack([torch.linspace(0, 1, 200), torch.full((200,), 3.0)], dim=1)
    metrics[7, 0] = 1e9
    ranges.observe(metrics)
    (low, high), constant = ranges.ranges
    assert 0 <= low <= 0.03
    assert 0.97 <= high <= 1.0
    assert constant is None
    ranges.observe(torch.tensor([[0.4, float("nan")], [0.6, float("inf")]]))
    assert ranges.ranges == [(low, high), None]
    again = SeenRanges([(None, None)] * 2)
    again.load_state_dict(json.loads(json.dumps(ranges.state_dict())))
    assert again.ranges == ranges.ranges


def test_an_end_that_is_declared_stands_and_the_other_is_seen() -> None:
    objectives = [Objective("a", len, bounds=(0, None)), Objective("b", len, bounds=(None, 4.0))]
    assert [objective.bounds for objective in objectives] == [None, None]
    ranges = SeenRanges([objective.declared for objective in objectives])
    assert ranges.ranges == [None, None]
    ranges.observe(torch.tensor([[-1.0, 1.0], [2.0, 3.0]]).repeat(100, 1))
    assert ranges.ranges == [(0.0, 2.0), (1.0, 4.0)]
    ranges.observe(torch.tensor([[-9.0, 9.0], [-9.0, 9.0]]))
    assert ranges.ranges == [(0.0, 2.0), (1.0, 4.0)]


@pytest.mark.parametrize("low", [[], [0.0], [0.0, "1"], [0.0, float("nan")], [0.0, 10**400], None, {"a": 1}])
def test_a_range_of_another_form_is_not_taken_up(low: Any) -> None:
    ranges = SeenRanges([(None, None)] * 2)
    before = ranges.state_dict()
    with pytest.raises(ValueError, match="`low` must be 2 finite numbers or null"):
        ranges.load_state_dict({"low": low, "high": [None, None]})
    assert ranges.state_dict() == before


def test_a_rule_that_another_trainer_has_moved_is_told_of(model: str, tmp_path: Path) -> None:
    rule, stateless = NashWelfare(), FixedWeights([0.5, 0.3, 0.2])
    for first in (rule, stateless):
        trained(model, tmp_path / first.name, first, max_steps=1)
    with pytest.warns(UserWarning, match="goes on with the state that another training left in it"):
        trained(model, tmp_path / "second", rule, max_steps=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*another training left")
        trained(model, tmp_path / "third", stateless, max_steps=1)
        trained(model, tmp_path / "fourth", NashWelfare(), max_steps=1)
