"""What policies are worth: figures beside the hypervolume, and how near they come to the best possible."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite

from paretune.comparison.figures import OF_THE_FRONT, OF_THE_LAST, front_figures, last_figures
from paretune.record.entries import Evaluation
from paretune.record.figures import NONE, figure
from paretune.record.known_front import KnownFront, front_on
from paretune.report.comparison_tables import mean
from paretune.report.comparisons import Comparison
from paretune.report.page import Block, Table, Text
from paretune.report.runs import Run

WORTH = (
    "A gain is a metric on its bounds: 0 is the worst and 1 the best. The geometric mean of all gains is 0 if one of "
    "them is 0. For expected utility, each weighting of a fixed lattice takes the largest weighted sum of gains among "
    "the policies; the utility is the mean of these sums."
)
BEST = (
    "The best possible policy is known for each weighting of this task. Regret says how much more that policy is "
    "worth, as a mean over the lattice. The share of the best is the geometric mean over the "
    "largest one that any policy has."
)
REFERENCES = "The last columns measure the hypervolume from other reference points: every gain at 0.1, or at −0.1."
Together = tuple[str, Sequence[Evaluation], KnownFront | None]
"""Policies with a label, and the true front of the prompts that they were measured on."""


def of_comparison(comparison: Comparison) -> list[Block]:
    """The figures of all arms: of their last policies, and of their chosen ones together."""
    arms = [arm for arm in comparison.arms if any(one.mean is not None for one in arm.figures.values())]
    blocks: list[Block] = []
    for caption, names in (
        ("The last policy on the test split: mean (95 % interval over seeds)", OF_THE_LAST),
        ("The chosen policies together, on the test split: mean (95 % interval over seeds)", OF_THE_FRONT),
    ):
        rows = [[arm.label, *(mean(arm.figures.get(name)) for name in names)] for arm in arms]
        blocks += _table(caption, "rule", names, rows)
    known = any(arm.figures["regret"].mean is not None for arm in arms if "regret" in arm.figures)
    return [*blocks, *_texts(known)] if blocks else []


def of_run(run: Run) -> list[Block]:
    """The figures of a run's first and last policy, and of its front."""
    on_grid = run.header.evaluation.get("samples")
    validation = front_on(run.known_fronts, "validation", on_grid if isinstance(on_grid, int) else None)
    ends = [run.evaluations[i] for i in ((0, -1) if len(run.evaluations) > 1 else (-1,)) if run.evaluations]
    policies = [(f"step {e.step}, validation", e, validation) for e in ends]
    sets: list[Together] = [("front, validation", run.front, validation)] if run.front else []
    if again := run.measured_again:
        test = front_on(run.known_fronts, "test", again[-1].prompts)
        policies.append((f"step {again[-1].step}, test", again[-1], test))
        sets.append(("chosen policies, test", again, test))
    blocks = [
        *_of("Single policies", "policy", OF_THE_LAST, [(label, [e], front) for label, e, front in policies],
             lambda chosen, front: last_figures(run.objectives, chosen[0].metrics, front)),
        *_of("Policies together", "policies", OF_THE_FRONT, sets,
             lambda chosen, front: front_figures(run.objectives, [e.metrics for e in chosen], front)),
    ]  # fmt: skip
    return [*blocks, *_texts(any(front for *_, front in policies))] if blocks else []


def _of(
    caption: str,
    what: str,
    names: Mapping[str, str],
    sets: Sequence[Together],
    figures: Callable[[Sequence[Evaluation], KnownFront | None], Mapping[str, float]],
) -> list[Block]:
    rows = []
    for label, chosen, front in sets:
        found = figures(chosen, front)
        rows.append([label, *(figure(found[name]) if isfinite(found[name]) else NONE for name in names)])
    return _table(caption, what, names, rows)


def _table(caption: str, what: str, names: Mapping[str, str], rows: Sequence[Sequence[str]]) -> list[Block]:
    """A table without the columns in which nothing is known; none if that is all of them."""
    kept = [i for i, _ in enumerate(names, start=1) if any(row[i] != NONE for row in rows)]
    if not kept:
        return []
    headings = [what, *names.values()]
    return [Table(caption, [headings[i] for i in (0, *kept)], [[row[i] for i in (0, *kept)] for row in rows])]


def _texts(known: bool) -> list[Block]:
    return [Text(" ".join([WORTH, *([BEST] if known else []), REFERENCES]))]
