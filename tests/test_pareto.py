import doctest
import json
import math
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paretune.pareto
from paretune.pareto import ParetoArchive, dominates, worst_corner


def exact_volume(points):
    """Hypervolume above 0 of points [n][K] in rational arithmetic: count the cells of their grid."""
    points = [p for p in points if all(x > 0 for x in p)]
    if not points:
        return Fraction(0)
    axes = [sorted({Fraction(0), *(Fraction(p[k]) for p in points)}) for k in range(len(points[0]))]
    cells = product(*(list(pairwise(axis)) for axis in axes))
    return sum(
        math.prod(high - low for low, high in cell)
        for cell in cells
        if any(all(p[k] >= cell[k][1] for k in range(len(cell))) for p in points)
    )


def exact_contribution(points, point):
    return exact_volume([*points, point]) - exact_volume(points)


@st.composite
def point_lists(draw, elements):
    dimension = draw(st.integers(1, 4))
    return draw(st.lists(st.lists(elements, min_size=dimension, max_size=dimension), min_size=1, max_size=7))


coarse = st.integers(-1, 4).map(lambda i: i / 4)
fine = st.one_of(st.just(0.0), st.floats(1e-30, 1.0))  # a product of four is far from underflow
nearly_equal = st.tuples(st.integers(1, 2), st.integers(-3, 3)).map(lambda t: t[0] / 2 + t[1] * 2.0**-50)


@settings(max_examples=300)
@given(points=st.one_of(point_lists(coarse), point_lists(fine), point_lists(nearly_equal)))
def test_contributions_equal_exact_arithmetic_relatively(points):
    archive = ParetoArchive([True] * len(points[0]), [0.0] * len(points[0]))
    for step, point in enumerate(points):
        before = archive.points.tolist()
        expected = exact_contribution(before, point)
        contribution = archive.add(point, step)
        assert contribution == pytest.approx(float(expected), rel=1e-9, abs=1e-300)
        # new by dominance: never lost to rounding, never made by it
        is_new = all(x > 0 for x in point) and not any(
            all(b >= x for b, x in zip(other, point, strict=True)) for other in before
        )
        assert (step in archive.steps) == is_new == (expected > 0)
    assert archive.hypervolume == pytest.approx(float(exact_volume(points)), rel=1e-12)


@given(points=st.one_of(point_lists(coarse), point_lists(fine)))
def test_the_archive_is_the_front_and_remembers_steps(points):
    archive = ParetoArchive([True] * len(points[0]), [0.0] * len(points[0]))
    total = sum(archive.add(point, step) for step, point in enumerate(points))
    assert total == pytest.approx(archive.hypervolume, abs=1e-12)
    assert len(archive) == len(archive.steps) == len(archive.points)
    for step, point in zip(archive.steps, archive.points, strict=True):
        assert points[step] == point.tolist()
        assert not any(dominates(other, point, archive.maximize) for other in points)


@given(points=point_lists(fine), data=st.data())
def test_direction_and_bounds_only_relabel(points, data):
    """Flipped and stretched objectives, normalised by bounds, contribute what the plain ones do."""
    dimension = len(points[0])
    maximize = data.draw(st.lists(st.booleans(), min_size=dimension, max_size=dimension))
    bounds = [(-2.0, 6.0)] * dimension
    raw = [[8 * x - 2 if up else 6 - 8 * x for x, up in zip(p, maximize, strict=True)] for p in points]
    plain = ParetoArchive([True] * dimension, [0.0] * dimension)
    relabelled = ParetoArchive(maximize, worst_corner(maximize, bounds), bounds)
    for p, q in zip(points, raw, strict=True):
        assert relabelled.contribution(q) == pytest.approx(plain.contribution(p), abs=1e-9)
        relabelled.add(q)
        plain.add(p)
    assert 0.0 <= relabelled.hypervolume <= 1.0


def test_golden(golden):
    offered = 0
    for sequence in golden["hypervolume_sequences"]:
        archive = ParetoArchive(sequence["maximize"], sequence["reference"])
        for number, step in enumerate(sequence["steps"]):
            contribution = archive.add(step["point"], number)
            assert contribution == pytest.approx(step["contribution"], rel=0.0, abs=1e-9)
            if step["contribution"] > 1e-9 or not step["added"]:
                assert (number in archive.steps) == step["added"]
            offered += 1
    assert offered > 300


@pytest.mark.parametrize("tiny", [1e-12, 1e-15])
def test_a_tiny_step_beside_a_large_volume(tiny):
    archive = ParetoArchive([True, True], [0.0, 0.0])
    archive.add([1.0, 0.5])
    archive.add([0.5, 1.0])
    # the difference of the volumes, 0.75 + tiny / 2 and 0.75, would keep at most four digits of it
    step = (1.0 + tiny) - 1.0
    assert archive.contribution([1.0 + tiny, 0.5]) == pytest.approx(0.5 * step, rel=1e-12)
    assert archive.add([0.5 + tiny, 0.5 + tiny]) == pytest.approx(((0.5 + tiny) - 0.5) ** 2, rel=1e-12)
    assert len(archive) == 3


