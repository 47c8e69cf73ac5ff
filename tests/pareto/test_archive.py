import doctest
import json
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paretune.pareto.archive
from paretune.pareto import ParetoArchive, dominates, worst_corner


def exact_volume(points):
    """Hypervolume above 0 of points [n][K] in rational arithmetic: slab by slab along the last objective."""
    points = [[Fraction(x) for x in p] for p in points if all(x > 0 for x in p)]
    if not points:
        return Fraction(0)
    if len(points[0]) == 1:
        return max(p[0] for p in points)
    slabs = pairwise(sorted({Fraction(0), *(p[-1] for p in points)}))
    return sum((high - low) * exact_volume([p[:-1] for p in points if p[-1] >= high]) for low, high in slabs)


def exact_contribution(points, point):
    return exact_volume([*points, point]) - exact_volume(points)


@st.composite
def point_lists(draw, elements):
    dimension = draw(st.integers(1, 4))
    return draw(st.lists(st.lists(elements, min_size=dimension, max_size=dimension), min_size=1, max_size=7))


coarse = st.integers(-1, 4).map(lambda i: i / 4)
fine = st.one_of(st.just(0.0), st.floats(1e-30, 1.0))  # a product of four is far from underflow
nearly_equal = st.tuples(st.integers(1, 2), st.integers(-3, 3)).map(lambda t: t[0] / 2 + t[1] * 2.0**-50)


@settings(max_examples=100, deadline=None)
@given(points=st.one_of(point_lists(coarse), point_lists(fine), point_lists(nearly_equal)))
def test_contributions_equal_exact_arithmetic_relatively(points):
    archive = ParetoArchive([True] * len(points[0]), [0.0] * len(points[0]))
    for step, point in enumerate(points):
        before = archive.points.tolist()
        expected = exact_contribution(before, point)
        contribution = archive.add(point, step)
        assert contribution == pytest.approx(float(expected), rel=1e-9, abs=1e-300)
        # new by dominance: never lost to rounding, never made by it
        is_new = not any(all(b >= x for b, x in zip(other, point, strict=True)) for other in before)
        assert (step in archive.steps) == is_new
        assert (contribution > 0) == (expected > 0) == (is_new and all(x > 0 for x in point))
    assert archive.hypervolume == pytest.approx(float(exact_volume(points)), rel=1e-12)


@given(points=st.one_of(point_lists(coarse), point_lists(fine)))
def test_the_archive_is_the_front_and_remembers_steps(points):
    archive = ParetoArchive([True] * len(points[0]), [0.0] * len(points[0]))
    total = sum(archive.add(point, step) for step, point in enumerate(points))
    assert total == pytest.approx(archive.hypervolume, abs=1e-12)
    assert len(archive) == len(archive.steps) == len(archive.points)
    beaten = [any(dominates(other, point, archive.maximize) for other in points) for point in points]
    firsts = [step for step, point in enumerate(points) if point not in points[:step]]
    assert archive.steps == [step for step in firsts if not beaten[step]]
    assert archive.points.tolist() == [points[step] for step in archive.steps]


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
    ("point", "kept"),
    [
        ([0.1, 0.9], True), ([0.2, 0.9], True), ([0.9, 0.1], True), ([-5.0, -5.0], False), ([0.2, 0.2], False),
        ([math.nan, 0.9], False), ([0.9, math.inf], False),
    ],
)  # fmt: skip
def test_points_without_volume_above_the_reference_contribute_nothing(point, kept):
    archive, without = (ParetoArchive([True, True], [0.2, 0.2]) for _ in range(2))
    for one in (archive, without):
        assert one.add([0.5, 0.5]) > 0
    assert archive.contribution(point) == 0.0
    assert archive.add(point) == 0.0
    assert len(archive) == 1 + kept
    assert archive.hypervolume == without.hypervolume
    for later in [[0.4, 0.8], [0.8, 0.4], [0.95, 0.95]]:
        assert archive.add(later) == without.add(later) > 0
    assert archive.points.tolist() == without.points.tolist() == [[0.95, 0.95]]


@st.composite
def offers(draw):
    dimension = draw(st.sampled_from([1, 2, 3, 6, 7]))
    values = st.sampled_from([-2.0, 0.0, 0.3, 0.6, 1.0, 1.5, math.nan, math.inf])
    return draw(st.lists(st.lists(values, min_size=dimension, max_size=dimension), min_size=1, max_size=8))


@settings(deadline=None)
@given(points=offers(), stuck=st.booleans())
def test_what_nothing_is_as_good_as_stays_and_volumes_do_not_know_of_it(points, stuck):
    """Whatever is offered is kept or at least matched; what has no volume changes no contribution."""
    dimension = len(points[0])
    if stuck:  # one objective at its worst bound throughout
        points = [[*point[:-1], 0.0] for point in points]
    archive, with_volume = (
        ParetoArchive([True] * dimension, [0.0] * dimension, [(0.0, 1.0)] * dimension) for _ in "ab"
    )
    for step, point in enumerate(points):
        contribution = archive.add(point, step)
        if all(math.isfinite(x) and x > 0 for x in point):
            assert contribution == with_volume.add(point, step)
        else:
            assert contribution == 0.0
        if np.isfinite(point).all():
            assert (archive.points.clip(0, 1) >= np.clip(point, 0, 1)).all(axis=1).any()
    assert archive.hypervolume == with_volume.hypervolume
    assert bool(len(archive)) == any(np.isfinite(point).all() for point in points)
    clipped = archive.points.clip(0, 1)
    assert not any(dominates(one, clipped, archive.maximize).any() for one in clipped)
    assert len({tuple(row) for row in clipped.tolist()}) == len(archive)


