"""A ``GRPOTrainer`` whose rewards are objectives: gated in training, measured by their metrics in evaluation."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from trl import GRPOTrainer

from paretune.objectives import Objective, apply_gates, completion_text, prompt_text
from paretune.trainer.config import MultiObjectiveConfig
from paretune.trainer.evaluation import ROW, MetricPool, generating_at, metrics_of, with_row_numbers
from paretune.trainer.random_state import own_random_state
from paretune.trainer.reward_guard import RewardGuard
from paretune.trainer.time_limit import check_time_limits
from paretune.weighting import Evaluation

SHOWN = 8
"""Prompts of an evaluation whose completions are kept for people to read."""

HANDED_OVER = ("prompt", "completion", "completion_ids")
"""Columns that rewards and metrics get under names of TRL's own."""


class ObjectiveTrainer(GRPOTrainer):
    """``trl.GRPOTrainer`` with objectives in place of reward functions; weights are none of its business.

    Args:
        model: as in TRL.
        objectives: the objectives; rewards that an environment brings along are added to them.
        args: the settings.
        *positional: TRL's further arguments, in TRL's order.
        **keywords: TRL's further arguments.

    Raises:
        ValueError: if there is a ``reward_timeout`` that cannot be kept here.
    """

    args: MultiObjectiveConfig
    reward_func_names: list[str]
    reward_funcs: list[Any]

    def __init__(
        self, model: Any, objectives: Sequence[Objective], args: MultiObjectiveConfig, *positional: Any, **keywords: Any
    ) -> None:
        if args.reward_timeout is not None:
            check_time_limits()
        self.objectives = list(objectives)
        super().__init__(model, [o.reward for o in self.objectives], args, *positional, **keywords)
        # An environment may bring rewards of its own, which TRL appends.
        for name, reward in list(zip(self.reward_func_names, self.reward_funcs, strict=True))[len(self.objectives) :]:
            self.objectives.append(Objective(name, reward))
        self.reward_func_names = [o.name for o in self.objectives]
        self._guard = RewardGuard(self.args.reward_timeout, self.accelerator)
        self.reward_funcs = [
            reward if isinstance(reward, nn.Module) else self._guard.around(reward, name)
            for name, reward in zip(self.reward_func_names, self.reward_funcs, strict=True)
        ]
        self._uncounted = 0  # completions of the latest training batch, on all processes, that do not count
        self._tokens = 0
        self._lengths = torch.empty(0)  # of the completions that were scored last, on all processes
        self._pool: MetricPool | None = None
        self._rows: list[int] = []
        self._shown: list[dict[str, Any]] = []  # the first completions of an evaluation

    # --- scoring ------------------------------------------------------------------------------------------

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: list[list[int]]
    ) -> Tensor:
        lengths = torch.tensor([len(ids) for ids in completion_ids_list], device=self.accelerator.device)
        self._lengths = self.accelerator.gather(lengths)
        self._tokens += int(self._lengths.sum())
        if self.model.training:
            for objective in self.objectives:
                self._guard.observe(objective, self._lengths.tolist())
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._guard.agree()
        rewards, uncounted = self._guard.countable(rewards, self.reward_func_names)
        if self.model.training:
            self._uncounted = uncounted
        rewards = apply_gates(rewards, self.objectives)
        if self._pool is not None:
            metrics = self._metrics_of(rewards, inputs, prompts, completions, completion_ids_list)
            self._pool.add(self._rows, metrics)
            self._show(prompts, completions, metrics)
        return rewards

    def _show(self, prompts: Sequence[Any], completions: Sequence[Any], metrics: Tensor) -> None:
        """Keep this process's completions of the first prompts, one each."""
        shown = {line["row"] for line in self._shown}
        for i, row in enumerate(self._rows):
            if row < SHOWN and row not in shown:
                shown.add(row)
                values = dict(zip(self.reward_func_names, metrics[i].tolist(), strict=True))
                texts = {"prompt": prompt_text(prompts[i]), "completion": completion_text(completions[i])}
                self._shown.append({"row": row, **texts, "metrics": values})

    def _metrics_of(
        self, rewards: Tensor, inputs: Any, prompts: Any, completions: Any, completion_ids_list: list[list[int]]
    ) -> Tensor:
        """Every objective's metric ``[B, K]`` of this process's completions."""
        keywords = {
            **{key: [row[key] for row in inputs] for key in inputs[0] if key not in HANDED_OVER},
            "prompts": prompts,
            "completions": completions,
            "completion_ids": completion_ids_list,
            "trainer_state": self.state,
            **({} if self.environments is None else {"environments": self.environments}),
        }
        metrics = metrics_of(self.objectives, rewards[self._own_rows(len(rewards))], keywords, self._guard)
        self._guard.agree()
        return metrics

    def _own_rows(self, count: int) -> slice:
        """The part of `count` gathered rows that this process holds."""
        own = count // self.accelerator.num_processes
        return slice(self.accelerator.process_index * own, (self.accelerator.process_index + 1) * own)

    # --- evaluation ---------------------------------------------------------------------------------------

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if not self.model.training:
            self._rows = [row.get(ROW, i) for i, row in enumerate(inputs)]
            inputs = [{key: value for key, value in row.items() if key != ROW} for row in inputs]
        return cast(dict[str, Any], super()._generate_and_score_completions(inputs))

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """TRL's, over the first ``eval_samples`` rows."""
        if eval_dataset is None:
            eval_dataset = self.eval_dataset
        if isinstance(eval_dataset, str):
            eval_dataset = self.eval_dataset[eval_dataset]
        if eval_dataset is None:
            raise ValueError("Evaluation needs an `eval_dataset`: give one to the trainer or to evaluate().")
        return super().get_eval_dataloader(with_row_numbers(eval_dataset, self.args.eval_samples))

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
        self._shown = []
        try:
            with generating_at(self, self.args.eval_temperature), own_random_state(self.accelerator.device, seed):
                output = super().evaluation_loop(
                    dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
                )
            evaluation = self._pool.evaluation(self.state.global_step)
        finally:
            self._pool = None
        for i, name in enumerate(self.reward_func_names):
            output.metrics[f"{metric_key_prefix}_{name}"] = evaluation.metrics[i]
            output.metrics[f"{metric_key_prefix}_{name}_standard_error"] = evaluation.standard_error[i]
        for name, value in self._evaluated(evaluation).items():
            output.metrics[f"{metric_key_prefix}_{name}"] = value
        return output

    def _evaluated(self, evaluation: Evaluation) -> dict[str, float]:
        """Take note of an evaluation; returns further figures to report with it."""
        del evaluation
        return {}
