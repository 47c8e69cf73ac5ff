"""Which rule finds the best compromise? Random contextual bandits whose optimum is known.

    python benchmarks/bandits.py [--problems 10] [--objectives 2 3 5 8] [--rules nash tour ...]

A problem has 4 contexts and 12 actions with K gains each; the policy is a softmax over actions in each context, trained
by Adam on 100 batches of 16 groups of 8. Gradients are closed form, so the influence is exact. The rules are the
package's own classes. Two figures for each rule, means over problems with standard errors:

- last: the geometric mean of the last policy's expected gains, as a share of the best that any policy reaches;
- front: the hypervolume of the expected gains at all batches of the run.

"best of ten" runs ten fixed weights and keeps the best by that figure, so it costs ten runs.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from paretune.advantages import ESTIMATORS, sum_rewards
from paretune.influence import ESTIMATORS as INFLUENCES
from paretune.pareto.volumes import EXACT_UP_TO, union_volume
from paretune.weighting import RULES, Batch, Evaluation, FixedWeights, WeightingRule

CONTEXTS, ACTIONS, BATCHES, GROUPS, GENERATIONS = 4, 12, 100, 16, 8
LEARNING_RATE = 0.05
NEEDS_SETTINGS = ("fixed", "scheduled", "lagrangian", "hypervolume", "pcd")
VARIANTS: dict[str, Callable[[], WeightingRule]] = {
    "gradient, crossed": lambda: RULES["gradient"](method="crossed"),
    "gramian, mgda": lambda: RULES["gramian"]("mgda"),
    "gramian, mgda, halves": lambda: RULES["gramian"]("mgda", halves=True),
}
"""Rules with other settings than their defaults."""
POWERS = {"linear": 1.0, "concave": 0.5, "convex": 2.0}


@dataclass(frozen=True)
class Problem:
    """Gains ``[contexts, actions, K]`` in [0, 1], and the best geometric mean that any policy reaches."""

    gains: Tensor
    best: float

    @property
    def count(self) -> int:
        return self.gains.shape[2]

    def value(self, logits: Tensor) -> Tensor:
        """The expected gains ``[K]`` of a policy."""
        return (torch.softmax(logits, dim=1)[:, :, None] * self.gains).sum(dim=1).mean(dim=0)


def make_problem(count: int, shape: str, seed: int) -> Problem:
    """Actions whose gains lie on Σ_k g_k^p = c, with c from 0.7 to 1 drawn for each action.

    With p = 1 the front of each context is flat. With p = 2 it is convex: it bulges outward, and fixed weights reach
    all of it. With p = 0.5 it is concave: it bends inward, and fixed weights drive a policy to its ends.
    """
    rng = np.random.default_rng([count, seed])
    shares = rng.dirichlet(np.full(count, 0.7), (CONTEXTS, ACTIONS))
    quality = rng.uniform(0.7, 1.0, (CONTEXTS, ACTIONS, 1))
    gains = (shares * quality) ** (1 / POWERS[shape])
    return Problem(torch.tensor(gains), _best_geometric_mean(gains))


def _best_geometric_mean(gains: np.ndarray) -> float:
    """Max over policies of the geometric mean of expected gains: a concave problem, by quadratic programs."""
    shape, count = gains.shape[:2], gains.shape[2]
    each = gains.reshape(-1, count) / len(gains)  # what each entry of the policy adds to the expected gains
    of_context = np.kron(np.eye(shape[0]), np.ones(shape[1]))
    found = scipy.optimize.minimize(
        lambda policy: -np.log(policy @ each).mean(),
        np.full(len(each), 1 / shape[1]),
        jac=lambda policy: -(each @ (1 / (policy @ each))) / count,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(each),
        constraints={"type": "eq", "fun": lambda policy: of_context @ policy - 1, "jac": lambda _: of_context},
        options={"ftol": 1e-12, "maxiter": 1_000},
    )
    assert found.success, found.message
    return float(np.exp(-found.fun))


@torch.inference_mode()
def train(problem: Problem, rule: WeightingRule, estimator: str, seed: int) -> np.ndarray:
    """Train one policy; returns its expected gains after each batch, ``[batches, K]``."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.zeros(CONTEXTS, ACTIONS, dtype=torch.float64)
    first, second = torch.zeros_like(logits), torch.zeros_like(logits)
    path = []
    constant = rule.update(None) if isinstance(rule, FixedWeights) else None  # type: ignore[arg-type]
    measures = rule.measurements().influence is not None
    realised: Tensor | None = None  # what the last update did for each objective
    for t in range(BATCHES):
        contexts = torch.randint(CONTEXTS, (GROUPS,), generator=generator).repeat_interleave(GENERATIONS)
        policy = torch.softmax(logits, dim=1)
        actions = torch.multinomial(policy[contexts], 1, generator=generator)[:, 0]
        rewards = problem.gains[contexts, actions]
        options: dict[str, Any] = {
            "num_generations": GENERATIONS,
            "lengths": torch.ones(len(actions)),
            "scale": "group",
        }
        gradients = None
        result = constant
        if result is None:
            alone = ESTIMATORS[estimator].per_objective(rewards, **options)
            if measures:
                halves = torch.arange(GROUPS).repeat_interleave(GENERATIONS) % 2
                gradients = _gradients(policy, contexts, actions, alone, halves)
            result = rule.update(_batch(rule, rewards, alone, gradients, realised, t))
        advantages = result.advantages
        if advantages is None:
            reward = sum_rewards(rewards, result.weights) if result.rewards is None else result.rewards
            advantages = ESTIMATORS[estimator].estimate(reward, **options)
        gradient = _gradients(policy, contexts, actions, advantages.double()[:, None])[0, 0]
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient.square()
        corrected = first / (1 - 0.9 ** (t + 1)) / ((second / (1 - 0.999 ** (t + 1))).sqrt() + 1e-8)
        update = LEARNING_RATE * (result.scale if result.apply_to == "update" else 1.0) * corrected
        logits = logits + update
        realised = None if gradients is None else (gradients.mean(dim=0) * update).sum(dim=(1, 2))
        path.append(problem.value(logits).numpy())
    return np.array(path)


