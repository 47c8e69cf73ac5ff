"""Training data that say priorities."""

from collections import Counter
from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from paretune.steering import COLUMN, Template, lattice, steered
from paretune.steering.data import LEAST, draw
from policies import prompts

NAMES = ["a", "b", "c"]


def data(rows: Any = None, **told: Any) -> Dataset:
    options = {"concentration": 1.0, "plain_share": 0.1, "seed": 3, "repeats": True, **told}
    return steered(prompts() if rows is None else rows, Template(NAMES), **options)


def test_small_sets_are_repeated_with_fresh_draws_and_keep_their_columns() -> None:
    rows = data()
    assert len(rows) == LEAST
    assert set(rows.column_names) == {"prompt", "answer", COLUMN}
    said = [row[COLUMN] for row in rows if row["answer"] == "3"]
    assert len({tuple(priorities) for priorities in said}) > 0.7 * len(said)
    for row in rows:
        assert sum(row[COLUMN]) == pytest.approx(1)
        shown, _, prompt = row["prompt"].rpartition(" ")
        assert prompt.endswith("=")
        if shown:
            tenths = [min(10 * v, 9) for v in row[COLUMN]]
            assert [int(digit) for digit in shown.split(":")] == pytest.approx(tenths, abs=0.51)
        else:
            assert row[COLUMN] == [1 / 3] * 3


def test_draws_hang_on_the_seed_and_the_row_alone() -> None:
    short, long = data(prompts(5), repeats=False), data(prompts(16), repeats=False)
    assert len(short) == 5
    assert short[COLUMN] == long[COLUMN][:5]
    assert data(repeats=False)[COLUMN] != data(repeats=False, seed=4)[COLUMN]
    streamed = list(data(prompts(5).to_iterable_dataset()))
    assert [row[COLUMN] for row in streamed] == list(short[COLUMN])


def test_corners_centre_and_plain_prompts_are_among_them() -> None:
    drawn = [draw(3, concentration=1.0, plain_share=0.1, seed=0, number=i) for i in range(4000)]
    plain = sum(v is None for v in drawn) / 4000
    assert plain == pytest.approx(0.1, abs=0.02)
    counts = Counter(tuple(v) for v in drawn if v is not None)
    for special in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1 / 3, 1 / 3, 1 / 3)):
        assert counts[special] / 4000 == pytest.approx(0.9 * 0.1 / 4, abs=0.01)
    said = [v for v in drawn if v is not None]
    assert [sum(v[k] for v in said) / len(said) for k in range(3)] == pytest.approx([1 / 3] * 3, abs=0.02)


@given(st.integers(1, 8), st.floats(1e-3, 100), st.integers(0, 2**32 - 1), st.integers(0, 10**6))
def test_draws_are_whole_per_cent_of_the_simplex(count: int, concentration: float, seed: int, number: int) -> None:
    drawn = draw(count, concentration=concentration, plain_share=0.0, seed=seed, number=number)
    assert drawn is not None
    assert sum(drawn) == pytest.approx(1)
    assert all(0 <= value <= 1 for value in drawn)
    if drawn != [1 / count] * count:
        assert all(round(100 * value) == pytest.approx(100 * value) for value in drawn)


def test_priorities_of_ones_own_are_not_overwritten() -> None:
    with pytest.raises(ValueError, match="a column 'priorities'"):
        data(prompts().add_column(COLUMN, [1.0] * 16))


@pytest.mark.parametrize(("count", "points"), [(1, 1), (2, 11), (3, 15 + 1), (4, 10 + 1), (5, 15 + 1), (6, 6 + 1)])
def test_a_lattice_has_its_corners_and_its_centre(count: int, points: int) -> None:
    found = lattice(count)
    assert len(found) == points
    for k in range(count):
        assert [float(j == k) for j in range(count)] in found
    assert any(setting == pytest.approx([1 / count] * count) for setting in found)
    assert all(sum(setting) == pytest.approx(1) for setting in found)
    assert found[0][0] == 1
