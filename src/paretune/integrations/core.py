"""A rule at work in a trainer that is not ours: rewards go in, and weights or advantages come out.

This module knows no framework.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from paretune.advantages import ESTIMATORS, Scale
from paretune.objectives import Objective, check_objectives
from paretune.objectives.reward_values import countable, each_alone
from paretune.objectives.seen_ranges import SeenRanges
from paretune.record.json_files import read_json, write_json
from paretune.weighting import Batch, Evaluation, Scalarization, WeightingRule
from paretune.weighting.pooling import pooled

STATE_FILE = "weighting.json"
"""What stands in a checkpoint beside the framework's own files."""

Bounds = Mapping[str, tuple[float | None, float | None]]


class Weigher:
    """A rule, and all that it needs to be shown of a batch and to be kept over a restart.

    Objectives are judged by their rewards: a gain is a reward's place between its bounds. Every process of a training
    has a weigher of its own and shows it the rewards of all, so that all come to the same weights.

    Args:
        rule: the rule. It may measure its gains on the rollouts; no trainer of another framework measures more.
        names: the K rewards' names, in the order of the columns.
        bounds: (low, high) of rewards, by name; either may be None. Where an end is missing, what training has seen
            counts.
        estimator: how each objective's own advantages are made, by its name in :data:`paretune.advantages.ESTIMATORS`.
        scale: TRL's ``scale_rewards``, for the estimator that knows it.

    Raises:
        ValueError: if the rule does not fit the rewards, or wants more measured than rewards tell.

    Attributes:
        scalarization: what the rule made of the latest batch; None before the first.
    """

    def __init__(
        self,
        rule: WeightingRule,
        names: Sequence[str],
        bounds: Bounds | None = None,
        *,
        estimator: str = "grpo",
        scale: Scale = "group",
    ) -> None:
        unknown = sorted(set(bounds or {}) - set(names))
        if unknown:
            raise ValueError(f"`bounds` names {unknown[0]!r}: the rewards are {', '.join(names)}.")
        objectives = [Objective(name, _scored_elsewhere, bounds=(bounds or {}).get(name)) for name in names]
        check_objectives(objectives)
        rule.check(objectives)
        _check_asks_no_more(rule)
        self.rule = rule
        self.names = list(names)
        self.scalarization: Scalarization | None = None
        self._estimator = ESTIMATORS[estimator]
        self._scale: Scale = scale
        self._options: dict[str, Any] = {}  # of the estimator, for the latest batch
        self._unscored = torch.empty(0, dtype=torch.bool)  # [N], the completions to which no reward applies
        self._ranges = SeenRanges([o.declared for o in objectives])
        self._evaluation: Evaluation | None = None

    def weigh(
        self,
        rewards: Tensor,
        *,
        num_generations: int,
        lengths: Tensor,
        step: int,
        max_steps: int,
        learning_rate: float,
    ) -> Tensor:
        """Let the rule see one generation batch.

        Args:
            rewards: ``[N, K]`` of all processes, NaN where a reward does not apply; the completions of a prompt stand
                together.
            num_generations: completions per prompt, at least 2, dividing N.
            lengths: ``[N]`` completion lengths in tokens.
            step: optimiser steps done so far.
            max_steps: those of the whole training.
            learning_rate: the current one.

        Returns:
            ``[K]`` float32, by which the framework multiplies the rewards.

        Raises:
            ValueError: if the rule wants more measured than rewards tell, or does not return a weight for each.
        """
        counted = countable(rewards)
        metrics = None
        if _check_asks_no_more(self.rule):
            metrics = each_alone(rewards).cpu().double()
            self._ranges.observe(metrics)
            if not self._knows_policy(step):
                self._evaluation = pooled(metrics.unflatten(0, (-1, num_generations)).tolist(), step)
        self._options = {"num_generations": num_generations, "lengths": lengths, "scale": self._scale}
        self._unscored = counted.isnan().all(dim=1)
        self.scalarization = self.rule.decide(
            Batch(
                names=self.names,
                rewards=counted,
                advantages=self._estimator.per_objective(counted, **self._options),
                lengths=lengths,
                num_generations=num_generations,
                learning_rate=learning_rate,
                step=step,
                evaluation=self._evaluation,
                metrics=metrics,
                bounds=self._ranges.ranges,
                maximize=[True] * len(self.names),
                progress=min(step / max(max_steps, 1), 1.0),
            )
        )
        return self.scalarization.reward_weights

    def advantages(self) -> Tensor | None:
        """The latest batch's advantages ``[N]`` where the weights do not say them; None where they do.

        Some rules hand over advantages, or one reward made in another way than by a weighted sum.
        """
        found = self.scalarization
        if found is None or (found.advantages is None and found.rewards is None):
            return None
        if found.advantages is not None:
            return found.advantages.masked_fill(self._unscored.to(found.advantages.device), 0.0)
        assert found.rewards is not None
        rewards = found.rewards.masked_fill(self._unscored.to(found.rewards.device), torch.nan)
        return self._estimator.estimate(rewards, **self._options)

    def figures(self) -> dict[str, float]:
        """The latest batch for a log: the weights, and what the rule went by; nothing before the first."""
        return {} if self.scalarization is None else self.scalarization.figures(self.names)

    def save(self, checkpoint: str | Path) -> None:
        """Write the state into a checkpoint's folder.

        Raises:
            OSError: if it cannot be written.
        """
        evaluation = None if self._evaluation is None else asdict(self._evaluation)
        state = {"rule": self.rule.state_dict(), "ranges": self._ranges.state_dict(), "evaluation": evaluation}
        write_json(Path(checkpoint) / STATE_FILE, {"name": self.rule.name, "rewards": self.names, **state})

    def load(self, checkpoint: str | Path) -> None:
        """Take up the state that :meth:`save` wrote.

        Raises:
            FileNotFoundError: if the checkpoint has none.
            ValueError: if it is of another rule, or of other rewards.
        """
        path = Path(checkpoint) / STATE_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{str(path)!r} is missing: the checkpoint was made without a rule, or is torn.")
        state = read_json(path)
        for what, given in {"name": self.rule.name, "rewards": self.names}.items():
            if state.get(what) != given:
                raise ValueError(f"{str(path)!r} has the {what} {state.get(what)!r}, this training has {given!r}.")
        self.rule.load_state_dict(state["rule"])
        self._ranges.load_state_dict(state["ranges"])
        self._evaluation = None if state["evaluation"] is None else _evaluation(state["evaluation"])

    def _knows_policy(self, step: int) -> bool:
        """Whether the evaluation is of the current policy; one that is not finite may get better."""
        known = self._evaluation
        return known is not None and known.step == step and all(map(math.isfinite, known.metrics))


def _check_asks_no_more(rule: WeightingRule) -> bool:
    """Whether the rule asks for gains on the rollouts; ``ValueError`` if it wants what only our trainer measures."""
    wanted, told = rule.measurements(), rule.settings
    beyond = {
        "measures gradients": wanted.influence is not None,
        "evaluates the policy": "validation" in (wanted.evaluation, told.get("source")),
        "scales updates": rule.scales_updates,
        "steers by what prompts say": rule.steering is not None,
    }
    for what in (what for what, asked in beyond.items() if asked):
        raise ValueError(f"{rule!r} {what}, which paretune.MultiObjectiveTrainer alone does: take it, or another rule.")
    return wanted.evaluation == "rollouts"


def _evaluation(saved: Mapping[str, Any]) -> Evaluation:
    """From JSON, which has null for NaN."""
    figures = {
        name: [math.nan if value is None else value for value in saved[name]] for name in ("metrics", "standard_error")
    }
    return Evaluation(step=saved["step"], samples=saved["samples"], **figures)


def _scored_elsewhere(**_: Any) -> list[float]:
    """Stands for a reward, which the framework calls."""
    raise AssertionError("the framework calls its rewards itself")
