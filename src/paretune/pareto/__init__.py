"""Pareto fronts: an archive of non-dominated points, the volume they dominate, and how near they come to the best."""

from paretune.pareto.archive import ParetoArchive, dominates, worst_corner
from paretune.pareto.utility import (
    BestMean,
    best_geometric_mean,
    expected_utility,
    geometric_mean,
    regret,
    weight_lattice,
)

__all__ = [
    "BestMean",
    "ParetoArchive",
    "best_geometric_mean",
    "dominates",
    "expected_utility",
    "geometric_mean",
    "regret",
    "weight_lattice",
    "worst_corner",
]
