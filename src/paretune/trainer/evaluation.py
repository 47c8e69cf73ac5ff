"""Evaluating a policy: every objective's metric, pooled over completions and processes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset, IterableDataset
from torch import Tensor
from transformers import GenerationConfig
from trl import GRPOTrainer

from paretune.objectives import Objective
from paretune.trainer.reward_guard import RewardGuard
from paretune.weighting import Evaluation
from paretune.weighting.pooling import pooled

ROW = "paretune_row"
"""Column that numbers the evaluation prompts; it never reaches a reward function."""


def first_rows(dataset: Dataset | IterableDataset, limit: int | None) -> Dataset | IterableDataset:
    """The first `limit` rows; all of them without one."""
    return dataset if limit is None else dataset.take(limit)


def with_row_numbers(dataset: Dataset | IterableDataset, limit: int | None) -> Dataset | IterableDataset:
    """The first `limit` rows, numbered in the column :data:`ROW`."""
    first = first_rows(dataset, limit)
    if isinstance(first, IterableDataset):
        return first.map(lambda row, i: {**row, ROW: i}, with_indices=True)
    return first.add_column(ROW, list(range(len(first))))


class MetricPool:
    """Metrics of completions as they come in, on this process.

    Args:
        generations: completions per prompt; what a data loader adds beyond them to fill its last batch is dropped.
    """

    def __init__(self, generations: int) -> None:
        self._generations = generations
        self._rows: list[tuple[int, list[float]]] = []

    def add(self, rows: Sequence[int], metrics: Tensor) -> None:
        """Add completions of the prompts `rows` with their metrics ``[B, K]`` (NaN: does not apply)."""
        self._rows.extend(zip(rows, metrics.tolist(), strict=True))

    def evaluation(self, step: int) -> Evaluation:
        """The pooled result over all processes (:func:`paretune.weighting.pooling.pooled`)."""
        by_prompt: dict[int, list[list[float]]] = defaultdict(list)
        for row, metrics in sorted(gather_object(self._rows), key=lambda entry: entry[0]):
            if len(by_prompt[row]) < self._generations:
                by_prompt[row].append(metrics)
        return pooled(by_prompt.values(), step)


def evaluation_temperature(trainer: GRPOTrainer, eval_temperature: float | None) -> float:
    """At which temperature evaluations sample, 0 where they are greedy; without one of their own, at training's."""
    if eval_temperature is not None:
        return eval_temperature
    told = {"do_sample": True, "temperature": trainer.temperature, **(trainer.args.generation_kwargs or {})}
    return float(told["temperature"]) if told["do_sample"] else 0.0


@contextmanager
def generating_at(trainer: GRPOTrainer, temperature: float) -> Iterator[None]:
    """Let the trainer generate at another temperature (0: greedy), in whatever way it generates."""
    if trainer.use_vllm:
        saved = trainer.vllm_generation.temperature
        trainer.vllm_generation.temperature = temperature
        try:
            yield
        finally:
            trainer.vllm_generation.temperature = saved
        return
    saved_config, saved_kwargs = trainer.generation_config, trainer.generation_kwargs
    greedy = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None, "min_p": None}
    sampled = {"do_sample": True, "temperature": temperature}
    trainer.generation_kwargs = {**saved_kwargs, **(sampled if temperature > 0 else greedy)}
    trainer.generation_config = GenerationConfig(**trainer.generation_kwargs, disable_compile=True)
    try:
        yield
    finally:
        trainer.generation_config, trainer.generation_kwargs = saved_config, saved_kwargs


def metrics_of(
    objectives: Sequence[Objective], rewards: Tensor, keywords: Mapping[str, Any], guard: RewardGuard
) -> Tensor:
    """Every objective's metric of some completions.

    Args:
        objectives: the K objectives.
        rewards: ``[B, K]`` of these completions, which are the metric of an objective that has no other.
        keywords: what the reward functions were called with.
        guard: calls the metrics.

    Returns:
        ``[B, K]`` float64 on the CPU, NaN where a metric does not apply or does not count.

    Raises:
        RewardError: if a metric misbehaves, unless there are several processes, which have to agree first.
    """
    # What a reward function logs through these stands in the log already.
    silent = {"log_extra": lambda *_: None, "log_metric": lambda *_: None}
    columns = [
        rewards[:, k].cpu().double()
        if objective.metric is None
        else guard.metric(objective, {**keywords, **silent}, len(rewards))
        for k, objective in enumerate(objectives)
    ]
    return torch.stack(columns, dim=1)
