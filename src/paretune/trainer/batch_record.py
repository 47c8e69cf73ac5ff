"""What a batch leaves in TRL's log and in the run's record."""

from collections.abc import Sequence
from typing import Any

import torch

from paretune.influence import Influence
from paretune.trainer.rollouts import Rollouts
from paretune.weighting import Scalarization


def batch_metrics(
    names: Sequence[str], rollouts: Rollouts, scalarization: Scalarization, influence: Influence | None
) -> dict[str, float]:
    """The figures of a batch for TRL's log, by name."""
    found = scalarization.figures(names)
    if influence is not None:
        found |= {f"influence/{name}": value for name, value in zip(names, influence.values.tolist(), strict=True)}
        if influence.check is not None:
            found["rule/influence_error"] = influence.check
            found["rule/influence_symmetric"] = float(influence.difference == "symmetric")
    cosine = rollouts.combine_cosine(scalarization)
    return {**found, "rule/scale": scalarization.scale, "rule/combine_cosine": cosine}


def batch_line(
    names: Sequence[str], rollouts: Rollouts, scalarization: Scalarization, influence: Influence | None
) -> dict[str, Any]:
    """What the rule saw and decided, for the batch's line in steps.jsonl."""

    def by_name(values: Any) -> dict[str, float]:
        return dict(zip(names, values.tolist(), strict=True))

    line = {
        "weights": by_name(scalarization.weights),
        "scale": scalarization.scale,
        "rewards": by_name(torch.nanmean(rollouts.rewards.cpu().double(), dim=0)),
        "influence": None if influence is None else by_name(influence.values),
        "estimator": _estimator(influence),
        "uncounted": rollouts.uncounted,
    }
    signals = {signal: by_name(values) for signal, values in scalarization.signals.items()}
    return {**line, "signals": signals} if signals else line


def _estimator(influence: Influence | None) -> dict[str, Any] | None:
    """How the influence of a batch was measured."""
    if influence is None:
        return None
    return {"method": influence.method, "difference": influence.difference, "check": influence.check}
