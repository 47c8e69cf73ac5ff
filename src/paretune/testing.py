"""A conformance test for weighting rules: ours pass it, and a rule of your own should, too.

>>> from paretune import GradientInfluence
>>> from paretune.testing import check_rule
>>> check_rule(GradientInfluence, updates=10)
"""

import copy
import inspect
import json
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from paretune.advantages import grpo
from paretune.influence import ESTIMATORS
from paretune.objectives import Objective
from paretune.weighting.base import Batch, Evaluation, Scalarization, WeightingRule

COUNTS = (1, 2, 3, 8, 32)
"""Numbers of objectives that a rule is tried with."""
GROUPS, GENERATIONS = 3, 4
Make = Callable[[Sequence[Objective]], WeightingRule]


def check_rule(rule: type[WeightingRule] | WeightingRule | Make, *, updates: int = 10_000) -> None:
    """Try everything that the trainer expects of a rule.

    The rule sees batches of 1 to 32 objectives: ordinary ones, and such with rewards that are constant, infinite or do
    not apply. It must return a finite weight for each objective; give the same weights for the same batches, also
    when it is saved as JSON on the way, and taken up by a fresh copy; leave the batch as it is; not listen to an
    objective that applies to no completion; follow a permutation of the objectives, unless it says ``knows_order``;
    and be made again from its settings.

    Args:
        rule: a rule's class, which is made without arguments; a rule, whose settings are then used; or a function from
            objectives to a rule, for a rule that names objectives. Numbers of objectives that the rule's ``check``
            refuses are left out.
        updates: how many updates the rule must stand in a row.

    Raises:
        AssertionError: if the rule does not keep to one of these; the message says to which.
    """
    make = _maker(rule)
    counts = [count for count in COUNTS if _accepts(make, count)]
    _expect(bool(counts), f"it takes {' or '.join(map(str, COUNTS))} objectives with bounds", "its check refuses all")
    for count in counts:
        _check_description(make(_objectives(count)))
        _check_settings(make, count)
        _check_determinism(make, count)
        _check_state(make, count)
        _check_absence(make, count)
        _check_hostile_rewards(make, count)
        if isinstance(rule, type) and not make(_objectives(count)).knows_order:  # settings may tell objectives apart
            _check_permutation(make, count)
    _check_endurance(make, counts[-1] if len(counts) == 1 else counts[1], updates)


# --- how a rule is made -----------------------------------------------------------------------------------


def _maker(rule: type[WeightingRule] | WeightingRule | Make) -> Make:
    if isinstance(rule, type):
        cls: type[Any] = rule
        _expect(issubclass(cls, WeightingRule), "a rule is derived from paretune.weighting.WeightingRule", repr(cls))
        return lambda objectives: _checked(cls(), objectives)
    if isinstance(rule, WeightingRule):
        model = copy.deepcopy(rule)
        return lambda objectives: _checked(copy.deepcopy(model), objectives)
    return lambda objectives: _checked(rule(objectives), objectives)


def _checked(rule: WeightingRule, objectives: Sequence[Objective]) -> WeightingRule:
    rule.check(objectives)
    return rule


def _accepts(make: Make, count: int) -> bool:
    try:
        make(_objectives(count))
    except ValueError:
        return False
    return True


def _objectives(count: int) -> list[Objective]:
    return [Objective(f"o{k}", _no_reward, bounds=(0.0, 1.0)) for k in range(count)]


def _no_reward(completions: Sequence[Any], **_: Any) -> list[float]:
    return [0.0] * len(completions)


# --- what a rule sees -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Draw:
    """A batch before it is known what the rule wants measured."""

    step: int
    rewards: Tensor
    lengths: Tensor
    gradients: Tensor
    priorities: Tensor


def _draws(count: int, how_many: int) -> list[_Draw]:
    """Ordinary batches of `count` objectives with rewards in [0, 1]; the same ones at every call."""
    generator = torch.Generator().manual_seed(count)
    return [
        _Draw(
            step,
            torch.rand(GROUPS * GENERATIONS, count, generator=generator),
            torch.randint(1, 20, (GROUPS * GENERATIONS,), generator=generator),
            torch.randn(count, 64, generator=generator, dtype=torch.float64) / 8,
            _priorities(count, generator),
        )
        for step in range(how_many)
    ]


