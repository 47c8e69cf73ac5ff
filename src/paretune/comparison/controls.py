"""Controls: weights read off the runs of a rule that moves them, to tell what of its effect is due to the moving.

==============  ====================================================================================
average         the rule's weights, averaged over the run of the same seed: does it matter that they moved?
replay          the weights of another seed's run: does it matter that they answered to this run?
random-walk     weights that moved as far in every batch, but at random: does the direction matter?
==============  ====================================================================================
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paretune.comparison.plan import Arm, PlanError
from paretune.record.fields import Fields
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader

Array = NDArray[np.float64]


def control_arm(arm: Arm, seed: int, runs: Mapping[int, Path]) -> Arm:
    """A control as one of its runs takes it: with the weights filled in.

    Args:
        arm: the control.
        seed: the run's seed.
        runs: by seed, the folders of the runs that weights are read off. A run replays those of the next seed, the
            last those of the first.

    Raises:
        PlanError: if that run has no record to read.
    """
    seeds = sorted(runs)
    source = seeds[(seeds.index(seed) + 1) % len(seeds)] if arm.control == "replay" else seed
    steps, weights = _weights_of(runs[source])
    if arm.control == "average":
        return Arm(arm.name, "fixed", weights=",".join(map(repr, weights.mean(axis=0).tolist())))
    if arm.control == "random-walk":
        weights = random_walk(weights, seed)
    schedule = {str(step): row for step, row in zip(steps, weights.tolist(), strict=True)}
    return Arm(arm.name, "scheduled", rule_settings={"schedule": schedule})


def random_walk(weights: Array, seed: int) -> Array:
    """A walk that begins where the weights do and moves as far in every batch, each time in a random direction.

    "Far" is the Euclidean norm of the move of the centred log-weights, so that a walk stays on the simplex. Weights of
    another sum walk in proportion, and keep their sums.

    Args:
        weights: ``[T, K]``, 0 or more, with a positive sum in each row.
        seed: of the directions.

    Returns:
        ``[T, K]``, above 0, each row of the sum that it had.

    Raises:
        PlanError: if a weight is negative or a row is all 0: there is no logarithm to walk on.
    """
    sums = weights.sum(axis=1, keepdims=True)
    if (weights < 0).any() or (sums <= 0).any():
        raise PlanError("A random walk needs weights of 0 or more, not all 0 at once: leave this control out.")
    log_weights = np.log((weights / sums).clip(min=1e-12))
    centred = log_weights - log_weights.mean(axis=1, keepdims=True)
    moves = np.linalg.norm(np.diff(centred, axis=0), axis=1)
    directions = np.random.default_rng(seed).normal(size=(len(moves), weights.shape[1]))
    directions -= directions.mean(axis=1, keepdims=True)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True).clip(min=1e-300)  # 0 for a lone objective
    walk = centred[0] + np.vstack([np.zeros(weights.shape[1]), np.cumsum(moves[:, None] * directions, axis=0)])
    exponentials = np.exp(walk - walk.max(axis=1, keepdims=True))
    return np.asarray(sums * exponentials / exponentials.sum(axis=1, keepdims=True))


def _weights_of(directory: Path) -> tuple[list[int], Array]:
    """The optimiser steps at which a run's batches began, and the weights then ``[T, K]``.

    A batch began where the one before had ended; several that went into the same step count with their mean.
    """
    try:
        run = RunReader(directory)
        names, batches = [objective.name for objective in run.header.objectives], run.batches
        rows = [
            [Fields(batch.weights, "a batch").need(name, batch.weights.get(name)) for name in names]
            for batch in batches
        ]
    except (OSError, RecordError) as error:
        raise PlanError(f"The weights of {str(directory)!r} cannot be read: {error}") from error
    if not batches:
        raise PlanError(f"The run in {str(directory)!r} has no batch whose weights could be taken.")
    ended = sorted({batch.step for batch in batches})
    began = dict(zip(ended, [0, *ended], strict=False))
    weights: dict[int, list[list[float]]] = {}
    for batch, row in zip(batches, rows, strict=True):
        weights.setdefault(began[batch.step], []).append(row)
    return list(weights), np.array([np.mean(rows, axis=0) for rows in weights.values()])
