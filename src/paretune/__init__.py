"""Dynamic reward weighting for post-training language models against several rewards at once."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretune.objectives import Objective
    from paretune.pareto import ParetoArchive
    from paretune.tasks import Task
    from paretune.trainer import MultiObjectiveConfig, MultiObjectiveTrainer, ScheduledWeightsCallback
    from paretune.weighting import PAMA, FixedWeights, GradientInfluence, HypervolumeGuided, ScheduledWeights

__version__ = "0.1.0"

# TRL takes seconds to import; who only reads records or builds an archive need not wait for it. Names that are not
# here are rules, which paretune.weighting knows.
_HOMES = {
    "Objective": "paretune.objectives",
    "ParetoArchive": "paretune.pareto",
    "Task": "paretune.tasks",
    "MultiObjectiveTrainer": "paretune.trainer",
    "MultiObjectiveConfig": "paretune.trainer",
    "ScheduledWeightsCallback": "paretune.trainer",
}
_SUBMODULES = (
    "advantages",
    "influence",
    "objectives",
    "pareto",
    "steering",
    "tasks",
    "testing",
    "trainer",
    "weighting",
)

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
    "Task",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"paretune.{name}")
    if name[:1].isupper():
        weighting = importlib.import_module("paretune.weighting")
        if hasattr(weighting, name):
            return getattr(weighting, name)
    raise AttributeError(f"module 'paretune' has no attribute {name!r}")