def _priorities(count: int, generator: torch.Generator) -> Tensor:
    """``[N, K]``, the same for all completions of a group; those of the first group are at a corner."""
    drawn = -torch.rand(GROUPS, count, generator=generator, dtype=torch.float64).log()
    drawn[0, 1:] = 0.0
    return (drawn / drawn.sum(dim=1, keepdim=True)).repeat_interleave(GENERATIONS, dim=0)


def _batch(rule: WeightingRule, draw: _Draw) -> Batch:
    """The batch as the trainer would hand it to the rule: with what the rule asks to have measured."""
    return _as_asked(rule, _measured(draw))


def _measured(draw: _Draw) -> Batch:
    """The batch with everything measured that can be."""
    count = draw.rewards.shape[1]
    # A group knows nothing of others, so those of all objectives are estimated at once, as of one long reward.
    advantages = grpo(draw.rewards.T.reshape(-1), GENERATIONS).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    absent = torch.isnan(draw.rewards).all(dim=0)
    gradients = draw.gradients.masked_fill(absent[:, None], 0.0)
    metrics = draw.rewards.double().masked_fill(draw.rewards.isinf(), math.nan)
    means = torch.nanmean(metrics, dim=0).tolist()
    return Batch(
        names=[f"o{k}" for k in range(count)],
        rewards=draw.rewards,
        advantages=advantages.view(count, -1).T.contiguous(),
        lengths=draw.lengths,
        num_generations=GENERATIONS,
        learning_rate=1e-3,
        step=draw.step,
        evaluation=Evaluation(draw.step, means, [0.01] * count, len(draw.rewards)),
        influence=gradients @ gradients.sum(dim=0),
        gramian=gradients @ gradients.T,
        metrics=metrics,
        bounds=[(0.0, 1.0)] * count,
        maximize=[True] * count,
        progress=min(draw.step / 100, 1.0),
        priorities=draw.priorities,
    )


def _as_asked(rule: WeightingRule, batch: Batch) -> Batch:
    wanted = rule.measurements()
    method = None if wanted.influence is None else wanted.influence.method
    return replace(
        batch,
        evaluation=batch.evaluation if wanted.evaluation else None,
        metrics=batch.metrics if wanted.evaluation == "rollouts" else None,
        influence=batch.influence if method else None,
        influence_method=method,
        gramian=batch.gramian if method is not None and ESTIMATORS[method].yields_gramian else None,
    )


def _results(rule: WeightingRule, draws: Sequence[_Draw]) -> list[Tensor]:
    """What the rule returns for each batch: weights, scale, advantages and rewards (0 for none) in one row."""
    rows = []
    for draw in draws:
        result = _update(rule, _batch(rule, draw))
        row = [
            *result.weights.tolist(),
            result.scale,
            *([] if result.advantages is None else result.advantages.tolist()),
            *([] if result.rewards is None else result.rewards.nan_to_num().tolist()),
        ]
        rows.append(torch.tensor(row, dtype=torch.float64))
    return rows


