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
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from paretune.choosing.alerts import Alerts
from paretune.cli.screen import Screen
from paretune.record.entries import Batch, Evaluation
from paretune.record.fields import finite
from paretune.record.figures import figure, with_error
from paretune.record.reader import RunReader


class Progress(TrainerCallback):
    """Shows step, time left, and for each objective its weight, reward, influence and latest metric.

    What :class:`~paretune.choosing.alerts.Alerts` has to say of the run is printed as it comes up. The objectives'
    directions and bounds are read from the run's record.

    Args:
        names: the objectives.
        screen: where to print; the standard output by default.
    """

    def __init__(self, names: Sequence[str], screen: Screen | None = None) -> None:
        self._names = list(names)
        self._screen = screen or Screen()
        self._bar = Bar(
            TextColumn("step"), MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=self._screen,
        )  # fmt: skip
        self._task = self._bar.add_task("train", total=None)
        self._live: Live | None = None
        self._logs: dict[str, Any] = {}
        self._metrics: dict[str, Any] = {}
        self._alerts: Alerts | None = None
        self._started = 0.0
        self._first_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the display."""
        if not state.is_world_process_zero:
            return
        self._started, self._first_step = time.monotonic(), state.global_step
        self._bar.update(self._task, total=state.max_steps, completed=state.global_step)
        self._alerts = _alerts_of(str(args.output_dir))
        if self._screen.is_terminal:
            self._live = Live(self._view(), console=self._screen, refresh_per_second=4)
            self._live.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Advance."""
        self._bar.update(self._task, completed=state.global_step)
        self._refresh()

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
        """Take up an evaluation."""
        if not state.is_world_process_zero or metrics is None:
            return
        self._metrics = dict(metrics)
        self._refresh()
        if self._live is None:
            values = "  ".join(f"{name} {self._metric(name)}" for name in self._names)
            volume = figure(self._metrics.get("eval_hypervolume"))
            self._screen.say(f"evaluation at step {state.global_step}: {values}  hypervolume {volume}")
        if self._alerts is not None:  # an evaluation that a rule asks for does not come by here
            figures, errors = self._logged(metrics, "eval_metrics/{}"), self._logged(metrics, "eval_standard_error/{}")
            self._remark(self._alerts.evaluation(Evaluation(state.global_step, figures, errors)))

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

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._view())

    def _view(self) -> Group:
        table = Table(box=None, pad_edge=False)
        table.add_column("objective")
        for column in ("weight", "reward", "influence", "validation"):
            table.add_column(column, justify="right")
        for name in self._names:
            table.add_row(
                name,
                figure(self._logs.get(f"weights/{name}")),
                figure(self._logs.get(f"rewards/{name}/mean")),
                figure(self._logs.get(f"influence/{name}")),
                self._metric(name),
            )
        volume, scale = figure(self._metrics.get("eval_hypervolume")), figure(self._logs.get("rule/scale"))
        line = f"hypervolume {volume}   scale {scale}"
        return Group(self._bar, table, line)

    def _line_of(self, name: str) -> str:
        reward, weight = self._logs.get(f"rewards/{name}/mean"), self._logs.get(f"weights/{name}")
        return f"{name} {figure(reward)} (weight {figure(weight)})"

    def _metric(self, name: str) -> str:
        value, error = self._metrics.get(f"eval_metrics/{name}"), self._metrics.get(f"eval_standard_error/{name}")
        return with_error(value, error)

    def _left(self, state: TrainerState) -> str:
        done = state.global_step - self._first_step
        if done <= 0:
            return ""
        seconds = (time.monotonic() - self._started) / done * (state.max_steps - state.global_step)
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} left"


def _alerts_of(directory: str) -> Alerts:
    """What watches the run, having seen what its record holds of the time before it was resumed."""
    run = RunReader(directory)
    alerts = Alerts(run.header.objectives)
    for batch in run.batches:
        alerts.batch(batch)
    for evaluation in run.evaluations:
        alerts.evaluation(evaluation)
    return alerts
