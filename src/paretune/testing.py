"""A conformance test for weighting rules: ours pass it, and a rule of your own should, too.

>>> from paretune import GradientInfluence
>>> from paretune.testing import check_rule
>>> check_rule(GradientInfluence, updates=10)
"""

import copy
import inspect
import json
import math
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from paretune.advantages import grpo
from paretune.influence import ESTIMATORS
from paretune.objectives import Objective
from paretune.weighting.base import Batch, Evaluation, Measurements, Scalarization, WeightingRule
from paretune.weighting.simplex import is_row

COUNTS = (1, 2, 3, 8, 32)
"""Numbers of objectives that a rule is tried with."""
GROUPS, GENERATIONS = 3, 4
Make = Callable[[Sequence[Objective]], WeightingRule]
T = TypeVar("T")


def check_rule(rule: type[WeightingRule] | WeightingRule | Make, *, updates: int = 10_000) -> None:
    """Try everything that the trainer expects of a rule.

    The rule sees batches of 1 to 32 objectives: ordinary ones, and such with rewards that are constant, infinite or do
    not apply, with metrics whose range is not known yet, and with an influence that was not measured. It must ask for
    what can be measured; return a finite weight for each objective; give the same weights for the same batches, also
    when it is saved as JSON on the way, and taken up by a fresh copy; leave the batch and the random numbers of
    training as they are; follow a permutation of the objectives, unless it says ``knows_order``; and be made again
    from its settings.

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
        _check_initial_weights(make, count)
        _check_settings(make, count)
        _check_determinism(make, count)
        _check_state(make, count)
        _check_absence(make, count)
        _check_unknown_ranges(make, count)
        _check_hostile_rewards(make, count)
        if isinstance(rule, type) and not make(_objectives(count)).knows_order:  # settings may tell objectives apart
            _check_permutation(make, count)
    _check_endurance(make, counts[-1] if len(counts) == 1 else counts[1], updates)


# --- how a rule is made -----------------------------------------------------------------------------------


def _maker(rule: type[WeightingRule] | WeightingRule | Make) -> Make:
    if isinstance(rule, type):
        cls: type[Any] = rule
        _expect(issubclass(cls, WeightingRule), "a rule is derived from paretune.weighting.WeightingRule", repr(cls))
        _attempt(
            "its class can be made without arguments; else give a rule, or a function from objectives to a rule",
            lambda: inspect.Signature(list(cls.parameters().values())).bind(),
        )
        return lambda objectives: _checked(cls(), objectives)
    if isinstance(rule, WeightingRule):
        model = copy.deepcopy(rule)
        return lambda objectives: _checked(copy.deepcopy(model), objectives)
    _expect(callable(rule), "check_rule takes a rule, its class, or a function from objectives to a rule", repr(rule))
    return lambda objectives: _checked(rule(objectives), objectives)


def _checked(rule: WeightingRule, objectives: Sequence[Objective]) -> WeightingRule:
    _expect(isinstance(rule, WeightingRule), "a function from objectives returns a rule", repr(rule))
    rule.check(objectives)
    return rule


def _accepts(make: Make, count: int) -> bool:
    try:
        make(_objectives(count))
    except ValueError:
        return False
    return True


def _objectives(count: int, bounds: tuple[float, float] | None = (0.0, 1.0)) -> list[Objective]:
    return [Objective(f"o{k}", _no_reward, bounds=bounds) for k in range(count)]


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
        evaluation=Evaluation(draw.step, means, [0.01 if mean == mean else mean for mean in means], len(draw.rewards)),
        influence=None if absent.all() else (gradients @ gradients.sum(dim=0)).masked_fill(absent, math.nan),
        gramian=gradients @ gradients.T,
        metrics=metrics,
        bounds=[(0.0, 1.0)] * count,
        maximize=[True] * count,
        progress=min(draw.step / 100, 1.0),
        priorities=draw.priorities,
    )


def _as_asked(rule: WeightingRule, batch: Batch) -> Batch:
    wanted = rule.measurements()
    _expect(isinstance(wanted, Measurements), "measurements returns Measurements", repr(wanted))
    method = None if wanted.influence is None else wanted.influence.method
    known = wanted.evaluation in (None, "validation", "rollouts")
    _expect(known, "it asks for an evaluation on 'validation' or 'rollouts', or None", repr(wanted.evaluation))
    _expect(method is None or method in ESTIMATORS, f"its influence is one of {', '.join(ESTIMATORS)}", repr(method))
    if method is not None and ESTIMATORS[method].of_update and batch.step == 0:
        batch = replace(batch, influence=None)  # there was no update yet
    return replace(
        batch,
        priorities=batch.priorities if rule.steering is not None or batch.step % 2 else None,
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
    absent = ", ".join(name for name, value in vars(batch).items() if value is None) or "nothing"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = _attempt(f"its update takes a batch in which {absent} is None", lambda: rule.update(batch))
    _expect(isinstance(result, Scalarization), "update returns a Scalarization", result)
    each = f"one weight for each of {len(batch.names)} objectives"
    _expect(isinstance(result.weights, Tensor), f"it returns a tensor of {each}", result)
    _expect(isinstance(result.signals, Mapping), "its signals are tensors by name", repr(result.signals))
    fault = result.fault(len(batch.names), len(batch.rewards))
    _expect(fault is None, "it returns what can be trained with", fault)
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


def _attempt(expected: str, call: Callable[[], T]) -> T:
    """What a call returns; where it raises, that does not hold."""
    try:
        return call()
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise AssertionError(f"A rule is expected to do this: {expected}. Found: {found}.") from error


def _check_description(rule: WeightingRule) -> None:
    for attribute in ("name", "description"):
        value = getattr(rule, attribute, None)
        fine = isinstance(value, str) and len(value.splitlines()) == 1
        _expect(fine, f"its class has a text as its `{attribute}`, one line", repr(value))
    kinds = {parameter.kind for parameter in type(rule).parameters().values()}
    open_ended = kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    _expect(not open_ended, "its constructor names each of its settings", "*args or **kwargs")


def _check_initial_weights(make: Make, count: int) -> None:
    initial = make(_objectives(count)).initial_weights(count)
    fine = is_row(initial, count) and bool(torch.isfinite(initial).all())
    _expect(fine, f"initial_weights({count}) returns a tensor of {count} finite weights", repr(initial))


def _check_settings(make: Make, count: int) -> None:
    rule = make(_objectives(count))
    saved = _attempt("its settings are plain JSON values", lambda: json.dumps(rule.settings, allow_nan=False))
    settings = json.loads(saved)
    shown = all(f"{name}=" in repr(rule) for name in settings)
    _expect(shown and repr(rule).startswith(type(rule).__name__), "its repr shows its settings", repr(rule))
    again = _checked(type(rule)(**settings), _objectives(count))
    draws = _draws(count, 5)
    same = _same(_results(again, draws), _results(rule, draws))
    _expect(same, "a rule made from its settings does the same", f"other weights from {settings}")


def _check_determinism(make: Make, count: int) -> None:
    draws, found, alone = _draws(count, 5), [], True
    for seed in (0, 1):
        for sow in (torch.manual_seed, random.seed, np.random.seed):
            sow(seed)
        before = _random_state()
        found.append(_results(make(_objectives(count)), draws))
        alone &= _random_state() == before
    _expect(_same(*found), "the same batches give the same weights, whatever the global seed", "other weights")
    _expect(alone, "it leaves the random numbers of training alone, and draws from a generator of its own", "a draw")


def _random_state() -> str:
    return repr((torch.get_rng_state().tolist(), random.getstate(), np.random.get_state(legacy=False)))


def _check_state(make: Make, count: int) -> None:
    draws = _draws(count, 8)
    expected = _results(make(_objectives(count)), draws)
    begun, resumed = make(_objectives(count)), make(_objectives(count))
    _results(begun, draws[:4])
    kept = begun.state_dict()
    _expect(isinstance(kept, dict), "state_dict returns a dict", repr(kept))
    saved = _attempt("its state_dict holds plain JSON values", lambda: json.dumps(kept, allow_nan=False))
    state = json.loads(saved)
    _attempt("its load_state_dict takes its state, saved as JSON", lambda: resumed.load_state_dict(state))
    same = _same(_results(resumed, draws[4:]), expected[4:])
    _expect(same, "its state, saved as JSON, makes a fresh rule go on the same", "other weights")
    _results(begun, draws[4:])
    copied = json.dumps(kept) == saved and state == json.loads(saved)
    _expect(copied, "a state that it gave or took up stays as it is while the rule goes on", "a state that moved")


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


def _check_unknown_ranges(make: Make, count: int) -> None:
    """Objectives without bounds, before training has seen a range, unless the rule refuses them."""
    try:
        rule = make(_objectives(count, bounds=None))
    except ValueError:
        return
    for draw in _draws(count, 3):
        _update(rule, replace(_batch(rule, draw), bounds=[None] * count))


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
        result = _update(straight, _batch(straight, draw))
        other = _update(permuted, _batch(permuted, turned))
        close = torch.allclose(result.weights[order], other.weights, rtol=1e-6, atol=1e-9)
        _expect(close, "its weights follow the order of the objectives, unless it says knows_order", "other weights")
        for kind in ("advantages", "rewards"):
            own, others = (getattr(found, kind) for found in (result, other))
            close = own is None or torch.allclose(own, others, rtol=1e-4, atol=1e-6, equal_nan=True)
            _expect(close, f"its {kind} do not go by the order of the objectives, unless it says knows_order", others)


def _check_endurance(make: Make, count: int, updates: int) -> None:
    rule, batches = make(_objectives(count)), [_measured(draw) for draw in _draws(count, 8)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(updates):
            weights = rule.update(_as_asked(rule, replace(batches[i % len(batches)], step=i))).weights
            _expect(bool(torch.isfinite(weights).all()), f"its weights are finite after {i + 1} updates", weights)
    state = rule.state_dict()
    _attempt(f"its state stays finite over {updates} updates", lambda: json.dumps(state, allow_nan=False))


def _same(rows: list[Tensor], others: list[Tensor]) -> bool:
    return len(rows) == len(others) and all(torch.equal(a, b) for a, b in zip(rows, others, strict=True))
