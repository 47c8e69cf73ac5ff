"""Over thousands of steps memory, open files and the time of a step stay as they are.

STEPS=1000 python -m pytest tests/soak/test_leaks.py -m slow
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from paretune import (
    PAMA,
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
    ScheduledWeights,
)
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from paretune.weighting import WeightingRule
from policies import brief, digits, letters, prompts, saved_policy

STEPS = int(os.environ.get("STEPS", "5000"))
WARM = STEPS // 5
RULES: dict[str, Callable[[], WeightingRule]] = {
    "fixed": lambda: FixedWeights("balanced"),
    "scheduled": lambda: ScheduledWeights({0: (1.0, 0.0, 0.0), STEPS: (0.0, 0.5, 0.5)}),
    "hypervolume": lambda: HypervolumeGuided([0.4, 0.3, 0.3], evaluate_on="rollouts"),
    "directional": lambda: GradientInfluence(),
    "realised": lambda: GradientInfluence(method="realised"),
    "exact": lambda: GradientInfluence(method="exact"),
    "pama": lambda: PAMA(),
}
MOST_MEMORY = 32.0
"""MiB that a process may grow by after the warm-up: what the allocator makes of 4,000 steps."""


class Watch(TrainerCallback):
    """Memory, open files and time, step by step."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.memory: list[float] = []
        self.files: list[int] = []
        self.seconds: list[float] = []
        self._began = 0.0

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._began = time.process_time()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.seconds.append(time.process_time() - self._began)
        self.memory.append(self.process.memory_info().rss / 2**20)
        self.files.append(self.process.num_fds())


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_nothing_grows(rule: str, tmp_path: Path, note: Callable[..., None]) -> None:
    objectives = [
        Objective("digits", digits, bounds=(0, 1)),
        Objective("brief", brief, bounds=(0, 1)),
        Objective("letters", letters, bounds=(0, 8)),
    ]
    config = MultiObjectiveConfig(
        str(tmp_path / "run"), max_steps=STEPS, per_device_train_batch_size=8, num_generations=4, learning_rate=1e-4,
        max_completion_length=4, gradient_checkpointing=False, report_to=[], eval_strategy="steps",
        eval_steps=STEPS // 50, save_strategy="steps", save_steps=STEPS // 10, save_total_limit=2, disable_tqdm=True,
        seed=1,
    )  # fmt: skip
    model = saved_policy(tmp_path / "policy")
    trainer = MultiObjectiveTrainer(model, objectives, config, prompts(), prompts(4), weighting=RULES[rule]())
    watch = Watch()
    trainer.add_callback(watch)
    trainer.train()
    assert read_run(tmp_path / "run")["status"] == "finished"
    early, late = slice(WARM, WARM + STEPS // 5), slice(-STEPS // 5, None)
    grown = median(watch.memory[late]) - median(watch.memory[early])
    slower = median(watch.seconds[late]) / median(watch.seconds[early])
    steps = [len(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
    note(
        rule=rule,
        steps=STEPS,
        memory_mib=[round(watch.memory[i], 1) for i in (0, WARM, STEPS // 2, STEPS - 1)],
        files=sorted(set(watch.files[WARM:])),
        step_ratio=round(slower, 3),
        bytes_a_step=round(sum(steps) / len(steps)),
    )
    assert grown < MOST_MEMORY
    assert max(watch.files[WARM:]) - min(watch.files[WARM:]) <= 1  # a file that is just being written
    assert slower < 1.15
    assert len(read_steps(tmp_path / "run")) == STEPS
    assert max(steps) < 1.5 * median(steps)
    for archive in trainer.run_log.archives.values():
        assert len(archive.points) <= len(read_evaluations(tmp_path / "run"))
