"""Dynamic reward weighting for post-training language models against several rewards at once."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretune.objectives import Objective
    from paretune.pareto import ParetoArchive
    from paretune.trainer import MultiObjectiveConfig, MultiObjectiveTrainer, ScheduledWeightsCallback
    from paretune.weighting import PAMA, FixedWeights, GradientInfluence, HypervolumeGuided, ScheduledWeights

__version__ = "0.1.0"

# TRL takes seconds to import; who only reads records or builds an archive need not wait for it.
_HOMES = {
    "Objective": "paretune.objectives",
    "ParetoArchive": "paretune.pareto",
    "FixedWeights": "paretune.weighting",
    "ScheduledWeights": "paretune.weighting",
    "HypervolumeGuided": "paretune.weighting",
    "GradientInfluence": "paretune.weighting",
    "PAMA": "paretune.weighting",
    "MultiObjectiveTrainer": "paretune.trainer",
    "MultiObjectiveConfig": "paretune.trainer",
    "ScheduledWeightsCallback": "paretune.trainer",
}
_SUBMODULES = ("advantages", "influence", "objectives", "pareto", "tasks", "trainer", "weighting")

__all__ = [
    "PAMA",
    "FixedWeights",
    "GradientInfluence",
    "HypervolumeGuided",
    "MultiObjectiveConfig",
    "MultiObjectiveTrainer",
    "Objective",
    "ParetoArchive",
    "ScheduledWeights",
    "ScheduledWeightsCallback",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"paretune.{name}")
    raise AttributeError(f"module 'paretune' has no attribute {name!r}")
