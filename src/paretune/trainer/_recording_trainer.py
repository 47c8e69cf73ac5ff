"""The middle part of the trainer: it keeps the run.

Evaluations join the record, those on the grid and those that a rule asks for. Training ends when it is asked to, and
goes on from where it stopped.
"""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

import torch

from paretune.named_objects import source_of
from paretune.objectives import Objective, RewardError
from paretune.record.json_lines import plain
from paretune.record.rule_sentence import rule_sentence
from paretune.record.versions import versions
from paretune.steering import Template, lattice, stating
from paretune.trainer._scoring_trainer import ScoringTrainer
from paretune.trainer.checkpoint_forms import check_like, check_state, check_trainer_state, loading, savable
from paretune.trainer.checkpoints import ResumePoint, load_state, resume_point, rotate, save_state, writing
from paretune.trainer.config import MultiObjectiveConfig
from paretune.trainer.evaluation import evaluation_temperature, first_rows
from paretune.trainer.interruption import Interruption
from paretune.trainer.modes import in_mode
from paretune.trainer.output_dir import check_new_run, check_output_dir
from paretune.trainer.random_state import own_random_state
from paretune.trainer.run_log import RunLog
from paretune.trainer.trackers import TensorBoardHyperparameters, config_of
from paretune.weighting import Evaluation, RuleError