def test_beyond_the_bounds_counts_as_the_bound_and_is_kept_raw():
    archive = ParetoArchive([True, False], [0.0, 100.0], bounds=[(0.0, 1.0), (0.0, 100.0)])
    assert archive.add([0.5, -20.0]) == pytest.approx(0.5)
    assert archive.points.tolist() == [[0.5, -20.0]]
    assert archive.add([7.0, 0.0]) == pytest.approx(0.5)
    assert archive.points.tolist() == [[7.0, 0.0]]  # -20 is no better than 0
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


@pytest.mark.parametrize("point", [0, 1, 2, 3])
def test_a_loss_is_the_contribution_to_all_others(point):
    points = [[0.9, 0.1, 0.5], [0.5, 0.5, 0.5], [0.1, 0.9, 0.4], [0.4, 0.4, 0.9]]
    archive, others = (ParetoArchive([True] * 3, [0.0] * 3) for _ in range(2))
    for i, values in enumerate(points):
        archive.add(values, i)
        if i != point:
            others.add(values)
    before = archive.state_dict()
    assert archive.loss(point) == others.contribution(points[point]) > 0
    assert archive.state_dict() == before


# --- numbers that misbehave -------------------------------------------------------------------------------

odd = st.sampled_from([0.0, 1.0, 1e-30, -1e-30, 1e30, -1e30, 1e-320, 1e308, -1e308, math.nan, math.inf, -math.inf])


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from([1, 2, 4, 6, 32]), st.sampled_from([None, (0, 1), (-1e30, 1e30), (0, 1e-30)]))
def test_nothing_that_is_offered_makes_it_nan(data, dimension, bounds):
    pairs = None if bounds is None else [bounds] * dimension
    archive = ParetoArchive([True] * dimension, [data.draw(st.sampled_from([0.0, -1e308, 1e-30]))] * dimension, pairs)
    before = 0.0
    for values in data.draw(st.lists(st.tuples(odd, odd), max_size=6)):
        point = [values[k % 2] for k in range(dimension)]
        contribution = archive.add(point)
        assert contribution >= 0
        assert contribution == 0 or np.isfinite(point).all()
        assert archive.hypervolume >= before * (1 - 1e-12)
        before = archive.hypervolume
    assert np.isfinite(archive.points).all()
    assert pairs is None or before <= 1


def test_a_metric_that_never_leaves_its_worst_bound_leaves_no_volume():
    archive = ParetoArchive([True, False], [0.0, 9.0], [(0.0, 1.0), (0.0, 9.0)])
    assert [archive.add([x, 9.0]) for x in (0.0, 0.5, 1.0)] == [0.0, 0.0, 0.0]
    assert archive.hypervolume == 0.0
    assert archive.points.tolist() == [[1.0, 9.0]]  # the best of them is on the front all the same
    assert archive.add([0.5, 8.0]) > 0
    assert archive.points.tolist() == [[1.0, 9.0], [0.5, 8.0]]


def test_a_reference_on_the_best_bound_leaves_no_room():
    archive = ParetoArchive([True, True], [0.0, 1.0], [(0.0, 1.0), (0.0, 1.0)])
    assert [archive.add([1.0, x]) for x in (0.0, 1.0, 2.0)] == [0.0, 0.0, 0.0]
    assert (archive.points.tolist(), archive.hypervolume) == ([[1.0, 1.0]], 0.0)


@pytest.mark.parametrize("size", [1e-30, 1e30, 1e300])
def test_bounds_of_any_size_make_the_same_volumes(size):
    plain = ParetoArchive([True, False], [0.0, 1.0], [(0.0, 1.0)] * 2)
    sized = ParetoArchive([True, False], [0.0, size], [(0.0, size)] * 2)
    for point in [[0.25, 0.5], [0.5, 0.75], [0.1, 0.2], [0.25, 0.5]]:
        assert sized.add([x * size for x in point]) == pytest.approx(plain.add(point), rel=1e-12)
    assert sized.hypervolume == pytest.approx(plain.hypervolume, rel=1e-12)


def test_a_volume_below_the_smallest_number_is_still_news():
    archive = ParetoArchive([True] * 3, [0.0] * 3)
    assert archive.add([1e-200] * 3) == math.ulp(0.0)
    assert archive.add([1e-200] * 3) == 0.0
    assert archive.hypervolume == 0.0
    assert archive.add([1e-100] * 3) == pytest.approx(1e-300)
    assert archive.add([1e300] * 3) == archive.hypervolume == math.inf


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
    spoilt = {**archive.state_dict(), "points": [[0.5, math.nan]], "steps": [1]}
    with pytest.raises(ValueError, match="not finite"):
        restored.load_state_dict(spoilt)


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
    results = doctest.testmod(paretune.pareto.archive)
    assert results.attempted >= 8
    assert results.failed == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ParetoArchive([], []), "empty"),
        (lambda: ParetoArchive([True], [0.0, 1.0]), "2 values for 1 objectives"),
        (lambda: ParetoArchive([True], [math.nan]), "finite, got"),
        (lambda: ParetoArchive([True, True], [0.0, 0.0], [(0.0, 1.0)]), "1 pairs for 2"),
        (lambda: ParetoArchive([True], [0.0], [(1.0, 1.0)]), r"low < high .* got \(1.0, 1.0\)"),
        (lambda: ParetoArchive([True], [0.0], [(-1.7e308, 1.7e308)]), r"at most 1.8e\+308 apart, got"),
        (lambda: worst_corner([True], [(0.0, math.inf)]), r"got \(0.0, inf\)"),
        (lambda: ParetoArchive([True], [0.0]).contribution([1.0, 2.0]), "must have 1 values"),
        (lambda: ParetoArchive([True], [0.0]).add([[1.0]]), "must have 1 values"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
