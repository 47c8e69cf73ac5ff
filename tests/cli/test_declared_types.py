"""Values out of YAML or JSON, and the types that settings of a rule declare."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal

import pytest

from paretune.cli.declared_types import converted, describe, fits


class Mode(Enum):
    FAST = "fast"
    SLOW = 2


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("1e-3", float, 1e-3),
        ("1e-3", float | str, "1e-3"),
        ("1e-3", float | None, 1e-3),
        (["1e-3", 2], list[float], [1e-3, 2]),
        ({"a": "1e-3"}, dict[str, float], {"a": 1e-3}),
        ({"a": ["1e-3"]}, Mapping[str, Sequence[float]] | None, {"a": [1e-3]}),
        ([1, 2, 3], tuple[int, ...], (1, 2, 3)),
        ([], tuple[int, ...], ()),
        ([1, "1e-3"], tuple[int, float], (1, 1e-3)),
        ([1, "a"], list, [1, "a"]),
        ([1, "a"], Sequence, [1, "a"]),
        ({"a": 1}, Mapping, {"a": 1}),
        ("fast", Mode, Mode.FAST),
        (2, Mode | None, Mode.SLOW),
        ("all", Literal["all"] | list[int], "all"),
        ([[1], None], Any, [[1], None]),
    ],
    ids=repr,
)
def test_what_fits_becomes_what_is_declared(value: Any, hint: Any, expected: Any) -> None:
    assert fits(value, hint)
    found = converted(value, hint)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "hint"), [([1, "a"], tuple[int, ...]), ([1], tuple[int, int]), ({"a": "b"}, dict[str, float])], ids=repr
)
def test_what_does_not_fit(value: Any, hint: Any) -> None:
    assert not fits(value, hint)


def test_types_in_words() -> None:
    assert [describe(hint) for hint in (Any, tuple[int, ...], Sequence, Mapping, Mode)] == [
        "any value", "a list", "a list", "a mapping", "one of fast, 2"
    ]  # fmt: skip
