"""Rules in verl's V1 trainer: a plugin that verl loads by itself, at work where the configuration has ``paretune``."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
import transfer_queue
from omegaconf import OmegaConf
from tensordict import TensorDict
from torch import Tensor
from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

from paretune.integrations.core import Weigher
from paretune.objectives.reward_values import countable
from paretune.weighting import RULES


class WeighsRewards:
    """Mixed into a trainer of verl: a rule weighs what the reward function returns beside its score.

    The weighted sum comes in the place of the score, before verl makes its advantages. A rule that is no weighted sum
    hands over advantages, which come in the place of verl's. Without ``paretune`` in the configuration all is verl's.

    Args:
        config: verl's configuration. ``paretune.rule`` is a rule's name, ``paretune.options`` are its settings, and
            ``paretune.rewards`` has the rewards' names, each with its (low, high), or null where there is none.

    Raises:
        ValueError: if the rule does not fit the rewards or verl's settings.

    Attributes:
        weigher: the rule at work; None where none is asked for.
    """

    config: Any
    global_steps: int
    total_training_steps: int

    def __init__(self, config: Any) -> None:
        self.weigher = _weigher(config) if config.get("paretune") else None
        super().__init__(config)  # type: ignore[call-arg]

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        if self.weigher is None:
            return super()._compute_advantage(batch, metrics)  # type: ignore[misc]
        sessions, num_generations = _sessions(batch)
        found = _read(batch, "extra_fields", "response_mask", "rm_scores")
        rewards = _rewards(list(found["extra_fields"]), self.weigher.names)
        final = [rows[-1] for rows in sessions]
        weights = self.weigher.weigh(
            rewards[final],
            num_generations=num_generations,
            lengths=torch.stack([mask.sum() for mask in found["response_mask"].unbind()])[final],
            step=self.global_steps - 1,
            max_steps=self.total_training_steps,
            learning_rate=self.config.actor_rollout_ref.actor.optim.lr,
        )
        metrics.update(self.weigher.figures())
        sums = (countable(rewards).double() * weights.double()).nansum(dim=1).tolist()
        scores = [torch.zeros_like(row) for row in found["rm_scores"].unbind()]  # padding keeps them
        for row in (row for rows in sessions for row in rows):
            scores[row][-1] = sums[row]
        _write(batch, rm_scores=scores)
        batch = super()._compute_advantage(batch, metrics)  # type: ignore[misc]
        own = self.weigher.advantages()
        if own is not None:
            if self.config.algorithm.use_kl_in_reward:
                raise ValueError(f"{self.weigher.rule!r} makes advantages, which `use_kl_in_reward` would not reach.")
            of_row = {row: value for value, rows in zip(own.tolist(), sessions, strict=True) for row in rows}
            masks = _read(batch, "response_mask")["response_mask"].unbind()
            made = [of_row.get(row, 0.0) * mask.float() for row, mask in enumerate(masks)]
            _write(batch, advantages=made, returns=made)
        return batch

    def _save_checkpoint(self) -> None:
        if self.weigher is not None:  # first, since verl's last word makes the checkpoint count
            self._folder().mkdir(parents=True, exist_ok=True)
            self.weigher.save(self._folder())
        super()._save_checkpoint()  # type: ignore[misc]

    def _load_checkpoint(self) -> None:
        super()._load_checkpoint()  # type: ignore[misc]
        if self.weigher is not None and self.global_steps > 0:
            named = self.config.trainer.resume_mode == "resume_path"
            self.weigher.load(self.config.trainer.resume_from_path if named else self._folder())

    def _folder(self) -> Path:
        return Path(self.config.trainer.default_local_dir) / f"global_step_{self.global_steps}"


def _weigher(config: Any) -> Weigher:
    """The rule at work that a configuration asks for."""
    asked, algorithm = OmegaConf.to_container(config.paretune, resolve=True), config.algorithm
    rule, rewards = asked.get("rule"), asked.get("rewards") or {}
    if rule not in RULES:
        raise ValueError(f"`paretune.rule={rule}` is unknown: take one of {', '.join(RULES)}.")
    mode, generations = config.trainer.v1.trainer_mode, config.actor_rollout_ref.rollout.n
    refused = {
        f"trainer.v1.trainer_mode={mode}": mode != "sync",
        f"algorithm.adv_estimator={algorithm.adv_estimator}": algorithm.adv_estimator not in ("grpo", "rloo"),
        f"actor_rollout_ref.rollout.n={generations}": generations < 2,
        "algorithm.filter_groups.enable=true": (algorithm.get("filter_groups") or {}).get("enable", False),
    }
    for setting in (setting for setting, given in refused.items() if given):
        raise ValueError(f"`{setting}` does not go with `paretune.rule={rule}`: change it, or leave the rule out.")
    return Weigher(
        RULES[rule](**(asked.get("options") or {})),
        list(rewards),
        {name: bounds for name, bounds in rewards.items() if bounds is not None},
        estimator=algorithm.adv_estimator,
        scale="group" if algorithm.get("norm_adv_by_std_in_grpo", True) else "none",
    )


def _sessions(batch: Any) -> tuple[list[list[int]], int]:
    """The rows of each completion's outputs, prompt by prompt and without padding; and completions per prompt."""
    prompts: dict[str, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for row, (key, tag) in enumerate(zip(batch.keys, batch.tags, strict=True)):
        if not tag.get("is_padding", False):
            uid, session, output = key.rsplit("_", 2)
            prompts[uid][session].append((int(output), row))
    counts = {len(sessions) for sessions in prompts.values()}
    if len(counts) != 1:
        raise ValueError(f"Prompts have {min(counts)} to {max(counts)} completions: a rule needs as many for each.")
    outputs = [sorted(found) for sessions in prompts.values() for found in sessions.values()]
    return [[row for _, row in rows] for rows in outputs], counts.pop()


def _rewards(extra_fields: list[dict[str, Any]], names: list[str]) -> Tensor:
    """The single rewards ``[B, K]``, NaN for None."""
    told = [fields.get("reward_extra_info", {}) for fields in extra_fields]
    for name in (name for name in names if any(name not in rewards for rewards in told)):
        raise ValueError(f"The reward function returns no {name!r}: let it return a dict of 'score' and {names}.")
    values = [[torch.nan if rewards[name] is None else rewards[name] for name in names] for rewards in told]
    return torch.tensor(values, dtype=torch.float32)


def _read(batch: Any, *fields: str) -> Any:
    return transfer_queue.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=list(fields))


def _write(batch: Any, **fields: list[Tensor]) -> None:
    rows = {name: torch.nested.as_nested_tensor(found, layout=torch.jagged) for name, found in fields.items()}
    transfer_queue.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=TensorDict(rows, len(batch)))


for _mode, _trainer in list(TRAINER_REGISTRY.items()):
    TRAINER_REGISTRY[_mode] = type(_trainer.__name__, (WeighsRewards, _trainer), {})
