"""Which checkpoints are kept for the front."""

import time
from pathlib import Path

import numpy as np

from paretune import Objective
from paretune.trainer.run_log import RunLog

COUNT = 5000


def run_log(directory: Path | None, points: np.ndarray, kept: range) -> RunLog:
    log = RunLog([Objective(f"o{k}", print, bounds=(0, 1)) for k in range(points.shape[1])], directory)
    grid = log.archives["grid"]
    state = {**grid.state_dict(), "points": points.tolist(), "steps": list(range(len(points))), "estimate": 0.0}
    grid.load_state_dict(state)
    for step in kept if directory is not None else ():
        folder = directory / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "paretune.json").touch()
        (folder / "trainer_state.json").touch()
    return log


def front(count: int, dimension: int = 3) -> np.ndarray:
    """Points of which none is dominated."""
    points = np.abs(np.random.default_rng(0).normal(size=(count, dimension))) + 0.05
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_those_that_contribute_most_come_first(tmp_path: Path) -> None:
    # Gains (0.2, 0.9), (0.5, 0.6), (0.9, 0.5): what each adds to the others is 0.2 · 0.3, 0.3 · 0.1, 0.4 · 0.5.
    log = run_log(tmp_path, np.array([[0.2, 0.9], [0.5, 0.6], [0.9, 0.5]]), range(3))
    assert [log.front_steps(count) for count in range(4)] == [[], [2], [2, 0], [2, 0, 1]]
    assert log.front_steps(9) == [2, 0, 1]


def test_a_point_without_a_checkpoint_takes_no_others_place(tmp_path: Path) -> None:
    log = run_log(tmp_path, np.array([[0.2, 0.9], [0.5, 0.6], [0.9, 0.5]]), range(2))
    assert log.front_steps(1) == [0]
    assert log.front_steps(3) == [0, 1]
    assert run_log(None, np.array([[0.5, 0.5]]), range(0)).front_steps(1) == []


def test_a_front_of_thousands(tmp_path: Path) -> None:
    log, started = run_log(tmp_path, front(COUNT), range(0, COUNT, 250)), time.process_time()
    assert len(log.front_steps(7)) == 7
    assert time.process_time() - started < 10


def test_a_front_of_many_objectives(tmp_path: Path) -> None:
    log, started = run_log(tmp_path, front(400, dimension=32), range(0, 400, 20)), time.process_time()
    assert len(log.front_steps(7)) == 7
    assert time.process_time() - started < 20
