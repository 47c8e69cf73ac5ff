"""What each objective's gradient does for the others: I_k = ⟨g_k, Σ_j g_j⟩, one estimator a file."""

from paretune.influence.base import Influence, PolicyLoss
from paretune.influence.exact import exact_influence
from paretune.influence.layers import select_parameters

__all__ = ["Influence", "PolicyLoss", "exact_influence", "select_parameters"]
