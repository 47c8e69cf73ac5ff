"""The weighting rules, one file each; :mod:`paretune.weighting.base` says what a rule sees and returns."""

from paretune.weighting.base import (
    Batch,
    Evaluation,
    InfluenceRequest,
    Measurements,
    RuleError,
    Scalarization,
    WeightingRule,
)
from paretune.weighting.fixed import FixedWeights
from paretune.weighting.gradient import GradientInfluence, mirror_descent
from paretune.weighting.hypervolume import HypervolumeGuided, meta_reward
from paretune.weighting.pama import PAMA
from paretune.weighting.presets import PRESETS
from paretune.weighting.registry import built_in_rules, rule_class
from paretune.weighting.scheduled import ScheduledWeights

RULES = built_in_rules()
"""The rules by the name that the command line gives them."""


def __getattr__(name: str) -> type[WeightingRule]:
    for rule in RULES.values():
        if rule.__name__ == name:
            return rule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "PAMA",
    "PRESETS",
    "RULES",
    "Batch",
    "Evaluation",
    "FixedWeights",
    "GradientInfluence",
    "HypervolumeGuided",
    "InfluenceRequest",
    "Measurements",
    "RuleError",
    "Scalarization",
    "ScheduledWeights",
    "WeightingRule",
    "meta_reward",
    "mirror_descent",
    "rule_class",
]
