"""The weighting rules, one file each; :mod:`paretune.weighting.base` says what a rule sees and returns."""

from paretune.weighting.base import (
    Batch,
    Evaluation,
    InfluenceRequest,
    Measurements,
    Scalarization,
    WeightingRule,
)
from paretune.weighting.fixed import PRESETS, FixedWeights
from paretune.weighting.gradient import GradientInfluence, mirror_descent
from paretune.weighting.hypervolume import HypervolumeGuided, meta_reward
from paretune.weighting.pama import PAMA
from paretune.weighting.scheduled import ScheduledWeights

RULES: dict[str, type[WeightingRule]] = {
    rule.name: rule for rule in (FixedWeights, ScheduledWeights, HypervolumeGuided, GradientInfluence, PAMA)
}
"""The rules by the name that the command line gives them."""

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
    "Scalarization",
    "ScheduledWeights",
    "WeightingRule",
    "meta_reward",
    "mirror_descent",
]
