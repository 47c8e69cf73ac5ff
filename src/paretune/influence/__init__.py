"""What each objective's gradient does for the others: I_k = ⟨g_k, Σ_j g_j⟩, one estimator a file."""

from paretune.influence.base import Influence, LogProbs, PolicyLoss
from paretune.influence.crossed import crossed_influence
from paretune.influence.crossed_exact import crossed_exact_influence
from paretune.influence.directional import directional_influence
from paretune.influence.estimator import BeforeUpdate, Estimator, Passes, RunFacts, Target
from paretune.influence.exact import exact_influence
from paretune.influence.halves import in_both_halves, prompt_halves
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
    "crossed_exact_influence",
    "crossed_influence",
    "directional_influence",
    "exact_influence",
    "in_both_halves",
    "prompt_halves",
    "realised_influence",
    "select_parameters",
]
