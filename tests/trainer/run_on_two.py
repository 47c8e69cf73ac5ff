"""Run by test_two_processes.py on each of two real processes: trains, and leaves what came out in a folder."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from trl import GRPOConfig, GRPOTrainer

from paretune import (
    PAMA,
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
)
from paretune.objectives import Conciseness, completion_length
from paretune.weighting import Batch, InfluenceRequest, Measurements, Scalarization
from policies import brief, digits, letters, prompts

WEIGHTS = [0.5, 0.3, 0.2]


class FixedThroughInfluence(FixedWeights):
    def measurements(self) -> Measurements:
        return Measurements(influence=InfluenceRequest())

    def update(self, batch: Batch) -> Scalarization:
        assert batch.influence is not None
        return super().update(batch)


def settings(directory: Path, **kwargs: Any) -> dict[str, Any]:
    return {
        "output_dir": str(directory),
        "use_cpu": True,
        "bf16": False,
        "learning_rate": 1e-2,
        "max_steps": 3,
        "per_device_train_batch_size": 4,
        "num_generations": 4,
        "max_completion_length": 10,
        "gradient_checkpointing": False,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        **kwargs,
    }


def parity(model: str, out: Path, rule: type[FixedWeights] | None) -> GRPOTrainer:
    rewards = [digits, brief, letters]
    if rule is None:
        trainer = GRPOTrainer(model, rewards, GRPOConfig(**settings(out / "run"), reward_weights=WEIGHTS), prompts())
    else:
        config = MultiObjectiveConfig(**settings(out / "run"))
        trainer = MultiObjectiveTrainer(model, rewards, config, prompts(), weighting=rule(WEIGHTS))
    trainer.train()
    return trainer


def state(model: str, out: Path, rule: Any) -> MultiObjectiveTrainer:
    objectives = [
        Objective("digits", digits, bounds=(0, 1)),
        Objective("conciseness", Conciseness(), metric=completion_length, maximize=False, bounds=(0, 10)),
    ]
    config = MultiObjectiveConfig(
        **settings(out / "run", per_device_eval_batch_size=3), eval_samples=7, eval_strategy="steps", eval_steps=1
    )
    trainer = MultiObjectiveTrainer(model, objectives, config, prompts(), prompts(8), weighting=rule)
    trainer.train()
    return trainer


def main() -> None:
    job, model, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    jobs = {
        "stock": lambda: parity(model, out, None),
        "fixed": lambda: parity(model, out, FixedWeights),
        "influence": lambda: parity(model, out, FixedThroughInfluence),
        "gradient": lambda: state(model, out, GradientInfluence(mu=1e-2)),
        "hypervolume": lambda: state(model, out, HypervolumeGuided([0.5, 0.5])),
        "pama": lambda: state(model, out, PAMA()),
    }
    trainer = jobs[job]()
    rank = trainer.accelerator.process_index
    torch.save([p.detach() for p in trainer.model.parameters()], out / f"parameters-{rank}.pt")
    if isinstance(trainer, MultiObjectiveTrainer):
        state_of_rank = {**trainer._state(), "weights_in_use": trainer.weights}
        (out / f"state-{rank}.json").write_text(json.dumps(state_of_rank, sort_keys=True))


if __name__ == "__main__":
    main()
