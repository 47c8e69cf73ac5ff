"""The TRL trainer whose reward weights move.

TRL's private methods are known to the modules of this folder alone.
"""

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from trl import GRPOConfig

from paretune.advantages import ESTIMATORS
from paretune.influence import Influence
from paretune.influence.realised import Realised
from paretune.named_objects import source_of
from paretune.objectives import Objective, Reward, as_objectives
from paretune.objectives.reward_values import countable
from paretune.objectives.seen_ranges import SeenRanges
from paretune.trainer._recording_trainer import RecordingTrainer
from paretune.trainer.arguments import by_name, check_fit, check_rows, settings_of
from paretune.trainer.batch_record import batch_line, batch_metrics
from paretune.trainer.checkpoint_forms import check_like, savable
from paretune.trainer.evaluation import MetricPool
from paretune.trainer.finite_updates import FiniteUpdates
from paretune.trainer.influence_meter import InfluenceMeter
from paretune.trainer.modes import in_mode
from paretune.trainer.random_state import RandomState
from paretune.trainer.rollouts import Rollouts
from paretune.trainer.run_facts import sharding_of
from paretune.trainer.run_log import RunLogCallback
from paretune.trainer.steered_data import gathered_priorities, steered_rows
from paretune.trainer.step_scale import StepScale
from paretune.weighting import RULES, Batch, Measurements, RuleError, Scalarization, WeightingRule


