"""Bayesian optimisation of fixed weights, on made-up functions and on runs made by hand."""

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest

from scripted import script

FLOOR = 0.1
TOP = (0.55, 0.3, 0.15)


@pytest.fixture(scope="module")
def sweep() -> ModuleType:
    pytest.importorskip("botorch", reason="pip install -r scripts/requirements-bayesian-sweep.txt")
    return script("bayesian_sweep")


class Concave:
    """1 − ‖w − top‖², on two seeds with a little noise."""

    def __init__(self) -> None:
        self.tried: list[Sequence[float]] = []
        self.values: list[list[float]] = []

    def __call__(self, tried: Sequence[Sequence[float]]) -> list[list[float]]:
        rng = np.random.default_rng(len(tried))
        for weights in tried[len(self.values) :]:
            self.tried.append(weights)
            worth = 1 - sum((w - top) ** 2 for w, top in zip(weights, TOP, strict=True))
            self.values.append([worth + rng.normal(0, 0.003) for _ in range(2)])
        return self.values


def test_the_top_of_a_concave_function_is_found_within_the_budget(sweep: ModuleType) -> None:
    measure = Concave()
    found = sweep.search(measure, 3, 10, FLOOR)
    assert len(measure.tried) == 10
    for weights in measure.tried:
        assert sum(weights) == pytest.approx(1.0, abs=3e-4)
        assert min(weights) >= FLOOR - 1e-4
    assert max(abs(w - top) for w, top in zip(found, TOP, strict=True)) < 0.1
    # The process knows more than the design that it began with.
    assert max(map(max, measure.values[4:])) > max(map(max, measure.values[:4]))


def test_a_sweep_goes_on_where_it_was(sweep: ModuleType) -> None:
    measure = Concave()
    first = sweep.first_weightings(2, 4, 0.0)
    assert len(first) == 2
    measure.tried, measure.values = [*first], [[0.1, 0.2], [0.3, 0.3]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "proposed", lambda tried, values, floor: [0.5, 0.5])
        sweep.search(measure, 2, 3, 0.0, first)
    assert measure.tried == [*first, [0.5, 0.5]]