def _gradients(
    policy: Tensor, contexts: Tensor, actions: Tensor, advantages: Tensor, parts: Tensor | None = None
) -> Tensor:
    """The mean of A_k · d log π(a | x) / d logits over the completions of each part, ``[parts, K, contexts, actions]``.

    Args:
        policy: π, ``[contexts, actions]``.
        contexts: x of each completion, ``[N]``.
        actions: a of each completion, ``[N]``.
        advantages: A_k, ``[N, K]``.
        parts: of equal size, the number of each completion's, ``[N]``; by default all are one.
    """
    count = 1 if parts is None else int(parts.max()) + 1
    entries = contexts * ACTIONS + actions
    if parts is not None:
        entries = entries + parts * policy.numel()
    sums = torch.zeros(count * policy.numel(), advantages.shape[1], dtype=advantages.dtype)
    taken = sums.index_add_(0, entries, advantages).view(count, *policy.shape, -1).permute(0, 3, 1, 2)
    return (taken - policy * taken.sum(dim=3, keepdim=True)) / (len(advantages) / count)


def _batch(
    rule: WeightingRule, rewards: Tensor, alone: Tensor, gradients: Tensor | None, realised: Tensor | None, t: int
) -> Batch:
    wanted, count = rule.measurements(), rewards.shape[1]
    influence = gramian = method = None
    if wanted.influence is not None and gradients is not None:
        method = wanted.influence.method
        known = INFLUENCES[method]
        first, second = gradients.flatten(2) if known.halved else [gradients.mean(dim=0).flatten(1)] * 2
        gramian = None if known.of_update else (first @ second.T + second @ first.T) / 2
        influence = realised if gramian is None else gramian.sum(dim=1)
    error = (rewards.std(dim=0) / len(rewards) ** 0.5).tolist()
    return Batch(
        names=[f"o{k}" for k in range(count)],
        rewards=rewards,
        advantages=alone,
        lengths=torch.ones(len(rewards)),
        num_generations=GENERATIONS,
        learning_rate=LEARNING_RATE,
        step=t,
        evaluation=Evaluation(t, rewards.mean(dim=0).tolist(), error, len(rewards)) if wanted.evaluation else None,
        influence=influence,
        influence_method=method,
        gramian=gramian,
        metrics=rewards,
        bounds=[(0.0, 1.0)] * count,
        maximize=[True] * count,
        progress=t / BATCHES,
    )


