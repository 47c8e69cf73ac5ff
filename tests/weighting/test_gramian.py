"""The methods of TorchJD as a rule: what defines each holds of its weights, whatever the Gramian."""

import doctest
import math
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import paretune.weighting.quadratic
from paretune import GramianRule
from paretune.testing import check_rule
from paretune.weighting.gramian import METHODS
from weighting.batches import on


def solution(method, gradients, **known):
    """The batch's own solution, before clipping and averaging, over its sum."""
    found = GramianRule(method, **known).update(on(gradients)).signals["solution"]
    return found / found.sum()


def gradients_of(count, seed, opposed=0.0):
    """Random gradients of very different lengths; `opposed` turns the last against the first."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 20, generator=generator, dtype=torch.float64) + 0.3
    rows[-1] -= opposed * rows[0]
    return rows * torch.logspace(-1, 1, count, dtype=torch.float64)[:, None]


cases = pytest.mark.parametrize(("count", "opposed"), [(2, 0.0), (3, 1.5), (6, 2.0)])


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("mgda", 1 / 5),
        ("gapo", 1 / 3),
        ("nash-mtl", 1 / 3),
        ("imtl-g", 1 / 3),
        ("aligned-mtl", 1 / 3),
        ("fairgrad", 1 / (1 + 4 ** (2 / 3))),
        ("upgrad", 1 / 2),
        ("dualproj", 1 / 2),
        ("pcgrad", 1 / 2),
    ],
)
def test_by_hand_at_a_right_angle(method, expected):
    assert solution(method, [[2.0, 0.0], [0.0, 1.0]])[0].item() == pytest.approx(expected, rel=1e-3)
    rule = GramianRule(method)
    first = rule.update(on([[2.0, 0.0], [0.0, 1.0]])).weights
    assert first[0].item() == pytest.approx(0.9 * 0.5 + 0.1 * expected, rel=1e-3)


def test_pcgrad_by_hand():
    """Each of two gradients that oppose each other loses its component along the other."""
    weights = solution("pcgrad", [[1.0, 0.0], [-1.0, 1.0]])
    assert weights.tolist() == pytest.approx([(1 + 1.0) / 3.5, (1 + 0.5) / 3.5])


@cases
def test_mgda_is_the_shortest(count, opposed):
    rows = gradients_of(count, 0, opposed)
    weights = solution("mgda", rows)
    direction = weights @ rows
    assert (rows @ direction >= direction @ direction * (1 - 1e-6)).all()


@cases
@pytest.mark.parametrize("method", ["upgrad", "dualproj"])
def test_projections_oppose_no_objective(count, opposed, method):
    rows = gradients_of(count, 1, opposed)
    direction = solution(method, rows) @ rows
    cosines = rows @ direction / rows.norm(dim=1) / direction.norm()
    assert (cosines >= -1e-4).all()
    assert (solution(method, rows) >= 0).all()


@cases
def test_nash_mtl_and_fairgrad_solve_their_equations(count, opposed):
    rows = gradients_of(count, 2, opposed)
    weights = solution("nash-mtl", rows)
    gains = weights * (rows @ rows.T @ weights)
    assert gains.tolist() == pytest.approx([gains.mean().item()] * count, rel=1e-3)
    weights = solution("fairgrad", rows, parameter=3.0)
    gains = weights ** (1 / 3) * (rows @ rows.T @ weights)
    assert gains.tolist() == pytest.approx([gains.mean().item()] * count, rel=1e-3)


@cases
def test_imtl_g_goes_as_far_along_every_gradient(count, opposed):
    rows = gradients_of(count, 3, opposed)
    along = rows @ (solution("imtl-g", rows) @ rows) / rows.norm(dim=1)
    assert along.tolist() == pytest.approx([along.mean().item()] * count, rel=1e-6)


@cases
def test_aligned_mtl_turns_to_orthogonal_gradients(count, opposed):
    """Its matrix B is the one for which the new gradients B G are orthogonal and equally long."""
    rows = gradients_of(count, 4, opposed)
    columns = [GramianRule("aligned-mtl", priorities=(torch.eye(count)[k] + 1e-9).tolist()) for k in range(count)]
    turned = torch.stack([rule.update(on(rows)).signals["solution"] for rule in columns]) @ rows
    products = turned @ turned.T
    assert torch.allclose(products, products[0, 0] * torch.eye(count, dtype=torch.float64), atol=1e-5 * products[0, 0])


@cases
def test_cagrad_has_the_best_worst_case_in_its_ball(count, opposed):
    rows = gradients_of(count, 5, opposed)
    weights = GramianRule("cagrad", parameter=0.5).update(on(rows)).signals["solution"]
    mean = rows.mean(dim=0)
    direction = weights @ rows
    assert (direction - mean).norm() <= 0.5 * mean.norm() * (1 + 1e-4)
    worst = (rows @ direction).min()
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        other = torch.randn(20, generator=generator, dtype=torch.float64)
        other = mean + 0.5 * mean.norm() * other / other.norm()
        assert (rows @ other).min() <= worst + 1e-4 * mean.norm() ** 2


@cases
def test_gapo_is_mgda_on_unit_gradients(count, opposed):
    rows = gradients_of(count, 6, opposed)
    lengths = rows.norm(dim=1)
    expected = solution("mgda", rows / lengths[:, None]) / lengths
    assert solution("gapo", rows).tolist() == pytest.approx((expected / expected.sum()).tolist(), rel=1e-6)


def test_priorities_reach_the_methods_that_take_them():
    apart = [[1.0, 0.0], [0.0, 1.0]]
    for method, known in METHODS.items():
        if known.prioritised:
            found = GramianRule(method, priorities={"o0": 3}).update(on(apart)).weights
            assert found.tolist() == pytest.approx([0.75, 0.25], rel=1e-3)


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(paretune.weighting.quadratic).failed == 0


# ----- whatever the Gramian


def symmetric(rows):
    upper = torch.tensor(rows, dtype=torch.float64).triu()
    return upper + upper.T


entries = st.floats(-3, 3).map(lambda x: round(x, 3))
matrices = st.integers(1, 4).flatmap(
    lambda k: st.lists(st.lists(entries, min_size=k, max_size=k), min_size=k, max_size=k).map(symmetric)
)


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=20)
@given(gramian=matrices, unit=st.sampled_from([1e-12, 1.0, 1e12]))
@pytest.mark.turns
def test_any_symmetric_matrix_gives_weights_in_any_unit(method, gramian, unit):
    """Two halves of the prompts give an indefinite one; equal or opposed gradients a singular one."""
    count = len(gramian)
    found = []
    for scale in (1.0, unit):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = GramianRule(method).update(on([[0.0]] * count, gramian=scale * gramian))
        assert (result.weights >= 0).all()
        assert result.weights.sum().item() == pytest.approx(1)
        found.append(result.weights)
    assert torch.allclose(*found, atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
def test_equal_and_opposed_gradients(method):
    for rows in ([[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]], [[1.0, 2.0]] * 4):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            weights = GramianRule(method).update(on(rows)).weights
        assert weights.tolist() == pytest.approx([1 / len(rows)] * len(rows), abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_training_draws_on_as_if_there_were_no_rule(method):
    rule, rows = GramianRule(method), gradients_of(4, 7, 2.0)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = rule.update(on(rows)).weights
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(2)
    assert torch.equal(GramianRule(method).update(on(rows)).weights, first)


def test_the_random_numbers_of_accelerators_are_left_alone(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    GramianRule("pcgrad").update(on([[2.0, 0.0], [0.0, 1.0]]))
    assert not seeded


def test_a_solver_that_fails_leaves_the_weights(monkeypatch):
    def fails(*_):
        raise RuntimeError("no\nluck")

    rule = GramianRule("mgda")
    before = rule.update(on([[2.0, 0.0], [0.0, 1.0]])).weights
    monkeypatch.setitem(METHODS, "mgda", METHODS["mgda"]._replace(solve=fails))
    with pytest.warns(UserWarning, match="mgda found no weights at step 0 \\(no luck\\): unchanged"):
        assert torch.equal(rule.update(on([[1.0, 0.0], [0.0, 2.0]])).weights, before)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_passes_the_conformance_test(method):
    check_rule(GramianRule(method), updates=100)


# ----- settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "magic"}, "`method` must be one of mgda, upgrad, .*, got 'magic'"),
        ({"method": "mgda", "parameter": 1.0}, "mgda has no `parameter`, got 1.0"),
        ({"method": "cagrad", "parameter": -1.0}, "`parameter` must be finite and above 0, got -1.0"),
        ({"method": "mgda", "priorities": [1, 2]}, "no place for `priorities`: upgrad, dualproj, aligned-mtl have"),
        ({"smoothing": math.nan}, "`smoothing`"),
    ],
)
def test_wrong_settings_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        GramianRule(**given)


@pytest.mark.parametrize(("method", "missing"), [("upgrad", "torchjd"), ("cagrad", "cvxpy"), ("dualproj", "quadprog")])
def test_without_its_library_one_line_names_the_extra(method, missing, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] in ("torchjd", missing)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'paretune\[torchjd\]'") as refused:
        GramianRule(method)
    assert "\n" not in str(refused.value)
