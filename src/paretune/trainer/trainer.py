"""The TRL trainer whose reward weights move.

This module and :mod:`paretune.trainer.policy_loss` are the only ones that know TRL's private methods.
"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import broadcast
from torch import Tensor, nn
from transformers.trainer_utils import get_last_checkpoint
from trl import GRPOConfig, GRPOTrainer

from paretune.advantages import estimate, normalize_then_sum, per_objective, sum_rewards
from paretune.influence import Influence, exact_influence, select_parameters
from paretune.objectives import Objective, apply_gates, check_objectives
from paretune.trainer.checkpoints import load_state, rotate, save_state
from paretune.trainer.config import MultiObjectiveConfig
from paretune.trainer.evaluation import (
    ROW,
    MetricPool,
    as_metric_column,
    generating_at,
    own_random_state,
    with_row_numbers,
)
from paretune.trainer.policy_loss import GRPOPolicyLoss
from paretune.trainer.run_log import RunLog, RunLogCallback, environment, evaluation_state, objective_record
from paretune.trainer.step_scale import StepScale
from paretune.weighting import (
    Batch,
    Evaluation,
    InfluenceRequest,
    Measurements,
    Scalarization,
    WeightingRule,
)

RewardFunction = Callable[..., Any] | nn.Module | str


@dataclass
class Rollouts:
    """The scored completions of the current batch, gathered over processes.

    rewards ``[N, K]`` (NaN: does not apply); lengths ``[N]`` in tokens; loss_lengths ``[N]``, those the loss counts.
    """

    rewards: Tensor
    lengths: Tensor
    loss_lengths: Tensor


class MultiObjectiveTrainer(GRPOTrainer):
    """``trl.GRPOTrainer`` with a rule that sets the reward weights anew in every generation batch.

    All of ``GRPOTrainer``'s arguments keep their positions and meaning. A rule that needs no gradients sets
    ``reward_weights`` before TRL computes the advantages, so with fixed weights training is TRL's, bit for bit. A
    rule that needs influence sees the batch as TRL built it; its advantages are then replaced.

    The run's record (run.json, steps.jsonl, evaluations.jsonl, pareto.json) is written to ``args.output_dir``.

    Args:
        model: as in TRL.
        objectives: the objectives; plain TRL reward functions, reward models or their paths are taken as
            objectives whose metric is their reward.
        args: a :class:`MultiObjectiveConfig`, or a plain ``trl.GRPOConfig``.
        train_dataset: as in TRL.
        eval_dataset: where the metrics are measured. Of several (a dict), the first feeds the Pareto archive.
        *positional: TRL's further arguments (``processing_class``, …), in TRL's order.
        weighting: the rule.
        reward_funcs: another name for `objectives`, as in TRL.
        task: a name for run.json.
        **keywords: TRL's further arguments.

    Raises:
        ValueError: if the rule does not fit the objectives or the training settings.
    """

    reward_func_names: list[str]
    _tag_names = ["trl", "grpo", "paretune"]  # noqa: RUF012 (TRL's attribute)

    def __init__(
        self,
        model: Any,
        objectives: Sequence[Objective | RewardFunction] | Objective | RewardFunction | None = None,
        args: GRPOConfig | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        *positional: Any,
        weighting: WeightingRule,
        reward_funcs: Sequence[RewardFunction] | RewardFunction | None = None,
        task: str | None = None,
        **keywords: Any,
    ) -> None:
        if args is None:
            name = model if isinstance(model, str) else model.config._name_or_path
            args = MultiObjectiveConfig(f"{name.split('/')[-1]}-paretune")
        args = MultiObjectiveConfig.from_grpo(args)
        if args.reward_weights is not None:
            raise ValueError(
                f"`reward_weights`={args.reward_weights} is set, but the weights are the rule's: leave it out and "
                "give weighting=FixedWeights([...]) or another rule."
            )
        self.objectives = _as_objectives(objectives if objectives is not None else reward_funcs)
        self.weighting = weighting
        self.task = task
        if keywords.get("environment_factory") is None:
            weighting.check(self.objectives)
        super().__init__(
            model, [o.reward for o in self.objectives], args, train_dataset, eval_dataset, *positional, **keywords
        )
        # An environment may bring rewards of its own, which TRL appends.
        for name, reward in list(zip(self.reward_func_names, self.reward_funcs, strict=True))[len(self.objectives) :]:
            self.objectives.append(Objective(name, reward))
        weighting.check(self.objectives)
        self.reward_func_names = [o.name for o in self.objectives]
        self._check_rule()

        self._wanted = Measurements()
        self._rollouts: Rollouts | None = None
        self._influence: Influence | None = None
        self._scalarization: Scalarization | None = None
        self._latest: Evaluation | None = None  # of the policy, whoever asked for it
        self._evaluation: Evaluation | None = None  # the rule's latest
        self._pool: MetricPool | None = None
        self._purpose: str | None = None
        self._rows: list[int] = []
        self._batch = 0
        self._tokens = 0
        writes = self.accelerator.is_main_process
        self.run_log = RunLog(self.objectives, args.output_dir if writes else None)
        self._step_scale = StepScale(measure=type(weighting).scales_updates and not self._is_sharded)
        self.add_callback(self._step_scale)
        self.add_callback(RunLogCallback(self.run_log, lambda: self._step_scale.update_norm))

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the latest batch, by objective; empty before the first."""
        if self._scalarization is None:
            return {}
        return dict(zip(self.reward_func_names, self._scalarization.weights.tolist(), strict=True))

    @property
    def _is_sharded(self) -> bool:
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def _check_rule(self) -> None:
        wanted = self.weighting.measurements()
        if wanted.evaluation == "validation" and self.eval_dataset is None:
            raise ValueError(f"{self.weighting!r} evaluates the policy: give an `eval_dataset`.")
        if wanted.influence is not None:
            if self._is_sharded:
                raise ValueError(
                    "Influence is not measured under FSDP or DeepSpeed: use DDP, or a rule that needs no gradients."
                )
            self._selected(wanted.influence)
        caution = self.weighting.caution(
            estimator=self.args.advantage_estimator,
            scale_rewards=self.scale_rewards,
            aggregation=self.multi_objective_aggregation,
            max_grad_norm=self.args.max_grad_norm or 0.0,
        )
        if caution:
            warnings.warn(caution, stacklevel=3)

    # --- one generation batch -----------------------------------------------------------------------------

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        generate_every = self.args.steps_per_generation * self.num_iterations
        begins = self._step % generate_every == 0 or self._buffered_inputs is None
        if not (self.model.training and begins):
            return super()._prepare_inputs(generation_batch)
        started = time.perf_counter()
        self._wanted = self.weighting.measurements()
        self._influence = None
        if self._wanted.evaluation == "validation":
            self._evaluate_for_rule()
        evaluated = time.perf_counter()
        inputs = super()._prepare_inputs(generation_batch)
        generated = time.perf_counter()
        if self._wanted.influence is not None:
            self._influence = self._measure_influence(self._wanted.influence)
        measured = time.perf_counter()
        if not self._decides_before_advantages:
            self._decide()
        self._replace_advantages()
        self._batch += 1
        seconds = {
            "evaluation": evaluated - started,
            "generation": generated - evaluated,
            "influence": measured - generated,
        }
        self._note_batch(seconds, started)
        return inputs

    @property
    def _decides_before_advantages(self) -> bool:
        """Whether the rule can set TRL's reward weights and let TRL compute the advantages from them."""
        plain = self.args.advantage_estimator == "grpo" and self.args.combine == "rewards"
        return plain and self._wanted.influence is None

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if not self.model.training:
            self._rows = [row.get(ROW, i) for i, row in enumerate(inputs)]
            inputs = [{key: value for key, value in row.items() if key != ROW} for row in inputs]
            return cast(dict[str, Any], super()._generate_and_score_completions(inputs))
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        mask = output["completion_mask"] * output.get("tool_mask", 1)
        if self._rollouts is not None:
            self._rollouts.loss_lengths = self.accelerator.gather(mask.sum(dim=1))
        # Tells each row's sample after TRL's shuffle and split.
        output["sample_index"] = torch.arange(len(inputs), device=output["advantages"].device)
        return output

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: list[list[int]]
    ) -> Tensor:
        own = torch.tensor([len(ids) for ids in completion_ids_list], device=self.accelerator.device)
        lengths = self.accelerator.gather(own)
        self._tokens += int(lengths.sum())
        if self.model.training:
            for objective in self.objectives:
                objective.observe(lengths.tolist())
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        rewards = apply_gates(rewards, self.objectives)
        first = self.accelerator.process_index * len(prompts)
        own_rewards = rewards[first : first + len(prompts)]
        if not self.model.training:
            if self._pool is not None:
                metrics = self._metrics_of(own_rewards, inputs, prompts, completions, completion_ids_list)
                self._pool.add(self._rows, metrics)
            return rewards
        if self._wanted.evaluation == "rollouts":
            pool = MetricPool(self.num_generations)
            metrics = self._metrics_of(own_rewards, inputs, prompts, completions, completion_ids_list)
            pool.add([(first + i) // self.num_generations for i in range(len(prompts))], metrics)
            self._set_rule_evaluation(pool.evaluation(self.state.global_step))
        self._rollouts = Rollouts(rewards=rewards, lengths=lengths, loss_lengths=lengths)
        if self._decides_before_advantages:
            self._decide()
        return rewards

    def _metrics_of(
        self, rewards: Tensor, inputs: Any, prompts: Any, completions: Any, completion_ids: list[list[int]]
    ) -> Tensor:
        """Every objective's metric ``[B, K]`` of this process's completions, float64."""
        columns = {key: [row[key] for row in inputs] for key in inputs[0] if key not in ("prompt", ROW)}
        keywords = {
            **columns,
            "prompts": prompts,
            "completions": completions,
            "completion_ids": completion_ids,
            "trainer_state": self.state,
            # What a reward function logs through these stands in the log already.
            "log_extra": lambda *_: None,
            "log_metric": lambda *_: None,
        }
        if self.environments is not None:
            keywords["environments"] = self.environments
        return torch.stack(
            [
                rewards[:, k].double().cpu()
                if objective.metric is None
                else as_metric_column(objective.metric(**keywords), len(prompts), objective.name)
                for k, objective in enumerate(self.objectives)
            ],
            dim=1,
        )

    def _decide(self) -> None:
        """Let the rule see the batch, and set the reward weights that TRL shows and may use."""
        rollouts = self._current()
        scalarization = self.weighting.update(
            Batch(
                names=self.reward_func_names,
                rewards=rollouts.rewards,
                advantages=self._advantages_of(rollouts),
                lengths=rollouts.lengths,
                num_generations=self.num_generations,
                learning_rate=self._get_learning_rate(),
                step=self.state.global_step,
                evaluation=self._evaluation,
                influence=None if self._influence is None else self._influence.values,
                gramian=None if self._influence is None else self._influence.gramian,
            )
        )
        weights = scalarization.weights
        if len(weights) != len(self.objectives) or not torch.isfinite(weights).all():
            raise ValueError(
                f"{self.weighting!r} returned the weights {weights.tolist()} for {len(self.objectives)} objectives: "
                "a rule must return one finite weight for each."
            )
        self._scalarization = scalarization
        factor = scalarization.scale if scalarization.apply_to == "reward" else 1.0
        self.reward_weights = (factor * weights).to(torch.float32)

    def _current(self) -> Rollouts:
        if self._rollouts is None:
            raise RuntimeError("TRL built a batch without calling `_calculate_rewards`.")
        return self._rollouts

    def _advantages_of(self, rollouts: Rollouts, factor: float = 1.0) -> Tensor:
        """Each objective's advantages ``[N, K]``, estimated alone."""
        return per_objective(
            factor * rollouts.rewards,
            self.args.advantage_estimator,
            self.num_generations,
            lengths=rollouts.loss_lengths,
            scale=self.scale_rewards,
        )

    def _replace_advantages(self) -> None:
        """Write the batch's advantages into TRL's buffers and logs, unless TRL's own stand already."""
        rollouts, scalarization = self._current(), self._scalarization
        assert scalarization is not None
        scaled = scalarization.apply_to == "advantage" and scalarization.scale != 1.0
        if self._decides_before_advantages and scalarization.advantages is None and not scaled:
            return
        weights = self.reward_weights.to(rollouts.rewards.device)
        combined = sum_rewards(rollouts.rewards, weights)
        if scalarization.advantages is not None:
            advantages = scalarization.advantages.to(rollouts.rewards)
        elif self.args.combine == "advantages":
            factor = scalarization.scale if scalarization.apply_to == "reward" else 1.0
            alone = self._advantages_of(rollouts, factor)
            advantages = alone @ scalarization.weights.to(alone)
        elif self.multi_objective_aggregation == "normalize_then_sum":
            advantages = normalize_then_sum(rollouts.rewards, weights, self.num_generations)
        else:
            advantages = estimate(
                combined,
                self.args.advantage_estimator,
                self.num_generations,
                lengths=rollouts.loss_lengths,
                scale=self.scale_rewards,
            )
        if scaled:
            advantages = scalarization.scale * advantages
        self._write_advantages(advantages, combined)

    def _write_advantages(self, advantages: Tensor, combined: Tensor) -> None:
        count = len(advantages) // self.accelerator.num_processes
        own = advantages[self.accelerator.process_index * count :][:count]
        for micro_batch in self._buffered_inputs:
            micro_batch["advantages"] = own[micro_batch["sample_index"]]
        # TRL has logged the batch with the weights of the one before.
        self._logs["advantages"].clear()
        self._logs["advantages"].extend(advantages.tolist())
        scored = combined[~torch.isnan(combined)]
        groups = combined.view(-1, self.num_generations)
        spread = groups.nan_to_num(nan=-torch.inf).amax(1) - groups.nan_to_num(nan=torch.inf).amin(1)
        metrics = self._metrics["train"]
        metrics["reward"][-1] = scored.mean().item()
        metrics["reward_std"][-1] = scored.std().item()
        metrics["frac_reward_zero_std"][-1] = (spread <= 1e-8).float().mean().item()

    def _note_batch(self, seconds: dict[str, float], started: float) -> None:
        rollouts, scalarization = self._current(), self._scalarization
        assert scalarization is not None
        names = self.reward_func_names
        influence = None if self._influence is None else self._influence.values.tolist()
        metrics = self._metrics["train"]
        for name, weight in self.weights.items():
            metrics[f"weights/{name}"].append(weight)
        for name, value in zip(names, influence or [], strict=False):
            metrics[f"influence/{name}"].append(value)
        metrics["scale"].append(scalarization.scale)
        metrics["combine_cosine"].append(self._combine_cosine(rollouts, scalarization))
        means = torch.nanmean(rollouts.rewards.double(), dim=0).tolist()
        self.run_log.begin_batch(
            {
                "batch": self._batch,
                "weights": self.weights,
                "scale": scalarization.scale,
                "rewards": dict(zip(names, means, strict=True)),
                "influence": None if influence is None else dict(zip(names, influence, strict=True)),
                "tokens": self._tokens,
                "seconds": seconds,
            },
            started=started,
        )

    def _combine_cosine(self, rollouts: Rollouts, scalarization: Scalarization) -> float:
        """How far A(Σ w_k r_k) and Σ w_k A_k point the same way: 1 where `combine` makes no difference."""
        alone = self._advantages_of(rollouts)
        of_sum = estimate(
            sum_rewards(rollouts.rewards, scalarization.weights.to(rollouts.rewards)),
            self.args.advantage_estimator,
            self.num_generations,
            lengths=rollouts.loss_lengths,
            scale=self.scale_rewards,
        )
        sum_of = alone @ scalarization.weights.to(alone)
        norms = of_sum.norm() * sum_of.norm()
        return float(of_sum @ sum_of / norms) if norms > 0 else float("nan")

    # --- influence ----------------------------------------------------------------------------------------

    def _selected(self, request: InfluenceRequest) -> list[nn.Parameter]:
        return select_parameters(self.accelerator.unwrap_model(self.model), request.layers)

    def _measure_influence(self, request: InfluenceRequest) -> Influence:
        rollouts = self._current()
        count = len(rollouts.rewards) // self.accelerator.num_processes
        own = slice(self.accelerator.process_index * count, (self.accelerator.process_index + 1) * count)
        loss = GRPOPolicyLoss(
            self,
            self._buffered_inputs,
            self._advantages_of(rollouts)[own],
            include_kl=request.include_kl,
        )
        devices = [self.accelerator.device] if self.accelerator.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):  # dropout draws here must not change training's
            influence = exact_influence(
                loss,
                [p for p in self.model.parameters() if p.requires_grad],
                selected=None if request.layers == "all" else self._selected(request),
                clip_norm=request.clip_norm,
            )
        # Sums in another order on another process would let the weights drift apart.
        device = self.accelerator.device
        gramian = influence.gramian
        return Influence(
            values=broadcast(influence.values.to(device)).cpu(),
            gramian=None if gramian is None else broadcast(gramian.to(device)).cpu(),
        )

    # --- evaluation ---------------------------------------------------------------------------------------

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """TRL's, over the first ``eval_samples`` rows."""
        if eval_dataset is None:
            eval_dataset = self.eval_dataset
        if isinstance(eval_dataset, str):
            eval_dataset = self.eval_dataset[eval_dataset]
        if eval_dataset is None:
            raise ValueError("Evaluation needs an `eval_dataset`: give one to the trainer or to evaluate().")
        return super().get_eval_dataloader(with_row_numbers(eval_dataset, self.args.eval_samples))

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Every objective's metric and standard error, as ``eval_{name}`` and ``eval_{name}_standard_error``.

        Those of the trainer's own evaluation set, during training, join the Pareto archive and the record; with
        bounds ``eval_hypervolume`` is added. TRL's own figures (``eval_loss``, ``eval_reward``, …) are there too.
        """
        first = next(iter(self.eval_dataset)) if isinstance(self.eval_dataset, dict) else None
        of_trainer = eval_dataset is None or (isinstance(eval_dataset, str) and eval_dataset == first)
        self._purpose = "grid" if of_trainer and self.is_in_train else None
        metrics: dict[str, float] = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        self._purpose = None
        return metrics

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> Any:
        """TRL's, at ``eval_temperature``, without drawing from training's random numbers."""
        seed = (self.args.seed + 1) * 1_000_003 + self.state.global_step * 1_009 + self.accelerator.process_index
        self._pool = MetricPool(self.num_generations_eval)
        with generating_at(self, self.args.eval_temperature), own_random_state(seed, self.accelerator.device):
            output = super().evaluation_loop(
                dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
            )
        evaluation = self._pool.evaluation(self.state.global_step)
        self._pool = None
        for i, name in enumerate(self.reward_func_names):
            output.metrics[f"{metric_key_prefix}_{name}"] = evaluation.metrics[i]
            output.metrics[f"{metric_key_prefix}_{name}_standard_error"] = evaluation.standard_error[i]
        if self._purpose is not None:
            self._latest = evaluation
        if self._purpose == "grid":
            hypervolume = self.run_log.evaluated(evaluation, batch=self._batch, purpose="grid")
            if hypervolume is not None:
                output.metrics[f"{metric_key_prefix}_hypervolume"] = hypervolume
        return output

    def _evaluate_for_rule(self) -> None:
        """Evaluate the policy on the validation set for the rule, unless the grid has just done so."""
        if self._latest is None or self._latest.step != self.state.global_step:
            self._purpose = "rule"
            first = next(iter(self.eval_dataset)) if isinstance(self.eval_dataset, dict) else None
            dataloader = self.get_eval_dataloader(first)
            self.evaluation_loop(dataloader, "Evaluation", prediction_loss_only=True)
            self._purpose = None
            self._metrics["eval"].clear()
            self.model.train()
        assert self._latest is not None
        self._set_rule_evaluation(self._latest)

    def _set_rule_evaluation(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self.run_log.evaluated(evaluation, batch=self._batch, purpose="rule")

    # --- steps, checkpoints and the record ----------------------------------------------------------------

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """TRL's; notes by how much the batch scales the coming update."""
        loss = cast(Tensor, super().training_step(model, inputs, num_items_in_batch))
        scalarization = self._scalarization
        if scalarization is not None and scalarization.apply_to == "update":
            self._step_scale.add(scalarization.scale)
        if self._step % (self.args.steps_per_generation * self.num_iterations) == 0:
            self.run_log.end_batch()
        return loss

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """TRL's, with the run's record kept beside it.

        Raises:
            FileExistsError: if the output directory already holds a run and this one does not resume it.
        """
        checkpoint = resume_from_checkpoint or None
        if checkpoint is True:
            checkpoint = get_last_checkpoint(self.args.output_dir)
            if checkpoint is None:
                raise ValueError(f"There is no checkpoint to resume from in {self.args.output_dir}.")
        step = None if checkpoint is None else int(Path(str(checkpoint)).name.rsplit("-", 1)[-1])
        self.run_log.open(self._header(), resume_step=step)
        try:
            result = super().train(checkpoint, *args, **kwargs)
        except KeyboardInterrupt:
            self.run_log.close("interrupted")
            raise
        except BaseException:
            self.run_log.close("failed")
            raise
        self.run_log.close("finished")
        return result

    def _header(self) -> dict[str, Any]:
        evaluates = self.args.eval_strategy != "no"
        return {
            "task": self.task,
            "rule": {"name": self.weighting.name, "settings": self.weighting.settings},
            "algorithm": self.args.advantage_estimator,
            "objectives": [objective_record(o) for o in self.objectives],
            "model": self.model.config._name_or_path,
            "seed": self.args.seed,
            "max_steps": self.args.max_steps,
            "evaluation": {
                "samples": self.args.eval_samples,
                "temperature": self.args.eval_temperature,
                "every": self.args.eval_steps if evaluates else None,
            },
            **environment(),
        }

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = limit
        if not self.args.should_save:
            return
        run_dir = Path(self._get_output_dir(trial=trial))
        save_state(run_dir / f"checkpoint-{self.state.global_step}", self._state())
        keep = set(self.run_log.front_steps(self.args.front_checkpoints))
        if self.state.best_global_step is not None:
            keep.add(self.state.best_global_step)
        rotate(run_dir, limit=limit, keep=keep)
        self.run_log.write_front()

    def _state(self) -> dict[str, Any]:
        return {
            "rule": self.weighting.state_dict(),
            "objectives": {o.name: o.state_dict() for o in self.objectives},
            "archives": self.run_log.state_dict(),
            "batch": self._batch,
            "tokens": self._tokens,
            "weights": self.reward_weights.tolist(),
            "latest": evaluation_state(self._latest),
            "evaluation": evaluation_state(self._evaluation),
        }

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            self._load_state(load_state(checkpoint))

    def _load_state(self, state: Mapping[str, Any]) -> None:
        self.weighting.load_state_dict(state["rule"])
        for objective in self.objectives:
            objective.load_state_dict(state["objectives"][objective.name])
        self.run_log.load_state_dict(state["archives"])
        self._batch = state["batch"]
        self._tokens = state["tokens"]
        self.reward_weights = torch.tensor(state["weights"], dtype=torch.float32)
        self._latest = None if state["latest"] is None else Evaluation(**state["latest"])
        self._evaluation = None if state["evaluation"] is None else Evaluation(**state["evaluation"])


def _as_objectives(
    given: Sequence[Objective | RewardFunction] | Objective | RewardFunction | None,
) -> list[Objective]:
    """Objectives as they are, reward functions and models as objectives of their own name."""
    if given is None:
        given = []
    several = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    objectives: list[Objective] = []
    for item in several:
        if not isinstance(item, Objective):
            name = _name_of(item)
            taken = sum(o.name == name or o.name.startswith(f"{name}_") for o in objectives)
            item = Objective(f"{name}_{taken + 1}" if taken else name, item)
        objectives.append(item)
    check_objectives(objectives)
    return objectives


def _name_of(reward: RewardFunction) -> str:
    if isinstance(reward, str):
        return reward.rstrip("/").split("/")[-1]
    if isinstance(reward, nn.Module):
        config = getattr(reward, "config", None)
        return str(getattr(config, "_name_or_path", "") or type(reward).__name__).split("/")[-1]
    return str(getattr(reward, "__name__", type(reward).__name__))
