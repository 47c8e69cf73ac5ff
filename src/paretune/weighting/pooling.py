"""The metrics of completions, pooled to those of a policy."""

from collections.abc import Iterable, Sequence

import numpy as np

from paretune.weighting.base import Evaluation


def pooled(prompts: Iterable[Sequence[Sequence[float]]], step: int) -> Evaluation:
    """What the completions of several prompts say of the policy.

    The mean is over completions. The standard error is that of the mean over prompts, since completions of one prompt
    are not independent; NaN where fewer than two prompts count.

    Args:
        prompts: for each prompt the metrics ``[K]`` of its completions, NaN where a metric does not apply.
        step: optimiser steps done when the completions were made.
    """
    groups = list(prompts)
    completions = np.array([metrics for group in groups for metrics in group], dtype=np.float64)
    means = np.array([_mean(np.array(group)) for group in groups], dtype=np.float64)
    counts = (~np.isnan(means)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.sqrt(np.nansum((means - _mean(means)) ** 2, axis=0) / (counts - 1))
        error = np.where(counts > 1, deviation / np.sqrt(counts), np.nan)
    return Evaluation(
        step=step,
        metrics=_mean(completions).tolist(),
        standard_error=error.tolist(),
        samples=len(completions),
    )


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is not NaN; NaN where nothing is."""
    counts = (~np.isnan(values)).sum(axis=0)
    return np.where(counts > 0, np.nansum(values, axis=0) / np.maximum(counts, 1), np.nan)
