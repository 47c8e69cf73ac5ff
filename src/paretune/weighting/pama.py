"""PAMA: all weight on the objective whose advantages are smallest (arXiv 2508.07768)."""

import warnings
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from paretune.weighting.base import Batch, Scalarization, WeightingRule

Credit = Literal["sample", "batch"]

TIE = 1e-6
"""Relative difference up to which two mean advantages count as equal: the rounding of float32 advantages."""


def token_mean(advantages: Tensor, lengths: Tensor) -> Tensor:
    """Each objective's advantage, averaged over the tokens of the completions to which it applies.

    Args:
        advantages: ``[N, K]``, NaN where an objective does not apply; every token of a completion has the completion's.
        lengths: ``[N]`` tokens of each completion, 0 or more.

    Returns:
        ``[K]`` float64, a_k = Σ_n l_n A_nk / Σ_n l_n over those completions; 0 where they have no tokens at all.
    """
    values = advantages.detach().cpu().double()
    tokens = lengths.detach().cpu().double()
    counts = tokens @ (~values.isnan()).double()
    return torch.where(counts > 0, tokens @ values.nan_to_num(nan=0.0) / counts, 0.0)


def min_norm_weights(values: Tensor) -> Tensor:
    """The weights on the simplex for which |Σ_k λ_k a_k| is smallest, for numbers a_k ≥ 0.

    Σ_k λ_k a_k can be any number between min_k a_k and max_k a_k, and the one nearest to 0 is min_k a_k: all weight
    falls on the smallest. Objectives that are smallest together, to within a relative 1e-6, share it equally, so all
    do where all are 0.

    Args:
        values: ``[K]``, finite and not negative.

    Returns:
        ``[K]`` float64, summing to 1.

    Raises:
        ValueError: if a value is negative or not finite.
    """
    if not (torch.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(f"`values` must be finite and not negative, got {values.tolist()}.")
    smallest = (values <= values.min() * (1 + TIE)).double()
    return smallest / smallest.sum()


class PAMA(WeightingRule):
    """In every batch, all weight on the objective that has least to gain from it.

    With the "Noon" advantages A⁺_nk = max(A_nk, 0), completions that are worse than average are not trained on. Of the
    token means a_k of these the convex combination of least norm is taken: λ minimises |Σ_k λ_k a_k| over the simplex,
    which stands in for the min-norm combination of gradients that MGDA computes ("Pareto Multi-Objective Alignment for
    Language Models", https://arxiv.org/abs/2508.07768). As no a_k is negative, λ is 1 for the smallest and 0 for the
    others; objectives that are smallest together share equally.

    The rule hands over the advantages itself, so the trainer's ``combine`` and TRL's ``multi_objective_aggregation``
    make no difference; ``advantage_estimator`` and ``scale_rewards`` say what A_nk is.

    Limits:

    - An objective without any positive advantage (saturated, or out of reach) has a_k = 0, takes the weight, and the
      batch trains nothing but a KL term; a warning names it, once. Where all have none, all weights are 1/K.
    - The mean is over tokens, so an objective that favours short completions looks small and draws the weight.
    - A_nk counts on tokens whose ratio to the policy that wrote them is not clipped. The rule decides before the
      first update on a batch, when all ratios are 1: λ is not recomputed for further updates on the same batch, in
      which TRL's loss leaves out clipped tokens by itself.
    - a_k is a mean over the tokens of ``Batch.lengths``, among them those that TRL masks (tool results, truncated
      completions).
    - An objective that does not apply to a completion (a NaN reward) gives it no credit, and a_k is a mean over the
      others. One that applies to no completion of a batch has no part in it: its weight there is 0.

    Args:
        credit: whose advantage a token has. ``"sample"``: its completion's, Σ_k λ_k A⁺_nk, which says which
            completions were good. ``"batch"``: the scalar Σ_k λ_k a_k, the same for every token, as the authors of
            CTWA ran PAMA (https://arxiv.org/abs/2602.06869; their clipping goes by the ratio to the reference model).
            A constant advantage does not tell good completions from bad: on-policy its expected gradient is zero, but
            for how the loss weighs lengths. It is there to compare with theirs.

    Raises:
        ValueError: for an unknown `credit`.
    """

    name: ClassVar[str] = "pama"
    description: ClassVar[str] = "all weight on the smallest positive advantage (PAMA)"
    paper: ClassVar[str] = "Pareto Multi-Objective Alignment for Language Models, arXiv 2508.07768"

    def __init__(self, *, credit: Credit = "sample") -> None:
        if credit not in get_args(Credit):
            raise ValueError(f"`credit` must be one of {', '.join(get_args(Credit))}, got {credit!r}.")
        self.credit = credit
        self._warned_of: set[str] = set()

    def update(self, batch: Batch) -> Scalarization:
        """The weights λ and the advantages ``[N]`` that they come to; no state is kept."""
        absent = batch.rewards.isnan()
        noon = batch.advantages.nan_to_num(nan=0.0).clamp(min=0.0)
        if absent.any():
            noon = noon.masked_fill(absent, torch.nan)
        means = token_mean(noon, batch.lengths)
        applies = ~absent.all(dim=0).cpu()
        if not applies.any():  # nothing was scored, so nothing is trained
            applies = ~applies
        weights = torch.zeros_like(means).masked_scatter(applies, min_norm_weights(means[applies]))
        if means[applies].min() == 0 < means.max():
            self._warn_of([name for name, idle in zip(batch.names, applies & (means == 0), strict=True) if idle])
        if self.credit == "batch":
            advantages = torch.full_like(noon[:, 0], float(weights @ means))
        else:
            advantages = noon.nan_to_num(nan=0.0) @ weights.to(noon)
        return Scalarization(weights, advantages=advantages)

    def _warn_of(self, idle: list[str]) -> None:
        """Say, once for each such set of objectives, that the batch trains nothing."""
        names = ", ".join(idle)
        if names in self._warned_of:
            return
        self._warned_of.add(names)
        warnings.warn(
            f"PAMA: no completion of a batch has a positive advantage for {names}: the weight falls there, and the "
            "batch trains nothing. Leave out an objective for which it stays so (saturated, or out of reach).",
            stacklevel=3,
        )
