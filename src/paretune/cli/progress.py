"""The live display of a training run, and the plain lines it becomes where there is no terminal."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)
from rich.table import Table
from rich.text import Text
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from paretune.choosing.alerts import Alerts
from paretune.cli.dial_table import dial_line
from paretune.cli.screen import Screen
from paretune.record.entries import Batch, Evaluation, Objective
from paretune.record.fields import finite
from paretune.record.figures import NONE, figure, span, with_error
from paretune.record.reader import RunReader
from paretune.report.noise import clearly_better
from paretune.report.wording import model_name, rule_name


class Progress(TrainerCallback):
    """Shows what is run and where, the step, the phase and the time left, and how each objective stands.

    For an objective these are its weight and its metric on the validation set, both with what they were at the start,
    its reward and its influence. What :class:`~paretune.choosing.alerts.Alerts` has to say of the run is printed as it
    comes up. Directions, bounds and what the run began with are read from its record.

    Args:
        names: the objectives.
        screen: where to print; the standard output by default.
    """

    def __init__(self, names: Sequence[str], screen: Screen | None = None) -> None:
        self._names = list(names)
        self._screen = screen or Screen()
        self._bar = Bar(
            TextColumn("step"), MofNCompleteColumn(), BarColumn(24), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.description}"), console=self._screen,
        )  # fmt: skip
        self._task = self._bar.add_task("training", total=None)
        self._live: Live | None = None
        self._logs: dict[str, Any] = {}
        self._volume: float | None = None
        self._latest: Evaluation | None = None
        self._first: Evaluation | None = None
        self._objectives: dict[str, Objective] = {}
        self._initial_weights: Mapping[str, float] = {}
        self._dial = ""
        self._alerts: Alerts | None = None
        self._started = 0.0
        self._first_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Say what is run, and open the display."""
        if not state.is_world_process_zero:
            return
        self._started, self._first_step = time.monotonic(), state.global_step
        self._bar.update(self._task, total=state.max_steps, completed=state.global_step)
        run = RunReader(str(args.output_dir))
        self._alerts = _alerts_of(run)
        self._first = run.grid[0] if run.grid else None
        self._objectives = {objective.name: objective for objective in run.header.objectives}
        self._initial_weights = run.header.initial_weights
        for line in _told(run, state):
            self._screen.say(line)
        if args.eval_on_start:
            self._is("evaluating")
        if self._screen.is_terminal:
            self._live = Live(self._view(), console=self._screen, refresh_per_second=4)
            self._live.start()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Say that the policy is trained."""
        self._is("training")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Advance, and say what follows."""
        self._bar.update(self._task, completed=state.global_step)
        self._is("evaluating" if control.should_evaluate else "saving" if control.should_save else "training")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take up what TRL logs; without a terminal, print a line."""
        if not state.is_world_process_zero or logs is None or not any(k.startswith("weights/") for k in logs):
            return
        self._logs = dict(logs)
        self._refresh()
        if self._live is None:
            objectives = "  ".join(self._line_of(name) for name in self._names)
            self._screen.say(f"step {state.global_step}/{state.max_steps}  {objectives}  {self._left(state)}")
        if self._alerts is not None:
            weights = self._logged(logs, "weights/{}")
            self._remark(self._alerts.batch(Batch(state.global_step, weights=weights)))

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take up an evaluation; one that a rule asks for does not come by here."""
        if not state.is_world_process_zero or metrics is None:
            return
        figures, errors = self._logged(metrics, "eval_metrics/{}"), self._logged(metrics, "eval_standard_error/{}")
        self._latest = Evaluation(state.global_step, figures, errors)
        self._first = self._first or self._latest
        self._volume = metrics.get("eval_hypervolume")
        dial = dial_line(str(args.output_dir), state.global_step)
        self._dial = dial or self._dial
        self._is("saving" if control.should_save else "training")
        if self._live is None:
            values = "  ".join(f"{name} {self._metric(name)}{self._bracketed(name)}" for name in self._names)
            self._screen.say(f"evaluation at step {state.global_step}: {values}{self._of_front()}")
            if dial:
                self._screen.say(dial)
        if self._alerts is not None:
            self._remark(self._alerts.evaluation(self._latest))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the display; it stays on the screen."""
        if self._live is not None:
            self._refresh()
            self._live.stop()
            self._live = None

    def _logged(self, logs: Mapping[str, Any], key: str) -> dict[str, float]:
        """What a log says of each objective, where that is a finite number."""
        found = {name: finite(logs.get(key.format(name))) for name in self._names}
        return {name: value for name, value in found.items() if value is not None}

    def _remark(self, remarks: Sequence[str]) -> None:
        """Print remarks; they stay on the screen, above the live display where there is one."""
        for remark in remarks:
            self._screen.say(f"note: {remark}")

    def _is(self, phase: str) -> None:
        self._bar.update(self._task, description=phase)
        self._refresh()

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._view())

    def _view(self) -> Group:
        measured = any(f"influence/{name}" in self._logs for name in self._names)
        table = Table(box=None, pad_edge=False)
        table.add_column("objective")
        for column in ("weight", "reward", *(["influence"] if measured else []), "validation"):
            table.add_column(column, justify="right")
        table.add_column("since the start")
        for name in self._names:
            table.add_row(
                name,
                self._weight(name),
                figure(self._logs.get(f"rewards/{name}/mean")),
                *([figure(self._logs.get(f"influence/{name}"))] if measured else []),
                self._metric(name),
                self._trend(name),
            )
        scale = f"scale {figure(self._logs.get('rule/scale'))}"
        return Group(self._bar, table, f"{scale}{self._of_front()}", *([Text(self._dial)] if self._dial else []))

    def _line_of(self, name: str) -> str:
        return f"{name} {figure(self._logs.get(f'rewards/{name}/mean'))} (weight {self._weight(name)})"

    def _weight(self, name: str) -> str:
        """The weight, and what it was at first."""
        start, now = self._initial_weights.get(name), figure(self._logs.get(f"weights/{name}"))
        return now if start is None else f"{figure(start)} → {now}"

    def _metric(self, name: str) -> str:
        latest = self._latest
        return NONE if latest is None else with_error(latest.metrics.get(name), latest.errors.get(name))

    def _trend(self, name: str) -> str:
        """How a metric stands to the run's first evaluation; nothing if there is only that one."""
        first, latest, objective = self._first, self._latest, self._objectives.get(name)
        if first is None or latest is None or first.step == latest.step or objective is None:
            return ""
        if name not in first.metrics or name not in latest.metrics:
            return ""
        before = figure(first.metrics[name])
        if clearly_better(objective, latest, first):
            return f"better than {before}"
        return f"worse than {before}" if clearly_better(objective, first, latest) else f"about {before}"

    def _bracketed(self, name: str) -> str:
        trend = self._trend(name)
        return f" ({trend})" if trend else ""

    def _of_front(self) -> str:
        return "" if self._volume is None else f"  hypervolume of the front {figure(self._volume)}"

    def _left(self, state: TrainerState) -> str:
        done = state.global_step - self._first_step
        if done <= 0:
            return ""
        seconds = (time.monotonic() - self._started) / done * (state.max_steps - state.global_step)
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} left"


def _told(run: RunReader, state: TrainerState) -> list[str]:
    """What is run, with what and where, and in which units it is shown."""
    header = run.header
    model = model_name(header.model, header.task)
    seed = "" if header.seed is None else f", seed {header.seed}"
    going_on = f", going on after step {state.global_step}" if state.global_step else ""
    units = ", ".join(
        f"{o.name} {'↑' if o.maximize else '↓'}{f' {span(*o.bounds)}' if o.bounds else ''}" for o in header.objectives
    )
    return [
        f"{header.task or 'own rewards'}: {rule_name(header.rule, header.rule_settings)}, {state.max_steps} steps{seed}"
        f"{going_on}",
        f"model: {'the policy of the task' if model is None else model or NONE}",
        f"folder: {run.directory}",
        f"units: rewards as trained on; metrics as measured, ± standard error: {units}",
    ]


def _alerts_of(run: RunReader) -> Alerts:
    """What watches the run, having seen what its record holds of the time before it was resumed."""
    alerts = Alerts(run.header.objectives)
    for batch in run.batches:
        alerts.batch(batch)
    for evaluation in run.evaluations:
        alerts.evaluation(evaluation)
    return alerts
