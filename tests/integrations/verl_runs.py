"""Batches through verl's own trainer, queue and registry; it runs in an environment that has verl.

Its argument is a folder with table.json. What becomes of each run's batches stands there in a file by the run's name.
What verl would do on GPUs is left out: generation, and the workers that compute log-probabilities and train.
"""

import json
import math
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import ray
import torch
import transfer_queue as tq
from hydra import compose, initialize_config_module
from omegaconf import DictConfig
from tensordict import TensorDict
from torchdata.stateful_dataloader import StatefulDataLoader
from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics, AgentLoopOutput
from verl.trainer.ppo.padding_utils import upsample_batch_to_divisible_size
from verl.trainer.ppo.v1 import PPOTrainerSync, get_trainer_cls
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

HERE = Path(sys.argv[1])
TABLES = json.loads((HERE / "table.json").read_text())
REWARDS = "+paretune.rewards={first: [0, 1], second: [0, null]}"
EQUAL = ("+paretune.rule=fixed", "+paretune.options.weights=[0.5,0.5]", REWARDS)


class Workers:
    """In the place of the actor's workers, which keep what is theirs of a checkpoint."""

    def save_checkpoint(self, *_: Any, **__: Any) -> None: ...

    def load_checkpoint(self, *_: Any, **__: Any) -> None: ...


def configuration(name: str, *overrides: str) -> DictConfig:
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose(
            "ppo_trainer",
            [
                "algorithm.adv_estimator=grpo", "actor_rollout_ref.rollout.n=2", "transfer_queue.enable=true",
                "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
                f"trainer.default_local_dir={HERE / name}", *overrides,
            ],
        )  # fmt: skip


def trainer(name: str, *overrides: str, kind: type | None = None) -> Any:
    """The registry's trainer, or one of a kind, as it stands before its first step."""
    config = configuration(name, *overrides)
    made = (kind or get_trainer_cls(config.trainer.v1.trainer_mode))(config=config)
    made.total_training_steps = 3
    made.actor_rollout_wg = Workers()
    made.train_dataloader = StatefulDataLoader([0, 1, 2])
    made._load_checkpoint()
    return made


def generated(table: list[list[list[float]]]) -> tq.KVBatchMeta:
    """A batch as verl's agent loop puts it into the queue: the prompts' completions mixed, then two rows of padding.

    The first completion has an earlier output, as in an agent loop of two turns.
    """
    keys, fields, tags = [], [], []
    for completion in range(len(table[0])):
        for prompt, rewards in enumerate(table):
            first, second = rewards[completion]
            told = {"score": (first + second) / 2, "first": first, "second": second}
            for turn in range(2 if completion == prompt == 0 else 1):
                length = 2 + (3 * prompt + completion + turn) % 4
                output = AgentLoopOutput(
                    prompt_ids=[1, 2], response_ids=[3] * length, response_mask=[1] * length,
                    reward_score=told["score"], response_logprobs=[-1.0] * length, metrics=AgentLoopMetrics(),
                    num_turns=2, extra_fields={"reward_extra_info": told},
                ).as_dict()  # fmt: skip
                output.pop("metrics")
                sequence = torch.ones(2 + length, dtype=torch.int64)
                own = {"uid": f"prompt_{prompt}", "session_id": completion}
                places = sequence.cumsum(0) - 1
                fields.append({**output, **own, "input_ids": sequence, "position_ids": places})
                keys.append(f"prompt_{prompt}_{completion}_{turn}")
                tags.append({"status": "success", "prompt_len": 2, "response_len": length, "seq_len": 2 + length})
    partition = f"train_{uuid.uuid4().hex}"
    tq.kv_batch_put(keys=keys, partition_id=partition, fields=list_of_dict_to_tensordict(fields), tags=tags)
    batch = tq.KVBatchMeta(partition_id=partition, keys=keys, tags=tags)
    batch = upsample_batch_to_divisible_size(batch, len(keys) + 2, eos_token_id=0)
    mask = tq.kv_batch_get(keys=batch.keys, partition_id=partition, select_fields=["response_mask"])["response_mask"]
    policies = {"old_log_probs": mask * -1.0, "ref_log_prob": mask * -1.5}  # as verl's workers write them
    tq.kv_batch_put(keys=batch.keys, partition_id=partition, fields=TensorDict(policies, batch_size=len(batch)))
    return batch