def last_share(path: np.ndarray, problem: Problem) -> float:
    """The geometric mean of the last gains over the best one."""
    return float(np.exp(np.log(path[-1].clip(1e-12)).mean()) / problem.best)


def front(path: np.ndarray) -> float:
    """The hypervolume of all points of a run; NaN where it is not computed exactly."""
    return union_volume(path) if path.shape[1] <= EXACT_UP_TO else float("nan")


def fixed_paths(problem: Problem, estimator: str, seed: int, number: int = 10) -> list[np.ndarray]:
    """Runs with equal weights and with others drawn evenly from the simplex."""
    rng = np.random.default_rng(seed)
    weights = [np.full(problem.count, 1 / problem.count), *rng.dirichlet(np.ones(problem.count), number - 1)]
    return [train(problem, FixedWeights((w / w.sum()).tolist()), estimator, seed) for w in weights]


def figures_of(setting: tuple[int, str, str], seed: int, rules: list[str]) -> dict[str, list[float]]:
    """For each rule its figures (last, front) on one problem."""
    count, shape, estimator = setting
    torch.set_num_threads(1)
    problem = make_problem(count, shape, seed)
    fixed = fixed_paths(problem, estimator, seed)
    paths = {"equal weights": fixed[0]}
    paths |= {rule: train(problem, (VARIANTS | RULES)[rule](), estimator, seed) for rule in rules}
    figures = {name: [last_share(path, problem), front(path)] for name, path in paths.items()}
    figures["best of ten"] = [max(last_share(path, problem) for path in fixed), max(front(path) for path in fixed)]
    return figures


def main() -> None:
    """Measure, print the tables, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=int, default=10)
    parser.add_argument("--objectives", type=int, nargs="+", default=[2, 3, 5, 8])
    parser.add_argument("--shapes", nargs="+", default=list(POWERS), choices=POWERS)
    parser.add_argument("--algorithms", nargs="+", default=["grpo", "rloo", "reinforce++"])
    parser.add_argument("--rules", nargs="+", default=[name for name in VARIANTS | RULES if name not in NEEDS_SETTINGS])
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument("--output", type=Path, default=None, help="a JSON file for the figures")
    arguments = parser.parse_args()
    started = time.perf_counter()
    # All numbers of objectives on flat fronts under GRPO; the other shapes and estimators with three objectives.
    settings = [(count, "linear", "grpo") for count in arguments.objectives]
    settings += [(3, shape, "grpo") for shape in arguments.shapes if shape != "linear"]
    settings += [(3, "linear", estimator) for estimator in arguments.algorithms if estimator != "grpo"]
    result: dict[str, Any] = {}
    with ProcessPoolExecutor(arguments.jobs) as pool:
        waiting = {
            setting: [pool.submit(figures_of, setting, seed, arguments.rules) for seed in range(arguments.problems)]
            for setting in settings
        }
    for (count, shape, estimator), jobs in waiting.items():
        rows_of = [job.result() for job in jobs]
        figures = {rule: [rows[rule] for rows in rows_of] for rule in rows_of[0]}
        name = f"K = {count}, {shape}, {estimator}"
        print(f"\n{name}\n{'':24}{'last':>16}{'front':>18}")
        for rule, rows in sorted(figures.items(), key=lambda item: -np.mean([row[0] for row in item[1]])):
            means, errors = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / len(rows) ** 0.5
            print(f"{rule:24}{means[0]:9.3f} ± {errors[0]:.3f}{means[1]:10.4f} ± {errors[1]:.4f}", flush=True)
        result[name] = figures
    print(f"\n{time.perf_counter() - started:.0f} s, {platform.machine()}, torch {torch.__version__}")
    if arguments.output:
        arguments.output.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
