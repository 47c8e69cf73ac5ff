"""Tests that take turns: which of them run with a landing.

Each runs in at least one of five landings in a row. Two kinds take turns: the cases of a test that is marked ``turns``,
in ``make test``, and the slow tests that hold the promises of docs/reliability.md, in ``make test-rotating``.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import pytest

Case = TypeVar("Case")

ROOT = Path(__file__).parents[1]
SHARES = 5
"""Landings in a row in which each test runs at least once."""
SALT = "rotating"
"""With it no share has more than two tests of tests/soak, which take longest."""


@cache
def guarding_files() -> set[str]:
    """The test files that docs/reliability.md names, relative to the repository."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    return set(re.findall(r"\(\.\./(tests/[\w/]+\.py)\)", page))


def share_of(items: Sequence[pytest.Item], number: int) -> list[pytest.Item]:
    """The tests that run with a landing.

    Args:
        items: all of them.
        number: of the landing.
    """
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("turns"):
            cases[item.nodeid.split("[")[0]].append(item)
    in_turn = {item.nodeid for of_test in cases.values() for item in its_turn(of_test, number)}

    def runs(item: pytest.Item) -> bool:
        if item.get_closest_marker("turns"):
            return item.nodeid in in_turn
        return not item.get_closest_marker("slow") or is_due(item.nodeid, number)

    return [item for item in items if runs(item)]


def its_turn(cases: Sequence[Case], number: int) -> Sequence[Case]:
    """The cases of one test that run with a landing: every fifth of them, and at least one."""
    shares = min(SHARES, len(cases))
    return cases[number % shares :: shares]


def is_due(test: str, number: int) -> bool:
    """Whether a slow test runs with a landing.

    Args:
        test: its node id, relative to the repository.
        number: of the landing. A test's share depends on its name alone, so new tests move no other.
    """
    return test.split("::")[0] in guarding_files() and crc32((SALT + test).encode()) % SHARES == number % SHARES