def step(of: Any, table: list[list[list[float]]]) -> dict[str, Any]:
    """What one batch comes to: nested figures by row, and what verl would log."""
    of.global_steps += 1
    metrics: dict[str, Any] = {}
    batch = of._compute_advantage(generated(table), metrics)
    found = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id)
    rows = {name: [row.tolist() for row in found[name].unbind()] for name in ("advantages", "returns", "rm_scores")}
    tq.kv_clear(keys=batch.keys, partition_id=batch.partition_id)
    return {"keys": batch.keys, **rows, "metrics": metrics}


def run(name: str, tables: list[Any], *overrides: str, kind: type | None = None) -> None:
    """A training through all tables."""
    of = trainer(name, *overrides, kind=kind)
    (HERE / f"{name}.json").write_text(json.dumps([step(of, table) for table in tables]))


def resumed(name: str, *overrides: str, named: bool) -> None:
    """The last step of a training that stopped before it, and went on from a checkpoint, the latest or a named one."""
    stopped = trainer(name, *overrides)
    for table in TABLES[:2]:
        step(stopped, table)
    stopped._save_checkpoint()
    path = [f"trainer.resume_from_path={HERE / name / 'global_step_2'}"] if named else []
    mode = [f"trainer.resume_mode={'resume_path' if named else 'auto'}"]
    again = trainer(name, *overrides, *mode, *path)
    (HERE / f"{name}.json").write_text(json.dumps(step(again, TABLES[2])))


def refusal(*overrides: str) -> str | None:
    try:
        step(trainer("refused", *overrides), TABLES[0])
    except ValueError as error:
        return str(error)
    return None


os.chdir(HERE)
ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
tq.init(configuration("queue").transfer_queue)
finite = [[[[v if math.isfinite(v) else 0.25 for v in c] for c in p] for p in batch] for batch in TABLES]
VARIANTS = {
    "grpo": [],
    "unscaled": ["algorithm.norm_adv_by_std_in_grpo=false"],
    "rloo": ["algorithm.adv_estimator=rloo"],
    "kl": ["algorithm.use_kl_in_reward=true"],
}
for name, settings in VARIANTS.items():
    run(f"stock_{name}", finite, *settings, kind=PPOTrainerSync)
    run(f"none_{name}", finite, *settings)
    run(f"fixed_{name}", finite, *settings, *EQUAL)
for rule in ("nash", "tour", "gdpo"):
    run(rule, TABLES, f"+paretune.rule={rule}", REWARDS)
    resumed(f"{rule}_resumed", f"+paretune.rule={rule}", REWARDS, named=rule == "tour")
REFUSED = {
    "trainer_mode": ("trainer.v1.trainer_mode=colocate_async", *EQUAL),
    "adv_estimator": ("algorithm.adv_estimator=gae", *EQUAL),
    "rollout.n": ("actor_rollout_ref.rollout.n=1", *EQUAL),
    "filter_groups": ("algorithm.filter_groups.enable=true", *EQUAL),
    "third": ("+paretune.rule=nash", "+paretune.rewards={first: [0, 1], third: null}"),
    "use_kl_in_reward": ("+paretune.rule=gdpo", REWARDS, "algorithm.use_kl_in_reward=true"),
    "gradient": ("+paretune.rule=gradient", REWARDS),
    "nonsense": ("+paretune.rule=nonsense", REWARDS),
}  # fmt: skip
(HERE / "refusals.json").write_text(json.dumps({name: refusal(*given) for name, given in REFUSED.items()}))
tq.close()
ray.shutdown()
