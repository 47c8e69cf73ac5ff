"""Rewards that say nothing, groups that hardly say anything, one objective and thirty-two: in training."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune import (
    PAMA,
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
)
from paretune.choosing.pick import Wish, choose, read_fronts
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from paretune.trainer.influence_meter import InfluenceMeter
from paretune.weighting import InfluenceRequest, WeightingRule, mirror_descent
from policies import brief, digits, letters, prompts, saved_policy
from records import read_front

NAMES = ("a", "b", "c")
START = [0.2, 0.5, 0.3]
KL = {"beta": 0.1, "learning_rate": 1e-2}


def always(value: float) -> Callable[..., list[float]]:
    return lambda completions, **_: [value] * len(completions)


def objectives(*rewards: Callable[..., Any]) -> list[Objective]:
    return [Objective(name, reward, bounds=(0, 10)) for name, reward in zip(NAMES, rewards, strict=False)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def trained(
    model: str, directory: Path, rule: WeightingRule, of: Sequence[Objective], **kwargs: Any
) -> MultiObjectiveTrainer:
    options = {
        "learning_rate": 1e-2, "max_steps": 2, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 8, "gradient_checkpointing": False, "report_to": [], "save_strategy": "no",
        "disable_tqdm": True, "write_report": False, "max_grad_norm": 1e9, **kwargs,
    }  # fmt: skip
    config = MultiObjectiveConfig(str(directory), **options)
    trainer = MultiObjectiveTrainer(model, list(of), config, prompts(), prompts(6), weighting=rule)
    trainer.train()
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    return trainer


def gradient(**kwargs: Any) -> GradientInfluence:
    """The rule with a μ that lets the smallest influence move the weights, in the middle of a run."""
    rule = GradientInfluence(**{"mu": 1e-9, "floor": 0.05, **kwargs})
    rule.weights = torch.tensor(START, dtype=torch.float64)
    return rule


def influences(directory: Path) -> list[list[float]]:
    return [list(line["influence"].values()) for line in read_steps(directory) if line["influence"] is not None]


def weights(directory: Path) -> list[list[float]]:
    return [list(line["weights"].values()) for line in read_steps(directory)]


# --- no advantage anywhere --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("directional", {}),
        ("directional", {"scale_rewards": "batch"}),
        ("exact", {"scale_rewards": "none", **KL}),
        ("realised", {"advantage_estimator": "rloo", **KL}),
        ("directional", {"advantage_estimator": "reinforce++", **KL}),
        ("exact", {"multi_objective_aggregation": "normalize_then_sum"}),
        ("directional", {"combine": "advantages"}),
    ],
    ids=str,
)
@pytest.mark.turns
def test_equal_rewards_have_no_influence_and_leave_the_weights_alone(
    method: Any, options: dict[str, Any], model: str, tmp_path: Path
) -> None:
    # Constants whose float32 mean over a group is not the constant.
    of = objectives(always(0.1), always(123.456), always(-3.7))
    trainer = trained(model, tmp_path, gradient(method=method), of, **options)
    found = influences(tmp_path)
    assert len(found) == (1 if method == "realised" else 2)
    assert all(values == [0.0, 0.0, 0.0] for values in found)
    assert weights(tmp_path) == [START, START]
    if options.get("combine") == "advantages":
        start = list(type(trainer.model).from_pretrained(model).parameters())
        assert all(torch.equal(a, b) for a, b in zip(trainer.model.parameters(), start, strict=True))


def test_a_kl_term_that_counts_is_the_same_for_all_and_moves_nothing(model: str, tmp_path: Path) -> None:
    batches = []

    def at_first(completions: list[str], **_: Any) -> list[float]:
        batches.append(completions)
        return letters(completions) if len(batches) == 1 else [0.1] * len(completions)

    of = objectives(at_first, always(123.456), always(-3.7))
    trained(model, tmp_path, gradient(mu=1.0, include_kl=True), of, **KL)
    first, second = influences(tmp_path)
    assert first[0] > 0 == first[1] == first[2]  # the policy is still the reference
    assert second[0] > 0
    assert second == pytest.approx([second[0]] * 3, rel=1e-6)
    assert weights(tmp_path)[1] == pytest.approx(weights(tmp_path)[0], abs=1e-9)


@pytest.mark.parametrize("rule", [HypervolumeGuided(START), PAMA()], ids=lambda rule: rule.name)
def test_other_rules_on_equal_rewards(rule: WeightingRule, model: str, tmp_path: Path) -> None:
    of = objectives(always(0.5), always(0.0), always(2.0))  # b is at its worst bound
    trained(model, tmp_path, rule, of, eval_strategy="steps", eval_steps=1)
    expected = START if rule.name != "pama" else [1 / 3] * 3
    assert weights(tmp_path) == [pytest.approx(expected)] * 2
    for line in read_evaluations(tmp_path):
        assert line["metrics"] == {"a": 0.5, "b": 0.0, "c": 2.0}
        assert (line["contribution"], line["hypervolume"]) == (0.0, 0.0)
    grid = [line for line in read_evaluations(tmp_path) if line["purpose"] == "grid"]
    assert [line["on_front"] for line in grid] == [line["step"] == grid[0]["step"] for line in grid]
    assert [point["step"] for point in read_front(tmp_path)["points"]] == [grid[0]["step"]]
    if rule.name == "hypervolume":
        assert [line["scale"] for line in read_steps(tmp_path)] == [1.0, 0.5]


def test_a_run_with_one_objective_at_its_worst_has_a_front_to_pick_from(model: str, tmp_path: Path) -> None:
    of = objectives(digits, always(-1.0))  # beyond its worst bound
    grid = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    trained(model, tmp_path, FixedWeights([0.5, 0.5]), of, max_steps=3, eval_on_start=True, **grid)
    lines = read_evaluations(tmp_path)
    found = [line["metrics"]["a"] for line in lines]
    front = read_front(tmp_path)["points"]
    assert [point["metrics"]["a"] for point in front] == [max(found)]
    assert [line["on_front"] for line in lines] == [
        value == max(found[: i + 1]) and value not in found[:i] for i, value in enumerate(found)
    ]
    fronts = read_fronts(tmp_path)
    assert [point.step for point in fronts.points] == [front[0]["step"]]
    if front[0]["checkpoint"]:
        assert choose(fronts, Wish({}, [])).point.step == front[0]["step"]


@pytest.mark.parametrize("method", ["directional", "realised", "exact"])
def test_one_constant_objective_has_no_influence_and_the_others_theirs(method: Any, model: str, tmp_path: Path) -> None:
    rule = gradient(method=method, mu=1e-2)
    of = objectives(digits, always(0.1), letters)
    trained(model, tmp_path, rule, of, max_steps=3, lr_scheduler_type="constant")
    before = [START, *weights(tmp_path)]
    found = influences(tmp_path)
    moves = before[-len(found) - 1 :]
    step_size = 1 / 1e-2 if method == "realised" else 1e-2 / 1e-2
    for influence, old, new in zip(found, moves, moves[1:], strict=False):
        assert influence[1] == 0.0
        assert influence[0] != 0.0 != influence[2]
        unbounded = mirror_descent(old, influence, step_size)
        assert new == pytest.approx(unbounded.tolist()) or min(new) == 0.05


@pytest.mark.parametrize("method", ["directional", "exact"])
def test_influence_goes_with_the_square_of_the_advantages_over_sixty_orders_of_magnitude(
    method: Any, model: str, tmp_path: Path
) -> None:
    trainer = trained(model, tmp_path, PAMA(), objectives(digits, brief, letters), max_steps=1)
    meter, advantages = InfluenceMeter(trainer, InfluenceRequest(method)), trainer._current().per_objective()
    trainer.model.train()
    plain = meter.before_update(trainer._buffered_inputs, advantages).values
    assert plain.abs().min() > 0
    for size in (1e-30, 1e-15, 1e15, 1e30):
        influence = meter.before_update(trainer._buffered_inputs, size * advantages)
        torch.testing.assert_close(influence.values / size**2, plain, rtol=0.02, atol=0.01 * float(plain.norm()))
    nothing = meter.before_update(trainer._buffered_inputs, 1e-45 * advantages)
    assert nothing.values.tolist() == [0.0, 0.0, 0.0]
    before = [p.detach().clone() for p in trainer.model.parameters()]
    spoilt = meter.before_update(trainer._buffered_inputs, torch.inf * advantages)  # the rule then moves nothing
    assert not torch.isfinite(spoilt.values).any()
    assert all(torch.equal(a, b) for a, b in zip(trainer.model.parameters(), before, strict=True))


# --- groups that hardly say anything ----------------------------------------------------------------------


def first_only(completions: list[str], **_: Any) -> list[float | None]:
    """Scores one completion of each group of four."""
    return [float(len(text)) if i % 4 == 0 else None for i, text in enumerate(completions)]


@pytest.mark.parametrize(
    ("method", "estimator"), [("directional", "grpo"), ("realised", "rloo"), ("exact", "reinforce++")]
)
def test_one_prompt_and_an_objective_with_a_single_score(
    method: Any, estimator: str, model: str, tmp_path: Path
) -> None:
    rule, options = gradient(method=method), {"per_device_train_batch_size": 4, "advantage_estimator": estimator}
    trained(model, tmp_path, rule, objectives(digits, first_only, brief), **options)
    assert all(values[1] == 0.0 and all(map(math.isfinite, values)) for values in influences(tmp_path))
    assert all(sum(row) == pytest.approx(1) and min(row) >= 0.05 for row in weights(tmp_path))


# --- one objective and many -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule", [HypervolumeGuided([1.0]), GradientInfluence(floor=0.5), PAMA()], ids=lambda rule: rule.name
)
def test_one_objective(rule: WeightingRule, model: str, tmp_path: Path) -> None:
    trained(model, tmp_path, rule, objectives(digits), eval_strategy="steps", eval_steps=1)
    assert weights(tmp_path) == [[1.0], [1.0]]
    assert all(0 <= line["hypervolume"] <= 1 for line in read_evaluations(tmp_path))


@pytest.mark.parametrize(
    "rule",
    [HypervolumeGuided([1 / 32] * 32), GradientInfluence(floor=0.01), GradientInfluence(method="exact")],
    ids=lambda rule: str(rule.settings.get("method", rule.name)),
)
@pytest.mark.turns
def test_thirty_two_objectives(rule: WeightingRule, model: str, tmp_path: Path) -> None:
    def part(k: int) -> Callable[..., list[float]]:
        source = (digits, brief, letters)[k % 3]
        return lambda **keywords: [1 + k / 10 + value for value in source(**keywords)]

    of = [Objective(f"o{k}", part(k), bounds=(0, 20)) for k in range(32)]
    trained(model, tmp_path, rule, of, eval_strategy="steps", eval_steps=1)
    run = read_run(tmp_path)
    assert (run["status"], run["hypervolume"]) == ("finished", "estimate")
    assert all(len(row) == 32 and sum(row) == pytest.approx(1) for row in weights(tmp_path))
    grid = [line for line in read_evaluations(tmp_path) if line["purpose"] == "grid"]
    assert grid[0]["contribution"] == grid[0]["hypervolume"] > 0
    assert grid[1]["hypervolume"] >= grid[0]["hypervolume"]
