"""``paretune check``: what a few batches of the initial policy say of a run before it is trained."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from torch import Tensor
from transformers import SchedulerType

from paretune import advantages
from paretune.choosing.check import Array, Check, Seen, costs, examine
from paretune.choosing.check_findings import findings
from paretune.choosing.suggestion import suggestion
from paretune.cli.arguments import CheckArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.check_tables import print_tables
from paretune.cli.command_line import CommandLine
from paretune.cli.ready import check_ready
from paretune.cli.screen import Screen, bar
from paretune.cli.settings import Settings, resolve
from paretune.cli.train import make_trainer, quiet
from paretune.influence import ESTIMATORS
from paretune.objectives import RewardError
from paretune.record.run_directory import read_steps
from paretune.trainer import MultiObjectiveTrainer
from paretune.weighting import (
    Batch,
    Evaluation,
    InfluenceRequest,
    Measurements,
    RuleError,
    Scalarization,
    WeightingRule,
)

STILL = {
    "learning_rate": 0.0, "save_strategy": "no", "eval_strategy": "no", "eval_on_start": False,
    "load_best_model_at_end": False, "push_to_hub": False, "report_to": "none", "logging_strategy": "steps",
    "logging_steps": 1, "log_completions": False, "write_report": False,
}  # fmt: skip
"""Settings under which training leaves the policy as it is, and nothing outside its folder."""


@dataclass(frozen=True)
class Phase:
    """What is measured in one batch; its name is what the record of costs calls it."""

    name: str
    shown: str
    measurements: Measurements


class Observer(WeightingRule):
    """Asks for one measurement after the other, and keeps what each batch brings; the weights are another rule's.

    Args:
        rule: whose weights are used, as they are at first.
        phases: what is measured, batch by batch; beyond the last nothing is.
        tell: called with the number of batches done and what is measured next.
    """

    name: ClassVar[str] = "check"
    description: ClassVar[str] = "keeps what it sees"

    def __init__(self, rule: WeightingRule, phases: Sequence[Phase], tell: Callable[[int, str], None]) -> None:
        self.settings: dict[str, Any] = {}
        self.seen: list[Seen] = []
        self.validation: Evaluation | None = None
        self._rule = rule
        self._phases = phases
        self._tell = tell

    def caution(self, **settings: Any) -> str | None:
        """What the other rule has to say of the settings."""
        return self._rule.caution(**settings)

    def measurements(self) -> Measurements:
        """The next phase's."""
        if len(self.seen) >= len(self._phases):
            return Measurements()
        phase = self._phases[len(self.seen)]
        self._tell(len(self.seen), phase.shown)
        return phase.measurements

    def update(self, batch: Batch) -> Scalarization:
        """Keep the batch."""
        # As in the first batch: what was measured would set the other rule going.
        weights = self._rule.update(
            replace(batch, step=0, evaluation=None, influence=None, influence_method=None, gramian=None, noise=None)
        ).weights
        if len(self.seen) < len(self._phases):
            asked = self._phases[len(self.seen)].measurements.evaluation
            self.seen.append(
                Seen(
                    rewards=batch.rewards.cpu().double().numpy(),
                    weights=weights.cpu().double().numpy(),
                    metrics=_array(batch.metrics),
                    gramian=None if batch.noise is not None else _array(batch.gramian),
                    across=None if batch.noise is None else _array(batch.gramian),
                    noise=_array(batch.noise),
                )
            )
            self.validation = batch.evaluation if asked == "validation" else self.validation
        return Scalarization(weights)


def run(line: CommandLine) -> int:
    """Measure, and say what was found; the exit status."""
    quiet()
    screen = Screen()
    with TemporaryDirectory() as scratch:
        given = {**line.given, **STILL, "output_dir": scratch}
        settings = resolve(line.parser, given, {"disable_tqdm": True})
        rows = len(settings.rows("validation"))
        check_ready(settings)
        check = _measure(settings, line.given.get("batches", CheckArguments.batches), scratch, screen)
    print_tables(check, min(settings.config.eval_samples or rows, rows), screen)
    thresholds = any(name in line.given for name in ("maximize", "at_least", "at_most"))
    for finding in [*findings(check), suggestion(check, thresholds=thresholds)]:
        screen.say(finding)
    return 0


def _array(tensor: Tensor | None) -> Array | None:
    return None if tensor is None else tensor.cpu().numpy()


def _phases(rule: WeightingRule, batches: int, prompts: int) -> list[Phase]:
    """A batch to warm up, some with each influence, measured as the rule would have it, and one after an evaluation.

    Args:
        rule: the rule.
        batches: with each influence.
        prompts: of a batch; one prompt has no halves.
    """
    own = rule.measurements().influence or InfluenceRequest()
    # What the update did is measured after it, so those estimators go first, and have to be asked once more.
    possible = [estimator for estimator in ESTIMATORS.values() if prompts > 1 or not estimator.halved]
    order = sorted(possible, key=lambda estimator: not estimator.of_update)
    requests = {
        e.name: replace(own, method=e.name, clip_norm=None, layers=own.layers if e.selects_layers else "all")
        for e in order
    }
    return [
        Phase("", "plain step", Measurements(evaluation="rollouts")),
        Phase("evaluation", "evaluation", Measurements(requests[order[0].name], "validation")),
        *(
            Phase(name, f"{name} influence", Measurements(request, "rollouts"))
            for name, request in requests.items()
            for _ in range(batches)
        ),
    ]


def _measure(settings: Settings, batches: int, scratch: str, screen: Screen) -> Check:
    """Train for a few batches at a learning rate of 0, and examine them.

    Raises:
        BadInputError: if a reward fails, or rule, model and settings do not fit together.
    """
    config, objectives = settings.config, settings.task.objectives
    phases = _phases(settings.rule, batches, config.generation_batch_size // config.num_generations)
    per_step = config.gradient_accumulation_steps / config.steps_per_batch
    config.max_steps = math.ceil(len(phases) / per_step)
    config.lr_scheduler_type, config.lr_scheduler_kwargs = SchedulerType.CONSTANT, {}  # some have a least rate
    progress = bar("batch", screen)
    display = progress.add_task("loading", total=len(phases))
    told = -1

    def tell(done: int, doing: str) -> None:
        nonlocal told
        progress.update(display, completed=done, description=doing)
        if done > told and not screen.is_terminal:
            screen.say(f"batch {done + 1}/{len(phases)}: {doing}")
        told = max(told, done)

    observer = Observer(settings.rule, phases, tell)
    with progress:
        trainer = make_trainer(replace(settings, rule=observer))
        try:
            trainer.train()
        except (RewardError, RuleError) as error:
            raise BadInputError(error) from error
    lines = read_steps(scratch)
    in_groups = advantages.ESTIMATORS[config.advantage_estimator].within_groups
    return examine(
        observer.seen,
        names=[o.name for o in objectives],
        maximize=[o.maximize for o in objectives],
        bounds=[o.bounds for o in objectives],
        num_generations=config.num_generations if in_groups else None,
        truncated=_truncated(trainer),
        validation=None if observer.validation is None else observer.validation.metrics,
        costs=costs(lines, [phase.name for phase in phases]),
    )


def _truncated(trainer: MultiObjectiveTrainer) -> float:
    """The share of completions without an end, by TRL's count."""
    key = "completions/clipped_ratio"
    shares = [entry[key] for entry in trainer.state.log_history if key in entry]
    return math.fsum(shares) / len(shares) if shares else math.nan
