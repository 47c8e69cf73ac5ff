"""Run by test_two_processes.py on each of two real processes: trains, and leaves what came out in a folder a job.

Jobs follow one another in the same pair of processes.
"""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from trl import GRPOConfig, GRPOTrainer

from paretune import (
    PCD,
    FixedWeights,
    GradientInfluence,
    GramianRule,
    Lagrangian,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
    ScheduledWeights,
)
from paretune.advantages import ESTIMATORS
from paretune.objectives import Conciseness, completion_length
from paretune.weighting import RULES as registered  # noqa: N811
from paretune.weighting import Batch, InfluenceRequest, Measurements, Scalarization, WeightingRule
from policies import StopAfter, brief, digits, letters, prompts

WEIGHTS = [0.5, 0.3, 0.2]
RULES: dict[str, Callable[[], WeightingRule]] = {
    **registered,
    "scheduled": lambda: ScheduledWeights({0: [1.0, 0.0], 4: [0.5, 0.5]}),
    "gradient": lambda: GradientInfluence(mu=1e-2),
    "realised": lambda: GradientInfluence(mu=1e-2, method="realised"),
    "exact": lambda: GradientInfluence(mu=1e-2, method="exact"),
    "crossed": lambda: GradientInfluence(mu=1e-2, method="crossed"),
    "gramian": lambda: GramianRule("pcgrad", halves=True),
    "lagrangian": lambda: Lagrangian("digits", at_most={"conciseness": 4.0}),
    "pcd": lambda: PCD("digits"),
}


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


def state(
    model: str, out: Path, rule: Any, *, stop: int | None = None, resume: bool = False, **kwargs: Any
) -> MultiObjectiveTrainer:
    objectives = [
        Objective("digits", digits, bounds=(0, 1)),
        Objective("conciseness", Conciseness(), metric=completion_length, maximize=False, bounds=(0, 10)),
    ]
    config = MultiObjectiveConfig(
        **settings(out / "run", per_device_eval_batch_size=3, **kwargs),
        eval_samples=7,
        eval_strategy="steps",
        eval_steps=1,
    )
    trainer = MultiObjectiveTrainer(model, objectives, config, prompts(), prompts(8), weighting=rule)
    if stop is not None:
        trainer.add_callback(StopAfter(stop))
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def resumed(model: str, out: Path, name: str, estimator: str) -> None:
    """A run that is never stopped, and one that is stopped and resumed; the parameters of both."""
    rank = int(os.environ["RANK"])
    told = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "advantage_estimator": estimator}
    rule, name = RULES[name], f"{name}-{estimator}"
    whole = state(model, out / f"{name}-whole", rule(), **told)
    state(model, out / f"{name}-halves", rule(), stop=3, **told)
    halves = state(model, out / f"{name}-halves", rule(), resume=True, **told)
    for which, trainer in (("whole", whole), ("halves", halves)):
        kept = [p.detach() for p in trainer.model.parameters()]
        torch.save([kept, trainer.optimizer.state_dict()], out / f"{name}-{which}-{rank}.pt")
        (out / f"{name}-{which}-{rank}.json").write_text(json.dumps(trainer._state(), sort_keys=True))


def signalled(model: str, out: Path) -> None:
    """A signal that reaches the second process alone, in the reward of the second batch."""
    rank, calls = int(os.environ["RANK"]), 0

    def signalling(completions: list[str], **_: Any) -> list[float]:
        nonlocal calls
        calls += 1
        if rank == 1 and calls == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return digits(completions)

    config = MultiObjectiveConfig(**settings(out / "run", max_steps=6))
    trainer = MultiObjectiveTrainer(model, [signalling], config, prompts(), weighting=FixedWeights([1.0]))
    try:
        trainer.train()
    except KeyboardInterrupt:
        (out / f"ended-{rank}.json").write_text(json.dumps(trainer.state.global_step))


def job_of(job: str, model: str, out: Path) -> None:
    """Do one job; its results go to a folder of its name."""
    out.mkdir(exist_ok=True)
    if job in ESTIMATORS:
        for name in RULES:
            resumed(model, out, name, job)
        return
    if job == "dial":
        # The initial policy answers greedily: how many processes there are makes no difference to it.
        state(model, out, RULES["steerable"](), max_steps=1, eval_on_start=True, dial_steps=2)
        return
    if job == "signalled":
        signalled(model, out)
        return
    parities = {"stock": None, "on rewards": FixedWeights, "through influence": FixedThroughInfluence}
    trainer = parity(model, out, parities[job]) if job in parities else state(model, out, RULES[job]())
    rank = trainer.accelerator.process_index
    torch.save([p.detach() for p in trainer.model.parameters()], out / f"parameters-{rank}.pt")
    if isinstance(trainer, MultiObjectiveTrainer):
        state_of_rank = {**trainer._state(), "weights_in_use": trainer.weights}
        (out / f"state-{rank}.json").write_text(json.dumps(state_of_rank, sort_keys=True))


def do(model: str, out: Path, *jobs: str) -> None:
    """Do some jobs, one after the other."""
    for job in jobs:
        job_of(job, model, out / job)
