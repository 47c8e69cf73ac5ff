"""What each objective's gradient does for the others: I_k = ⟨g_k, Σ_j g_j⟩, one estimator a file."""

from paretune.influence.base import Influence, LogProbs, PolicyLoss
from paretune.influence.directional import directional_influence
from paretune.influence.estimator import BeforeUpdate, Estimator, Passes, RunFacts, Target
from paretune.influence.exact import exact_influence
from paretune.influence.layers import select_parameters
from paretune.influence.realised import realised_influence
from paretune.influence.registry import ESTIMATORS, Method

__all__ = [
    "ESTIMATORS",
    "BeforeUpdate",
    "Estimator",
    "Influence",
    "LogProbs",
    "Method",
    "Passes",
    "PolicyLoss",
    "RunFacts",
    "Target",
    "directional_influence",
    "exact_influence",
    "realised_influence",
    "select_parameters",
]
