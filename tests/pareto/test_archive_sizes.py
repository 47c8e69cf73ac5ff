"""Archives of many objectives, and of many points."""

import json
import math
import time

import moocore
import numpy as np
import pytest

from paretune.pareto import ParetoArchive, worst_corner


@pytest.mark.parametrize("dimension", [1, 5, 6, 8, 32])
def test_as_many_objectives_as_one_likes(dimension):
    generator = np.random.default_rng(0)
    maximize = [k % 2 == 0 for k in range(dimension)]
    bounds = [(-1.0, 1.0)] * dimension
    archive = ParetoArchive(maximize, worst_corner(maximize, bounds), bounds)
    assert archive.exact == (dimension <= 5)
    total, before, kept = 0.0, 0.0, []
    for step, point in enumerate(generator.uniform(-1.1, 1.1, (60, dimension)).round(1)):
        gain = np.where(maximize, point, -point).clip(-1, 1)
        contribution = archive.add(point, step)
        assert archive.contribution(point) == 0
        # new by dominance, whatever the estimates are
        is_new = not any((other >= gain).all() for other in kept)
        assert (contribution > 0) == bool((gain > -1).all() and is_new)
        if is_new:
            kept.append(gain)
        assert (step in archive.steps) == is_new
        assert before * (1 - 1e-12) <= archive.hypervolume <= 1
        before, total = archive.hypervolume, total + contribution
    assert total == pytest.approx(archive.hypervolume, rel=1e-9)
    assert math.isfinite(archive.hypervolume)


@pytest.mark.parametrize("dimension", [6, 7, 8])
def test_the_estimate_is_near_the_truth(dimension):
    archive = ParetoArchive([True] * dimension, [0.0] * dimension)
    for point in np.random.default_rng(1).random((40, dimension)):
        archive.add(point)
    exact = moocore.hypervolume(archive.points, ref=0.0, maximise=True)
    assert archive.hypervolume == pytest.approx(exact, rel=0.02)
    assert archive.hypervolume != exact


def test_an_estimate_stays_within_the_best_values():
    archive = ParetoArchive([True] * 6, [0.0] * 6, [(0.0, 1.0)] * 6)
    for x in np.linspace(0.9, 1.0, 50):
        archive.add([x] * 5 + [1.9 - x])
        archive.add([1.9 - x] + [x] * 5)
    archive.add([1.0] * 6)
    assert archive.hypervolume <= 1.0
    assert len(archive) == 1


def test_an_estimate_goes_on_after_a_restart_as_if_there_had_been_none():
    points = np.random.default_rng(2).random((40, 9))
    whole, again = (ParetoArchive([True] * 9, [0.0] * 9) for _ in range(2))
    for step, point in enumerate(points):
        whole.add(point, step)
        restored = ParetoArchive([True], [0.0])
        restored.load_state_dict(json.loads(json.dumps(again.state_dict())))
        again = restored
        again.add(point, step)
    assert again.state_dict() == whole.state_dict()
    assert again.hypervolume == whole.hypervolume


def test_thousands_of_points_none_of_which_is_dominated():
    points = np.abs(np.random.default_rng(0).normal(size=(5200, 3))) + 0.05
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    archive = ParetoArchive([True] * 3, [0.0] * 3)
    state = archive.state_dict()
    archive.load_state_dict({**state, "points": points[:5000].tolist(), "steps": list(range(5000))})
    started, before = time.process_time(), archive.hypervolume
    total = sum(archive.add(point, step) for step, point in enumerate(points[5000:], 5000))
    assert len(archive) == 5200
    assert before + total == pytest.approx(archive.hypervolume, rel=1e-12)
    assert all(archive.loss(i) > 0 for i in range(0, 5200, 26))
    assert time.process_time() - started < 20


def test_eight_objectives_and_thousands_of_points():
    generator = np.random.default_rng(0)
    eight = ParetoArchive([True, False] * 4, [0.0, 1.0] * 4)
    total = sum(eight.add(point) for point in generator.random((40, 8)))
    assert total == pytest.approx(eight.hypervolume, rel=1e-12)
    three = ParetoArchive([True] * 3, [0.0] * 3)
    points = generator.random((3000, 3))
    total = sum(three.add(point) for point in points)
    assert total == pytest.approx(three.hypervolume, rel=1e-12)
    assert total == pytest.approx(
        (generator.random((200_000, 3))[:, None] <= three.points).all(-1).any(-1).mean(), abs=3e-3
    )
