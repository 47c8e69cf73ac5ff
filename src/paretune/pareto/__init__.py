"""Pareto fronts: an archive of non-dominated points, and the volume that they dominate."""

from paretune.pareto.archive import ParetoArchive, dominates, worst_corner

__all__ = ["ParetoArchive", "dominates", "worst_corner"]
