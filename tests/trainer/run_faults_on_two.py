"""Run by test_reward_guard.py on each of two real processes: reward functions that fail on one of them."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.objectives import RewardError
from policies import digits, letters, prompts


def rank() -> int:
    return int(os.environ["RANK"])


def raises(completions: list[str], **_: Any) -> list[float]:
    if rank() == 1:
        raise ZeroDivisionError("no reward")
    return digits(completions)


def too_few(completions: list[str], **_: Any) -> list[float]:
    return digits(completions)[: 1 if rank() == 1 else None]


async def raises_async(completions: list[str], **_: Any) -> list[float]:
    return raises(completions)


def hangs(completions: list[str], **_: Any) -> list[float]:
    if rank() == 1:
        time.sleep(600)
    return digits(completions)


def raises_differently(**_: Any) -> list[float]:
    raise KeyError(rank())


def infinite(completions: list[str], **_: Any) -> list[float]:
    return [float("inf") if rank() == 1 and i == 2 else value for i, value in enumerate(digits(completions))]


class Observes:
    def __call__(self, completions: list[str], **_: Any) -> list[float]:
        return digits(completions)

    def observe(self, lengths: list[int]) -> None:
        raises([""] * len(lengths))


def trainer_of(model: str, directory: Path, reward: Callable[..., Any], **kwargs: Any) -> MultiObjectiveTrainer:
    config = MultiObjectiveConfig(
        str(directory), learning_rate=1e-2, max_steps=1, per_device_train_batch_size=4, num_generations=4,
        max_completion_length=4, gradient_checkpointing=False, report_to=[], save_strategy="no", disable_tqdm=True,
        per_device_eval_batch_size=2, reward_timeout=1.0 if reward is hangs else None,
    )  # fmt: skip
    objectives = [Objective("letters", letters), Objective("other", reward, **kwargs)]
    return MultiObjectiveTrainer(model, objectives, config, prompts(), prompts(4), weighting=FixedWeights([0.5, 0.5]))


def end_in_every_way(model: str, out: Path) -> None:
    cases: dict[str, Callable[[Path], Any]] = {
        "raises": lambda folder: trainer_of(model, folder, raises).train,
        "returns too few": lambda folder: trainer_of(model, folder, too_few).train,
        "async": lambda folder: trainer_of(model, folder, raises_async).train,
        "hangs": lambda folder: trainer_of(model, folder, hangs).train,
        "observes": lambda folder: trainer_of(model, folder, Observes()).train,
        "metric": lambda folder: trainer_of(model, folder, digits, metric=raises).evaluate,
        "both": lambda folder: trainer_of(model, folder, raises_differently).train,
    }
    outcomes: dict[str, Any] = {}
    for i, (case, make) in enumerate(cases.items()):
        start = make(out / str(i))
        started = time.monotonic()
        try:
            start()
        except RewardError as error:
            cause = type(error.__cause__).__name__
            outcomes[case] = {"line": str(error), "cause": cause, "seconds": time.monotonic() - started}
    trainer = trainer_of(model, out / "infinite", infinite)
    trainer.train()
    parameters = [float(p.sum()) for p in trainer.model.parameters()]
    uncounted = trainer._current().uncounted
    outcomes["infinite"] = {"uncounted": uncounted, "weights": trainer.weights, "parameters": parameters}
    (out / f"rank-{rank()}.json").write_text(json.dumps(outcomes))
