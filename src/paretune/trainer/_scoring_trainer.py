"""The lowest part of the trainer: completions scored by objectives.

In training their gated rewards count, in an evaluation their metrics.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from trl import GRPOTrainer

from paretune.objectives import Objective, apply_gates, completion_text, prompt_text
from paretune.objectives.reward_values import each_alone
from paretune.steering import COLUMN
from paretune.time_limit import check_time_limits
from paretune.trainer.config import MultiObjectiveConfig
from paretune.trainer.evaluation import ROW, MetricPool, generating_at, metrics_of, with_row_numbers
from paretune.trainer.modes import in_mode
from paretune.trainer.random_state import own_random_state
from paretune.trainer.reward_guard import RewardGuard
from paretune.weighting import Evaluation

SHOWN = 8
"""Prompts of an evaluation whose completions are kept for people to read."""

HANDED_OVER = ("prompt", "completion", "completion_ids")
"""Columns that rewards and metrics get under names of TRL's own."""
LOGGERS = ("log_extra", "log_metric")
"""Functions by which rewards log; a metric gets them too, and what it logs is left out."""


class ScoringTrainer(GRPOTrainer):
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
    eval_dataset: Any
    optimizer: Any
    _buffered_inputs: Any
    _num_generations_eval: int
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
        self._tokens = 0
        self._lengths = torch.empty(0)  # of the completions that were scored last, on all processes
        self._pool: MetricPool | None = None
        self._rows: list[int] = []
        self._shown: list[dict[str, Any]] = []  # the first completions of an evaluation

    # --- scoring ------------------------------------------------------------------------------------------

    def _generate(self, prompts: list[Any]) -> Any:
        # With transformers' continuous batching TRL leaves the policy in training mode.
        with in_mode(self, training=self.model.training):
            return super()._generate(prompts)

    def _scored(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: list[list[int]]) -> Tensor:
        """The rewards ``[N, K]`` after gates, gathered; some may overflow. Takes note of the metrics in evaluation."""
        lengths = torch.tensor([len(ids) for ids in completion_ids_list], device=self.accelerator.device)
        self._lengths = self.accelerator.gather(lengths)
        self._tokens += int(self._lengths.sum())
        with in_mode(self, training=self.model.training):  # a reward may use the policy, too
            if self.model.training:
                for objective in self.objectives:
                    self._guard.observe(objective, self._lengths.tolist())
            rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._guard.agree()
        rewards = apply_gates(rewards, self.objectives)
        self._guard.warn_of_overflow(rewards, self.reward_func_names)
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

    def first_answer(self, rows: Any) -> dict[str, str]:
        """The first prompt of some rows, and the answer that the latest evaluation gave to it, whichever process did.

        The prompt is that of the rows, whatever was added to it in the evaluation.
        """
        answers = [line["completion"] for line in self._shown if line["row"] == 0]
        return {"prompt": prompt_text(next(iter(rows))["prompt"]), "completion": answers[0]} if answers else {}

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
            **dict.fromkeys(LOGGERS, _log_nothing),  # TRL's tables are of the rewards
            **({} if self.environments is None else {"environments": self.environments}),
        }
        own = each_alone(rewards)[self._own_rows(len(rewards))]
        with in_mode(self, training=self.model.training):
            metrics = metrics_of(self.objectives, own, keywords, self._guard)
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
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        if isinstance(rows, str):
            rows = self.eval_dataset[rows]
        if rows is None:
            raise ValueError("Evaluation needs an `eval_dataset`: give one to the trainer or to evaluate().")
        numbered = with_row_numbers(rows, self.args.eval_samples)
        if not isinstance(eval_dataset, str):
            return super().get_eval_dataloader(numbered)
        all_sets, self.eval_dataset = self.eval_dataset, {eval_dataset: numbered}  # TRL keeps data loaders by this name
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.eval_dataset = all_sets

    def get_test_dataloader(self, test_dataset: Any) -> Any:
        """TRL's, for ``predict``."""
        return super().get_test_dataloader(with_row_numbers(test_dataset, None))

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        # which `remove_unused_columns` would remove
        self._signature_columns += [name for name in (ROW, COLUMN) if name not in self._signature_columns]

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> Any:
        """TRL's, at ``eval_temperature`` and from random numbers of its own; without one, as TRL does it."""
        self._pool = MetricPool(self.num_generations_eval)
        self._shown = []
        temperature = self.args.eval_temperature
        try:
            with (
                nullcontext() if temperature is None else generating_at(self, temperature),
                nullcontext()
                if temperature is None
                else own_random_state(self.accelerator.device, self._evaluation_seed()),
            ):
                output = super().evaluation_loop(
                    dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
                )
            evaluation = self._pool.evaluation(self.state.global_step)
            shown = {line["row"]: line for line in gather_object(self._shown)}  # the first prompt may be anyone's
            self._shown = [shown[row] for row in sorted(shown)]
        finally:
            self._pool = None
        figures = self._evaluated(evaluation)
        for kind, values in {"metrics": evaluation.metrics, "standard_error": evaluation.standard_error}.items():
            figures |= {f"{kind}/{name}": value for name, value in zip(self.reward_func_names, values, strict=True)}
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in figures.items()})
        return output

    def _evaluation_seed(self) -> int:
        """What an evaluation with random numbers of its own draws from, here and now."""
        step, process = self.state.global_step, self.accelerator.process_index
        return int((self.args.seed + 1) * 1_000_003 + step * 1_009 + process)

    @property
    def num_generations_eval(self) -> int:
        """Completions per prompt in an evaluation: one where it is greedy, for all would be the same."""
        return 1 if self.args.eval_temperature == 0 else self._num_generations_eval

    @num_generations_eval.setter
    def num_generations_eval(self, count: int) -> None:
        self._num_generations_eval = count

    def _evaluated(self, evaluation: Evaluation) -> dict[str, float]:
        """Take note of an evaluation; returns further figures to report with it."""
        del evaluation
        return {}


def _log_nothing(*_: Any, **__: Any) -> None:
    pass