def _update(rule: WeightingRule, batch: Batch) -> Scalarization:
    """One update, with what the trainer needs of its result."""
    before = {
        name: value.clone() if isinstance(value, Tensor) else copy.deepcopy(value)
        for name, value in vars(batch).items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = rule.update(batch)
    _expect(isinstance(result, Scalarization), "update returns a Scalarization", result)
    count = len(batch.names)
    shape = tuple(result.weights.shape)
    _expect(shape == (count,), f"it returns one weight for each of {count} objectives", f"the shape {shape}")
    _expect(bool(torch.isfinite(result.weights).all()), "its weights are finite", result.weights)
    _expect(0 < result.scale < math.inf, "its scale is positive and finite", result.scale)
    if result.advantages is not None:
        fits = result.advantages.shape == (len(batch.rewards),) and bool(torch.isfinite(result.advantages).all())
        _expect(fits, "its advantages are finite, one for each completion", result.advantages)
    if result.rewards is not None:
        fits = result.rewards.shape == (len(batch.rewards),) and not bool(torch.isinf(result.rewards).any())
        _expect(fits, "its rewards are finite or NaN, one for each completion", result.rewards)
    for name, signal in result.signals.items():
        _expect(tuple(signal.shape) == (count,), f"its signal {name!r} has one value for each objective", signal)
    for name, value in before.items():
        now = getattr(batch, name)
        same = (
            torch.equal(value.nan_to_num(), now.nan_to_num()) if isinstance(value, Tensor) else repr(value) == repr(now)
        )
        _expect(same, "it leaves the batch as it is", f"another {name}")
    return result


# --- what is expected of it -------------------------------------------------------------------------------


def _expect(holds: bool, expected: str, found: object) -> None:
    if not holds:  # else what was found is not put into words, which takes longer than most rules
        raise AssertionError(f"A rule is expected to do this: {expected}. Found: {found}.")


def _check_description(rule: WeightingRule) -> None:
    for attribute in ("name", "description"):
        value = getattr(rule, attribute, None)
        _expect(isinstance(value, str) and bool(value), f"its class has a text as its `{attribute}`", repr(value))
    kinds = {parameter.kind for parameter in type(rule).parameters().values()}
    open_ended = kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    _expect(not open_ended, "its constructor names each of its settings", "*args or **kwargs")


def _check_settings(make: Make, count: int) -> None:
    rule = make(_objectives(count))
    try:
        settings = json.loads(json.dumps(rule.settings, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"A rule's settings are expected to be plain JSON values: {error}.") from error
    shown = all(f"{name}=" in repr(rule) for name in settings)
    _expect(shown and repr(rule).startswith(type(rule).__name__), "its repr shows its settings", repr(rule))
    again = _checked(type(rule)(**settings), _objectives(count))
    draws = _draws(count, 5)
    same = _same(_results(again, draws), _results(rule, draws))
    _expect(same, "a rule made from its settings does the same", f"other weights from {settings}")


def _check_determinism(make: Make, count: int) -> None:
    draws, found = _draws(count, 5), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        found.append(_results(make(_objectives(count)), draws))
    _expect(_same(*found), "the same batches give the same weights, whatever the global seed", "other weights")


def _check_state(make: Make, count: int) -> None:
    draws = _draws(count, 8)
    expected = _results(make(_objectives(count)), draws)
    begun, resumed = make(_objectives(count)), make(_objectives(count))
    _results(begun, draws[:4])
    try:
        state = json.loads(json.dumps(begun.state_dict(), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"A rule's state_dict is expected to hold plain JSON values: {error}.") from error
    resumed.load_state_dict(state)
    same = _same(_results(resumed, draws[4:]), expected[4:])
    _expect(same, "its state, saved as JSON, makes a fresh rule go on the same", "other weights")


def _check_absence(make: Make, count: int) -> None:
    """Rewards that do not apply, down to a batch in which no reward applies."""
    rule = make(_objectives(count))
    generator = torch.Generator().manual_seed(0)
    for draw in _draws(count, 6):
        rewards = draw.rewards.masked_fill(torch.rand(draw.rewards.shape, generator=generator) < 0.2, math.nan)
        if draw.step % 2:
            rewards[:, draw.step % count] = math.nan
        if draw.step == 3:
            rewards[:] = math.nan
        _results(rule, [replace(draw, rewards=rewards)])


def _check_hostile_rewards(make: Make, count: int) -> None:
    rule = make(_objectives(count))
    values = [0.0, 1.0, -1.0, math.inf, -math.inf, 1e30, -1e30, 1e-30, 0.5]
    for draw, value in zip(_draws(count, len(values)), values, strict=True):
        one, all_of_them = draw.rewards.clone(), torch.full_like(draw.rewards, value)
        one[:, draw.step % count] = value
        _results(rule, [replace(draw, rewards=one), replace(draw, rewards=all_of_them)])


def _check_permutation(make: Make, count: int) -> None:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    straight, permuted = make(_objectives(count)), make(_objectives(count))
    for draw in _draws(count, 5):
        turned = replace(
            draw,
            rewards=draw.rewards[:, order],
            gradients=draw.gradients[order],
            priorities=draw.priorities[:, order],
        )
        weights = _update(straight, _batch(straight, draw)).weights
        others = _update(permuted, _batch(permuted, turned)).weights
        close = torch.allclose(weights[order], others, rtol=1e-6, atol=1e-9)
        _expect(close, "its weights follow the order of the objectives, unless it says knows_order", "other weights")


def _check_endurance(make: Make, count: int, updates: int) -> None:
    rule, batches = make(_objectives(count)), [_measured(draw) for draw in _draws(count, 8)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(updates):
            weights = rule.update(_as_asked(rule, replace(batches[i % len(batches)], step=i))).weights
            _expect(bool(torch.isfinite(weights).all()), f"its weights are finite after {i + 1} updates", weights)
    try:
        json.dumps(rule.state_dict(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"A rule's state is expected to stay finite over {updates} updates: {error}.") from error


def _same(rows: list[Tensor], others: list[Tensor]) -> bool:
    return len(rows) == len(others) and all(torch.equal(a, b) for a, b in zip(rows, others, strict=True))