class RecordingTrainer(ScoringTrainer):
    """A :class:`ScoringTrainer` with a run directory; resumed, a run ends as if it had never been stopped.

    It knows its latest evaluation, and can evaluate in the middle of a batch. What a subclass has of a run's state it
    adds to `_state` and takes up in `_load_state`.

    Args:
        model: as in TRL.
        objectives: the objectives.
        args: the settings.
        *positional: TRL's further arguments, in TRL's order.
        **keywords: TRL's further arguments.
    """

    template: Template | None = None  # by which prompts state priorities, where the policy is steered
    _setting: Evaluation  # of its dial, that was measured last

    def __init__(
        self, model: Any, objectives: Sequence[Objective], args: MultiObjectiveConfig, *positional: Any, **keywords: Any
    ) -> None:
        if args.process_index == 0:  # which alone writes there, perhaps already
            check_output_dir(args)
        super().__init__(model, objectives, args, *positional, **keywords)
        self.run_log = RunLog(self.objectives, args.output_dir if self.accelerator.is_main_process else None)
        self._interruption = Interruption(self.accelerator)
        self._sampler: Any = None
        self._start: ResumePoint | None = None
        self._save_total_limit: int | None = None
        self._makes_optimizer = self.optimizer is None
        self._at_first: dict[str, Any] | None = None  # the state before the first training
        self._has_moved = False  # whether a step was made
        self.add_callback(self._interruption)
        self._batch = 0  # batches done
        self._latest: Evaluation | None = None  # of the policy, whoever asked for it
        self._evaluation: Evaluation | None = None  # the rule's latest
        self._purpose: Literal["grid", "rule", "dial"] | None = None  # of the evaluation that is under way

    # --- training, from its beginning or from a checkpoint to its end ---------------------------------------

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """TRL's, with the run's record kept beside it, and a report in the end (``args.write_report``).

        ``resume_from_checkpoint=True`` goes on from the newest whole checkpoint; a run without one begins again.
        On SIGINT or SIGTERM training ends after the current step with a checkpoint, on a second one at once.

        Called once more, it resumes as a new trainer would; or, with ``overwrite_output_dir``, it begins a new run with
        the policy as it is now, and all else (rule, archives, optimiser) as at first.

        Raises:
            BrokenCheckpointError: if the checkpoint to resume from is torn or was edited.
            FileExistsError: if the output directory already holds a run and this one neither resumes nor overwrites it.
            FloatingPointError: if the gradient was not finite in ten steps in a row.
            KeyboardInterrupt: if a signal ended it.
            RewardError: if a reward or metric function does not give one number for each completion.
            RuleError: if the rule does not give one finite weight for each objective.
            ValueError: if the run would begin again, but this trainer has trained its policy already.
        """
        if not resume_from_checkpoint and self.accelerator.is_main_process:
            check_new_run(self.args)
        start = resume_point(self.args.output_dir, resume_from_checkpoint) if resume_from_checkpoint else None
        checkpoint = None if start is None or start.checkpoint is None else str(start.checkpoint)
        if start is not None and checkpoint is None and self._has_moved:
            raise ValueError(
                f"The run in {self.args.output_dir!r} has no whole checkpoint and would begin again, but this trainer "
                "has trained its policy already: make a new one."
            )
        self._begin()
        self._start = start
        self._tell_trackers()
        eval_on_start = self.args.eval_on_start
        if start is None or start.checkpoint is None:
            self._open_record()
        else:  # the record changes once all is loaded that the run goes on from
            self.args.eval_on_start = False  # the record has that evaluation
            check_trainer_state(start.checkpoint, [*self.callback_handler.callbacks, self.control])
            check_state(start.checkpoint, load_state(start.checkpoint), len(self.objectives))
            self.run_log.check(self._header(), resume_step=start.step, lines=start.lines)
        # Hugging Face's own deletions know nothing of the front.
        self._save_total_limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            with self._interruption.listening():
                result = super().train(checkpoint, *args, **kwargs)
            if self._interruption.is_ending:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            self.run_log.close("interrupted")
            raise
        except BaseException as error:
            self.run_log.close("failed")
            if isinstance(error, RewardError | RuleError):  # on all: a launcher ends the others when one has ended
                self.accelerator.wait_for_everyone()
            raise
        finally:
            self.args.save_total_limit, self.args.eval_on_start = self._save_total_limit, eval_on_start
            self._has_moved |= self.state.global_step > 0
            self.is_in_train = False  # transformers forgets it where an error ended training
        self.run_log.close("finished", max_steps=self.state.max_steps)
        if self.args.write_report and self.accelerator.is_main_process:
            self._write_report()
        return result

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """TRL's card; it names the rule, too."""
        super().create_model_card(*args, **kwargs)
        if self.is_world_process_zero():
            with (Path(self.args.output_dir) / "README.md").open("a", encoding="utf-8") as card:
                card.write(f"\n\n## Reward weights\n\n{rule_sentence(self._header(), str)}\n")

    def _tell_trackers(self) -> None:
        """Let trackers know the rule and its settings."""
        header = self._header()
        self.args.tracked = config_of(header)
        self.remove_callback(TensorBoardHyperparameters)  # of a training before
        self.add_callback(TensorBoardHyperparameters(header, self.callback_handler.callbacks))

    def _write_report(self) -> None:
        from paretune.report import write_report  # half a second, which training can begin without

        try:
            write_report(self.args.output_dir)
        except Exception as error:  # whatever it is, the training is done and its record whole
            warnings.warn(
                f"There is no report of the run ({error}); `paretune report {self.args.output_dir}` tries again.",
                stacklevel=3,
            )

    def _begin(self) -> None:
        """Let a training begin as in a new trainer, whatever this one has trained before."""
        if self._at_first is None:
            self._at_first = deepcopy(self._state())  # a reward's or a rule's may be what it goes on with
            return
        self._load_state(deepcopy(self._at_first))
        self._step, self._buffered_inputs = 0, None  # else TRL would go on in the middle of a batch
        if self._makes_optimizer:
            self.optimizer = None  # its learning rate has come to an end

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*args, **kwargs)
        else:  # resumed after its last step, a run would make one more
            self.control.should_training_stop = True

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        run_dir = Path(self._get_output_dir(trial=trial))
        checkpoint = run_dir / f"checkpoint-{self.state.global_step}"
        with writing(checkpoint, is_writer=self.args.should_save):
            self.accelerator.wait_for_everyone()  # the folder is there and empty
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()  # every process has written its part
            if self.args.should_save:
                save_state(checkpoint, self._state())
        if not self.args.should_save:
            return
        keep = set(self.run_log.front_steps(self.args.front_checkpoints))
        if self.state.best_global_step is not None:
            keep.add(self.state.best_global_step)
        rotate(run_dir, limit=self._save_total_limit, keep=keep)
        self.run_log.write_front()

    def _header(self) -> dict[str, Any]:
        """What stands in run.json from the start: the run's settings, and what its figures depend on besides."""
        args = self.args
        return {
            "algorithm": args.advantage_estimator,
            "objectives": [
                {"name": o.name, "maximize": o.maximize, "bounds": None if o.bounds is None else list(o.bounds)}
                for o in self.objectives
            ],
            "hypervolume": self.run_log.kind,
            "model": self.model.config._name_or_path,
            "adapter": _adapter(self.model),
            "environments": [source_of(factory) for factory in (self.environment_factories or {}).values()],
            "seed": args.seed,
            "max_steps": args.max_steps if args.max_steps > 0 else None,  # else known when training starts
            "generation": {
                "max_completion_length": args.max_completion_length,
                "temperature": args.temperature,
                "chat_template_kwargs": args.chat_template_kwargs,
            },
            "evaluation": {
                "samples": args.eval_samples,
                "temperature": evaluation_temperature(self, args.eval_temperature),
                "every": args.eval_steps if args.eval_strategy == "steps" else None,
            },
            "settings": args.changed(),
            "processes": self.accelerator.num_processes,
            "threads": torch.get_num_threads(),
            "versions": dict(versions()),
        }

    def _state(self) -> dict[str, Any]:
        """What a run goes on from, beside Hugging Face's files, as plain JSON values."""
        return {
            "objectives": {o.name: savable(o.state_dict(), o.name, RewardError) for o in self.objectives},
            "archives": self.run_log.state_dict(),
            "tokens": self._tokens,
            "weights": self.reward_weights.tolist(),
            "unfinished": plain(self.run_log.unfinished()),
            "lines": self.run_log.lines(),
            "batch": self._batch,
            "latest": None if self._latest is None else asdict(self._latest),
            "evaluation": None if self._evaluation is None else asdict(self._evaluation),
        }

    def _load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `_state` gave."""
        first = self._at_first or self._state()  # what training has moved may have been null before
        for objective in self.objectives:
            own = state["objectives"][objective.name]
            check_like(own, first["objectives"][objective.name], f"the state of {objective.name}")
            objective.load_state_dict(own)
        self.run_log.load_state_dict(state["archives"])
        self._tokens = state["tokens"]
        self.reward_weights = torch.tensor(state["weights"], dtype=torch.float32)
        self._batch = state["batch"]
        self._latest = None if state["latest"] is None else Evaluation(**state["latest"])
        self._evaluation = None if state["evaluation"] is None else Evaluation(**state["evaluation"])

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        self._sampler = super()._get_train_sampler(dataset)
        return self._sampler

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with loading(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        with loading(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)
            self._load_scaler(checkpoint)
            with own_random_state(self.accelerator.device):  # it is taken up later, when the record has changed
                self._load_rng_state(checkpoint)
        state = load_state(checkpoint)
        with loading(checkpoint, "resume with the rule and the objectives that it was written with."):
            self._load_state(state)
        if self._sampler is not None and self._sampler.shuffle:
            # TRL shuffles each epoch with the random state that the one before has left: go there.
            for _ in range(int(self.state.epoch or 0)):
                torch.randperm(self._sampler.num_samples, generator=self._sampler.generator)
        self.accelerator.wait_for_everyone()  # every process has loaded its part
        self._open_record()
        self.run_log.take_up(state["unfinished"] or [])

    def _open_record(self) -> None:
        start = self._start
        self.run_log.open(
            self._header(),
            resume_step=None if start is None else start.step,
            lines=None if start is None else start.lines,
            overwrite=self.args.overwrite_output_dir,
        )

    # --- evaluations --------------------------------------------------------------------------------------

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Every objective's metric and standard error, as ``eval_metrics/{name}`` and ``eval_standard_error/{name}``.

        Those of the trainer's own evaluation set, during training, join the Pareto archive and the record; with
        bounds ``eval_hypervolume``, that of the front so far, is added. TRL's own figures (``eval_loss``,
        ``eval_reward``, …) are there too.
        """
        of_trainer = eval_dataset is None or (isinstance(eval_dataset, str) and eval_dataset == self._first_split)
        if of_trainer and self.is_in_train and self._dial_is_due:
            self._measure_dial()
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
        if self._purpose in ("grid", "rule"):
            self._latest = evaluation
        if self._purpose == "dial":
            self._setting = evaluation
        if self._purpose != "grid":
            return {}
        hypervolume = self.run_log.evaluated(
            evaluation,
            batch=self._batch,
            purpose="grid",
            tokens=self._tokens,
            completions=self._shown,
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
            self._evaluate_apart("rule", self._first_split)
        assert self._latest is not None
        self._set_rule_evaluation(self._latest)

    def _evaluate_apart(self, purpose: Literal["rule", "dial"], rows: Any) -> None:
        """Evaluate on some rows without a trace in TRL's log or in training's random numbers."""
        self._purpose = purpose
        try:
            with in_mode(self, training=False), own_random_state(self.accelerator.device, self._evaluation_seed()):
                self.evaluation_loop(self.get_eval_dataloader(rows), "Evaluation", prediction_loss_only=True)
        finally:
            self._purpose = None
        self._metrics["eval"].clear()

    @property
    def _dial_is_due(self) -> bool:
        every = self.args.dial_steps
        return self.template is not None and every is not None and self.state.global_step % every == 0

    def _measure_dial(self) -> None:
        """Measure the policy at each setting of its dial, on the prompts of the evaluation set."""
        assert self.template is not None
        given = self.eval_dataset if self._first_split is None else self.eval_dataset[self._first_split]
        rows = first_rows(given, self.args.eval_samples)
        for priorities in lattice(len(self.objectives)):
            self._evaluate_apart("dial", stating(rows, self.template, priorities))
            self.run_log.steered(
                self._setting,
                priorities,
                batch=self._batch,
                tokens=self._tokens,
                example=self.first_answer(rows),
            )

    def _set_rule_evaluation(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self.run_log.evaluated(evaluation, batch=self._batch, purpose="rule", tokens=self._tokens)


def _adapter(model: Any) -> dict[str, Any] | None:
    """The settings of the adapter that is trained in the model's place, as plain JSON values; None without one."""
    adapters = getattr(model, "peft_config", None)
    if not adapters:
        return None
    [settings, *_] = adapters.values()
    told = {name: value for name, value in settings.to_dict().items() if value not in (None, {}, [])}
    return cast(
        dict[str, Any], json.loads(json.dumps(told, default=lambda v: sorted(v) if isinstance(v, set) else str(v)))
    )
