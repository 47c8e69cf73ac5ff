"""How the cheaper estimators of influence rank the objectives against the exact one, over whole runs on arithmetic.

    python benchmarks/agreement.py

Every batch of a run that the directional influence steers is also measured exactly, as the released code does (each
objective's gradient over the whole model clipped to norm 1, then the middle blocks), and by what the update realised.
The weights that each would have made are those of GradientInfluence, fed with its influences and learning rates.
"""

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import transformers
from measuring import machine, write_block
from torch import Tensor

from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer, tasks
from paretune.influence import Influence
from paretune.trainer.influence_meter import InfluenceMeter
from paretune.weighting import Batch, InfluenceRequest

REQUESTS = {
    "exact": InfluenceRequest(method="exact"),
    "released": InfluenceRequest(method="exact", layers="middle", clip_norm=1.0),
    "realised": InfluenceRequest(method="realised"),
}
RESULTS = Path(__file__).parent / "results" / "agreement.jsonl"


class AllMeters(InfluenceMeter):
    """The directional influence, with the others measured beside it."""

    def __init__(self, trainer: "AgreementTrainer", request: InfluenceRequest) -> None:
        super().__init__(trainer, request)
        self.others = {name: InfluenceMeter(trainer, wanted) for name, wanted in REQUESTS.items()}
        self.rows: list[dict[str, Any]] = []
        self.noting = False

    @property
    def after_the_update(self) -> bool:
        """Whether the trainer is to note its forward passes."""
        return self.noting

    def before_update(self, micro_batches: list[Any], advantages: Tensor) -> Influence:
        influence = super().before_update(micro_batches, advantages)
        row = {"directional": influence.values.tolist(), "difference": influence.difference}
        for name in ("exact", "released"):
            row[name] = self.others[name].before_update(micro_batches, advantages).values.tolist()
        self.rows.append({**row, "learning_rate": self._trainer._get_learning_rate()})
        return influence

    def begin_batch(self, micro_batches: list[Any]) -> None:
        self.others["realised"].begin_batch(micro_batches)

    def note_pass(self, *args: Any) -> None:
        self.others["realised"].note_pass(*args)

    def read_update(self, micro_batches: list[Any], advantages: Tensor) -> None:
        influence = self.others["realised"].after_update(micro_batches, advantages)
        assert influence is not None
        self.rows[-1]["realised"] = influence.values.tolist()


class AgreementTrainer(MultiObjectiveTrainer):
    """Steered by the directional influence; keeps the forward passes that the realised one needs, too."""

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        if self.model.training and self._buffered_inputs is not None:
            self._meter.read_update(self._buffered_inputs, self._current().per_objective())
        return super()._prepare_inputs(generation_batch)

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self._meter.noting = True
        try:
            return super().compute_loss(model, inputs, *args, **kwargs)
        finally:
            self._meter.noting = False


def run(seed: int, steps: int) -> list[dict[str, Any]]:
    """One run on arithmetic with its default settings."""
    task = tasks.load("arithmetic")
    config = MultiObjectiveConfig(
        tempfile.mkdtemp(),
        **{**task.settings, "seed": seed, "max_steps": steps, "eval_strategy": "no", "eval_on_start": False},
        save_strategy="no", report_to=[], disable_tqdm=True,
    )  # fmt: skip
    rule = GradientInfluence(task.mu)
    trainer = AgreementTrainer(task.model, task.objectives, config, task.train, weighting=rule)
    trainer._meter = AllMeters(trainer, rule.request)
    trainer.train()
    trainer._meter.read_update(trainer._buffered_inputs, trainer._current().per_objective())
    return [{"seed": seed, "batch": i + 1, **row} for i, row in enumerate(trainer._meter.rows)]


def path(rows: list[dict[str, Any]], name: str, mu: float | None) -> list[float]:
    """Where the weights end if this estimator moves them."""
    method = "realised" if name == "realised" else "exact"
    rule = GradientInfluence(mu, method=method)
    weights = torch.empty(0)
    for row in rows:
        influence = torch.tensor(row[name], dtype=torch.float64)
        none = torch.zeros(4, len(influence))
        batch = Batch(
            [str(k) for k in range(len(influence))], none, none, none[:, 0], 2, row["learning_rate"], 0,
            influence=influence, influence_method=method,
        )  # fmt: skip
        weights = rule.update(batch).weights
    return weights.tolist()


def table(rows: list[dict[str, Any]], names: list[str], mu: float | None) -> list[str]:
    """Agreement with the exact influence, and the weights that follow."""
    seeds = sorted({row["seed"] for row in rows})
    exact = torch.tensor([row["exact"] for row in rows], dtype=torch.float64)
    lines = [
        f"| estimator | cosine to exact (worst) | signs: {', '.join(names)} | largest is the same | "
        "final weights, seed by seed |",
        "|---|---|---|---|---|",
    ]
    for name in ("exact", "directional", "released", "realised"):
        values = torch.tensor([row[name] for row in rows], dtype=torch.float64)
        cosine = torch.cosine_similarity(values, exact, dim=1)
        signs = (values.sign() == exact.sign()).double().mean(dim=0).tolist()
        largest = (values.argmax(dim=1) == exact.argmax(dim=1)).double().mean()
        own_mu = {"released": 1e-4, "realised": None}.get(name, mu)
        ends = [path([row for row in rows if row["seed"] == seed], name, own_mu) for seed in seeds]
        weights = "; ".join(" ".join(f"{w:.2f}" for w in end) for end in ends)
        lines.append(
            f"| {name} | {cosine.mean():.3f} ({cosine.min():.2f}) | {', '.join(f'{s:.0%}' for s in signs)} "
            f"| {largest:.0%} | {weights} |"
        )
    symmetric = mean(row["difference"] == "symmetric" for row in rows)
    return [*lines, "", f"{symmetric:.0%} of the directional measurements were symmetric."]


def main() -> None:
    """Run the seeds that have not been run yet, keep every influence, and write the table of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs" / "performance.md")
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.touch()
    for seed in options.seeds:
        if not any(row["seed"] == seed for row in kept()):
            lines = "".join(json.dumps(row) + "\n" for row in run(seed, options.steps))
            with RESULTS.open("a") as results:
                results.write(lines)
            print(f"seed {seed} done", flush=True)
    rows = sorted(kept(), key=lambda row: (row["seed"], row["batch"]))
    task = tasks.load("arithmetic")
    names = [objective.name for objective in task.objectives]
    head = f"{len({row['seed'] for row in rows})} runs on arithmetic, {len(rows)} measurements of each kind."
    write_block(options.output, "agreement", [head, "", *table(rows, names, task.mu), "", machine()])


def kept() -> list[dict[str, Any]]:
    """What has been measured so far."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()]


if __name__ == "__main__":
    main()
