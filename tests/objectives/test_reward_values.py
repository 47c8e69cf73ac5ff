"""What reward functions may return, as numbers; and what is none."""

import math
import warnings
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from paretune.objectives.reward_values import NoNumbersError, as_numbers

INF, NAN = math.inf, math.nan
NUMBERS: dict[str, tuple[Any, list[float]]] = {
    "floats": ([0.5, 1.5], [0.5, 1.5]),
    "whole numbers and truth values": ([2, True], [2.0, 1.0]),
    "None and NaN": ([None, NAN], [NAN, NAN]),
    "infinity": ([INF, -INF], [INF, -INF]),
    "beyond float64": ([10**400, -(10**400)], [INF, -INF]),
    "a tuple": ((1.0, 2.0), [1.0, 2.0]),
    "a generator": ((x for x in (1.0, 2.0)), [1.0, 2.0]),
    "other numbers": ([Decimal("0.5"), Fraction(1, 4)], [0.5, 0.25]),
    "numpy": (np.array([0.1, 0.2], dtype=np.float32), [float(np.float32(0.1)), float(np.float32(0.2))]),
    "numpy's numbers": ([np.float32(0.1), np.bool_(True)], [float(np.float32(0.1)), 1.0]),
    "numpy's column": (np.array([[1.0], [2.0]]), [1.0, 2.0]),
    "a tensor": (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), [1.0, 2.0]),
    "a tensor with a gradient": (torch.tensor([1.0, 2.0], requires_grad=True) * 2, [2.0, 4.0]),
    "0-dimensional tensors": ([torch.tensor(1.0), torch.tensor(True)], [1.0, 1.0]),
    "a column": (torch.tensor([[1.0], [2.0]]), [1.0, 2.0]),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_of_all_kinds(case: str) -> None:
    given, expected = NUMBERS[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = as_numbers(given, 2)
    assert all(type(value) is float for value in found)
    assert found == pytest.approx(expected, nan_ok=True, abs=0)


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs a second device")
def test_a_tensor_on_another_device() -> None:
    accelerator = torch.accelerator.current_accelerator()
    assert as_numbers(torch.tensor([1.0, 2.0], device=accelerator), 2) == [1.0, 2.0]
    assert as_numbers([torch.tensor(1.0, device=accelerator), 2.0], 2) == [1.0, 2.0]


NO_NUMBERS: dict[str, tuple[Any, str]] = {
    "nothing": (None, "returned None (NoneType), which is no list: return a number, or None, for each of the 2"),
    "one number": (1.0, "returned 1.0 (float), which is no list"),
    "a 0-dimensional tensor": (torch.tensor(1.0), "returned tensor(1.) (Tensor), which is no list"),
    "text": ("ab", "returned 'ab' (str), which is no list"),
    "a mapping": ({"a": 1.0, "b": 2.0}, "(dict), which is no list"),
    "a set": ({1.0, 2.0}, "(set), which is no list"),
    "too few": ([1.0], "returned 1 values for 2 completions: return one for each"),
    "too many": ([1.0] * 3, "returned 3 values for 2 completions"),
    "none at all": ([], "returned 0 values for 2 completions"),
    "numbers as text": ([1.0, "1.0"], "returned '1.0' (str) for completion 1, which is no number"),
    "bytes": ([b"1", 1.0], "returned b'1' (bytes) for completion 0"),
    "lists": ([[1.0], [2.0]], "returned [1.0] (list) for completion 0"),
    "a complex number": ([1j, 1.0], "returned 1j (complex) for completion 0"),
    "tensors of two elements": (torch.ones(2, 2), "returned tensor([1., 1.]) (Tensor) for completion 0"),
    "very long text": ("a\n" * 10**6, "(str), which is no list"),
}


@pytest.mark.parametrize("case", NO_NUMBERS)
def test_what_is_not_numbers_is_shown(case: str) -> None:
    given, line = NO_NUMBERS[case]
    with pytest.raises(NoNumbersError) as caught:
        as_numbers(given, 2)
    assert line in str(caught.value)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)
