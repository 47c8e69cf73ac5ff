"""GDPO: each objective is normalised alone, then they are added."""

from typing import ClassVar

from paretune.advantages import normalize_then_sum
from paretune.weighting.base import Batch, Scalarization
from paretune.weighting.priorities import Prioritised


class Decoupled(Prioritised):
    r"""A_n = whiten(Σ_k v_k A_nk), with A_nk the group z-score of each objective alone.

    A reward with a small spread counts as much as one with a large spread. It is TRL's
    ``multi_objective_aggregation="normalize_then_sum"``, step for step, under a name that a comparison can list.

    Source: GDPO (https://arxiv.org/abs/2601.05242); the formula was checked against the authors' code. Signal: the
    batch's rewards. Cost: nothing.

    Limit: A_nk is GRPO's z-score whatever estimator is set.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.

    Raises:
        ValueError: for priorities that are not positive.

    Example: rewards (0, 1) and (0, 100) of two completions have the same z-scores, so both objectives count alike.
    """

    name: ClassVar[str] = "gdpo"
    description: ClassVar[str] = "each reward normalised alone, then added (GDPO)"
    paper: ClassVar[str] = "GDPO, arXiv 2601.05242"

    def update(self, batch: Batch) -> Scalarization:
        """The priorities, and the advantages that they come to."""
        priorities = self.shares(batch)
        finite = batch.rewards.masked_fill(batch.rewards.isinf(), float("nan"))
        advantages = normalize_then_sum(finite, priorities.to(finite), batch.num_generations)
        return Scalarization(priorities, advantages=advantages)
