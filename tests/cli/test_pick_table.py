"""The front that ``paretune pick`` shows, on terminals of 80 columns and more."""

import io
from pathlib import Path

import pytest

from paretune.choosing.pick import Choice, Condition, Fronts, Point, Wish, choose
from paretune.cli.pick_table import print_front
from paretune.cli.screen import Screen
from paretune.record.entries import Evaluation, Objective
from paretune.record.figures import with_error

NAMES = [
    "accuracy",
    "conciseness",
    "clarity",
    "groundedness",
    "safety",
    "a_reward_function_with_a_long_name",
    "tone",
    "b",
]
FIGURES = {"accuracy": 0.6042, "conciseness": 43.51}


def choice(count: int, *, runs: int = 1, tested: bool = False) -> Choice:
    """Of policies on the front of so many objectives: the later is the more accurate, and worse in all others."""
    objectives = [Objective(name, name != "conciseness", (0.0, 100.0)) for name in NAMES[:count]]
    points = []
    for i in range(4 * runs):
        metrics = {o.name: FIGURES.get(o.name, 0.3417) + (i if k < 2 else -i) / 100 for k, o in enumerate(objectives)}
        errors = dict.fromkeys(metrics, 0.0128)
        test = {"sampled": Evaluation(step=10 * i, metrics=metrics, errors=errors)} if tested else {}
        run = Path(f"hypervolume-gradient-grpo-seed{i % runs}")
        points.append(Point(run, 10 * i, metrics, errors, run / f"checkpoint-{10 * i}", test))
    return choose(Fronts(objectives, points, []), Wish({}, [Condition("conciseness", "≤", 43.525)]))


def printed(chosen: Choice, width: int) -> str:
    screen = io.StringIO()
    print_front(chosen, Screen(file=screen, width=width))
    return screen.getvalue()


@pytest.mark.parametrize("tested", [False, True])
@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_every_figure_is_whole_at_eighty_columns(count: int, runs: int, tested: bool) -> None:
    chosen = choice(count, runs=runs, tested=tested)
    said = printed(chosen, 80)
    assert max(map(len, said.splitlines())) <= 80
    assert "…" not in said
    for point in chosen.candidates:
        assert f" {point.step} " in said
        for name, value in point.metrics.items():
            assert with_error(value, point.errors[name]) in said, (point.step, name)
    for remark in ("→", "picked", "not conciseness"):
        assert remark in " ".join(said.replace("│", " ").split())


def test_an_objective_stands_beside_its_figures() -> None:
    chosen = choice(8, tested=True)
    lines = [line.split("│") for line in printed(chosen, 80).splitlines()]
    for name in ("accuracy", "conciseness", "b"):  # the last stands below a name that is broken
        found = [[cell.strip() for cell in cells[3:5]] for cells in lines if cells[2:] and f" {name} " in cells[2]]
        told = [with_error(point.metrics[name], point.errors[name]) for point in chosen.candidates]
        assert found == [[figure] * 2 for figure in told]


def test_where_there_is_room_a_policy_is_a_line() -> None:
    for count, width in ((2, 80), (8, 250)):
        lines = [line for line in printed(choice(count), width).splitlines() if line.startswith("│")]
        assert len(lines) == 4, lines
        assert "│ picked " in "".join(lines)
