"""Rewarded soups of tiny policies."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
from transformers import AutoModelForCausalLM

from policies import policy
from scripted import script


@pytest.fixture(scope="module")
def soups() -> ModuleType:
    return script("soups")


def test_a_corner_is_that_run_s_policy_and_the_middle_lies_between(soups: ModuleType, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b")]
    for seed, path in enumerate(paths):
        policy(seed=seed).save_pretrained(path)
    states = [AutoModelForCausalLM.from_pretrained(path).state_dict() for path in paths]
    for weights, expected in (((1.0, 0.0), states[0]), ((0.0, 1.0), states[1])):
        found = soups.averaged(paths, weights).state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    middle = soups.averaged(paths, (0.25, 0.75)).state_dict()
    assert all(torch.allclose(middle[n], 0.25 * states[0][n] + 0.75 * states[1][n]) for n in middle)
    assert any(not torch.allclose(states[0][n], states[1][n]) for n in middle)


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_ten_points_of_the_simplex_with_all_corners(count: int, soups: ModuleType) -> None:
    searched = [[1.0] * count] + [[1.0 + 9 * ((i + k) % count == 0) + i / 7 for k in range(count)] for i in range(9)]
    found = soups.weightings(count, searched)
    assert len(found) == 10
    assert all(sum(point) == pytest.approx(1.0) for point in found)
    assert sum(max(point) == 1.0 for point in found) == count
    assert len({tuple(round(weight, 3) for weight in point) for point in found}) == 10