def test_by_hand_with_mixed_directions():
    archive = ParetoArchive([True, False], [0.2, 400.0])
    assert archive.add([0.7, 300.0], step=10) == pytest.approx(50.0)
    assert archive.add([0.6, 350.0], step=20) == 0.0  # dominated
    assert archive.add([0.9, 350.0], step=30) == pytest.approx(0.2 * 50)
    assert archive.hypervolume == pytest.approx(60.0)
    assert archive.add([0.9, 200.0], step=40) == pytest.approx(0.7 * 200 - 60)
    assert archive.points.tolist() == [[0.9, 200.0]]
    assert archive.steps == [40]


def test_duplicates_contribute_nothing_and_are_not_kept():
    archive = ParetoArchive([True, True], [0.0, 0.0])
    assert archive.add([0.3, 0.7], 1) > 0
    assert archive.add([0.3, 0.7], 2) == 0.0
    assert archive.steps == [1]


@pytest.mark.parametrize(
    "point", [[0.1, 0.9], [0.2, 0.9], [0.9, 0.1], [-5.0, -5.0], [0.2, 0.2], [math.nan, 0.9], [0.9, math.inf]]
)
def test_points_without_volume_above_the_reference_contribute_nothing(point):
    archive = ParetoArchive([True, True], [0.2, 0.2])
    assert archive.add([0.5, 0.5]) > 0
    assert archive.contribution(point) == 0.0
    assert archive.add(point) == 0.0
    assert len(archive) == 1


def test_beyond_the_bounds_counts_as_the_bound_and_is_kept_raw():
    archive = ParetoArchive([True, False], [0.0, 100.0], bounds=[(0.0, 1.0), (0.0, 100.0)])
    assert archive.add([0.5, -20.0]) == pytest.approx(0.5)
    assert archive.points.tolist() == [[0.5, -20.0]]
    assert archive.add([7.0, 0.0]) == pytest.approx(0.5)
    assert archive.add([9.0, 0.0]) == 0.0
    assert archive.add([0.5, 130.0]) == 0.0
    assert archive.hypervolume == 1.0


def test_one_objective():
    archive = ParetoArchive([False], [10.0])
    added = [archive.add([x], i) for i, x in enumerate([7.0, 8.0, 7.0, 6.5, 12.0])]
    assert added == pytest.approx([3.0, 0.0, 0.0, 0.5, 0.0])
    assert added[1] == added[2] == added[4] == 0.0
    assert archive.steps == [3]
    assert archive.hypervolume == 3.5


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


def test_contribution_does_not_change_the_archive():
    archive = ParetoArchive([True, True], [0.0, 0.0])
    archive.add([0.5, 0.5])
    before = archive.state_dict()
    archive.contribution([0.9, 0.9])
    archive.points[0] = 0.0
    archive.steps.append(3)
    assert archive.state_dict() == before


def test_empty_archive():
    archive = ParetoArchive([True, False], [0.0, 9.0])
    assert (len(archive), archive.steps, archive.hypervolume, archive.points.shape) == (0, [], 0.0, (0, 2))


def test_state_survives_json():
    archive = ParetoArchive([True, False], [0.0, 100.0], bounds=[(0.0, 1.0), (0.0, 100.0)])
    for step, point in enumerate([[0.1, 3.0], [1 / 3, 40.0], [0.9, 77.7]]):
        archive.add(point, step if step else None)
    restored = ParetoArchive([True], [0.0])
    restored.load_state_dict(json.loads(json.dumps(archive.state_dict())))
    assert restored.state_dict() == archive.state_dict()
    assert restored.contribution([0.5, 20.0]) == archive.contribution([0.5, 20.0])
    assert repr(restored) == repr(archive)
    empty = ParetoArchive([True, True], [0.0, 0.0])
    restored.load_state_dict(json.loads(json.dumps(empty.state_dict())))
    assert restored.points.shape == (0, 2)
    with pytest.raises(ValueError, match="3 points and 0 steps"):
        restored.load_state_dict({**archive.state_dict(), "steps": []})


def test_repr_names_what_it_holds():
    archive = ParetoArchive([True, False], [0.0, 9.0])
    archive.add([0.5, 7.0])
    assert "[True, False]" in repr(archive)
    assert "1 points, hypervolume 1" in repr(archive)


def test_worst_corner():
    assert worst_corner([True, False, True], [(0, 1), (5, 500), (-1, 1)]) == [0.0, 500.0, -1.0]


def test_dominates():
    others = [[1.0, 5.0], [1.0, 6.0], [0.5, 6.0], [2.0, 6.0], [math.nan, 9.0]]
    assert dominates([1.0, 5.0], others, [True, False]).tolist() == [False, True, True, False, False]


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(paretune.pareto)
    assert results.attempted >= 8
    assert results.failed == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ParetoArchive([], []), "empty"),
        (lambda: ParetoArchive([True], [0.0, 1.0]), "2 values for 1 objectives"),
        (lambda: ParetoArchive([True], [math.nan]), "finite, got"),
        (lambda: ParetoArchive([True, True], [0.0, 0.0], [(0.0, 1.0)]), "1 pairs for 2"),
        (lambda: ParetoArchive([True], [0.0], [(1.0, 1.0)]), r"low < high, got \(1.0, 1.0\)"),
        (lambda: worst_corner([True], [(0.0, math.inf)]), r"got \(0.0, inf\)"),
        (lambda: ParetoArchive([True], [0.0]).contribution([1.0, 2.0]), "must have 1 values"),
        (lambda: ParetoArchive([True], [0.0]).add([[1.0]]), "must have 1 values"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
