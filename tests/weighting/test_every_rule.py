"""What holds of every rule, whatever it sees."""

import json
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elsewhere import Elsewhere, is_elsewhere, put_elsewhere
from paretune import (
    PCD,
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    Lagrangian,
    Objective,
    ScheduledWeights,
    Tchebycheff,
)
from paretune.weighting import RULES, WeightingRule
from weighting.batches import batch, evaluation

PLAIN: dict[str, Callable[[], WeightingRule]] = {
    "fixed": lambda: FixedWeights([0.5, 0.5]),
    "scheduled": lambda: ScheduledWeights({0: [0.5, 0.5]}),
    "lagrangian": lambda: Lagrangian("o0", at_least={"o1": 0.5}),
    "pcd": lambda: PCD("o0", tau=0.1),
}
"""Rules that have to be told something, two objectives; all else at its default."""


def made(name: str, count: int) -> WeightingRule:
    even = [1 / count] * count
    first = [1.0] + [0.0] * (count - 1)
    made_with_settings: dict[str, Any] = {
        "fixed": lambda: FixedWeights(even),
        "scheduled": lambda: ScheduledWeights({0: first, 2: even}),
        "hypervolume": lambda: HypervolumeGuided(even),
        "gradient": lambda: GradientInfluence(floor=0.5 / count, average_over=2),
        "lagrangian": lambda: Lagrangian("o0", at_least={f"o{k}": 0.5 for k in range(1, count)}),
        "pcd": lambda: PCD("o0", tau=0.1),
    }
    rule: WeightingRule = made_with_settings.get(name, RULES[name])()
    rule.check([Objective(f"o{k}", print, bounds=(-1, 1)) for k in range(count)])
    return rule


@pytest.mark.filterwarnings("ignore:PAMA")
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", RULES)
@settings(deadline=None, max_examples=8)
@given(data=st.data())
@pytest.mark.turns
def test_what_does_not_apply_has_no_say_and_keeps_its_state(name: str, count: int, data: st.DataObject) -> None:
    """Two copies of a rule see the same batches, but for what stands where an objective does not apply."""
    rules = [made(name, count), made(name, count)]
    plain = st.floats(-2, 2, width=32)
    column = st.lists(plain, min_size=count, max_size=count)
    before: torch.Tensor | None = None
    for step in range(5):
        applies = torch.tensor(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
        partly = torch.tensor(data.draw(st.lists(st.booleans(), min_size=count, max_size=count))) & applies
        absent = torch.stack([~applies, ~applies, ~applies | partly, ~applies | partly])
        seen = torch.tensor(data.draw(column))
        for rule in rules:
            noise = torch.tensor(data.draw(column))
            advantages = torch.stack([seen, -seen, 2 * seen, -2 * seen])
            gradients = torch.stack([torch.where(applies, seen, noise).double(), torch.ones(count).double()])
            realised = name == "famo"  # whose influence is NaN where an objective did not apply
            result = rule.update(
                batch(
                    count,
                    step=step,
                    rewards=torch.zeros(4, count).masked_fill(absent, torch.nan),
                    advantages=torch.where(absent, noise if name == "pama" else 0.0, advantages),
                    influence=torch.where(applies, seen, torch.nan if realised else noise).double(),
                    influence_method="realised" if realised else "exact",
                    gramian=gradients.T @ gradients,
                    metrics=seen.expand(4, count).masked_fill(absent, torch.nan),
                    bounds=[(-1.0, 1.0)] * count,
                    maximize=[True] * count,
                    evaluation=evaluation(*[0.1 * step] * count, step=step),
                )
            )
            assert result.weights.sum().item() == pytest.approx(1)
        assert json.dumps(rules[0].state_dict()) == json.dumps(rules[1].state_dict())
        if name == "gradient" and before is not None:
            assert step % 2 == 0 or torch.equal(result.weights, before) or applies.any()
        before = result.weights


@pytest.mark.filterwarnings("ignore:PAMA")
@pytest.mark.parametrize("name", [*RULES, "of samples", "hard", "of the batch"])
def test_a_batch_may_stand_on_an_accelerator(name: str) -> None:
    """The trainer gathers rewards, advantages and lengths there; metrics, influence and priorities are on the CPU."""
    further: dict[str, Any] = {
        "of samples": Tchebycheff(temperature=0, of="samples"),
        "hard": Tchebycheff(temperature=0),
        "of the batch": RULES["pama"](credit="batch"),
    }
    rule = further.get(name) or made(name, 2)
    gradients = torch.eye(2, dtype=torch.float64)
    advantages = [torch.tensor([[1.0, 0.5], [-1.0, -0.5]] * 2), torch.zeros(4, 2)]
    for step, (rewards, of_step) in enumerate(zip([torch.eye(4)[:, :2], torch.ones(4, 2)], advantages, strict=True)):
        shown = batch(
            2,
            step=step,
            rewards=put_elsewhere(rewards),
            advantages=put_elsewhere(of_step),
            lengths=put_elsewhere(torch.ones(4)),
            influence=torch.ones(2, dtype=torch.float64),
            influence_method="realised" if name == "famo" else "exact",
            gramian=gradients,
            metrics=rewards.double(),
            bounds=[(0.0, 1.0)] * 2,
            maximize=[True] * 2,
            evaluation=evaluation(*rewards.mean(dim=0).tolist(), step=step),
            priorities=torch.tensor([[0.2, 0.8]] * 4, dtype=torch.float64),
        )
        with Elsewhere():
            result = rule.decide(shown)
        assert not is_elsewhere(result.weights)


figures = st.sampled_from([0.0, 1.0, -1.0, 0.3, 1e-30, 1e30, -1e30, math.nan, math.inf])


@pytest.mark.parametrize("count", [1, 32])
@pytest.mark.parametrize("name", RULES)
@settings(deadline=None, max_examples=8)
@given(data=st.data())
@pytest.mark.turns
def test_one_objective_or_thirty_two_and_figures_of_any_size(name: str, count: int, data: st.DataObject) -> None:
    rule = made(name, count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is not finite
        for step in range(4):
            seen = data.draw(st.lists(figures, min_size=5, max_size=5))
            row = torch.tensor(seen)[torch.arange(count) % 5]
            known: dict[str, Any] = {
                "advantages": torch.stack([row, -row, row.flip(0), -row.flip(0)]).nan_to_num(0.0, 0.0, 0.0),
                "influence": row.double(),
                "influence_method": "realised" if name == "famo" else "exact",
                "gramian": torch.outer(row.double(), row.double()),
                "evaluation": evaluation(*row.tolist(), step=step),
                "metrics": row.expand(4, count),
                "bounds": [(-1.0, 1.0)] * count,
                "maximize": [True] * count,
            }
            result = rule.update(batch(count, step=step, **known))
            assert result.weights.shape == (count,)
            assert abs(float(result.weights.sum()) - 1) < 1e-6
            assert (result.weights >= 0).all()
            assert 0.5 <= result.scale <= 2
            assert result.advantages is None or torch.isfinite(result.advantages).all()
            json.dumps(rule.state_dict(), allow_nan=False)