class MultiObjectiveTrainer(RecordingTrainer):
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
        task_details: what run.json says of it besides, as plain JSON values.
        source: what run.json says of how a command named task, rule and model, as plain JSON values
            (docs/run-directory.md); None where no command can name them.
        **keywords: TRL's further arguments.

    Raises:
        ValueError: if the rule does not fit the objectives or the training settings.
    """

    _tag_names = ["trl", "grpo", "paretune"]  # noqa: RUF012 (TRL's attribute)

    def __init__(
        self,
        model: Any,
        objectives: Sequence[Objective | Reward] | Objective | Reward | None = None,
        args: GRPOConfig | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        *positional: Any,
        weighting: WeightingRule,
        reward_funcs: Sequence[Reward] | Reward | None = None,
        task: str | None = None,
        task_details: Mapping[str, Any] | None = None,
        source: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        settings = settings_of(args, model)
        if not isinstance(weighting, WeightingRule):
            raise ValueError(f"`weighting` must be a rule, such as FixedWeights([...]), got {weighting!r}.")
        further = by_name(positional, keywords)
        own_data = further.get("environment_factory") is None
        for name, rows in {"train_dataset": train_dataset, "eval_dataset": eval_dataset}.items():
            check_rows(name, rows, needs_prompts=own_data)
        if objectives is not None and reward_funcs is not None:
            raise ValueError("`reward_funcs` is another name for `objectives`: give all rewards by one of the two.")
        given = as_objectives(objectives if objectives is not None else reward_funcs)
        self.weighting = weighting
        self._named = {"task": task, "task_details": dict(task_details or {}), "source": source}
        if own_data:  # else an environment may bring objectives, too
            check_fit(weighting, given)
        train_dataset, self.template = steered_rows(weighting, given, settings, train_dataset, own_data=own_data)
        super().__init__(model, given, settings, train_dataset, eval_dataset, **further)
        check_fit(weighting, self.objectives, brought=self.objectives[len(given) :])
        self.reward_weights = weighting.initial_weights(len(self.objectives)).to(torch.float32)
        self._meter: InfluenceMeter | None = None
        self._check_rule()

        self._wanted = Measurements()
        self._rollouts: Rollouts | None = None
        self._influence: Influence | None = None
        self._realised: Influence | None = None  # by the update of the batch before, measured in time for a checkpoint
        self._notes_passes = False
        self._completion_metrics: Tensor | None = None  # of the rollouts, gathered, where the rule goes by them
        self._ranges = SeenRanges([o.declared for o in self.objectives])
        self._scalarization: Scalarization | None = None
        self._step_scale = StepScale(measure=type(weighting).scales_updates and sharding_of(self) is None)
        self._finite_updates = FiniteUpdates(self.accelerator)
        self.add_callback(self._finite_updates)
        self.add_callback(self._step_scale)
        self.add_callback(RunLogCallback(self.run_log, self._step_scale, self._finite_updates))

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the latest batch, by objective; empty before the first."""
        if self._scalarization is None:
            return {}
        return dict(zip(self.reward_func_names, self._scalarization.weights.tolist(), strict=True))

    @property
    def _without_bounds(self) -> list[str]:
        return [objective.name for objective in self.objectives if objective.bounds is None]

    def _check_rule(self) -> None:
        wanted = self.weighting.measurements()
        if wanted.evaluation == "validation" and self.eval_dataset is None:
            raise ValueError(f"{self.weighting!r} evaluates the policy: give an `eval_dataset`.")
        if wanted.evaluation == "rollouts" and self._without_bounds:
            warnings.warn(
                f"Bounds are missing for {', '.join(self._without_bounds)}. An end that is not declared is taken from "
                "the range that training has seen so far. Declare both ends with Objective(..., bounds=(low, high)), "
                "or with --bounds NAME=LOW:HIGH.",
                stacklevel=3,
            )
        if self.weighting.has_decided and self.weighting.state_dict():
            warnings.warn(
                f"{self.weighting!r} goes on with the state that another training left in it. Give each trainer a rule "
                "of its own, unless you want that.",
                stacklevel=3,
            )
        if wanted.influence is not None:
            self._meter = InfluenceMeter(self, wanted.influence)
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
        begins = self._is_between_batches or self._buffered_inputs is None
        if not (self.model.training and begins):
            return super()._prepare_inputs(generation_batch)
        started = time.perf_counter()
        self._wanted = self.weighting.measurements()
        request = self._wanted.influence
        if request is not None and (self._meter is None or self._meter.request != request):
            self._meter = InfluenceMeter(self, request)
        self._influence = self._influence_of_update() if request is not None else None
        read = time.perf_counter()
        if self._wanted.evaluation == "validation" and not self._rule_knows_policy:
            self._evaluate_for_rule()
        evaluated = time.perf_counter()
        inputs = super()._prepare_inputs(generation_batch)
        generated = time.perf_counter()
        if self._meter is not None:
            if self._measures_before_update:
                rollouts = self._current()
                found = self._meter.before_update(
                    self._buffered_inputs, rollouts.of_means(halved=self._meter.estimator.halved)
                )
                self._influence = rollouts.where_applicable(found)
            self._meter.begin_batch(self._buffered_inputs)
        measured = time.perf_counter()
        if not self._decides_before_advantages:
            self._decide()
        assert self._scalarization is not None
        self._replace_advantages(self._scalarization)
        self._batch += 1
        seconds = {
            "evaluation": evaluated - read,
            "generation": generated - evaluated,
            "influence": (read - started) + (measured - generated),
        }
        self._note_batch(self._scalarization, seconds, started)
        return inputs

    @property
    def _is_between_batches(self) -> bool:
        """Whether the next training step is the first over a new batch."""
        return bool(self._step % self.args.steps_per_batch == 0)

    @property
    def _decides_before_advantages(self) -> bool:
        """Whether the rule can set TRL's reward weights and let TRL compute the advantages from them."""
        plain = ESTIMATORS[self.args.advantage_estimator].computed_by_trl and self.args.combine == "rewards"
        return plain and not self._measures_before_update

    @property
    def _measures_before_update(self) -> bool:
        """Whether the rule waits for an influence that needs the batch as TRL builds it."""
        return self._wanted.influence is not None and self._meter is not None and not self._meter.after_the_update

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        if not self.model.training:
            return output
        mask = output["completion_mask"] * output.get("tool_mask", 1)
        if self._rollouts is not None:
            self._rollouts.loss_lengths = self.accelerator.gather(mask.sum(dim=1))
        # Tells each row's sample after TRL's shuffle and split.
        output["sample_index"] = torch.arange(len(inputs), device=output["advantages"].device)
        return output

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: list[list[int]]
    ) -> Tensor:
        rewards = self._scored(inputs, prompts, completions, completion_ids_list)
        if not self.model.training:
            return countable(rewards, self.reward_weights)
        self._completion_metrics = None
        if self._wanted.evaluation == "rollouts":
            metrics = self._metrics_of(rewards, inputs, prompts, completions, completion_ids_list)
            self._completion_metrics = torch.cat(gather_object([metrics]))
            self._ranges.observe(self._completion_metrics)
            if not self._rule_knows_policy:
                pool = MetricPool(self.num_generations)
                own = range(len(rewards))[self._own_rows(len(rewards))]
                pool.add([row // self.num_generations for row in own], metrics)
                self._set_rule_evaluation(pool.evaluation(self.state.global_step))
        said = gathered_priorities(inputs, len(self.objectives))
        self._rollouts = Rollouts(self.args, rewards, self._lengths, loss_lengths=self._lengths, priorities=said)
        if self._decides_before_advantages:
            self._decide()
        return self._rollouts.rewards

    def _decide(self) -> None:
        """Let the rule see the batch, and set the reward weights that TRL shows and may use."""
        rollouts = self._current()
        scalarization = self.weighting.decide(
            Batch(
                names=self.reward_func_names,
                rewards=rollouts.rewards,
                advantages=rollouts.per_objective(),
                lengths=rollouts.lengths,
                num_generations=self.num_generations,
                learning_rate=self._get_learning_rate(),
                step=self.state.global_step,
                evaluation=self._evaluation or self._latest,
                influence=None if self._influence is None else self._influence.values,
                influence_method=None if self._influence is None else self._influence.method,
                gramian=None if self._influence is None else self._influence.gramian,
                noise=None if self._influence is None else self._influence.noise,
                metrics=self._completion_metrics,
                bounds=self._ranges.ranges,
                maximize=[o.maximize for o in self.objectives],
                progress=min(self.state.global_step / max(self.state.max_steps, 1), 1.0),
                priorities=rollouts.priorities,
            )
        )
        self._scalarization = scalarization
        self.reward_weights = scalarization.reward_weights
        rollouts.decided(scalarization)

    def _current(self) -> Rollouts:
        if self._rollouts is None:
            raise RuntimeError("TRL built a batch without calling `_calculate_rewards`.")
        return self._rollouts

    def _replace_advantages(self, scalarization: Scalarization) -> None:
        """Write the batch's advantages into TRL's buffers and logs, unless TRL's own stand already."""
        scaled = scalarization.apply_to == "advantage" and scalarization.scale != 1.0
        of_its_own = scalarization.advantages is not None or scalarization.rewards is not None
        if self._decides_before_advantages and not of_its_own and not scaled:
            return
        rollouts = self._current()
        advantages = rollouts.advantages(scalarization)
        own = advantages[self._own_rows(len(advantages))]
        for micro_batch in self._buffered_inputs:
            micro_batch["advantages"] = own[micro_batch["sample_index"]]
        # TRL has logged the batch with the weights of the one before.
        self._logs["advantages"].clear()
        self._logs["advantages"].extend(advantages.tolist())
        for name, value in rollouts.reward_metrics(scalarization).items():
            self._metrics["train"][name][-1] = value

    def _note_batch(self, scalarization: Scalarization, seconds: dict[str, float], started: float) -> None:
        """Put the batch into TRL's log and the run's record."""
        seen = (self.reward_func_names, self._current(), scalarization, self._influence)
        for name, value in batch_metrics(*seen).items():
            self._metrics["train"][name].append(value)
        line = {"batch": self._batch, **batch_line(*seen), "tokens": self._tokens, "seconds": seconds}
        if self._completion_metrics is not None and self._without_bounds:
            ranges = dict(zip(self.reward_func_names, self._ranges.ranges, strict=True))
            line["ranges"] = {name: ranges[name] for name in self._without_bounds}
        self.run_log.begin_batch(line, started=started)

    # --- influence ----------------------------------------------------------------------------------------

    def _influence_of_update(self) -> Influence | None:
        """What the last batch's update did, where that is what the rule goes by; None before the first."""
        if self._meter is None or not self._meter.after_the_update:
            return None
        if self._realised is None and self._buffered_inputs is not None and self._rollouts is not None:
            found = self._meter.after_update(self._buffered_inputs, self._rollouts.of_means())
            self._realised = self._rollouts.where_applicable(found)
        realised, self._realised = self._realised, None
        return realised

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Tensor:
        """TRL's; the first time over a batch, what the realised influence needs of its forward passes is kept."""
        first = self._step % self.args.steps_per_batch < self.args.steps_per_generation
        wanted = self._meter is not None and self._meter.after_the_update
        self._notes_passes = wanted and first and self.model.training
        try:
            return cast(Tensor, super().compute_loss(model, inputs, *args, **kwargs))
        finally:
            self._notes_passes = False

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None, Any]:
        if not self._notes_passes:
            return cast(tuple[Tensor, Tensor | None, Any], super()._get_per_token_logps_and_entropies(*args, **kwargs))
        state = RandomState(self.accelerator.device)
        log_probs, entropies, auxiliary = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        assert self._meter is not None
        self._meter.note_pass(log_probs, entropies, state)
        return log_probs, entropies, auxiliary

    # --- steps, checkpoints and the record ----------------------------------------------------------------

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """TRL's; notes by how much the batch scales the coming update."""
        loss = cast(Tensor, super().training_step(model, inputs, num_items_in_batch))
        scalarization = self._scalarization
        if scalarization is not None and scalarization.apply_to == "update":
            self._step_scale.add(scalarization.scale)
        if self._is_between_batches:
            self.run_log.end_batch()
        return loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """Transformers'; the norm from before clipping tells whether there is an update to make."""
        self._finite_updates.norm = super()._get_grad_norm(model, grad_norm)
        return self._finite_updates.norm

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """TRL's; beside a policy that is steered stands how a prompt says priorities."""
        super().save_model(output_dir, _internal_call)
        if self.template is not None and self.args.should_save:
            self.template.save(output_dir or self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self._is_between_batches and self.weighting.measurements().influence is not None:
            with in_mode(self, training=True):  # an evaluation may have come before
                self._realised = self._influence_of_update()  # the state that it is measured from is not saved
        super()._save_checkpoint(model, trial)

    def _header(self) -> dict[str, Any]:
        known = self.weighting
        rule: dict[str, Any] = {"name": known.name, "settings": known.settings, "paper": known.paper or None}
        if type(self.weighting) not in RULES.values():
            rule["source"] = source_of(type(self.weighting))
        initial = self.weighting.initial_weights(len(self.objectives)).tolist()
        named = dict(zip(self.reward_func_names, initial, strict=True))
        return {**self._named, "rule": rule, "initial_weights": named, **super()._header()}

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "rule": savable(self.weighting.state_dict(), f"the {self.weighting.name} rule", RuleError),
            "realised": None if self._realised is None else self._realised.values.tolist(),
            "ranges": self._ranges.state_dict(),
        }

    def _load_state(self, state: Mapping[str, Any]) -> None:
        super()._load_state(state)
        first = (self._at_first or self._state())["rule"]
        check_like(state["rule"], first, f"the state of the {self.weighting.name} rule")
        self.weighting.load_state_dict(state["rule"])
        self._ranges.load_state_dict(state["ranges"])
        self._rollouts = self._scalarization = self._realised = None
        if state["realised"] is not None:
            known = [math.nan if value is None else value for value in state["realised"]]
            values = torch.tensor(known, dtype=torch.float64)
            self._realised = Influence(values=values, method=Realised.name)
