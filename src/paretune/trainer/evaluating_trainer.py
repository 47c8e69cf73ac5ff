"""A trainer whose evaluations join the record: those on the grid, and those that a rule asks for."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from paretune.trainer.modes import in_mode
from paretune.trainer.random_state import own_random_state
from paretune.trainer.resumable_trainer import ResumableTrainer
from paretune.weighting import Evaluation


class EvaluatingTrainer(ResumableTrainer):
    """A :class:`ResumableTrainer` that knows its latest evaluation, and can evaluate in the middle of a batch.

    Args:
        *positional: as for :class:`ResumableTrainer`.
        **keywords: the same.
    """

    def __init__(self, *positional: Any, **keywords: Any) -> None:
        super().__init__(*positional, **keywords)
        self._batch = 0  # batches done
        self._latest: Evaluation | None = None  # of the policy, whoever asked for it
        self._evaluation: Evaluation | None = None  # the rule's latest
        self._purpose: Literal["grid", "rule"] | None = None  # of the evaluation that is under way

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Every objective's metric and standard error, as ``eval_{name}`` and ``eval_{name}_standard_error``.

        Those of the trainer's own evaluation set, during training, join the Pareto archive and the record; with
        bounds ``eval_hypervolume`` is added. TRL's own figures (``eval_loss``, ``eval_reward``, …) are there too, and
        go before ours where an objective has such a name.
        """
        of_trainer = eval_dataset is None or (isinstance(eval_dataset, str) and eval_dataset == self._first_split)
        self._purpose = "grid" if of_trainer and self.is_in_train else None
        try:
            metrics: dict[str, float] = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        finally:
            self._purpose = None
        return metrics

    @property
    def _first_split(self) -> str | None:
        """Of several evaluation sets the one that feeds the archives; None where there are not several."""
        return next(iter(self.eval_dataset)) if isinstance(self.eval_dataset, dict) else None

    def _evaluated(self, evaluation: Evaluation) -> dict[str, float]:
        if self._purpose is not None:
            self._latest = evaluation
        if self._purpose != "grid":
            return {}
        hypervolume = self.run_log.evaluated(
            evaluation,
            batch=self._batch,
            purpose="grid",
            tokens=self._tokens,
            completions=sorted(self._shown, key=lambda line: int(line["row"])),
        )
        return {} if hypervolume is None else {"hypervolume": hypervolume}

    @property
    def _rule_knows_policy(self) -> bool:
        """Whether the rule's evaluation is of the current policy: several batches may go into one update.

        One that is not finite in every objective may get better: other rollouts may have what this one lacked.
        """
        known = self._evaluation
        return known is not None and known.step == self.state.global_step and all(map(math.isfinite, known.metrics))

    def _evaluate_for_rule(self) -> None:
        """Evaluate the policy on the validation set for the rule, unless the grid has just done so.

        TRL makes no such evaluation: even where the grid's draw from training's random numbers, this one does not.
        """
        if self._latest is None or self._latest.step != self.state.global_step:
            self._purpose = "rule"
            try:
                with (
                    in_mode(self, training=False),
                    own_random_state(self.accelerator.device, self._evaluation_seed()),
                ):
                    dataloader = self.get_eval_dataloader(self._first_split)
                    self.evaluation_loop(dataloader, "Evaluation", prediction_loss_only=True)
            finally:
                self._purpose = None
            self._metrics["eval"].clear()
        assert self._latest is not None
        self._set_rule_evaluation(self._latest)

    def _set_rule_evaluation(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self.run_log.evaluated(evaluation, batch=self._batch, purpose="rule", tokens=self._tokens)

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "batch": self._batch,
            "latest": None if self._latest is None else asdict(self._latest),
            "evaluation": None if self._evaluation is None else asdict(self._evaluation),
        }

    def _load_state(self, state: Mapping[str, Any]) -> None:
        super()._load_state(state)
        self._batch = state["batch"]
        self._latest = None if state["latest"] is None else Evaluation(**state["latest"])
        self._evaluation = None if state["evaluation"] is None else Evaluation(**state["evaluation"])
