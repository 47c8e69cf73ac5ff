"""Which slow tests run with a landing: a fifth of those that hold the promises of docs/reliability.md."""

import re
from functools import cache
from pathlib import Path
from zlib import crc32

ROOT = Path(__file__).parents[1]
SHARES = 5
"""Landings in which each test runs once."""
SALT = "rotating"
"""With it no share has more than two tests of tests/soak, which take longest."""


@cache
def guarding_files() -> set[str]:
    """The test files that docs/reliability.md names, relative to the repository."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    return set(re.findall(r"\(\.\./(tests/[\w/]+\.py)\)", page))


def is_due(test: str, number: int) -> bool:
    """Whether a test runs with a landing.

    Args:
        test: its node id, relative to the repository.
        number: of the landing. A test's share depends on its name alone, so new tests move no other.
    """
    return test.split("::")[0] in guarding_files() and crc32((SALT + test).encode()) % SHARES == number % SHARES
