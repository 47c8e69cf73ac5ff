"""How exact the estimators of influence are, on the embedded policy and its own completions.

The tables are written by benchmarks/influence.py.
"""

import argparse
from collections import defaultdict
from statistics import median
from typing import Any

import torch
from batches import build, measure, update, with_batch
from reference import paper_gradients
from torch import Tensor

from paretune import GradientInfluence, MultiObjectiveTrainer
from paretune.influence import Influence, directional
from paretune.trainer.influence_meter import InfluenceMeter
from paretune.weighting import InfluenceRequest


class AgainstFloat64(InfluenceMeter):
    """The directional influence as used, which steers the run, and in every batch the errors of all estimators."""

    def __init__(self, trainer: MultiObjectiveTrainer, request: InfluenceRequest) -> None:
        super().__init__(trainer, request)
        self.errors: dict[str, list[float]] = defaultdict(list)
        self.symmetric = 0

    def before_update(self, micro_batches: list[Any], advantages: Tensor) -> Influence:
        trainer = self._trainer
        true = in_float64(trainer, micro_batches, advantages)
        true = true @ true.sum(dim=0)
        influence = None
        for method in ("exact", "directional, one-sided", "directional, symmetric", "directional"):
            influence = measure(trainer, method)
            self.errors[method].append(((influence.values - true).norm() / true.norm()).item())
        assert influence is not None
        self.errors["check"].append(float("nan") if influence.check is None else influence.check)
        self.symmetric += influence.difference == "symmetric"
        return influence


def in_float64(trainer: MultiObjectiveTrainer, micro_batches: list[Any], advantages: Tensor) -> Tensor:
    """``[K, P]``: the float64 gradients of every objective."""
    kept = [p.data for p in trainer.model.parameters()]
    trainer.model.double()
    gradients = paper_gradients(trainer, micro_batches, advantages)
    trainer.model.float()
    for parameter, data in zip(trainer.model.parameters(), kept, strict=True):
        parameter.data = data
    return gradients


def error_table(options: argparse.Namespace) -> list[str]:
    """Relative L2 errors of the influence vector against float64, over the first batches of real runs."""
    lines = [
        "| K, rewards | exact | one-sided | symmetric | as used | its check | used symmetric |",
        "|---|---|---|---|---|---|---|",
    ]
    cases = [(3, "task"), *((k, kind) for k in options.objectives for kind in ("correlated", "independent"))]
    for count, kind in cases:
        trainer = build(options, count, kind, rule=GradientInfluence(1e-3), natural=True, max_steps=options.batches)
        assert trainer._meter is not None
        meter = trainer._meter = AgainstFloat64(trainer, trainer._meter.request)
        trainer.train()
        worst = [f"{median(e):.2%} (≤ {max(e):.2%})" for e in meter.errors.values()]
        lines.append(f"| {count}, {kind} | {' | '.join(worst)} | {meter.symmetric} of {options.batches} |")
        print(lines[-1], flush=True)
    return lines


class UnderAutocast(InfluenceMeter):
    """The realised influence by passes under autocast, for comparison."""

    _without_autocast = False


def realised_table(options: argparse.Namespace) -> list[str]:
    """Relative L2 errors of the realised influence against the float64 ⟨g_k, Δθ⟩ of one step of AdamW."""
    heads = {
        "float64": (torch.float64, False, InfluenceMeter),
        "float32": (torch.float32, False, InfluenceMeter),
        "autocast": (torch.float32, True, InfluenceMeter),
        "autocast, passes under it": (torch.float32, True, UnderAutocast),
        "bfloat16 weights": (torch.bfloat16, False, InfluenceMeter),
    }
    lines = [f"| learning rate | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for learning_rate in (1e-4, 1e-5, 1e-6):
        cells = []
        for dtype, bf16, meter in heads.values():
            errors = []
            for seed in range(2):
                told = {"learning_rate": learning_rate, "bf16": bf16, "seed": seed}
                trainer = build(options, 3, "task", natural=True, **told)
                trainer.model.to(dtype)
                trainer = with_batch(trainer)
                alone = trainer._current().per_objective()
                gradients = in_float64(trainer, trainer._buffered_inputs, alone)
                before = torch.cat([p.detach().double().flatten() for p in trainer.model.parameters()])
                trainer._meter = meter(trainer, InfluenceRequest(method="realised"))
                update(trainer)
                after = torch.cat([p.detach().double().flatten() for p in trainer.model.parameters()])
                true = gradients @ (after - before)
                errors.append(((measure(trainer, "realised").values - true).norm() / true.norm()).item())
            cells.append(f"{min(errors):.2g} to {max(errors):.2g}")
        lines.append(f"| {learning_rate:.0e} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines


def step_table(options: argparse.Namespace) -> list[str]:
    """Relative L2 errors by the length of the step, over that of the parameters, on one batch each."""
    cases = [(3, "task"), (16, "independent")]
    heads = [f"K = {count}, {kind}: {how}" for count, kind in cases for how in ("one-sided", "symmetric")]
    rows: dict[int, list[str]] = {power: [] for power in (-16, -18, -19, -20, -21, -22, -24)}
    kept = directional.PARAMETER_STEP, directional.LOG_PROB_STEP, directional.FAILURE
    for count, kind in cases:
        trainer = with_batch(build(options, count, kind, natural=True))
        true = in_float64(trainer, trainer._buffered_inputs, trainer._current().per_objective())
        true = true @ true.sum(dim=0)
        for power, row in rows.items():
            directional.PARAMETER_STEP, directional.LOG_PROB_STEP, directional.FAILURE = 2.0**power, 0.0, float("inf")
            for how in ("one-sided", "symmetric"):
                values = measure(trainer, f"directional, {how}").values
                row.append(f"{((values - true).norm() / true.norm()).item():.2%}")
    directional.PARAMETER_STEP, directional.LOG_PROB_STEP, directional.FAILURE = kept
    return [
        f"| step | {' | '.join(heads)} |",
        "|---|" + "---|" * len(heads),
        *(f"| 2^{power} | {' | '.join(row)} |" for power, row in rows.items()),
    ]
