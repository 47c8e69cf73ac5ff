"""The dial of a steerable run: what one policy answers at several priorities, and whether it obeys."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from paretune.comparison.dial import WORKS, dial_of
from paretune.record.entries import Evaluation, Objective
from paretune.record.figures import figure, with_error
from paretune.record.known_front import KnownFront, front_on
from paretune.report.charts import Curve, CurveChart, Group, Mark, Marks, grouped
from paretune.report.page import Answer, Block, Fold, Sample, Samples, Section, Table
from paretune.report.run_charts import front_groups
from paretune.report.runs import Run
from paretune.report.wording import measured

ANSWERS = 3
"""Settings whose answers stand side by side."""


def dial_sections(run: Run) -> list[Section]:
    """The section of a run whose dial was measured; none of any other run."""
    if not run.dial:
        return []
    first = run.dial[0]
    where = f"{first.prompts} {first.split} prompts" if first.split else "the prompts of the validation set"
    lead = f"The policy of step {first.step} on {where}, at {len(run.dial)} settings of the priorities in its prompt."
    known = None if first.prompts is None else front_on(run.known_fronts, first.split, first.prompts)
    blocks: list[Block] = [*_responses(run), *_front(run), *_tables(run, known), *_answers(run)]
    return [Section("dial", "The dial", blocks, lead)]


def _responses(run: Run) -> list[Group]:
    curves = [
        curve for i, objective in enumerate(run.objectives) if (curve := _response(i, objective, run.dial)) is not None
    ]
    chart = CurveChart("dial-gains", "Gains", "", "its own priority", "gain", curves, markers=True)
    caption = (
        "How far each objective comes from its worst bound (0) to its best (1), against its own priority. A "
        "value is the mean over the settings of that priority, and the band spans them. A dial that works goes up."
    )
    return grouped(caption, [chart])


def _response(number: int, objective: Objective, dial: Sequence[Evaluation]) -> Curve | None:
    """The gain of an objective at each value of its priority; None without bounds or measurements."""
    gains = gains_at(objective, dial)
    if not gains:
        return None
    levels = sorted(gains)
    return Curve(
        objective.name,
        number,
        levels,
        [float(np.mean(gains[level])) for level in levels],
        low=[min(gains[level]) for level in levels],
        high=[max(gains[level]) for level in levels],
    )


def gains_at(objective: Objective, dial: Sequence[Evaluation]) -> dict[float, list[float]]:
    """By the value of its own priority, an objective's gains at the settings that have it; empty without bounds."""
    gains: dict[float, list[float]] = {}
    for one in dial:
        gain = objective.gain(one.metrics.get(objective.name))
        if gain is not None:
            gains.setdefault((one.priorities or {}).get(objective.name, 0.0), []).append(gain)
    return gains


def _front(run: Run) -> list[Group]:
    marks = [
        Mark(one.metrics, "front", [setting(one, run.objectives), *measured(one, run.objectives)]) for one in run.dial
    ]
    groups = front_groups(
        run.objectives,
        [Marks(0, marks)],
        pairs="Each mark is the same policy at another setting. The best corner is always the top right one, and lines "
        "join the settings that no other one beats in these two objectives.",
        cube="The same settings; drag to turn.",
    )
    return [
        Group(group.caption, [replace(chart, name=f"dial-{chart.name}") for chart in group.charts]) for group in groups
    ]


def _tables(run: Run, known: KnownFront | None) -> list[Block]:
    dial = dial_of(run.objectives, run.dial, known)
    rows = [
        [
            name,
            figure(response.correlation),
            figure(response.monotone),
            figure(response.worst),
            figure(response.best),
            "yes" if response.correlation >= WORKS else "no",
        ]
        for name, response in dial.responses.items()
    ]
    columns = ["objective", "rank correlation", "monotone steps", "worst", "best", "follows its priority"]
    together = (
        f"Hypervolume of all settings {figure(dial.hypervolume)}, expected utility {figure(dial.expected_utility)}, "
        f"regret {figure(dial.regret)}. An objective follows its priority from a rank correlation of {WORKS} on."
    )
    settings = [
        [
            setting(one, run.objectives),
            *(with_error(one.metrics.get(o.name), one.errors.get(o.name)) for o in run.objectives),
        ]
        for one in run.dial
    ]
    names = [objective.name for objective in run.objectives]
    return [
        Table(together, columns, rows, words=[len(columns) - 1]),
        Fold(
            "All settings as a table",
            [Table("Metrics at each setting, ± standard error", ["priorities", *names], settings)],
        ),
    ]


def _answers(run: Run) -> list[Block]:
    """The answers to one prompt at the first corners and, where there is room, at the centre."""
    told = [one for one in run.dial if "completion" in one.example and one.priorities]
    corners = [one for one in told if max((one.priorities or {}).values()) > 1 - 1e-9]
    between = sorted((one for one in told if one not in corners), key=lambda one: max((one.priorities or {}).values()))
    shown = (corners + between[:1])[:ANSWERS]
    if not shown:
        return []
    answers = []
    for one in shown:
        scores = f"over all prompts: {', '.join(measured(one, run.objectives))}"
        answers.append(Answer(setting(one, run.objectives), one.example["completion"], scores))
    return [Samples([Sample(shown[0].example.get("prompt", ""), answers)])]


def setting(one: Evaluation, objectives: Sequence[Objective]) -> str:
    """The priorities of a setting that are not 0: ``accuracy 60 %, clarity 40 %``."""
    told = one.priorities or {}
    return ", ".join(f"{o.name} {told[o.name]:.0%}".replace("%", " %") for o in objectives if told.get(o.name))
